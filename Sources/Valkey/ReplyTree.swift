import Bytes

/// The elements of one array reply, flat and depth first, in memory that is used again for the next.
///
/// Elements and the bytes of strings are counted against a bound; a reply beyond it is read to its end and dropped.
final class ReplyTree {
    private struct Node {
        var kind: Reply.Kind
        var integer: Int64
        var offset: Int
        var length: Int
    }

    private var nodes: [Node] = []
    private var bytes = ByteBuffer()
    private let bytesMax: Int
    private(set) var isTooLarge = false

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    var isEmpty: Bool { nodes.isEmpty && !isTooLarge }

    func removeAll() {
        if nodes.capacity > 1024 { nodes = [] } else { nodes.removeAll(keepingCapacity: true) }
        bytes.removeAll(keepingCapacityUpTo: 64 << 10)
        isTooLarge = false
    }

    func append(_ kind: Reply.Kind, _ view: ByteView, _ integer: Int64) {
        guard !isTooLarge else { return }
        guard bytes.count + view.count + nodes.count * MemoryLayout<Node>.stride <= bytesMax else {
            isTooLarge = true
            nodes = []
            bytes.removeAll(keepingCapacityUpTo: 0)
            return
        }
        nodes.append(Node(kind: kind, integer: integer, offset: bytes.count, length: view.count))
        bytes.append(view)
    }

    func reply(at index: Int) -> Reply {
        let node = nodes[index]
        return Reply(
            kind: node.kind,
            bytes: bytes.view[node.offset..<(node.offset + node.length)],
            integer: node.integer,
            tree: node.kind == .array ? self : nil,
            index: index
        )
    }

    /// Index of what follows the element at `index` and all that is inside it.
    func end(of index: Int) -> Int {
        var next = index
        var left = 1
        while left > 0 {
            left -= 1
            if nodes[next].kind == .array { left += Int(nodes[next].integer) }
            next += 1
        }
        return next
    }
}

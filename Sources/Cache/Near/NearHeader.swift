import Bytes
import Linux
import Store

/// Where an entry lies: a page and a block of it.
struct BlockReference: Equatable {
    /// Most blocks of a page.
    static let blocksMax = 1 << 12
    /// Most pages; the last number would make what ``none`` is.
    static let pagesMax = (1 << 20) - 1
    /// No block.
    static let none = BlockReference(rawValue: .max)

    /// Page and block in one word.
    let rawValue: UInt32

    init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    init(page: Int, block: Int) {
        precondition(page < BlockReference.pagesMax && block < BlockReference.blocksMax, "there is no such block")
        rawValue = UInt32(page) << 12 | UInt32(block)
    }

    var page: Int { Int(rawValue >> 12) }
    var block: Int { Int(rawValue & 0xfff) }
}

/// What stands before the bytes of an entry: 32 bytes, and the name and the value behind them.
struct NearHeader {
    /// The neighbours in the entry's queue, towards its front and towards its back.
    var next = BlockReference.none
    var previous = BlockReference.none
    /// The half of the name's hash that the index knows.
    var hash: UInt32 = 0
    /// Length of the value in bytes.
    var valueCount: UInt32 = 0
    /// When the entry is no longer served.
    var expiry = Instant.distantFuture
    /// Length of the name in bytes; 0 in a block that is free.
    var nameCount: UInt16 = 0
    /// Number of the namespace.
    var namespace: UInt16 = 0
    /// How the value is handed out.
    var form = NearForm.json
    /// Which queue the entry stands in.
    var queue = NearQueueName.small
    /// Times that it was found since it was last looked at by the eviction, 3 at most.
    var uses: UInt8 = 0
}

/// Which of the two queues an entry stands in.
enum NearQueueName: UInt8 {
    /// What has not yet shown that it is asked for again.
    case small
    /// What was asked for again.
    case main
}

/// How a value is handed out; its bytes are JSON in each case.
enum NearForm: UInt8 {
    /// As `value`.
    case json
    /// As `text`.
    case text
    /// As `base64`.
    case base64
    /// As what ``NearGuard`` says, which stands before the value.
    case guarded

    init(_ form: StoredValue.Form) {
        self =
            switch form {
            case .json: .json
            case .text: .text
            case .base64: .base64
            }
    }
}

/// An entry found in the near cache, lent until the near cache changes.
struct NearHit {
    /// The value as JSON text of one line.
    let value: ByteView
    /// Under which name it is handed out.
    let form: NearForm
    /// When it ends; ``Instant/distantFuture`` for no end.
    let expiry: Instant
}

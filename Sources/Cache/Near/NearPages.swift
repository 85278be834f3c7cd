import Bytes
import Glibc

/// The memory of the near cache: pages of 64 KiB, each cut into blocks of one size, and pages of one block for what is
/// large.
///
/// Sizes grow by an eighth, so at most a ninth of a block is wasted. A page whose last block is freed is given back,
/// and can become one of another size.
@safe
struct NearPages: ~Copyable {
    /// A page, or a number that no page has now.
    @safe
    private struct Page {
        // Freed where the page is dropped.
        var base: UnsafeMutableRawPointer?
        var bytes = 0
        var blockBytes = 0
        /// Index of its size among ``sizes``; nil for a page of one large block.
        var size: Int?
        var used = 0
        /// Blocks handed out at least once; those behind them are free too.
        var begun = 0
        /// The block that was freed last, whose first word names the one before it; -1 for none.
        var free: Int32 = -1
        /// Its place among the pages of its size with free blocks; nil where it has none.
        var place: Int?

        init(base: UnsafeMutableRawPointer? = nil) {
            unsafe self.base = unsafe base
        }
    }

    /// Numbers that pages had and no page has now.
    private final class SpareNumbers {
        var numbers: [Int] = []
        /// Most pages at a time.
        let most: Int

        init(most: Int) {
            self.most = most
        }
    }

    /// Size of a page of several blocks, in bytes.
    static let pageBytes = 64 << 10
    /// Bytes that the processor fetches together.
    static let lineBytes = 64
    /// The largest block that shares a page, in bytes.
    private static let sharedMax = 8 << 10
    /// Block sizes in bytes, ascending.
    private static let sizes: [Int] = {
        var sizes = [64]
        while let last = sizes.last, last < sharedMax {
            sizes.append(min(max(last + 16, (last * 9 / 8 + 15) & ~15), sharedMax))
        }
        return sizes
    }()
    /// Index of the smallest size that holds so many units of 16 bytes.
    private static let sizeByUnits: [UInt8] = (0...(sharedMax / 16)).map { units in
        UInt8(sizes.firstIndex { $0 >= units * 16 } ?? 0)
    }

    private var pages: [Page] = []
    // An object: what stands here is copied where a page is looked up, and more words would cost a call there.
    private let spare: SpareNumbers
    private var open: [[Int]] = Array(repeating: [], count: sizes.count)
    /// Memory held, in bytes.
    private(set) var bytes = 0

    /// No page yet.
    ///
    /// - Parameter numbersMax: Most pages at a time.
    init(numbersMax: Int = BlockReference.pagesMax) {
        spare = SpareNumbers(most: numbersMax)
    }

    deinit {
        for index in pages.indices { unsafe free(pages[index].base) }
    }

    /// Numbers that pages have or had: 0 ..< this.
    var numbers: Int { pages.count }

    /// Memory that the next block for `count` bytes takes beyond ``bytes``; 0 where a page has room.
    func growthBytes(for count: Int) -> Int {
        guard count <= NearPages.sharedMax else { return NearPages.largeBytes(count) }
        return open[NearPages.size(for: count)].isEmpty ? NearPages.pageBytes : 0
    }

    /// Whether there is a number for the page that the next block for `count` bytes takes, where it takes one.
    func hasNumber(for count: Int) -> Bool {
        !spare.numbers.isEmpty || pages.count < spare.most || growthBytes(for: count) == 0
    }

    /// Takes a block for `count` bytes, header included, where ``hasNumber(for:)`` says so.
    mutating func allocate(_ count: Int) -> BlockReference {
        guard count <= NearPages.sharedMax else { return makePage(nil, NearPages.largeBytes(count), blocks: 1) }
        let size = NearPages.size(for: count)
        guard let number = open[size].last else { return makePage(size, NearPages.pageBytes, blocks: nil) }
        return takeBlock(of: number)
    }

    /// Gives a block back.
    ///
    /// - Returns: Whether its page went with it.
    mutating func release(_ reference: BlockReference) {
        let number = reference.page
        unsafe header(reference).pointee.nameCount = 0
        unsafe UnsafeMutableRawPointer(header(reference)).storeBytes(of: pages[number].free, as: Int32.self)
        pages[number].free = Int32(reference.block)
        pages[number].used -= 1
        if pages[number].used == 0 { return dropPage(number) }
        guard let size = pages[number].size, pages[number].place == nil else { return }
        pages[number].place = open[size].count
        open[size].append(number)
    }

    /// Gives every page back.
    mutating func removeAll() {
        for index in pages.indices { unsafe free(pages[index].base) }
        pages = []
        spare.numbers = []
        for size in open.indices { open[size] = [] }
        bytes = 0
    }

    /// The header of a block; name and value follow it.
    @unsafe
    func header(_ reference: BlockReference) -> UnsafeMutablePointer<NearHeader> {
        guard let base = unsafe pages[reference.page].base else { preconditionFailure("a block lies in a page") }
        let offset = reference.block * pages[reference.page].blockBytes
        return unsafe (base + offset).assumingMemoryBound(to: NearHeader.self)
    }

    /// Size of a block in bytes.
    func blockBytes(_ reference: BlockReference) -> Int { pages[reference.page].blockBytes }

    /// Bytes of a page in use; 0 for a number that no page has.
    func usedBytes(ofPage number: Int) -> Int { pages[number].used * pages[number].blockBytes }

    /// The blocks of a page that hold entries.
    func entries(ofPage number: Int) -> [BlockReference] {
        let begun = unsafe pages[number].base == nil ? 0 : pages[number].begun
        return (0..<begun).map { BlockReference(page: number, block: $0) }
            .filter { unsafe header($0).pointee.nameCount > 0 }
    }

    private static func size(for count: Int) -> Int { Int(sizeByUnits[(count + 15) / 16]) }

    private static func largeBytes(_ count: Int) -> Int { (count + lineBytes - 1) & ~(lineBytes - 1) }

    private mutating func makePage(_ size: Int?, _ pageBytes: Int, blocks: Int?) -> BlockReference {
        // From the beginning of a line of the processor's cache: blocks of 64 and 128 bytes then lie in no more than they
        // must.
        guard let memory = unsafe aligned_alloc(NearPages.lineBytes, pageBytes) else {
            fatalError("out of memory: \(pageBytes) bytes")
        }
        let number = spare.numbers.popLast() ?? pages.count
        if number == pages.count { unsafe pages.append(Page()) }
        pages[number] = unsafe Page(base: memory)
        pages[number].bytes = pageBytes
        pages[number].size = size
        pages[number].blockBytes = size.map { NearPages.sizes[$0] } ?? pageBytes
        bytes += pageBytes
        if let size {
            pages[number].place = open[size].count
            open[size].append(number)
        }
        return takeBlock(of: number)
    }

    private mutating func takeBlock(of number: Int) -> BlockReference {
        let free = pages[number].free
        let block = free >= 0 ? Int(free) : pages[number].begun
        let reference = BlockReference(page: number, block: block)
        if free >= 0 {
            let next = unsafe UnsafeMutableRawPointer(header(reference)).load(as: Int32.self)
            pages[number].free = next
        } else {
            pages[number].begun += 1
        }
        pages[number].used += 1
        let isFull = (pages[number].used + 1) * pages[number].blockBytes > pages[number].bytes
        if isFull { close(number) }
        return reference
    }

    private mutating func dropPage(_ number: Int) {
        close(number)
        bytes -= pages[number].bytes
        unsafe free(pages[number].base)
        unsafe pages[number] = Page()
        spare.numbers.append(number)
    }

    /// Takes a page off those with free blocks.
    private mutating func close(_ number: Int) {
        guard let size = pages[number].size, let place = pages[number].place else { return }
        pages[number].place = nil
        let last = open[size].removeLast()
        guard last != number else { return }
        open[size][place] = last
        pages[last].place = place
    }
}

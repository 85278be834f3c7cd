public import Bytes
public import Crypto
import Glibc
import Linux
public import Observability

/// Writes an audit file on a thread of its own: who hands over a record never waits for a disk.
///
/// A record is on its way when ``append(_:)`` returns, and in the file some milliseconds later; once a second the file is
/// on the disk, with the state that the chain goes on from. A crash of the machine may lose that second, and a crash of
/// the agent the milliseconds; neither leaves a file that seems to be changed.
public final class AuditWriter: Sendable {
    /// Most records that wait to be written.
    public static let recordsMax = 8192
    /// Most bytes that they have.
    static let bytesMax = 4 << 20

    /// How the writer is.
    public struct Status: Equatable, Sendable {
        /// Records written since the start.
        public var written: UInt64 = 0
        /// Records lost since the start because the file could not be written.
        public var dropped: UInt64 = 0
        /// Why the file cannot be written now; nil while it can.
        public var fault: String?
        /// Whether no further record can be taken.
        public var isFull = false
    }

    private struct Queue {
        var records: [[UInt8]] = []
        var bytes = 0
        var isReopenWanted = false
        var isStopping = false
        var hasEnded = false
        var status = Status()
        /// Records lost since the last one that tells of it.
        var untold: UInt64 = 0

        /// Whether no further record can be taken.
        var isFull: Bool { records.count >= AuditWriter.recordsMax || bytes >= AuditWriter.bytesMax }
    }

    private let path: String
    private let statePath: String
    private let log: Log
    private let objectKey: [UInt8]
    private let lock = ThreadLock()
    // Guarded by `lock`.
    nonisolated(unsafe) private var queue = Queue()
    private let wakeup: EventCounter
    // Touched by the writer's thread alone, after the start.
    nonisolated(unsafe) private var file: AuditFile
    private let period: Duration

    /// Why a file cannot be written at all.
    public struct Fault: Error, Equatable, Sendable, CustomStringConvertible {
        /// One line.
        public let description: String
    }

    /// Opens the file and goes on with its chain, or begins one; writes nothing before ``start()``.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - statePath: Where the chain's state is kept, `audit.state` in the state directory.
    ///   - log: Where heads of the chain, and trouble, are told.
    ///   - period: How often the state is written.
    ///   - key: Gives the key that a new chain begins with; not asked where a state is there.
    /// - Throws: ``Fault``.
    public init(
        path: String,
        statePath: String,
        log: Log,
        period: Duration = .seconds(1),
        key: () throws(AuditKey.Fault) -> SecretBytes
    ) throws(Fault) {
        self.path = path
        self.statePath = statePath
        self.log = log
        self.period = period
        do throws(AuditKey.Fault) {
            var state = try AuditState.read(statePath)
            if state == nil { state = AuditState(key: try key()) }
            guard let state else { preconditionFailure("there is a state by now") }
            objectKey = state.objectKey
            unsafe file = AuditFile(path: path, statePath: statePath, state: state)
        } catch {
            throw Fault(description: error.description)
        }
        do throws(SystemError) {
            wakeup = try EventCounter()
            try Directory.make(Directory.parent(of: statePath), mode: 0o700)
            let caughtUp = try unsafe file.open()
            try unsafe file.writeState()
            if caughtUp > 0 {
                log.notice("the audit chain goes on behind what a crash left", ["lines": "\(caughtUp)"])
            }
        } catch {
            throw Fault(description: "\(path) cannot be written: \(error)")
        }
    }

    /// Starts the thread.
    public func start() {
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        unsafe pthread_attr_setstacksize(&attributes, 256 * 1024)
        var thread = pthread_t()
        let argument = unsafe Unmanaged.passRetained(self).toOpaque()
        let status = unsafe pthread_create(
            &thread,
            &attributes,
            { argument in
                if let argument = unsafe argument {
                    unsafe Unmanaged<AuditWriter>.fromOpaque(argument).takeRetainedValue().run()
                }
                return nil
            },
            argument
        )
        unsafe pthread_attr_destroy(&attributes)
        precondition(status == 0, "no thread for the audit file")
    }

    /// Hands over a record.
    ///
    /// - Parameters:
    ///   - members: Members of its object, without braces and without a line break.
    ///   - isPromised: Whether the queue had room when that began which the record tells of: it is taken though the queue
    ///     is full by now. What may run at once bounds how many such records there are.
    /// - Returns: Whether it was taken; a record that was not is counted as dropped.
    @discardableResult
    public func append(_ members: ByteView, isPromised: Bool = false) -> Bool {
        let (isTaken, isFirst) = lock.withLock { () -> (Bool, Bool) in
            let hasRoom = unsafe !queue.isFull && queue.bytes + members.count <= AuditWriter.bytesMax
            guard hasRoom || isPromised, unsafe !queue.isStopping else {
                unsafe queue.status.dropped += 1
                unsafe queue.untold += 1
                return (false, false)
            }
            unsafe queue.records.append(members.copy())
            unsafe queue.bytes += members.count
            return (true, unsafe queue.records.count == 1)
        }
        if isFirst { wakeup.signal() }
        return isTaken
    }

    /// How the writer is.
    public var status: Status {
        lock.withLock {
            var status = unsafe queue.status
            status.isFull = unsafe queue.isFull
            return status
        }
    }

    /// A name for an object, such as a key or a token, by which its records are found and which tells nothing of it.
    ///
    /// - Returns: 32 hexadecimal digits.
    public func pseudonym(of object: ByteView) -> String {
        let code = objectKey.withByteView { KeyDerivation.hmac(key: $0, object) }
        return Hexadecimal.text(of: Array(code.prefix(16)))
    }

    /// Has the file at the path opened anew, after what waits was written: a log that is rotated has been renamed.
    public func reopen() {
        lock.withLock { unsafe queue.isReopenWanted = true }
        wakeup.signal()
    }

    /// Writes what waits, and the state, and ends the thread; blocks, at most for `limit` where the disk is full.
    public func stop(within limit: Duration) {
        lock.withLock { unsafe queue.isStopping = true }
        wakeup.signal()
        let deadline = Instant.now.advanced(by: limit)
        while !lock.withLock({ unsafe queue.hasEnded }), Instant.now < deadline { usleep(1000) }
    }
}

// MARK: The thread

extension AuditWriter {
    /// How often a file that cannot be written is tried again, in milliseconds.
    private static let retryMilliseconds: Int32 = 100

    private func run() {
        var isDirty = false
        var stateDue = Instant.distantFuture
        while true {
            let due = unsafe min(isDirty ? stateDue : .distantFuture, file.headDue ?? .distantFuture)
            wait(unsafe file.hasUnwritten ? AuditWriter.retryMilliseconds : untilDue(due))
            let (records, isReopenWanted, isStopping, untold) = take()
            if unsafe !file.hasUnwritten || isReopenWanted { tellDropped(untold) } else { restore(untold) }
            for record in records { record.withByteView { unsafe file.add($0) } }
            let before = unsafe file.count
            write()
            if isReopenWanted { reopenNow() }
            if unsafe file.count > before, !isDirty {
                isDirty = true
                stateDue = Instant.now.advanced(by: period)
            }
            if isDirty, unsafe !file.hasUnwritten, isStopping || Instant.now >= stateDue {
                isDirty = false
                writeState()
            }
            if unsafe !file.hasUnwritten, unsafe file.isHeadDue || isStopping && file.headDue != nil { tellHead() }
            guard isStopping else { continue }
            lock.withLock { unsafe queue.hasEnded = true }
            return
        }
    }

    private func untilDue(_ due: Instant) -> Int32 {
        due == .distantFuture ? -1 : Int32(clamping: max(0, due.milliseconds(since: .now) + 1))
    }

    private func wait(_ milliseconds: Int32) {
        var entry = pollfd(fd: wakeup.descriptor.number, events: Int16(POLLIN), revents: 0)
        if unsafe poll(&entry, 1, milliseconds) > 0 { wakeup.reset() }
    }

    private func take() -> (records: [[UInt8]], isReopenWanted: Bool, isStopping: Bool, untold: UInt64) {
        lock.withLock {
            // While the file cannot be written, records stay in the queue, whose length is bounded.
            let isBlocked = unsafe file.hasUnwritten && !queue.isReopenWanted
            let records = unsafe isBlocked ? [] : queue.records
            if !isBlocked {
                unsafe queue.records.removeAll(keepingCapacity: queue.records.capacity <= 1024)
                unsafe queue.bytes = 0
            }
            let isReopenWanted = unsafe queue.isReopenWanted
            let untold = unsafe queue.untold
            unsafe queue.isReopenWanted = false
            unsafe queue.untold = 0
            return unsafe (records, isReopenWanted, queue.isStopping, untold)
        }
    }

    private func restore(_ untold: UInt64) {
        if untold > 0 { lock.withLock { unsafe queue.untold += untold } }
    }

    /// Has the file itself say that records are missing, and how many.
    private func tellDropped(_ untold: UInt64) {
        guard untold > 0 else { return }
        let time = CalendarTime.text(WallClock.milliseconds)
        "\"time\":\"\(time)\",\"event\":\"dropped\",\"records\":\(untold)".withByteView { unsafe file.add($0) }
    }

    private func write() {
        let fault: SystemError?
        do throws(SystemError) {
            try unsafe file.write()
            fault = nil
        } catch {
            fault = error
        }
        let (isNew, isOver) = lock.withLock { () -> (Bool, Bool) in
            let isNew = unsafe fault != nil && queue.status.fault == nil
            let isOver = unsafe fault == nil && queue.status.fault != nil
            unsafe queue.status.fault = fault?.reason
            unsafe queue.status.written = file.count
            return (isNew, isOver)
        }
        if isNew, let fault { log.error("the audit file cannot be written", ["file": path, "reason": fault.reason]) }
        if isOver { log.notice("the audit file can be written again", ["file": path]) }
    }

    private func writeState() {
        do throws(SystemError) {
            try unsafe file.writeState()
        } catch {
            log.error("the state of the audit chain cannot be written", ["file": statePath, "reason": error.reason])
        }
    }

    /// Puts the chain's head where the file's owner cannot reach it: lines that vanish at the end are missed then.
    private func tellHead() {
        let head = unsafe file.tellHead()
        log.notice("audit head", ["head": "\(head.sequence):\(head.code)"])
    }

    private func reopenNow() {
        do throws(SystemError) {
            if unsafe !file.hasUnwritten { try unsafe file.writeState() }
            _ = try unsafe file.open()
        } catch {
            log.error("the audit file cannot be opened again", ["file": path, "reason": error.reason])
        }
        tellHead()
        write()
    }
}

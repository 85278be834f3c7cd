import Bytes
import CMicroHTTPD
public import EventLoop
import Glibc
public import Linux

/// Answers HTTP requests on the event loop: few, short, and only reads.
///
/// libmicrohttpd reads and writes; the loop polls for it. Each connection has 16 KiB for its request's head and ten
/// seconds to be idle. Whatever the answer is, it is made at once.
@EventLoop
@safe
public final class HTTPServer: DescriptorHandler {
    /// A request to be answered.
    public struct Request {
        /// Such as `GET`.
        public let method: String
        /// From `/` up to a `?`.
        public let path: String
        /// The header `Accept`; empty where it is missing.
        public let accept: String
        /// The header `Host`; nil where it is missing.
        public let host: String?
    }

    /// An answer.
    public struct Response {
        /// The status, from 200 to 599.
        public var status: UInt32
        /// The header `Content-Type`.
        public var contentType: StaticString
        /// The body.
        public var body: [UInt8]
        /// What methods there are, for status 405.
        public var allow: StaticString?

        /// An answer of text.
        public init(_ status: UInt32, _ contentType: StaticString, _ body: [UInt8], allow: StaticString? = nil) {
            self.status = status
            self.contentType = contentType
            self.body = body
            self.allow = allow
        }
    }

    /// Why nothing can be served.
    public enum Fault: Error {
        /// The library is not installed, or not of a version that is known.
        case libraryMissing
        /// The library cannot serve the socket.
        case refused
    }

    /// Most connections at once; more wait until one of these ends.
    public static let connectionsMax: UInt32 = 16
    /// Seconds after which an idle connection is closed.
    public static let idleSecondsMax: UInt32 = 10

    /// A time, and how often the library is let run in it at most: more than enough for those who ask.
    private static let periodLength = Duration.milliseconds(100)
    private static let runsMax = 200

    private let answer: @EventLoop (Request) -> Response
    private let server: UnsafeMutablePointer<squire_http_server>
    private var registration: Registration?
    private var timer: TimerID?
    /// When the present period began, and how often the library was let run in it.
    private var period = (begun: Instant(nanoseconds: 0), runs: 0)
    // Watched, and closed by the library.
    private var watched: FileDescriptor?

    /// Serves `listener` from now on.
    ///
    /// - Parameters:
    ///   - listener: A listening socket that does not block.
    ///   - answer: Answers a request at once.
    /// - Throws: ``Fault``, or ``SystemError`` of epoll_ctl(2).
    public init(
        _ listener: consuming FileDescriptor,
        _ answer: @escaping @EventLoop (Request) -> Response
    ) throws {
        self.answer = answer
        unsafe server = .allocate(capacity: 1)
        unsafe server.initialize(to: squire_http_server())
        guard unsafe squire_http_load(server) == 0 else { throw Fault.libraryMissing }
        unsafe server.pointee.owner = Unmanaged.passUnretained(self).toOpaque()
        unsafe server.pointee.handler = { owner, request in
            guard let owner = unsafe owner, let request = unsafe request else { return 0 }
            let server = unsafe Unmanaged<HTTPServer>.fromOpaque(owner).takeUnretainedValue()
            return EventLoop.assumeIsolatedUnchecked { unsafe server.serve(request) }
        }
        guard unsafe squire_http_start(server, listener.number, Self.connectionsMax, Self.idleSecondsMax) == 0 else {
            throw Fault.refused
        }
        _ = listener.release()
        let number = unsafe squire_http_descriptor(server)
        guard number >= 0 else { throw Fault.refused }
        let descriptor = FileDescriptor(owning: number)
        do throws(SystemError) {
            registration = try EventLoop.reactor.add(descriptor, .readable, handler: self)
        } catch {
            _ = descriptor.release()
            throw error
        }
        watched = consume descriptor
    }

    isolated deinit {
        unsafe server.deallocate()
    }

    /// Serves nobody any more.
    public func close() {
        if let registration { EventLoop.reactor.remove(registration) }
        registration = nil
        _ = watched.take()?.release()
        if let timer { EventLoop.reactor.timers.cancel(timer) }
        timer = nil
        unsafe squire_http_stop(server)
    }

    /// Lets the library do what there is to do.
    ///
    /// Where it cannot, as without a free descriptor to accept a connection with, it is asked in vain, over and over: it
    /// is left alone for the rest of a period in which it was let run often.
    public func descriptorReady(_ readiness: Readiness) {
        let now = EventLoop.reactor.now
        if now.nanoseconds(since: period.begun) >= Self.periodLength.wholeNanoseconds { period = (now, 0) }
        period.runs += 1
        if period.runs >= Self.runsMax, let registration {
            EventLoop.reactor.modify(registration, [])
            EventLoop.reactor.timers.schedule(after: Self.periodLength) {
                guard let registration = self.registration else { return }
                EventLoop.reactor.modify(registration, .readable)
            }
        }
        run()
    }

    private func run() {
        if let timer { EventLoop.reactor.timers.cancel(timer) }
        timer = nil
        let milliseconds = unsafe squire_http_run(server)
        guard milliseconds >= 0 else { return }
        // Work that is left comes in the next turn, so that nobody else waits for it.
        let next = milliseconds == 0 ? EventLoop.reactor.now : Instant.now.advanced(milliseconds: milliseconds)
        timer = EventLoop.reactor.timers.schedule(at: next) {
            self.timer = nil
            self.run()
        }
    }

    @unsafe
    private func serve(_ request: UnsafePointer<squire_http_request>) -> Int32 {
        let fields = unsafe request.pointee
        let response = unsafe answer(
            Request(
                method: String(cString: fields.method),
                path: String(cString: fields.path),
                accept: fields.accept.map { unsafe String(cString: $0) } ?? "",
                host: fields.host.map { unsafe String(cString: $0) }
            )
        )
        return response.body.withByteView { body in
            unsafe body.withUnsafeBytes { bytes, count in
                var reply = unsafe squire_http_reply()
                unsafe reply.status = response.status
                unsafe reply.content_type = response.contentType.characters
                unsafe reply.allow = response.allow?.characters
                unsafe reply.body = bytes
                unsafe reply.length = count
                return unsafe squire_http_answer(request, &reply)
            }
        }
    }
}

extension StaticString {
    /// The text with a zero behind it, as C has it.
    fileprivate var characters: UnsafePointer<CChar> {
        unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}

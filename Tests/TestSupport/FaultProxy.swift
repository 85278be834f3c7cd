import Glibc
import Linux

/// A proxy on a thread of its own that passes bytes on between clients and a server, and does them harm as told.
///
/// It may stand between the agent and Valkey, or between a client and the agent. What it does can be changed at any
/// time, and is in force when the call that changes it returns. Delays are drawn from a seed: the same seed, the same
/// delays.
public final class FaultProxy: Sendable {
    /// Where clients connect to.
    public let address: StreamAddress
    private let control: FaultProxyControl
    private let thread: BackgroundThread

    fileprivate init(
        at front: StreamAddress,
        to back: StreamAddress,
        seed: UInt64,
        isRecording: Bool
    ) throws(SystemError) {
        let control = try FaultProxyControl()
        let (number, address) = try front.listen()
        thread = BackgroundThread {
            let loop = FaultProxyLoop(
                control: control,
                listener: FileDescriptor(owning: number),
                front: address,
                back: back,
                seed: seed,
                isTapped: isRecording
            )
            loop.run()
        }
        self.control = control
        self.address = address
    }

    /// What is done to the bytes that pass.
    public var faults: Faults {
        get { control.currentFaults }
        set { control.order { $0.faults = newValue } }
    }

    /// What passed since the start.
    public var counters: Counters { control.currentCounters() }

    /// The commands that clients sent since the start, or since ``forgetCommands()``, in the order of their arrival.
    ///
    /// Nothing is recorded unless the proxy was made to.
    public var commands: [Command] { control.commands() }

    /// Empties ``commands``.
    public func forgetCommands() { control.forgetCommands() }

    /// Arms one reset: of the connection on which a request comes next, when exactly so many further bytes went on.
    ///
    /// - Parameters:
    ///   - offset: Bytes that go on before the reset, from 0: the reset then comes with the first byte.
    ///   - direction: Whether the bytes of requests or of replies count.
    public func reset(afterBytes offset: Int, of direction: Direction) {
        control.order { $0.armedReset = FaultProxyControl.ArmedReset(direction: direction, offset: offset) }
    }

    /// Resets all connections that are open.
    public func resetConnections() {
        control.order { $0.resetsAll = true }
    }

    /// Half-closes all connections that are open: what is on its way in `direction` arrives, then the end of the stream.
    public func finishSending(_ direction: Direction) {
        control.order { $0.finishedDirections.append(direction) }
    }

    fileprivate func end() {
        control.order { $0.isOver = true }
        control.wake.signal()
        thread.join()
    }
}

/// Runs `body` with a proxy, which ends with it.
///
/// - Parameters:
///   - server: Where the proxy connects to for each of its clients.
///   - front: Where it listens; nil for a free port of the loopback interface.
///   - seed: Of the delays.
///   - isRecording: Whether the commands that pass are recorded: ``FaultProxy/commands``.
///   - body: Receives the running proxy.
/// - Returns: What `body` returned.
/// - Throws: What `body` throws, or `SystemError` where the proxy cannot listen.
public func withFaultProxy<Result>(
    to server: StreamAddress,
    at front: StreamAddress = .loopback(port: 0),
    seed: UInt64 = 1,
    isRecording: Bool = false,
    _ body: (FaultProxy) async throws -> Result
) async throws -> Result {
    let proxy = try FaultProxy(at: front, to: server, seed: seed, isRecording: isRecording)
    defer { proxy.end() }
    return try await body(proxy)
}

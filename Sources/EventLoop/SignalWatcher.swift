public import Linux

/// Tells the loop of the signals that the process receives.
@EventLoop
public final class SignalWatcher: DescriptorHandler {
    private let descriptor: SignalDescriptor
    private let action: @EventLoop (Int32) -> Void

    /// Collects `signals` from now on; `action` gets each one's number.
    ///
    /// - Throws: ``SystemError`` of signalfd(2).
    public init(_ signals: [Int32], _ action: @escaping @EventLoop (Int32) -> Void) throws(SystemError) {
        descriptor = try SignalDescriptor(signals)
        self.action = action
        _ = try EventLoop.reactor.add(descriptor.descriptor, .readable, handler: self)
    }

    /// Hands on the signals that have come.
    public func descriptorReady(_ readiness: Readiness) {
        while let signal = descriptor.next() {
            action(signal)
        }
    }
}

/// A call that ended in a way that somebody may want to look into.
public struct NotableCall: Sendable {
    /// The method's number.
    public let method: Int
    /// Name of the error that it was answered with; nil for a result.
    public let failure: StaticString?
    /// How long it took, in nanoseconds; 0 where it was answered in the turn in which it came.
    public let nanoseconds: Int64
    /// Whether it took as long as ``CallTable/slowNanoseconds`` or longer.
    public let isSlow: Bool
    /// Who called, by the kernel's word.
    public let userID: UInt32
    /// Where it belongs in its caller's trace.
    public let trace: TraceContext?
}

/// Who is told of calls that failed or were slow.
public protocol CallObserver: AnyObject {
    /// A call failed or was slow; its answer is written by now.
    func ended(_ call: NotableCall)
}

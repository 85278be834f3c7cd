/// What is wrong with a policy, in words that begin with the member at fault.
public struct PolicyFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// The fault: one line.
    public let description: String

    /// Records a fault.
    public init(_ description: String) {
        self.description = description
    }
}

/// Every fault of a policy.
public struct PolicyFaults: Error, Equatable, Sendable, CustomStringConvertible {
    /// At least one.
    public let faults: [PolicyFault]

    /// Records faults.
    public init(faults: [PolicyFault]) {
        self.faults = faults
    }

    /// The faults, a line each.
    public var description: String { faults.map(\.description).joined(separator: "\n") }
}

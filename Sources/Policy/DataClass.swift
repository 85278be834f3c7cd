public import Contract
public import JSON
public import JSONRPC

/// How sensitive the data of a namespace is, and what follows from that.
public enum DataClass: String, CaseIterable, Comparable, Sendable {
    /// Anybody may know it.
    case `public`
    /// Nobody outside needs to know it: what a namespace is unless it says otherwise.
    case `internal`
    /// Harm follows where others learn it.
    case confidential
    /// Grave harm follows where others learn it.
    case restricted

    /// Orders by sensitivity, the least first.
    public static func < (left: DataClass, right: DataClass) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .public: 0
        case .internal: 1
        case .confidential: 2
        case .restricted: 3
        }
    }

    /// Whether data may only be stored encrypted: sessions always are, cache entries and hashes never.
    public var isEncryptedAtRest: Bool { self >= .confidential }
    /// Whether copies may be kept in the agent's memory, where they lie in plain text.
    public var mayBeNear: Bool { self < .restricted }
    /// Longest life of anything in the namespace in milliseconds: 30 days or one; nil for no bound.
    public var lifeMillisecondsMax: Int64? {
        switch self {
        case .public, .internal: nil
        case .confidential: 2_592_000_000
        case .restricted: 86_400_000
        }
    }

    /// Whether a call in the namespace is recorded, whatever the classes of the audit are.
    public func isRecorded(_ method: Method) -> Bool {
        switch self {
        case .public, .internal: false
        case .confidential: method.idempotency != .read
        case .restricted: true
        }
    }

    /// Why the class does not allow a call in a namespace of it; nil where it does.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - arguments: Its parameters.
    public func fault(of method: Method, _ arguments: Arguments) -> RPCError? {
        if isEncryptedAtRest, method.storesInPlainText {
            return RPCError(
                .forbidden,
                "the namespace is \(rawValue) and \(method.group.rawValue) stores what it is given as it is: keep it in a"
                    + " session, which is encrypted",
                outcome: .notApplied
            )
        }
        guard let limit = lifeMillisecondsMax, method.group == .session else { return nil }
        // What the call does not name is at its default, which the class may not allow either.
        for (parameter, standard) in method.lives {
            guard (arguments.value(of: parameter, in: method)?.wholeNumber ?? standard) > limit else { continue }
            return .invalidParams(
                "must be at most \(limit) in this namespace, which is \(rawValue); the default is \(standard)",
                parameter: "\(parameter)"
            )
        }
        return nil
    }
}

extension Method {
    /// Whether the method puts data into Valkey as they are.
    fileprivate var storesInPlainText: Bool {
        idempotency != .read && ["cache", "hash", "response"].contains(group.rawValue)
            && !["delete", "invalidate", "fail", "touch"].contains { "\(name)".hasSuffix(".\($0)") }
    }

    /// Parameters that are lives, with their defaults in milliseconds (`proto/session.create.json`).
    fileprivate var lives: [(StaticString, Int64)] {
        self == .sessionCreate ? [("idle_ms", 86_400_000), ("lifetime_ms", 2_592_000_000)] : []
    }
}

extension Arguments {
    /// The value of a parameter; nil where the call does not have it.
    fileprivate func value(of parameter: StaticString, in method: Method) -> JSONValue? {
        let position = method.parameterNames.firstIndex { $0.isSame(parameter) }
        for index in 0..<count {
            let isIt = form == .named ? self[index].name.equals(parameter) : index == position
            if isIt { return self[index].value }
        }
        return nil
    }
}

extension JSONValue {
    /// The number, where it is a whole one.
    fileprivate var wholeNumber: Int64? {
        kind == .number ? Int64(text.text()) : nil
    }
}

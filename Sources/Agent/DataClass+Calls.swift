import Bytes
import Configuration
import Contract
import JSON
import JSONRPC
import Linux
import Policy

extension DataClass {
    /// Whether a call in a namespace of this class is recorded, whatever the classes of the audit are.
    func records(_ method: Method) -> Bool {
        method.idempotency == .read ? recordsReads : recordsChanges
    }

    /// Why the class does not allow a call in a namespace of it; nil where it does.
    func fault(of method: Method, _ arguments: Arguments) -> RPCError? {
        if isEncryptedAtRest, method.storesInPlainText {
            return RPCError(
                .forbidden,
                "the namespace is \(rawValue), and \(method.name) stores data as they are: keep them with cache.set or in"
                    + " a session, which are encrypted",
                outcome: .notApplied
            )
        }
        guard let limit = lifeMax?.wholeMilliseconds else { return nil }
        for parameter in method.lives {
            // What the call does not name is shortened to what the class allows.
            guard let life = arguments.value(of: parameter, in: method)?.wholeNumber, life > limit else { continue }
            return .invalidParams(
                "\(parameter) must be at most \(limit) in this namespace, which is \(rawValue)",
                parameter: "\(parameter)"
            )
        }
        return nil
    }
}

extension Method {
    /// Whether the method puts data into Valkey as they are, also where the class has entries encrypted.
    fileprivate var storesInPlainText: Bool {
        switch group {
        case .cache: self == .cacheIncrement
        case .hash, .response: idempotency != .read && !["delete", "fail"].contains { "\(name)".hasSuffix(".\($0)") }
        default: false
        }
    }

    /// Parameters that are lives in milliseconds.
    fileprivate var lives: [StaticString] { self == .sessionCreate ? ["idle_ms", "lifetime_ms"] : [] }
}

extension Arguments {
    /// The value of a parameter; nil where the call does not have it.
    fileprivate func value(of parameter: StaticString, in method: Method) -> JSONValue? {
        let position = method.parameterNames.firstIndex { "\($0)" == "\(parameter)" }
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
        kind == .number ? Int64(String(decoding: text.copy(), as: UTF8.self)) : nil
    }
}

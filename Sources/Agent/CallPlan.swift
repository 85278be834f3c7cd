import Contract
import JSON
import JSONRPC

/// What is known of all calls of one shape: their method, and where a plain read or write has its parameters.
struct CallPlan {
    /// The method's number in 8 bits, then the positions of key, namespace, value and life, 4 bits each; the last
    /// position is for none.
    let rawValue: Int

    private static let none = 15

    /// Takes back what ``rawValue`` gave.
    init(rawValue: Int) {
        self.rawValue = rawValue
    }

    /// Looks at how a call names its parameters; what they are is another's with each call.
    init(_ method: Method, _ arguments: Arguments) {
        var places = Places()
        switch method {
        case .cacheGet: places = Places(arguments, order: [.key, .namespace])
        case .cacheSet: places = Places(arguments, order: [.key, .value, .namespace, .life])
        default: break
        }
        rawValue = Int(method.rawValue) | places.rawValue << 8
    }

    /// The method.
    var method: Method {
        guard let method = Method(rawValue: UInt8(rawValue & 0xff)) else { preconditionFailure("a plan has a method") }
        return method
    }

    /// Whether it is a read of no more than a key and a namespace.
    var isRead: Bool { method == .cacheGet && position(.key) != CallPlan.none }

    /// Whether it is a write of no more than a key, a namespace, a JSON value and its life.
    var isWrite: Bool { method == .cacheSet && position(.key) != CallPlan.none && position(.value) != CallPlan.none }

    @inline(__always)
    private func position(_ parameter: Parameter) -> Int { rawValue >> (8 + parameter.rawValue) & 15 }

    /// The parameters of a call of `cache.get` that has no others than a key and a namespace; nil for every other call,
    /// and for one of which decoding will tell what is at fault.
    @inline(__always)
    func readParameters(_ arguments: Arguments) -> CacheGetParameters? {
        guard isRead, let name = arguments[position(.key)].value.string else { return nil }
        let namespace = position(.namespace)
        guard namespace != CallPlan.none else { return CacheGetParameters(key: name, namespace: nil) }
        let value = arguments[namespace].value
        if arguments.form == .positional, value.kind == .null { return CacheGetParameters(key: name, namespace: nil) }
        guard let scope = value.string else { return nil }
        return CacheGetParameters(key: name, namespace: scope)
    }

    /// What a call of `cache.set` writes that has no other parameters than these; nil for every other call, and for one
    /// of which decoding will tell what is at fault.
    @inline(__always)
    func write(_ arguments: Arguments) -> PlainWrite? {
        guard isWrite, let name = arguments[position(.key)].value.string else { return nil }
        var scope: JSONString?
        if case let place = position(.namespace), place != CallPlan.none {
            guard let given = arguments[place].value.string else { return nil }
            scope = given
        }
        var life: JSONValue?
        if case let place = position(.life), place != CallPlan.none { life = arguments[place].value }
        return PlainWrite(key: name, value: arguments[position(.value)].value, namespace: scope, life: life)
    }
}

extension CallPlan {
    /// A parameter whose position is kept; its value is where among the bits.
    private enum Parameter: Int {
        case key = 0
        case namespace = 4
        case value = 8
        case life = 12

        var name: StaticString {
            switch self {
            case .key: "key"
            case .namespace: "namespace"
            case .value: "value"
            case .life: "ttl_ms"
            }
        }
    }

    /// Where the parameters of a call stand.
    private struct Places {
        private(set) var rawValue = 0xffff

        /// Nowhere.
        init() {}

        /// Where they stand in `arguments`; nowhere if there is another one, or one twice.
        ///
        /// - Parameters:
        ///   - arguments: The parameters.
        ///   - order: Which parameters there may be, by their position where they have no names.
        init(_ arguments: Arguments, order: [Parameter]) {
            for index in 0..<arguments.count {
                let parameter =
                    arguments.form == .positional
                    ? (index < order.count ? order[index] : nil)
                    : order.first { arguments[index].name.equals($0.name) }
                guard let parameter, rawValue >> parameter.rawValue & 15 == CallPlan.none else {
                    rawValue = 0xffff
                    return
                }
                rawValue ^= (CallPlan.none ^ index) << parameter.rawValue
            }
        }
    }
}

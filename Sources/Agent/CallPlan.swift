import Contract
import JSON
import JSONRPC

/// What is known of all calls of one shape: their method, and where a read has its parameters.
struct CallPlan {
    /// The method's number in 8 bits, then the positions of key and namespace, 4 bits each; the last one is for none.
    let rawValue: Int

    private static let none = 15

    /// Takes back what ``rawValue`` gave.
    init(rawValue: Int) {
        self.rawValue = rawValue
    }

    /// Looks at how a call names its parameters; what they are is another's with each call.
    init(_ method: Method, _ arguments: Arguments) {
        var (key, namespace) = (CallPlan.none, CallPlan.none)
        if method == .cacheGet, (1...2).contains(arguments.count) {
            for index in 0..<arguments.count {
                let name = arguments[index].name
                let isPositional = arguments.form == .positional
                if isPositional ? index == 0 : name.equals("key") {
                    key = index
                } else if isPositional || name.equals("namespace") {
                    namespace = index
                }
            }
            // Else there is another parameter, or one twice.
            let named = [key, namespace].count { $0 != CallPlan.none }
            if named != arguments.count { key = CallPlan.none }
        }
        rawValue = Int(method.rawValue) | key << 8 | namespace << 12
    }

    /// The method.
    var method: Method {
        guard let method = Method(rawValue: UInt8(rawValue & 0xff)) else { preconditionFailure("a plan has a method") }
        return method
    }

    /// Whether it is a read of no more than a key and a namespace.
    var isRead: Bool { rawValue >> 8 & 15 != CallPlan.none }

    /// The parameters of a call of `cache.get` that has no others than a key and a namespace; nil for every other call,
    /// and for one of which decoding will tell what is at fault.
    @inline(__always)
    func readParameters(_ arguments: Arguments) -> CacheGetParameters? {
        let key = rawValue >> 8 & 15
        guard key != CallPlan.none, let name = arguments[key].value.string else { return nil }
        let namespace = rawValue >> 12
        guard namespace != CallPlan.none else { return CacheGetParameters(key: name, namespace: nil) }
        let value = arguments[namespace].value
        if arguments.form == .positional, value.kind == .null { return CacheGetParameters(key: name, namespace: nil) }
        guard let scope = value.string else { return nil }
        return CacheGetParameters(key: name, namespace: scope)
    }
}

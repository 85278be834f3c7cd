import Bytes
import Contract
import JSON
import JSONRPC
import Testing

@Suite("A plain write")
struct PlainWriteTests {
    /// Takes the parameters of a call by their positions.
    private static func plain(_ arguments: Arguments) -> PlainWrite? {
        guard let key = arguments[0].value.string else { return nil }
        return PlainWrite(
            key: key,
            value: arguments[1].value,
            namespace: arguments.count > 2 ? arguments[2].value.string : nil,
            life: arguments.count > 3 ? arguments[3].value : nil
        )
    }

    @Test(
        "is what decoding the whole call gives",
        arguments: [
            #"["k",1]"#, #"["k",null]"#, #"["k\u00e9",{"a" : [1.50]},"ns",1]"#, #"["k","v","a.b_c-9",null]"#,
            #"["k",true,"ns",1000000000]"#, #"["k",false,"ns",3600000]"#,
        ]
    )
    func same(params: String) throws {
        try CallText.decode(params) { arguments throws(InvalidParameters) in
            let whole = try CacheSetParameters(arguments)
            let plain = Self.plain(arguments)
            #expect(plain?.key.decoded() == whole.key.decoded())
            #expect(plain?.value.text.text() == whole.value?.text.text())
            #expect(plain?.namespace?.decoded() == whole.namespace?.decoded())
            #expect(plain?.life == whole.ttlMilliseconds)
        }
    }

    @Test(
        "is none where a parameter breaks its rule, or might",
        arguments: [
            #"["",1]"#, #"["\ud800",1]"#, #"["k",1,""]"#, #"["k",1,"NS"]"#, #"["k",1,"n\u0073"]"#,
            #"["k",1,"ns",0]"#, #"["k",1,"ns",-1]"#, #"["k",1,"ns",1.5]"#, #"["k",1,"ns","5"]"#, #"["k",1,"ns",true]"#,
            #"["k",1,"ns",[5]]"#, #"["k",1,"ns",1000000001]"#, #"["k",1,"ns",99999999999999999999]"#,
        ]
    )
    func none(params: String) throws {
        try CallText.decode(params) { arguments throws(InvalidParameters) in
            #expect(Self.plain(arguments) == nil)
        }
    }
}

import Bytes
import Contract
import JSON
import Testing

@Suite("Metadata of a call")
struct CallMetadataTests {
    private static let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("is not there by default", arguments: [nil, "{}", #"{"key":"a"}"#, #"["a"]"#, #"{"_meta":{}}"#])
    func absent(params: String?) throws {
        try CallText.decode(params) { arguments throws(InvalidParameters) in
            let metadata = try CallMetadata(arguments)
            #expect(metadata.deadlineMilliseconds == nil)
            #expect(metadata.traceparent == nil)
        }
    }

    @Test("carries deadline and trace beside the parameters, which do not mind")
    func present() throws {
        let params = #"{"key":"a","_meta":{"deadline_ms":250,"traceparent":"\#(Self.trace)","mine":[1]}}"#
        try CallText.decode(params) { arguments throws(InvalidParameters) in
            let metadata = try CallMetadata(arguments)
            #expect(metadata.deadlineMilliseconds == 250)
            #expect(metadata.traceparent?.raw.text() == Self.trace)
            #expect(try CacheGetParameters(arguments).key.raw.text() == "a")
        }
    }

    @Test(
        "is strict about the members that it knows",
        arguments: ["0", "-1", "1.5", #""250""#, "null", "3153600000001"]
    )
    func deadline(text: String) throws {
        let fault = try CallText.fault(of: #"{"_meta":{"deadline_ms":\#(text)}}"#, CallMetadata.init)
        #expect(fault?.message == "_meta.deadline_ms must be an integer from 1 to 3153600000000")
    }

    @Test(
        "takes no trace that is none",
        arguments: [
            "", "00", String(trace.dropLast()), trace + "0", trace.uppercased(), trace.replacing("-", with: "_"),
            trace.replacing("4bf9", with: "4bg9"),
        ]
    )
    func traceparent(text: String) throws {
        let fault = try CallText.fault(of: #"{"_meta":{"traceparent":"\#(text)"}}"#, CallMetadata.init)
        #expect(fault?.parameter == "_meta.traceparent")
    }

    @Test("is an object and comes once")
    func shape() throws {
        #expect(
            try CallText.fault(of: #"{"_meta":1}"#, CallMetadata.init)
                == InvalidParameters("_meta", "must be an object")
        )
        #expect(
            try CallText.fault(of: #"{"_meta":{},"_meta":{}}"#, CallMetadata.init)
                == InvalidParameters("_meta", "is given twice")
        )
        #expect(
            try CallText.fault(of: #"{"_meta":{"deadline_ms":1,"deadline_ms":2}}"#, CallMetadata.init)
                == InvalidParameters("_meta.deadline_ms", "is given twice")
        )
    }
}

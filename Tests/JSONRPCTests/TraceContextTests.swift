import Bytes
import JSON
import JSONRPC
import Testing

@Suite("Trace contexts")
struct TraceContextTests {
    private func read(_ text: String) -> TraceContext? { text.withByteView { TraceContext($0) } }

    @Test("are read and shown as they were written")
    func ids() throws {
        let context = try #require(read("00-0af7651916cd43dd8448eb211c80319c-00ad6b7169203331-01"))
        #expect(context.traceID == "0af7651916cd43dd8448eb211c80319c")
        #expect(context.spanID == "00ad6b7169203331")
        #expect(context.flags == 1)
        #expect(
            read("00-00000000000000000000000000000001-b7ad6b7169203331-00")?.traceID.hasSuffix("001") == true
        )
        #expect(read("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") != nil)
    }

    @Test(
        "that W3C Trace Context has everybody ignore are none",
        arguments: [
            "", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
            "0é-af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ]
    )
    func ignored(text: String) {
        #expect(read(text) == nil)
    }

    @Test("stand in the error's data of their call, and of no other")
    func errors() throws {
        let calls = CallTable(limits: RPCLimits(), methods: 1)
        let peer = Peer(index: 0, userID: 0, limits: calls.limits)
        let error = RPCError(code: 1001, kind: "unavailable", message: "nobody there", details: [("n", "1")])
        let trace = try #require(read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        let traced = calls.begin(peer, id: ByteView("1"), method: 0, batch: nil)
        calls.setTrace(trace, of: traced)
        calls.fail(traced, error)
        calls.setTrace(trace, of: traced)
        let plain = calls.begin(peer, id: ByteView("2"), method: 0, batch: nil)
        calls.fail(plain, error)
        let replies = try peer.output.view.text().split(separator: "\n").map { try Document.parse(String($0)) }
        #expect(replies[0]["error"]?["data"]?["trace_id"]?.string == "0af7651916cd43dd8448eb211c80319c")
        #expect(replies[0]["error"]?["data"]?["n"] == 1)
        #expect(replies[1]["error"]?["data"]?["trace_id"] == nil)
    }
}

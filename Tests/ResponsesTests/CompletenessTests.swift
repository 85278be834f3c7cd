import Bytes
import JSON
import Testing

@testable import Responses

@Suite("An output")
struct CompletenessTests {
    private func isComplete(response text: String) throws -> Bool {
        try Array(text.utf8).withByteView { Completeness.isComplete(response: try JSONScanner.scan($0, depthMax: 64)) }
    }

    private func isComplete(chunks text: String) throws -> Bool {
        try Array(text.utf8).withByteView { view in
            var elements = try JSONScanner.scan(view, depthMax: 64).elements()
            return Completeness.isComplete { elements.next() }
        }
    }

    @Test(
        "is whole",
        arguments: [
            #""text""#, "null", "{}", #"{"text":"a","error":null}"#,
            #"{"choices":[{"index":0,"finish_reason":"stop"}]}"#,
            #"{"choices":[{"finish_reason":"tool_calls"},{"finish_reason":"stop"}]}"#,
            #"{"type":"message","stop_reason":"end_turn"}"#, #"{"candidates":[{"finishReason":"STOP"}]}"#,
            #"{"object":"response","status":"completed","error":null}"#,
            #"{"message":{},"done":true,"done_reason":"stop"}"#,
            #"{"status":"incomplete"}"#,
        ]
    )
    func whole(text: String) throws {
        #expect(try isComplete(response: text))
    }

    @Test(
        "says of itself that it is not",
        arguments: [
            #"{"error":{"message":"overloaded"}}"#, #"{"error":"x"}"#, #"{"choices":[{"finish_reason":"length"}]}"#,
            #"{"choices":[{"finish_reason":"stop"},{"index":1,"finish_reason":"content_filter"}]}"#,
            #"{"choices":[{"finish_reason":null}]}"#, #"{"stop_reason":"max_tokens"}"#, #"{"stop_reason":"refusal"}"#,
            #"{"stop_reason":null}"#, #"{"candidates":[{"finishReason":"SAFETY"}]}"#,
            #"{"object":"response","status":"incomplete"}"#, #"{"done":false}"#,
            #"{"done":true,"done_reason":"length"}"#,
        ]
    )
    func cutOff(text: String) throws {
        #expect(try !isComplete(response: text))
    }

    @Test(
        "is a whole stream",
        arguments: [
            "[]", #"["a","b"]"#, #"[{"text":"a"},{"text":"b"}]"#,
            #"[{"choices":[{"delta":{"content":"a"},"finish_reason":null}]},{"choices":[{"delta":{},"finish_reason":"stop"}]},{"choices":[],"usage":{}}]"#,
            #"[{"choices":[{"index":0,"finish_reason":null}]},{"choices":[{"index":1,"finish_reason":"stop"}]},{"choices":[{"index":0,"finish_reason":"stop"}]}]"#,
            #"[{"type":"message_start","message":{"stop_reason":null}},{"type":"content_block_delta","delta":{"type":"text_delta"}},{"type":"message_delta","delta":{"stop_reason":"end_turn"}},{"type":"message_stop"}]"#,
            #"[{"type":"response.created"},{"type":"response.output_text.delta","delta":"a"},{"type":"response.completed"}]"#,
            #"[{"done":false},{"done":true}]"#,
        ]
    )
    func wholeStream(text: String) throws {
        #expect(try isComplete(chunks: text))
    }

    @Test(
        "is a stream that broke off",
        arguments: [
            #"[{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}]"#,
            #"[{"choices":[{"index":0,"finish_reason":null}]},{"choices":[{"index":1,"finish_reason":"stop"}]}]"#,
            #"[{"choices":[{"finish_reason":null}]},{"choices":[{"finish_reason":"length"}]}]"#,
            #"[{"choices":[{"finish_reason":"stop"}]},{"error":{"code":500}}]"#,
            #"[{"type":"message_start"},{"type":"message_delta","delta":{"stop_reason":"end_turn"}}]"#,
            #"[{"type":"message_start"},{"type":"message_delta","delta":{"stop_reason":"max_tokens"}},{"type":"message_stop"}]"#,
            #"[{"type":"message_start"},{"type":"error","error":{"type":"overloaded_error"}}]"#,
            #"[{"type":"response.created"},{"type":"response.incomplete"}]"#, #"[{"done":false},{"done":false}]"#,
        ]
    )
    func brokenStream(text: String) throws {
        #expect(try !isComplete(chunks: text))
    }
}

import Bytes
import JSON
import Testing

@testable import Sessions

@Suite("Changing members of an object")
struct MergeTests {
    private func merge(_ object: String, set: String? = nil, remove: [String] = []) throws -> String {
        var output = ByteBuffer()
        try object.withByteView { object in
            let scanned = try JSONScanner.scan(object, depthMax: 64)
            let names = remove.map { Array($0.utf8) }
            guard let set else { return MemberMerge.append(scanned, set: nil, remove: names, to: &output) }
            try set.withByteView { set in
                let members = try JSONScanner.scan(set, depthMax: 64)
                MemberMerge.append(scanned, set: members, remove: names, to: &output)
            }
        }
        return output.view.text()
    }

    @Test("Members are replaced in their places, and new ones follow in their order")
    func set() throws {
        #expect(try merge(#"{"a":1,"b":2}"#, set: #"{"z":0,"a":[3],"c":null}"#) == #"{"a":[3],"b":2,"z":0,"c":null}"#)
        #expect(try merge("{}", set: #"{"a":1}"#) == #"{"a":1}"#)
        #expect(try merge(#"{"a":1}"#, set: "{}") == #"{"a":1}"#)
    }

    @Test("Members are taken out, which wins over setting them")
    func remove() throws {
        #expect(try merge(#"{"a":1,"b":2}"#, remove: ["a", "x"]) == #"{"b":2}"#)
        #expect(try merge(#"{"a":1}"#, set: #"{"a":2,"b":3}"#, remove: ["a"]) == #"{"b":3}"#)
        #expect(try merge(#"{"a":1}"#, remove: ["a"]) == "{}")
    }

    @Test("No digit of what is left alone is changed, and all of it is one line")
    func verbatim() throws {
        let text = #"{"n": 12345678901234567890.10e-7 , "s":"\u00e9\/" }"#
        #expect(
            try merge(text, set: "{\"a\":[1,\n2]}") == #"{"n":12345678901234567890.10e-7,"s":"\u00e9\/","a":[1, 2]}"#
        )
    }

    @Test("Names are the same when they mean the same, and the last of two counts")
    func names() throws {
        #expect(try merge(#"{"caf\u00e9":1}"#, set: #"{"café":2}"#) == #"{"café":2}"#)
        #expect(try merge(#"{"a":1,"a":2}"#, set: #"{"a":3,"\u0061":4}"#) == #"{"\u0061":4}"#)
        #expect(try merge(#"{"caf\u00e9":1}"#, remove: ["café"]) == "{}")
    }
}

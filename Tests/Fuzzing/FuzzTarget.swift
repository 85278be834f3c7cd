import Bytes
import Glibc

/// What can be fuzzed: each target takes bytes and traps where a promise is broken.
enum FuzzTarget: String, CaseIterable {
    /// The scanner beside jansson.
    case scanner
    /// Strings: decoding and writing.
    case strings
    /// Frames and requests, in pieces.
    case requests
    /// Replies of Valkey, in pieces.
    case replies
    /// The canonical form of requests to models, and what lies in the place of a response.
    case responses

    /// The target that the environment names in `FUZZ_TARGET`.
    static let chosen: FuzzTarget = {
        let name = unsafe getenv("FUZZ_TARGET").map { unsafe String(cString: $0) } ?? ""
        guard let target = FuzzTarget(rawValue: name) else {
            fatalError("FUZZ_TARGET is to be one of \(allCases.map(\.rawValue))")
        }
        return target
    }()

    /// Runs the target on one input.
    func run(_ input: ByteView) {
        switch self {
        case .scanner: ScannerFuzzing.run(input)
        case .strings: StringFuzzing.run(input)
        case .requests: RequestFuzzing.run(input)
        case .replies: ReplyFuzzing.run(input)
        case .responses: ResponseFuzzing.run(input)
        }
    }
}

/// Called by libFuzzer for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ base: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    if let base = unsafe base {
        unsafe FuzzTarget.chosen.run(ByteView(base: base, count: count))
    }
    return 0
}

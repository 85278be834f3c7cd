import Bytes
import JSON

/// What is the same in requests that one program writes one after the other: all but the id and the parameters' values.
///
/// It is taken from a request that was parsed. Another whose bytes are the same in all places but these, and which has
/// JSON there, is a request of the same method with parameters of the same names: to read it costs comparing the places
/// between and scanning the values, with the same scanner as ever. Whatever does not fit is left to the parser.
@safe
final class RequestShape {
    /// Bytes that must be there as they were, and what comes behind them.
    private struct Piece {
        /// Where they stand among all that is constant.
        let start: Int
        let count: Int
        let value: Value
    }

    /// A place whose bytes differ from request to request.
    private enum Value {
        case id
        /// The parameter of that number.
        case argument(Int)
        /// None: the message is at its end.
        case end
    }

    /// Most parameters of a request that has a shape.
    static let argumentsMax = 8
    /// Longest request that has a shape, in bytes; of a longer one most is values.
    static let bytesMax = 4096

    private let constant: UnsafeMutablePointer<UInt8>
    private let pieces: UnsafeMutablePointer<Piece>
    private let pieceCount: Int
    // Names are among what is constant; values are put in with each request.
    private let arguments: UnsafeMutablePointer<Argument>
    private let argumentCount: Int
    private let form: Arguments.Form
    private let method: JSONString
    private let limits: RPCLimits

    /// Takes the shape of a request; nil for a notification, whose values are not worth it, and for what is too long or
    /// has too many parameters.
    ///
    /// - Parameters:
    ///   - message: The message.
    ///   - request: What it was parsed to, lent from it.
    ///   - limits: The bounds that it was parsed with.
    init?(_ message: ByteView, _ request: Request, limits: RPCLimits) {
        guard RequestShape.isFit(message, request, limits), let id = request.id else { return nil }
        self.limits = limits
        form = request.arguments.form
        argumentCount = request.arguments.count
        var places = [(range: message.range(of: id), value: Value.id)]
        for index in 0..<argumentCount {
            places.append((message.range(of: request.arguments[index].value.text), .argument(index)))
        }
        places.sort { $0.range.lowerBound < $1.range.lowerBound }
        places.append((message.count..<message.count, .end))
        // What stands between the values is kept, and no parameter's value.
        let constant = UnsafeMutablePointer<UInt8>.allocate(capacity: message.count)
        unsafe self.constant = constant
        unsafe pieces = .allocate(capacity: places.count)
        pieceCount = places.count
        var kept: [(range: Range<Int>, start: Int)] = []
        var (next, count) = (0, 0)
        for (index, place) in places.enumerated() {
            let range = next..<place.range.lowerBound
            unsafe message[range].withUnsafeBytes { bytes, length in
                unsafe (constant + count).initialize(from: bytes, count: length)
            }
            unsafe (pieces + index).initialize(to: Piece(start: count, count: range.count, value: place.value))
            kept.append((range, count))
            next = place.range.upperBound
            count += range.count
        }
        func copied(_ part: ByteView) -> ByteView {
            let range = message.range(of: part)
            guard
                let piece = kept.first(where: {
                    $0.range.lowerBound <= range.lowerBound && range.upperBound <= $0.range.upperBound
                })
            else { preconditionFailure("a name is no value") }
            return unsafe ByteView(
                base: constant + piece.start + range.lowerBound - piece.range.lowerBound,
                count: range.count
            )
        }

        method = JSONString(raw: copied(request.method.raw), hasEscapes: request.method.hasEscapes)
        unsafe arguments = .allocate(capacity: RequestShape.argumentsMax)
        for index in 0..<argumentCount {
            let argument = request.arguments[index]
            let name = JSONString(
                raw: form == .named ? copied(argument.name.raw) : .empty,
                hasEscapes: argument.name.hasEscapes
            )
            unsafe (arguments + index).initialize(to: Argument(name: name, value: argument.value))
        }
    }

    /// Whether a request may have a shape.
    static func isFit(_ message: ByteView, _ request: Request, _ limits: RPCLimits) -> Bool {
        guard let id = request.id, isUsable(id, limits) else { return false }
        return message.count <= bytesMax && !request.arguments.isTruncated && request.arguments.count <= argumentsMax
    }

    deinit {
        unsafe constant.deallocate()
        unsafe pieces.deallocate()
        unsafe arguments.deallocate()
    }

    /// Reads a message of this shape.
    ///
    /// - Parameter message: The message without its framing.
    /// - Returns: The request, lent as `message` is and until the next call; nil where the message has another shape, or
    ///   is at fault.
    func match(_ message: ByteView) -> Request? {
        var scanner = JSONScanner(message, depthMax: limits.depthMax)
        var id = ByteView.empty
        for index in 0..<pieceCount {
            let piece = unsafe pieces[index]
            guard message.has(unsafe ByteView(base: constant + piece.start, count: piece.count), at: scanner.position)
            else { return nil }
            scanner.position += piece.count
            do throws(JSONFault) {
                switch piece.value {
                case .id: id = try scanner.scanValue(depth: 1).text
                case .argument(let number): unsafe (arguments + number).pointee.value = try scanner.scanValue(depth: 2)
                case .end: if scanner.position < message.count { return nil }
                }
            } catch {
                return nil
            }
        }
        guard RequestShape.isUsable(id, limits) else { return nil }
        let arguments = unsafe Arguments(form: form, base: arguments, count: argumentCount, isTruncated: false)
        return Request(method: method, id: id, arguments: arguments)
    }

    /// Whether a value may be an id: a number or a string that is not too long.
    private static func isUsable(_ id: ByteView, _ limits: RPCLimits) -> Bool {
        guard id.count <= limits.idBytesMax else { return false }
        switch id[0] {
        case UInt8(ascii: "\""), UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return true
        default: return false
        }
    }
}

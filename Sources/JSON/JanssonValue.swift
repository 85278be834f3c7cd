import CJansson
import Glibc

/// One reference to a value of jansson, given back when this goes.
///
/// Nothing outside of the documents' reading and writing sees it; what comes out is owned by Swift.
@safe
struct JanssonValue: ~Copyable {
    private let pointer: UnsafeMutablePointer<json_t>

    /// Takes over a reference.
    @unsafe
    init(owning pointer: UnsafeMutablePointer<json_t>) {
        unsafe self.pointer = pointer
    }

    /// Builds jansson's form of `document`.
    init(_ document: Document) {
        unsafe self.init(owning: Self.build(document))
    }

    deinit {
        unsafe json_decref(pointer)
    }

    /// A copy as an owned tree.
    var document: Document {
        unsafe Self.read(pointer)
    }

    /// Writes the value as JSON text.
    ///
    /// - Parameter flags: `JSON_…` of jansson's encoder.
    /// - Returns: The text, or nil where jansson refuses.
    func text(flags: Int32) -> String? {
        guard let text = unsafe json_dumps(pointer, size_t(flags)) else { return nil }
        defer { unsafe free(text) }
        return unsafe String(cString: text)
    }

    private static func read(_ value: UnsafeMutablePointer<json_t>) -> Document {
        switch unsafe value.pointee.type {
        case JSON_NULL: .null
        case JSON_TRUE: .boolean(true)
        case JSON_FALSE: .boolean(false)
        case JSON_INTEGER: unsafe .integer(Int64(json_integer_value(value)))
        case JSON_REAL: unsafe .real(json_real_value(value))
        case JSON_STRING: unsafe .string(text(json_string_value(value), json_string_length(value)))
        case JSON_ARRAY: unsafe .array(elements(of: value))
        case JSON_OBJECT: unsafe .object(members(of: value))
        default: preconditionFailure("a type that jansson does not have")
        }
    }

    private static func elements(of array: UnsafeMutablePointer<json_t>) -> [Document] {
        let count = unsafe json_array_size(array)
        var elements: [Document] = []
        elements.reserveCapacity(count)
        for index in 0..<count {
            if let element = unsafe json_array_get(array, index) { elements.append(unsafe read(element)) }
        }
        return elements
    }

    private static func members(of object: UnsafeMutablePointer<json_t>) -> DocumentObject {
        var members = DocumentObject()
        var entry = unsafe json_object_iter(object)
        while let current = unsafe entry {
            // A zero byte ends the name: one within is refused when a document is read and when one is built.
            if let name = unsafe json_object_iter_key(current), let value = unsafe json_object_iter_value(current) {
                unsafe members.append(name: String(cString: name), value: read(value))
            }
            unsafe entry = json_object_iter_next(object, current)
        }
        return members
    }

    private static func text(_ start: UnsafePointer<CChar>?, _ count: Int) -> String {
        guard let start = unsafe start else { return "" }
        return unsafe start.withMemoryRebound(to: UInt8.self, capacity: count) { bytes in
            unsafe String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
        }
    }

    private static func build(_ document: Document) -> UnsafeMutablePointer<json_t> {
        let value: UnsafeMutablePointer<json_t>?
        switch document {
        case .null: unsafe value = json_null()
        case .boolean(let truth): unsafe value = truth ? json_true() : json_false()
        case .integer(let number): unsafe value = json_integer(json_int_t(number))
        case .real(let number):
            precondition(number.isFinite, "JSON has finite numbers only")
            unsafe value = json_real(number)
        case .string(let text):
            unsafe value = Array(text.utf8CString).withUnsafeBufferPointer { bytes in
                unsafe json_stringn_nocheck(bytes.baseAddress, bytes.count - 1)
            }
        case .array(let elements):
            unsafe value = json_array()
            for element in elements { unsafe json_array_append_new(value, build(element)) }
        case .object(let members):
            unsafe value = json_object()
            for member in members {
                precondition(!member.name.utf8.contains(0), "jansson has no names with a zero byte")
                unsafe json_object_set_new_nocheck(value, member.name, build(member.value))
            }
        }
        guard let value = unsafe value else { fatalError("out of memory for a JSON document") }
        return unsafe value
    }
}

import Bytes
public import Linux
import RPCUsage

/// What a command reads from and writes to: the process's own streams, or those of a test.
public struct Console {
    /// Whether a person reads the output: values are then indented.
    let isTerminal: Bool
    /// Whether a person reads what the command says about its work: it then tells how far it has come.
    let isErrorTerminal: Bool
    /// Descriptor of standard input.
    let input: Int32
    /// Descriptor of standard output, whose reader may go before the answers end; nil where nobody can.
    let output: Int32?
    private let writeOutput: ([UInt8]) -> SystemError?
    private let writeError: ([UInt8]) -> Void

    /// Puts a console together.
    ///
    /// - Parameters:
    ///   - isTerminal: Whether a person reads the output.
    ///   - isErrorTerminal: Whether a person reads what the command says about its work.
    ///   - input: Descriptor of standard input; stays the caller's.
    ///   - output: Descriptor of standard output, where it is one; stays the caller's.
    ///   - writeOutput: Receives what the command answers; returns why it could not be written.
    ///   - writeError: Receives what the command says about its work.
    public init(
        isTerminal: Bool,
        isErrorTerminal: Bool = false,
        input: Int32,
        output: Int32? = nil,
        writeOutput: @escaping ([UInt8]) -> SystemError?,
        writeError: @escaping ([UInt8]) -> Void
    ) {
        self.isTerminal = isTerminal
        self.isErrorTerminal = isErrorTerminal
        self.input = input
        self.output = output
        self.writeOutput = writeOutput
        self.writeError = writeError
    }

    /// The streams of this process.
    public static var process: Console {
        Console(
            isTerminal: StandardStream.output.isTerminal,
            isErrorTerminal: StandardStream.error.isTerminal,
            input: StandardStream.input.rawValue,
            output: StandardStream.output.rawValue,
            writeOutput: { write($0, to: .output) },
            // Where nobody hears complaints there is nobody to complain to.
            writeError: { _ = write($0, to: .error) }
        )
    }

    private static func write(_ bytes: [UInt8], to stream: StandardStream) -> SystemError? {
        do throws(SystemError) {
            try bytes.withByteView { (view) throws(SystemError) in try stream.write(view) }
            return nil
        } catch {
            return error
        }
    }

    /// Writes an answer.
    func write(_ bytes: some Sequence<UInt8>) throws(CommandError) {
        if let error = writeOutput([UInt8](bytes)) {
            throw CommandError(.errorReply, "the output cannot be written: \(error.reason)")
        }
    }

    /// Writes an answer.
    func write(_ text: String) throws(CommandError) {
        try write(text.utf8)
    }

    /// Says something about the work.
    func complain(_ text: String) {
        writeError([UInt8](text.utf8))
    }

    /// Lends standard input to `body`.
    func withInput<Result, Failure: Error>(
        _ body: (borrowing FileDescriptor) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let descriptor = FileDescriptor(owning: input)
        do throws(Failure) {
            let result = try body(descriptor)
            _ = descriptor.release()
            return result
        } catch {
            _ = descriptor.release()
            throw error
        }
    }
}

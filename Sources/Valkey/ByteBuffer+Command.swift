public import Bytes

extension ByteBuffer {
    /// Appends the head of a command of `count` words, the command's own name included.
    public mutating func append(commandOf count: Int) {
        append(UInt8(ascii: "*"))
        append(decimal: count)
        append("\r\n")
    }

    /// Appends one word of a command.
    public mutating func append(word: ByteView) {
        append(wordOf: word.count)
        append(word)
        append("\r\n")
    }

    /// Appends one word of a command.
    public mutating func append(word: StaticString) {
        append(word: ByteView(word))
    }

    /// Appends one word of a command.
    public mutating func append(word: String) {
        word.withByteView { append(word: $0) }
    }

    /// Appends one word of a command.
    public mutating func append(word bytes: [UInt8]) {
        bytes.withByteView { append(word: $0) }
    }

    /// Appends one word of a command, a number in decimal.
    public mutating func append(word number: Int64) {
        append(wordOf: ByteBuffer.digitCount(number.magnitude) + (number < 0 ? 1 : 0))
        append(decimal: number)
        append("\r\n")
    }

    /// Appends the head of a word of `count` bytes; the bytes and `\r\n` are to follow.
    public mutating func append(wordOf count: Int) {
        append(UInt8(ascii: "$"))
        append(decimal: count)
        append("\r\n")
    }

    /// Appends a whole command of literal words.
    public mutating func append(command words: StaticString...) {
        append(commandOf: words.count)
        for word in words { append(word: word) }
    }
}

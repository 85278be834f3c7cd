/// An environment variable that sets an option.
public struct Variable: Equatable, Sendable {
    /// The variable's name.
    public let name: String
    /// Whether it holds seconds, where the option is in milliseconds.
    public let isInSeconds: Bool

    /// A variable that holds what the option holds in the file.
    init(_ name: String) {
        self.name = name
        isInSeconds = false
    }

    private init(name: String, isInSeconds: Bool) {
        self.name = name
        self.isInSeconds = isInSeconds
    }

    /// A variable that holds whole seconds.
    static func seconds(_ name: String) -> Variable {
        Variable(name: name, isInSeconds: true)
    }

    /// The variable that every option has.
    ///
    /// - Parameter option: The option's name, such as `limits.depth_max`.
    /// - Returns: `SQUIRE_LIMITS_DEPTH_MAX`.
    static func own(of option: String) -> Variable {
        Variable("SQUIRE_" + option.uppercased().replacing(".", with: "_"))
    }
}

/// An integer parameter that may also be null, which means something else than not being given.
public enum NullableInteger: Equatable, Sendable {
    /// It was not given.
    case absent
    /// It was given as null.
    case null
    /// It was given as a number in the range that the method allows.
    case value(Int64)
}

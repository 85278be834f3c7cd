package import JSON

extension Configuration {
    /// An option with what holds for it.
    package struct Value: Equatable, Sendable {
        /// The option's name, with a dot between levels.
        package let name: String
        /// Its value; secret parts are replaced by `***`.
        package let value: Document
        /// Where the value comes from.
        package let origin: Origin
    }
}

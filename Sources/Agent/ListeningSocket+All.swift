import Configuration
import Linux

extension ListeningSocket {
    /// The name of the socket that every agent has.
    static let mainName = "main"

    /// The sockets of a configuration: those that the service manager handed over, and the others made anew.
    ///
    /// A socket that was handed over takes the place of the configured one with its path, or else of the one with its
    /// name (`FileDescriptorName=`). The first that is neither is the main one; further ones are served under the names
    /// that the manager gives them.
    ///
    /// - Throws: ``Fault`` for the first socket that cannot be served.
    static func all(
        _ configuration: Configuration,
        environment: ProcessEnvironment
    ) throws(Fault) -> [ListeningSocket] {
        var inherited: [InheritedSocket]
        do throws(InheritedSocket.Fault) {
            inherited = try InheritedSocket.all(environment)
        } catch {
            throw .inherited(error)
        }
        let socket = configuration.socket
        let isMain = { (candidate: InheritedSocket) in candidate.path == socket.path || candidate.name == mainName }
        var sockets: [ListeningSocket] = []
        if let index = inherited.firstIndex(where: isMain) ?? inherited.indices.first {
            sockets.append(ListeningSocket(name: mainName, inherited.remove(at: index)))
        } else {
            sockets.append(try ListeningSocket(name: mainName, path: socket.path, mode: socket.mode))
        }
        for (number, other) in inherited.enumerated() {
            sockets.append(ListeningSocket(name: other.name.isEmpty ? "socket-\(number + 2)" : other.name, other))
        }
        return sockets
    }
}

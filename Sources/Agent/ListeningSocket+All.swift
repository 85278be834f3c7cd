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
        let main = configuration.socket
        var wanted = [Configuration.TenantSocket(name: mainName, path: main.path, mode: main.mode, group: main.group)]
        wanted += configuration.sockets
        var sockets: [ListeningSocket] = []
        for socket in wanted {
            let index = inherited.firstIndex { $0.path == socket.path || $0.name == socket.name }
            // What the manager hands over without more words is the main socket.
            let foreign = inherited.firstIndex { other in
                !wanted.contains { $0.path == other.path || $0.name == other.name }
            }
            if let index = index ?? (socket.name == mainName ? foreign : nil) {
                sockets.append(ListeningSocket(name: socket.name, inherited.remove(at: index)))
            } else {
                sockets.append(try ListeningSocket(socket))
            }
        }
        for (number, other) in inherited.enumerated() {
            sockets.append(ListeningSocket(name: other.name.isEmpty ? "socket-\(number + 2)" : other.name, other))
        }
        return sockets
    }
}

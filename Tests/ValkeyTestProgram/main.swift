// Started by the tests of the embedded server, which end it by force and look at what becomes of the server.
//
//   ROLE DIRECTORY SOCKET   runs a `cache` or `state` server, with the first program that is found in PATH
//
// Prints the server's process id once it listens, and then waits to be killed.
import EventLoop
import Glibc
import Observability
import Valkey

guard CommandLine.arguments.count == 4 else { exit(64) }
EventLoop.run {
    let server = EmbeddedServer(
        EmbeddedServer.Configuration(
            role: CommandLine.arguments[1] == "cache" ? .cache() : .state(synchronization: .always),
            directory: CommandLine.arguments[2],
            socketPath: CommandLine.arguments[3]
        ),
        log: Log()
    )
    Task { @EventLoop in
        do {
            try await server.start()
        } catch {
            print(error)
            exit(1)
        }
        print(server.status.processID ?? 0)
        fflush(nil)
    }
}

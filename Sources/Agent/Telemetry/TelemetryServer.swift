import Bytes
import Configuration
import EventLoop
import Glibc
import Linux
import Observability
import Telemetry

/// Serves monitoring: `/metrics`, `/healthz` and `/readyz` over HTTP, where the configuration says so.
@EventLoop
final class TelemetryServer {
    private let agent: AgentMethods
    private var server: HTTPServer?
    private var socket: ListeningSocket?

    /// Why monitoring cannot be served, in words that say what to do.
    struct Fault: Error {
        let description: String
    }

    /// Serves nobody before ``start(_:socketMode:)``.
    init(_ agent: AgentMethods) {
        self.agent = agent
    }

    /// Begins to serve.
    ///
    /// - Parameters:
    ///   - address: Where.
    ///   - socketMode: Permissions of a Unix socket's file.
    /// - Throws: ``Fault``.
    func start(_ address: TelemetryAddress, socketMode: UInt32) throws(Fault) {
        let listener = try listen(address, socketMode)
        do {
            server = try HTTPServer(listener) { self.answer($0) }
        } catch HTTPServer.Fault.libraryMissing {
            throw Fault(
                description: "libmicrohttpd (libmicrohttpd.so.12) is not installed: install it, in Debian the package"
                    + " libmicrohttpd12, or remove telemetry.listen"
            )
        } catch {
            throw Fault(description: "\(error)")
        }
    }

    private func listen(_ address: TelemetryAddress, _ mode: UInt32) throws(Fault) -> FileDescriptor {
        switch address {
        case .loopback(let isIPv6, let port):
            do throws(SystemError) {
                return try Socket.listen(loopbackPort: port, isIPv6: isIPv6, backlog: 64)
            } catch {
                throw Fault(description: "\(address.text): \(error.reason)")
            }
        case .unix(let path):
            do throws(ListeningSocket.Fault) {
                let made = try ListeningSocket(
                    Configuration.TenantSocket(name: "telemetry", path: path, mode: mode, group: nil)
                )
                socket = made
                return made.takeDescriptor()
            } catch {
                throw Fault(description: error.description)
            }
        }
    }

    /// Serves nobody any more.
    func close() {
        server?.close()
        server = nil
        socket?.removeFile()
        socket = nil
    }

    private func answer(_ request: HTTPServer.Request) -> HTTPServer.Response {
        guard request.isForThisHost else {
            return .text(403, "this server answers by the names localhost, 127.0.0.1 and [::1] only\n")
        }
        guard ["GET", "HEAD"].contains(request.method) else {
            var response = HTTPServer.Response.text(405, "there is only GET and HEAD\n")
            response.allow = "GET, HEAD"
            return response
        }
        switch request.path {
        case "/metrics":
            let form = MetricsText.Form(accept: request.accept)
            return HTTPServer.Response(200, form.contentType, agent.metrics(form))
        case "/healthz":
            return .text(200, "ok\n")
        case "/readyz":
            var body = ByteBuffer()
            agent.appendHealth(to: &body)
            body.append(UInt8(ascii: "\n"))
            return HTTPServer.Response(agent.isReady ? 200 : 503, "application/json", body.view.copy())
        default:
            return .text(404, "there is /metrics, /healthz and /readyz\n")
        }
    }
}

extension HTTPServer.Request {
    /// Whether the request names this host, where it names one.
    ///
    /// A page of another origin whose name leads to 127.0.0.1 (DNS rebinding) names that origin.
    fileprivate var isForThisHost: Bool {
        guard let host, !host.isEmpty else { return true }
        var name = host[...]
        if !name.hasSuffix("]"), let colon = name.lastIndex(of: ":") { name = name[..<colon] }
        return ["localhost", "127.0.0.1", "[::1]"].contains(name)
    }
}

extension HTTPServer.Response {
    fileprivate static func text(_ status: UInt32, _ text: String) -> HTTPServer.Response {
        HTTPServer.Response(status, "text/plain; charset=utf-8", Array(text.utf8))
    }
}

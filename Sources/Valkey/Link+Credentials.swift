import Crypto
import EventLoop
import Observability

extension Link {
    /// Takes up user, password and TLS for new connections; those that are there go on with what they began with.
    ///
    /// The files of certificates are read off the loop. Where they cannot be used, the log says so and what held before
    /// stays.
    ///
    /// - Parameter next: Only these parts of it are looked at.
    public func adoptCredentials(_ next: LinkConfiguration) {
        guard credentials.endpoint.isSecure else { return credentials.adopt(next, nil) }
        let tls = next.tls
        Task { @EventLoop in
            let result = await BlockingWork.run { () -> Result<TLSContext, TLSFileFault> in
                do throws(TLSFileFault) {
                    return .success(try tls.makeContext())
                } catch {
                    return .failure(error)
                }
            }
            switch result {
            case .success(let context):
                self.credentials.adopt(next, context)
                self.log.notice("certificates read anew", ["store": self.name])
            case .failure(let fault):
                self.log.error(
                    "the certificates cannot be used; the old ones stay",
                    ["store": self.name, "reason": fault.description]
                )
            }
        }
    }
}

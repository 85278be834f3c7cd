import Bytes
import Configuration
import Contract
import JSON
import JSONRPC
import Observability
import Store

extension AgentMethods {
    /// Answers `agent.log_level`: what is set holds until the configuration is read again.
    func logLevel(_ parameters: AgentLogLevelParameters, _ context: CallContext) {
        if let level = parameters.level.map(Log.Level.init), level != log.level {
            // Told under whichever of the two levels lets more through.
            if level < log.level { tellLevel(level, context) }
            let isFiner = level > log.level
            log.level = level
            if isFiner { tellLevel(level, context) }
        }
        calls.reply(context.call) { result in
            result.append("{\"level\":")
            result.append(jsonString: log.level.name)
            result.append(",\"configured\":")
            result.append(jsonString: configuration.log.level.name)
            result.append(UInt8(ascii: "}"))
        }
    }
}

extension AgentMethods {
    private func tellLevel(_ level: Log.Level, _ context: CallContext) {
        log.notice("the log level changes", ["to": level.name, "uid": "\(context.userID)"])
    }
}

extension Log.Level {
    /// The level that a call names.
    fileprivate init(_ level: AgentLogLevelParameters.Level) {
        switch level {
        case .error: self = .error
        case .warning: self = .warning
        case .notice: self = .notice
        case .info: self = .info
        case .debug: self = .debug
        }
    }
}

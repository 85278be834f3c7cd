import Bytes

extension EmbeddedServer.Configuration {
    /// Name of a cache store's snapshot in its directory.
    static let snapshotName = "cache.rdb"

    /// Appends the configuration as `valkey-server` and `redis-server` 7 read it.
    func appendFile(to file: inout ByteBuffer) {
        file.append("# Written by squired at every start of this server; changes made here are lost.\n")
        file.append("daemonize no\nsupervised no\nlogfile \"\"\nloglevel warning\n")
        // Reached by its socket alone, and by its owner alone.
        file.append("port 0\nprotected-mode yes\nunixsocketperm 700\n")
        file.append(setting: "unixsocket", quoted: socketPath)
        file.append(setting: "dir", quoted: directory)
        // One agent holds a handful; with the server's own files they stay below the usual limit of 1024 descriptors.
        file.append("maxclients 500\ntimeout 0\n")
        // What one agent may keep waiting is bounded by the agent.
        file.append("proto-max-bulk-len 64mb\nclient-query-buffer-limit 128mb\n")
        file.append("client-output-buffer-limit normal 256mb 128mb 60\n")
        file.append("client-output-buffer-limit pubsub 32mb 8mb 60\n")
        // Large values are freed by a thread of their own, so that no call waits for it.
        file.append("lazyfree-lazy-eviction yes\nlazyfree-lazy-expire yes\n")
        file.append("lazyfree-lazy-server-del yes\nlazyfree-lazy-user-del yes\n")
        // No snapshots while it runs: each forks the process.
        file.append("save \"\"\n")
        switch role {
        case .cache(let maximumMemory, let policy):
            file.append(setting: "maxmemory", quoted: maximumMemory)
            file.append(setting: "maxmemory-policy", quoted: policy)
            file.append(setting: "dbfilename", quoted: Self.snapshotName)
            file.append("appendonly no\nstop-writes-on-bgsave-error no\n")
            // `force`: where the disk takes no snapshot it ends all the same, also when no agent is left to end it.
            file.append("shutdown-on-sigterm save force\nshutdown-on-sigint save force\n")
        case .state(let synchronization):
            file.append("maxmemory-policy noeviction\nappendonly yes\nno-appendfsync-on-rewrite no\n")
            file.append(setting: "appendfsync", quoted: synchronization.rawValue)
            // A crash may leave half a command at the log's end: that half is dropped. Other damage stops the start.
            file.append("aof-load-truncated yes\n")
            file.append("shutdown-on-sigterm nosave force\nshutdown-on-sigint nosave force\n")
        }
    }
}

extension ByteBuffer {
    /// Appends one line of a server's configuration, whose value may have any bytes but NUL.
    ///
    /// A server cuts the file into lines before it looks at quotes, so no line break may stand for itself (sdssplitargs
    /// of sds.c, loadServerConfigFromString of config.c).
    fileprivate mutating func append(setting name: StaticString, quoted value: String) {
        append(name)
        append(" \"")
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                append(UInt8(ascii: "\\"))
                append(byte)
            case 0x20..<0x7f:
                append(byte)
            default:
                append("\\x")
                append(Hexadecimal.digit(byte >> 4))
                append(Hexadecimal.digit(byte & 15))
            }
        }
        append("\"\n")
    }
}

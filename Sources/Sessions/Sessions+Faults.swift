import Linux
import Observability
import Sealing

extension Sessions {
    /// How long a copy of a record that could not be read is kept.
    static let asideMilliseconds: Int64 = 86_400_000

    /// Takes note of a record that could not be read.
    ///
    /// - Returns: Whether a copy is worth keeping: not while the alarm stands, when the cause is not in the records.
    func note(_ fault: EnvelopeFault) -> Bool {
        counts.faults[fault, default: 0] += 1
        let now = Instant.now
        if alarm.record(at: now) {
            onUnreadable("session_alarm", fault)
            log.error(
                "many sessions cannot be read; nothing is deleted: is this the right key?",
                ["cause": fault.name, "within_ms": String(CorruptionAlarm.windowNanoseconds / 1_000_000)]
            )
        }
        guard !alarm.isRaised(at: now) else { return false }
        onUnreadable("session_unreadable", fault)
        log.warning("a session cannot be read", ["event": "crypt_decrypt_fail", "cause": fault.name])
        return true
    }
}

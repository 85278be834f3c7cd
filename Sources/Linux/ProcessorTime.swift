import CLinux
import Glibc

/// What this process has computed.
public enum ProcessorTime {
    /// Time that all its threads have run, in the program and in the kernel for it, in nanoseconds.
    public static var used: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// How much later than asked the kernel may wake the calling thread, to spare the processor a wake-up.
public enum TimerSlack {
    /// Lowers it from the usual 50 microseconds to a nanosecond (PR_SET_TIMERSLACK(2const)).
    public static func minimize() {
        squire_minimize_timer_slack()
    }
}

// Starting and awaiting a child process.
//
// Between fork and exec only async-signal-safe calls are allowed (signal-safety(7)): another thread may have held any
// lock at the moment of the fork. Swift code cannot promise that, so everything there is C, and everything that needs
// memory is made ready before.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

// Not declared without _GNU_SOURCE.
extern int pipe2(int ends[2], int flags);
extern char **environ;

static inline char *const *squire_environment(void) { return environ; }

// Of the kernel's headers, which may be older than the kernel (include/uapi/asm-generic/unistd.h, linux/close_range.h,
// linux/wait.h). The numbers are the same on every architecture.
#define SQUIRE_SYS_PIDFD_SEND_SIGNAL 424
#define SQUIRE_SYS_PIDFD_OPEN 434
#define SQUIRE_SYS_CLOSE_RANGE 436
#define SQUIRE_CLOSE_RANGE_CLOEXEC 4
#define SQUIRE_P_PIDFD 3

typedef struct squire_child {
    const char *executable;
    char *const *arguments;
    char *const *environment;  // NULL: the parent's
    const char *directory;     // NULL: the parent's
    const int *kept;           // descriptors >= 3 that stay open
    int kept_count;
    int input;         // -1: /dev/null
    int output;        // -1: the parent's
    int error;         // -1: the parent's
    int death_signal;  // 0: none
    int own_group;
} squire_child;

// The step of a start that failed.
enum {
    SQUIRE_CHILD_PIPE = 1,
    SQUIRE_CHILD_FORK,
    SQUIRE_CHILD_SETUP,
    SQUIRE_CHILD_DIRECTORY,
    SQUIRE_CHILD_EXEC,
    SQUIRE_CHILD_PIDFD,
};

typedef struct squire_child_failure {
    int32_t step;
    int32_t code;
} squire_child_failure;

// Writes the failure into the pipe and ends. A write this short is never split (pipe(7)).
__attribute__((noreturn)) static inline void squire_child_give_up(int pipe_end, int32_t step) {
    squire_child_failure failure = {step, errno};
    ssize_t ignored = write(pipe_end, &failure, sizeof failure);
    (void)ignored;
    _exit(127);
}

static inline int squire_set_close_on_exec(int descriptor, int on) {
    int flags = fcntl(descriptor, F_GETFD);
    if (flags < 0) return -1;
    return fcntl(descriptor, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}

static inline void squire_close_all_on_exec(void) {
    if (syscall(SQUIRE_SYS_CLOSE_RANGE, 3u, ~0u, SQUIRE_CLOSE_RANGE_CLOEXEC) == 0) return;
    // A kernel before 5.11, or a sandbox that does not know the call.
    struct rlimit limit;
    int end = 1 << 20;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t)end) end = (int)limit.rlim_cur;
    for (int descriptor = 3; descriptor < end; descriptor += 1) squire_set_close_on_exec(descriptor, 1);
}

// Puts `source` (-1: nothing to do) at the standard descriptor `target`.
static inline int squire_child_redirect(int source, int target) {
    if (source < 0) return 0;
    return dup2(source, target) < 0 ? -1 : 0;
}

// The child's half: becomes the program, or reports why not.
__attribute__((noreturn)) static inline void squire_child_become(
    const squire_child *child, pid_t parent, int pipe_end
) {
    // Out of the way of the standard descriptors, which the parent may have had closed or crossed.
    int report = fcntl(pipe_end, F_DUPFD_CLOEXEC, 3);
    if (report < 0) squire_child_give_up(pipe_end, SQUIRE_CHILD_SETUP);

    // The kernel's own call, whose structure is SIG_DFL when it is all zeros: glibc keeps two signals out of reach, and
    // whoever started the parent may have left those ignored too.
    unsigned long action[8] = {0};
    for (int number = 1; number <= 64; number += 1) syscall(SYS_rt_sigaction, number, action, NULL, 8);

    if (child->own_group && setpgid(0, 0) != 0) squire_child_give_up(report, SQUIRE_CHILD_SETUP);
    if (child->death_signal != 0) {
        if (prctl(PR_SET_PDEATHSIG, (unsigned long)child->death_signal) != 0) {
            squire_child_give_up(report, SQUIRE_CHILD_SETUP);
        }
        // A parent that ended before the call above sends no signal any more.
        if (getppid() != parent) _exit(127);
    }

    int input = child->input < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : fcntl(child->input, F_DUPFD_CLOEXEC, 3);
    int output = child->output < 0 ? -1 : fcntl(child->output, F_DUPFD_CLOEXEC, 3);
    int error = child->error < 0 ? -1 : fcntl(child->error, F_DUPFD_CLOEXEC, 3);
    if (input < 0 || (child->output >= 0 && output < 0) || (child->error >= 0 && error < 0)) {
        squire_child_give_up(report, SQUIRE_CHILD_SETUP);
    }
    if (squire_child_redirect(input, 0) || squire_child_redirect(output, 1) || squire_child_redirect(error, 2)) {
        squire_child_give_up(report, SQUIRE_CHILD_SETUP);
    }
    squire_set_close_on_exec(0, 0);  // /dev/null itself, where the parent had no standard input
    squire_close_all_on_exec();
    for (int index = 0; index < child->kept_count; index += 1) {
        if (squire_set_close_on_exec(child->kept[index], 0) != 0) squire_child_give_up(report, SQUIRE_CHILD_SETUP);
    }

    if (child->directory && chdir(child->directory) != 0) squire_child_give_up(report, SQUIRE_CHILD_DIRECTORY);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(child->executable, child->arguments, child->environment ? child->environment : environ);
    squire_child_give_up(report, SQUIRE_CHILD_EXEC);
}

// Awaits the end of a child that is known to be ending.
static inline void squire_child_discard(pid_t pid) {
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
}

// Starts a child. Its process id, with its process descriptor in `descriptor`; or -1, and the reason in `failure`.
static inline pid_t squire_child_start(const squire_child *child, int *descriptor, squire_child_failure *failure) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        *failure = (squire_child_failure){SQUIRE_CHILD_PIPE, errno};
        return -1;
    }
    // No handler of the parent may run in the child.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) squire_child_become(child, parent, ends[1]);
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        *failure = (squire_child_failure){SQUIRE_CHILD_FORK, code};
        return -1;
    }

    // The pipe closes without a word when exec has succeeded.
    ssize_t count;
    do { count = read(ends[0], failure, sizeof *failure); } while (count < 0 && errno == EINTR);
    close(ends[0]);
    if (count == (ssize_t)sizeof *failure) {
        squire_child_discard(pid);
        return -1;
    }
    *descriptor = (int)syscall(SQUIRE_SYS_PIDFD_OPEN, pid, 0u);
    if (*descriptor < 0) {
        *failure = (squire_child_failure){SQUIRE_CHILD_PIDFD, errno};
        kill(pid, SIGKILL);
        squire_child_discard(pid);
        return -1;
    }
    return pid;
}

// A process descriptor (pidfd_open(2)), closed on exec; or -1 with errno, ESRCH where the process has ended.
static inline int squire_process_open(pid_t pid) { return (int)syscall(SQUIRE_SYS_PIDFD_OPEN, pid, 0u); }

// Whether it was stopped since this was asked last: 1 or 0, or -1 with errno.
static inline int squire_child_stopped(int descriptor) {
    siginfo_t info;
    info.si_pid = 0;
    if (waitid((idtype_t)SQUIRE_P_PIDFD, (id_t)descriptor, &info, WSTOPPED | WNOHANG) != 0) return -1;
    return info.si_pid != 0;
}

// Stops the caller's process group as its terminal would, and returns when it goes on; at once where nobody is there who
// could have it go on (an orphaned group).
static inline void squire_stop_own_group(void) {
    sigset_t stop, before;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    pthread_sigmask(SIG_UNBLOCK, &stop, &before);
    kill(0, SIGTSTP);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

// Signals a whole process group; 0, or -1 with errno, ESRCH where nobody is left of it.
static inline int squire_group_signal(pid_t group, int number) { return kill(-group, number); }

// 0, or -1 with errno; ESRCH where the process has ended.
static inline int squire_child_signal(int descriptor, int number) {
    return (int)syscall(SQUIRE_SYS_PIDFD_SEND_SIGNAL, descriptor, number, NULL, 0u);
}

// 1 with the exit code (`signalled` 0) or the signal's number (`signalled` 1) in `status`; 0 while it runs; or -1.
static inline int squire_child_reap(int descriptor, int wait, int *status, int *signalled) {
    siginfo_t info;
    info.si_pid = 0;
    if (waitid((idtype_t)SQUIRE_P_PIDFD, (id_t)descriptor, &info, WEXITED | (wait ? 0 : WNOHANG)) != 0) return -1;
    if (info.si_pid == 0) return 0;
    *status = info.si_status;
    *signalled = info.si_code != CLD_EXITED;
    return 1;
}

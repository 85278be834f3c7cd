// What the kernel offers and Swift's Glibc module does not show, and the few calls whose C types Swift cannot spell.
#pragma once

#include <malloc.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// Not declared without _GNU_SOURCE, which would make this module's types differ from those of Swift's Glibc module.
#define SQUIRE_EAI_ADDRFAMILY (-9)
extern int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);
extern int memfd_create(const char *name, unsigned int flags);

// epoll_event is packed and holds a union; these keep both out of Swift.
typedef struct squire_event {
    uint64_t token;
    uint32_t events;
} squire_event;

static inline int squire_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.u64 = token;
    return epoll_ctl(epoll, operation, descriptor, &event);
}

#define SQUIRE_EVENTS_MAX 256

static inline int squire_epoll_wait(int epoll, squire_event *events, int timeout_ms) {
    struct epoll_event raw[SQUIRE_EVENTS_MAX];
    int count = epoll_wait(epoll, raw, SQUIRE_EVENTS_MAX, timeout_ms);
    for (int index = 0; index < count; index += 1) {
        events[index].token = raw[index].data.u64;
        events[index].events = raw[index].events;
    }
    return count;
}

// The same with a time in nanoseconds (epoll_pwait2(2), Linux 5.11); where the kernel has it not, rounded up.
static inline int squire_epoll_wait_precisely(int epoll, squire_event *events, int64_t nanoseconds) {
    struct epoll_event raw[SQUIRE_EVENTS_MAX];
    struct timespec limit = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    int count = (int)syscall(SYS_epoll_pwait2, epoll, raw, SQUIRE_EVENTS_MAX, &limit, NULL, (size_t)0);
    if (count < 0 && errno == ENOSYS) return squire_epoll_wait(epoll, events, (int)((nanoseconds + 999999) / 1000000));
    for (int index = 0; index < count; index += 1) {
        events[index].token = raw[index].data.u64;
        events[index].events = raw[index].events;
    }
    return count;
}

// prctl(2) is variadic, which Swift cannot call.
static inline void squire_minimize_timer_slack(void) { (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); }

// Fills a Unix socket address; 0, or -1 with errno ENAMETOOLONG where the path has more than 107 bytes.
static inline int squire_unix_address(const uint8_t *path, size_t length, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (length >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address->sun_path, path, length);
    return 0;
}

static inline int squire_unix_bind(int descriptor, const uint8_t *path, size_t length) {
    struct sockaddr_un address;
    if (squire_unix_address(path, length, &address) != 0) return -1;
    return bind(descriptor, (struct sockaddr *)&address, sizeof address);
}

static inline int squire_unix_connect(int descriptor, const uint8_t *path, size_t length) {
    struct sockaddr_un address;
    if (squire_unix_address(path, length, &address) != 0) return -1;
    return connect(descriptor, (struct sockaddr *)&address, sizeof address);
}

static inline int squire_loopback_bind(int descriptor, int is_ipv6, uint16_t port) {
    if (is_ipv6) {
        struct sockaddr_in6 address;
        memset(&address, 0, sizeof address);
        address.sin6_family = AF_INET6;
        address.sin6_addr = in6addr_loopback;
        address.sin6_port = htons(port);
        return bind(descriptor, (struct sockaddr *)&address, sizeof address);
    }
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return bind(descriptor, (struct sockaddr *)&address, sizeof address);
}

// Sends one datagram to a Unix socket without waiting; a path that begins with @ is one of the abstract namespace
// (unix(7)). The bytes sent, or -1 with errno.
static inline ssize_t squire_unix_send(
    int descriptor, const uint8_t *path, size_t length, const uint8_t *bytes, size_t count
) {
    struct sockaddr_un address;
    if (squire_unix_address(path, length, &address) != 0) return -1;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (length > 0 && path[0] == '@') address.sun_path[0] = 0; else size += 1;
    return sendto(
        descriptor, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address, size
    );
}

// Whether `descriptor` is a stream socket of the Unix domain that listens: 1 or 0; or -1 with errno.
static inline int squire_is_unix_listener(int descriptor) {
    int domain = 0, type = 0, accepts = 0;
    socklen_t length = sizeof domain;
    if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) return -1;
    length = sizeof type;
    if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) != 0) return -1;
    length = sizeof accepts;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &length) != 0) return -1;
    return domain == AF_UNIX && type == SOCK_STREAM && accepts;
}

// Writes the path that a Unix socket is bound to, at most `capacity` bytes; its length, 0 for none, or -1 with errno.
static inline int squire_unix_path(int descriptor, uint8_t *path, size_t capacity) {
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0) return -1;
    size_t start = offsetof(struct sockaddr_un, sun_path);
    if (address.sun_family != AF_UNIX || length <= start || address.sun_path[0] == 0) return 0;
    size_t count = strnlen(address.sun_path, length - start);
    if (count > capacity) return 0;
    memcpy(path, address.sun_path, count);
    return (int)count;
}

// Makes an inherited descriptor one of our own: it blocks nobody and is closed on exec. 0, or -1 with errno.
static inline int squire_adopt(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0) return -1;
    return fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

static inline int squire_connect(int descriptor, const struct sockaddr_storage *address, socklen_t length) {
    return connect(descriptor, (const struct sockaddr *)address, length);
}

static inline int squire_accept(int descriptor) {
    return accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static inline int squire_set_option(int descriptor, int level, int name, int value) {
    return setsockopt(descriptor, level, name, &value, sizeof value);
}

static inline int squire_socket_error(int descriptor) {
    int code = 0;
    socklen_t length = sizeof code;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) != 0) return errno;
    return code;
}

// struct ucred, which is not declared without _GNU_SOURCE (unix(7)).
typedef struct squire_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
} squire_credentials;

static inline int squire_peer_credentials(int descriptor, squire_credentials *credentials) {
    socklen_t length = sizeof *credentials;
    return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, credentials, &length);
}

// Not in the C library's headers before 2.27; the same number wherever options of sockets have the generic numbers
// (include/uapi/asm-generic/socket.h).
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

// Writes the supplementary groups of the peer of a Unix socket, at most `capacity`; their number, or -1 with errno:
// ERANGE where there are more.
static inline int squire_peer_groups(int descriptor, gid_t *groups, int capacity) {
    socklen_t length = (socklen_t)((size_t)capacity * sizeof *groups);
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, groups, &length) != 0) return -1;
    return (int)(length / sizeof *groups);
}

// Of the kernel's headers, which may be older than the kernel (Linux 6.5, include/uapi/asm-generic/socket.h).
#define SQUIRE_SO_PEERPIDFD 77

// A process descriptor of whoever connected, closed on exec; or -1 with errno, EINVAL or ENODATA where that process is
// not known any more.
static inline int squire_peer_process(int descriptor) {
    int process = -1;
    socklen_t length = sizeof process;
    if (getsockopt(descriptor, SOL_SOCKET, SQUIRE_SO_PEERPIDFD, &process, &length) != 0) return -1;
    return process;
}

// open(2) is variadic, which Swift cannot call.
static inline int squire_memory_file(void) {
    const unsigned int close_on_exec = 1;
    return memfd_create("squire", close_on_exec);
}

static inline int squire_open(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC, mode); }

static inline sigset_t squire_signal_set(const int *signals, int count) {
    sigset_t mask;
    sigemptyset(&mask);
    for (int index = 0; index < count; index += 1) sigaddset(&mask, signals[index]);
    return mask;
}

// Blocks signals in the calling thread and in those that it starts from now on.
static inline void squire_block_signals(const int *signals, int count) {
    sigset_t mask = squire_signal_set(signals, count);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
}

// Blocks signals in the calling thread and gives a descriptor that reports them.
static inline int squire_signal_descriptor(const int *signals, int count) {
    sigset_t mask = squire_signal_set(signals, count);
    if (pthread_sigmask(SIG_BLOCK, &mask, NULL) != 0) return -1;
    return signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
}

// The number of the next signal, or -1.
static inline int squire_next_signal(int descriptor) {
    struct signalfd_siginfo info;
    ssize_t count = read(descriptor, &info, sizeof info);
    return count == (ssize_t)sizeof info ? (int)info.ssi_signo : -1;
}

static inline void squire_ignore_signal(int signal_number) { signal(signal_number, SIG_IGN); }

#include "child_process.h"
#include "directory.h"

// Has the allocator map blocks of `map` bytes and more by themselves, and keep up to `trim` bytes at the heap's end.
static inline void squire_keep_memory(int map, int trim) {
    mallopt(M_MMAP_THRESHOLD, map);
    mallopt(M_TRIM_THRESHOLD, trim);
}

// Gives the kernel back what is free at the heap's end, where it is more than `limit` bytes.
static inline void squire_release_memory(size_t limit) {
    if (mallinfo2().keepcost > limit) malloc_trim(limit);
}

// Has the kernel write no core file of this process, and let no other process of its user read its memory.
static inline int squire_make_private(void) {
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

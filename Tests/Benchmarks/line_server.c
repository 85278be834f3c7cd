// The least that a server of lines can do: it counts the line feeds that come and answers each with the same line.
//
// It is what the agent is measured against where the question is how much of a call's cost is the agent's own: the
// kernel's part, one epoll loop and one read and write a turn, is the same. It looks at nothing and remembers nothing.
//
//     cc -O2 -o line_server line_server.c && ./line_server /tmp/line.sock '{"jsonrpc":"2.0","id":1000,"result":{}}'
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <signal.h>
#include <unistd.h>

enum { EVENTS = 256, INPUT = 256 * 1024, ANSWERS = 1024 };

// Answers that a connection is owed: whole ones, and the rest of one that the socket took in part.
typedef struct connection {
    int descriptor;
    int waits;
    uint64_t owed;
    size_t sent;
} connection;

static char input[INPUT];
static char *answers;
static size_t answer_size;
static int epoll;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(connection *peer, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = peer};
    if (epoll_ctl(epoll, operation, peer->descriptor, &event) != 0) fail("epoll_ctl");
}

static void end(connection *peer) {
    close(peer->descriptor);
    free(peer);
}

// Sends what is owed; 0 when the connection has ended.
static int flush(connection *peer) {
    while (peer->owed > 0) {
        uint64_t count = peer->owed < ANSWERS ? peer->owed : ANSWERS;
        ssize_t sent = send(peer->descriptor, answers + peer->sent, count * answer_size - peer->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) break;
        if (sent < 0) {
            end(peer);
            return 0;
        }
        peer->sent += (size_t)sent;
        peer->owed -= peer->sent / answer_size;
        peer->sent %= answer_size;
    }
    int waits = peer->owed > 0;
    if (waits != peer->waits) {
        peer->waits = waits;
        watch(peer, EPOLL_CTL_MOD, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    return 1;
}

static void serve(connection *peer, uint32_t events) {
    if ((events & EPOLLOUT) && !flush(peer)) return;
    if (!(events & ~(uint32_t)EPOLLOUT)) return;
    ssize_t received = read(peer->descriptor, input, sizeof input);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received <= 0) {
        end(peer);
        return;
    }
    const char *limit = input + received;
    for (const char *next = input; (next = memchr(next, '\n', (size_t)(limit - next))) != NULL; next += 1) peer->owed += 1;
    flush(peer);
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: line_server SOCKET ANSWER\n");
        return 64;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    answer_size = strlen(arguments[2]) + 1;
    answers = malloc(answer_size * ANSWERS);
    if (answers == NULL) fail("malloc");
    for (int index = 0; index < ANSWERS; index += 1) {
        memcpy(answers + index * answer_size, arguments[2], answer_size - 1);
        answers[(index + 1) * answer_size - 1] = '\n';
    }

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(arguments[1]) >= sizeof address.sun_path) return 64;
    strcpy(address.sun_path, arguments[1]);
    connection listener = {.descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    if (bind(listener.descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
    if (listen(listener.descriptor, 1024) != 0) fail("listen");
    epoll = epoll_create1(0);
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int index = 0; index < ready; index += 1) {
            connection *peer = events[index].data.ptr;
            if (peer != &listener) {
                serve(peer, events[index].events);
                continue;
            }
            int accepted = accept4(listener.descriptor, NULL, NULL, SOCK_NONBLOCK);
            if (accepted < 0) continue;
            connection *fresh = calloc(1, sizeof *fresh);
            if (fresh == NULL) fail("calloc");
            fresh->descriptor = accepted;
            watch(fresh, EPOLL_CTL_ADD, EPOLLIN);
        }
    }
}

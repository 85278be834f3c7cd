// The least that anything between JSON-RPC and Valkey can do: it takes `cache.set` lines of one form, copies key and value
// from where they stand into a `SET … PX`, and answers each `+OK` with the id that came.
//
// It is what the agent is measured against where the question is how much of a write's cost is the agent's own: the
// kernel's part, one epoll loop, one read and write a turn of each client and one connection to Valkey, is the same. It
// checks nothing, bounds nothing, and is of no use for anything else.
//
//     cc -O2 -o set_relay set_relay.c && ./set_relay /tmp/relay.sock 6379
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { EVENTS = 256, CLIENTS = 1024, BYTES = 1 << 16, COMMANDS = 1 << 20, CALLS = 1 << 16, ID = 8 };

// What stands before the id, and between it, the key and the value; the life follows behind the value.
static const char before_id[] = "{\"jsonrpc\":\"2.0\",\"id\":";
static const char before_key[] = ",\"method\":\"cache.set\",\"params\":{\"key\":\"";
static const char before_value[] = "\",\"value\":\"";
static const char before_life[] = "\",\"ttl_ms\":";
static const char answer[] = ",\"result\":{\"stored\":true}}\n";

typedef struct client {
    size_t received, owed;
    int is_owed;
    char input[BYTES], output[BYTES];
} client;

// A call that Valkey has not answered.
typedef struct call {
    int descriptor, id_size;
    char id[ID];
} call;

static client *clients[CLIENTS];
static int owed[CLIENTS], owed_count;
static call calls[CALLS];
static unsigned first_call, next_call;
static char commands[COMMANDS], replies[BYTES];
static size_t commands_size;
static int epoll, valkey;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
}

static char *put(char *place, const char *bytes, size_t size) {
    memcpy(place, bytes, size);
    return place + size;
}

// Takes a line apart and appends its command.
static void relay(int descriptor, const char *line, const char *end) {
    const char *id = line + sizeof before_id - 1;
    const char *id_end = memchr(id, ',', (size_t)(end - id));
    const char *key = id_end + sizeof before_key - 1;
    const char *key_end = memchr(key, '"', (size_t)(end - key));
    const char *value = key_end + sizeof before_value - 1;
    const char *value_end = memchr(value, '"', (size_t)(end - value));
    const char *life = value_end + sizeof before_life - 1;
    const char *life_end = memchr(life, '}', (size_t)(end - life));
    call *added = &calls[next_call++ % CALLS];
    added->descriptor = descriptor;
    added->id_size = (int)(id_end - id);
    memcpy(added->id, id, ID);
    char *place = commands + commands_size;
    place += sprintf(place, "*5\r\n$3\r\nSET\r\n$%d\r\ncache:", (int)(key_end - key) + 6);
    place = put(place, key, (size_t)(key_end - key));
    place += sprintf(place, "\r\n$%d\r\n\"", (int)(value_end - value) + 2);
    place = put(place, value, (size_t)(value_end - value));
    place += sprintf(place, "\"\r\n$2\r\nPX\r\n$%d\r\n", (int)(life_end - life));
    place = put(place, life, (size_t)(life_end - life));
    commands_size = (size_t)(put(place, "\r\n", 2) - commands);
}

static void serve(int descriptor) {
    client *peer = clients[descriptor];
    ssize_t received = read(descriptor, peer->input + peer->received, sizeof peer->input - peer->received);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received <= 0) {
        clients[descriptor] = NULL;
        free(peer);
        close(descriptor);
        return;
    }
    peer->received += (size_t)received;
    char *line = peer->input, *limit = line + peer->received, *end;
    for (; (end = memchr(line, '\n', (size_t)(limit - line))) != NULL; line = end + 1) relay(descriptor, line, end);
    peer->received = (size_t)(limit - line);
    memmove(peer->input, line, peer->received);
}

static void answer_calls(void) {
    ssize_t received = read(valkey, replies, sizeof replies);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received <= 0) fail("Valkey has gone");
    for (ssize_t index = 0; index < received; index += 1) {
        if (replies[index] != '\n') continue;
        const call *done = &calls[first_call++ % CALLS];
        client *peer = clients[done->descriptor];
        if (peer == NULL) continue;
        if (!peer->is_owed) owed[owed_count++] = done->descriptor;
        peer->is_owed = 1;
        char *place = put(peer->output + peer->owed, before_id, sizeof before_id - 1);
        place = put(place, done->id, (size_t)done->id_size);
        peer->owed = (size_t)(put(place, answer, sizeof answer - 1) - peer->output);
    }
}

// Sends what the turn has gathered.
static void flush(void) {
    if (commands_size > 0) {
        ssize_t sent = send(valkey, commands, commands_size, MSG_NOSIGNAL);
        if (sent > 0) memmove(commands, commands + sent, commands_size -= (size_t)sent);
    }
    for (int index = 0; index < owed_count; index += 1) {
        client *peer = clients[owed[index]];
        if (peer == NULL) continue;
        ssize_t sent = send(owed[index], peer->output, peer->owed, MSG_NOSIGNAL);
        if (sent > 0) memmove(peer->output, peer->output + sent, peer->owed -= (size_t)sent);
        peer->is_owed = 0;
    }
    owed_count = 0;
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: set_relay SOCKET PORT\n");
        return 64;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[2]))};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    valkey = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(valkey, (struct sockaddr *)&server, sizeof server) != 0) fail("connect");
    setsockopt(valkey, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    fcntl(valkey, F_SETFL, O_NONBLOCK);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(arguments[1]) >= sizeof address.sun_path) return 64;
    strcpy(address.sun_path, arguments[1]);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
    if (listen(listener, 1024) != 0) fail("listen");
    epoll = epoll_create1(0);
    watch(valkey);
    watch(listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int index = 0; index < ready; index += 1) {
            int descriptor = events[index].data.fd;
            if (descriptor == valkey) {
                answer_calls();
            } else if (descriptor != listener) {
                serve(descriptor);
            } else {
                int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (accepted < 0 || accepted >= CLIENTS) continue;
                clients[accepted] = calloc(1, sizeof(client));
                if (clients[accepted] == NULL) fail("calloc");
                watch(accepted);
            }
        }
        flush();
    }
}

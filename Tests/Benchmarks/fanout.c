// Publishes messages to many subscribers and counts what they receive.
//
// usage: fanout calls|commands SOCKET|PORT SUBSCRIBERS SECONDS BYTES
//
// One connection publishes, the others subscribe to one channel; all belong to this process, which polls. As many
// messages are under way as no server drops any for. Each message carries its number, and every subscriber must see
// them in order and without a gap. Prints deliveries a second; exits with 1 where an order is broken.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 512, BATCH = 32, DIGITS = 10, BUFFER = 1 << 16 };

struct subscriber {
    int socket;
    long seen;
    // What is left of a number that a read cut in two.
    char rest[DIGITS + 1];
    size_t rest_count;
};

static void fail(const char *what) {
    perror(what);
    exit(2);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int connect_to(const char *place) {
    int descriptor;
    if (place[0] == '/') {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s", place);
        descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    } else {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(place))};
        int on = 1;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        descriptor = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return descriptor;
}

static void send_all(int socket, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t sent = send(socket, bytes, count, MSG_NOSIGNAL);
        if (sent < 0) fail("send");
        bytes += sent;
        count -= (size_t)sent;
    }
}

// Takes the numbers of messages out of what a subscriber received: `#` and ten digits each, which nothing else has.
static long take(struct subscriber *subscriber, const char *bytes, size_t count) {
    long taken = 0;
    size_t index = 0;
    while (index < count || subscriber->rest_count > 0) {
        if (subscriber->rest_count == 0) {
            const char *mark = memchr(bytes + index, '#', count - index);
            if (mark == NULL) return taken;
            index = (size_t)(mark - bytes) + 1;
            subscriber->rest_count = 1;
        }
        while (subscriber->rest_count <= DIGITS && index < count)
            subscriber->rest[subscriber->rest_count++ - 1] = bytes[index++];
        if (subscriber->rest_count <= DIGITS) return taken;
        subscriber->rest[DIGITS] = 0;
        subscriber->rest_count = 0;
        if (atol(subscriber->rest) != subscriber->seen) {
            fprintf(stderr, "a subscriber received %s after %ld\n", subscriber->rest, subscriber->seen - 1);
            exit(1);
        }
        subscriber->seen++;
        taken++;
    }
    return taken;
}

int main(int count, char **words) {
    if (count != 6) return 64;
    const bool calls = strcmp(words[1], "calls") == 0;
    const int subscribers = atoi(words[3]);
    const double seconds = atof(words[4]);
    const size_t bytes = (size_t)atoi(words[5]);
    struct subscriber *all = calloc((size_t)subscribers, sizeof *all);
    static char buffer[BUFFER];
    char *filler = malloc(bytes), *message = malloc((bytes + 128) * BATCH);
    memset(filler, 'x', bytes);
    int poll = epoll_create1(0);
    // A channel of this process' own: what an earlier one published may still be on its way. Always 8 characters.
    char channel[16], subscribe[128];
    snprintf(channel, sizeof channel, "f%07d", (int)(getpid() % 10000000));
    snprintf(subscribe, sizeof subscribe,
        calls ? "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"channel.subscribe\",\"params\":{\"channel\":\"%s\"}}\n"
              : "*2\r\n$9\r\nSUBSCRIBE\r\n$8\r\n%s\r\n",
        channel);
    for (int index = 0; index < subscribers; index++) {
        all[index].socket = connect_to(words[2]);
        send_all(all[index].socket, subscribe, strlen(subscribe));
        if (recv(all[index].socket, buffer, BUFFER, 0) <= 0) fail("subscribe");
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, all[index].socket, &event) != 0) fail("epoll_ctl");
    }
    int publisher = connect_to(words[2]);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, publisher, &event) != 0) fail("epoll_ctl");
    long published = 0, delivered = 0, counted = 0;
    double begun = now(), start = begun + 0.3, end = start + seconds;
    while (now() < end) {
        // On the average so many are under way, far fewer than any queue holds.
        while (published < WINDOW + delivered / subscribers) {
            size_t length = 0;
            for (int index = 0; index < BATCH; index++) {
                if (calls) {
                    length += (size_t)sprintf(message + length,
                        "{\"jsonrpc\":\"2.0\",\"method\":\"channel.publish\",\"params\":{\"channel\":\"%s\",\"message\":"
                        "\"#%010ld%.*s\"}}\n",
                        channel, published, (int)(bytes - DIGITS - 3), filler);
                } else {
                    length += (size_t)sprintf(message + length, "*3\r\n$7\r\nPUBLISH\r\n$8\r\n%s\r\n$%zu\r\n\"#%010ld%.*s\"\r\n",
                        channel, bytes, published, (int)(bytes - DIGITS - 3), filler);
                }
                published++;
            }
            send_all(publisher, message, length);
        }
        struct epoll_event events[128];
        int ready = epoll_wait(poll, events, 128, 100);
        for (int index = 0; index < ready; index++) {
            uint32_t number = events[index].data.u32;
            int socket = number == UINT32_MAX ? publisher : all[number].socket;
            ssize_t received = recv(socket, buffer, BUFFER, MSG_DONTWAIT);
            if (received < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (received <= 0) fail("recv");
            if (number != UINT32_MAX) delivered += take(&all[number], buffer, (size_t)received);
        }
        if (counted == 0 && now() >= start) {
            counted = delivered;
            start = now();
        }
    }
    printf("%.0f\n", (double)(delivered - counted) / (now() - start));
    return 0;
}

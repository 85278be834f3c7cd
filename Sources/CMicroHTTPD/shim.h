// libmicrohttpd, loaded when it is needed: linked, it and what it brings along (GnuTLS) would cost every agent about
// 3 MB of resident memory and a millisecond of its start, whether it serves metrics or not.
#pragma once

#include <dlfcn.h>
#include <microhttpd.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// What a handler answers; all of it is copied. `allow` is NULL but where the status is 405.
typedef struct squire_http_reply {
    unsigned int status;
    const char *content_type;
    const char *allow;
    const uint8_t *body;
    size_t length;
} squire_http_reply;

// One request, lent for the length of a call; `accept` and `host` are NULL where the header is missing.
typedef struct squire_http_request {
    const char *method;
    const char *path;
    const char *accept;
    const char *host;
    struct squire_http_server *server;
    struct MHD_Connection *connection;
} squire_http_request;

typedef struct squire_http_server {
    void *library;
    struct MHD_Daemon *daemon;
    void *owner;
    // Answers by `squire_http_answer`, before it returns; not 0 where it could.
    int (*handler)(void *owner, const squire_http_request *request);
    __typeof__(&MHD_start_daemon) start;
    __typeof__(&MHD_stop_daemon) stop;
    __typeof__(&MHD_run) run;
    __typeof__(&MHD_get_timeout) timeout;
    __typeof__(&MHD_get_daemon_info) information;
    __typeof__(&MHD_lookup_connection_value) header;
    __typeof__(&MHD_create_response_from_buffer) make_response;
    __typeof__(&MHD_add_response_header) add_header;
    __typeof__(&MHD_queue_response) queue_response;
    __typeof__(&MHD_destroy_response) destroy_response;
} squire_http_server;

// Looks the library's functions up: 0, or -1 where the library or one of them is missing.
static inline int squire_http_load(squire_http_server *server) {
    server->library = dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);
    if (server->library == NULL) return -1;
#define SQUIRE_LOOK_UP(member, name)                                                 \
    do {                                                                             \
        server->member = (__typeof__(server->member))dlsym(server->library, #name); \
        if (server->member == NULL) return -1;                                       \
    } while (0)
    SQUIRE_LOOK_UP(start, MHD_start_daemon);
    SQUIRE_LOOK_UP(stop, MHD_stop_daemon);
    SQUIRE_LOOK_UP(run, MHD_run);
    SQUIRE_LOOK_UP(timeout, MHD_get_timeout);
    SQUIRE_LOOK_UP(information, MHD_get_daemon_info);
    SQUIRE_LOOK_UP(header, MHD_lookup_connection_value);
    SQUIRE_LOOK_UP(make_response, MHD_create_response_from_buffer);
    SQUIRE_LOOK_UP(add_header, MHD_add_response_header);
    SQUIRE_LOOK_UP(queue_response, MHD_queue_response);
    SQUIRE_LOOK_UP(destroy_response, MHD_destroy_response);
#undef SQUIRE_LOOK_UP
    return 0;
}

// Answers a request, from within its handler; not 0 where it could.
static inline int squire_http_answer(const squire_http_request *request, const squire_http_reply *reply) {
    squire_http_server *server = request->server;
    struct MHD_Response *response =
        server->make_response(reply->length, (void *)reply->body, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) return 0;
    server->add_header(response, "Content-Type", reply->content_type);
    server->add_header(response, "Cache-Control", "no-store");
    server->add_header(response, "X-Content-Type-Options", "nosniff");
    if (reply->allow != NULL) server->add_header(response, "Allow", reply->allow);
    int done = server->queue_response(request->connection, reply->status, response) == MHD_YES;
    server->destroy_response(response);
    return done;
}

// Called by the library: when a request's head has come, then, for those that are not answered at once, when all has.
static enum MHD_Result squire_http_access(
    void *context,
    struct MHD_Connection *connection,
    const char *path,
    const char *method,
    const char *version,
    const char *upload,
    size_t *upload_size,
    void **request_context) {
    (void)version, (void)upload;
    squire_http_server *server = (squire_http_server *)context;
    int is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (is_read && *request_context == NULL) {
        *request_context = server;
        return MHD_YES;
    }
    if (is_read && *upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    squire_http_request request = {
        .method = method,
        .path = path,
        .accept = server->header(connection, MHD_HEADER_KIND, "Accept"),
        .host = server->header(connection, MHD_HEADER_KIND, "Host"),
        .server = server,
        .connection = connection,
    };
    return server->handler(server->owner, &request) ? MHD_YES : MHD_NO;
}

// Serves a listening socket, which is the library's from now on where this succeeds; 0, or -1. The caller polls.
static inline int squire_http_start(
    squire_http_server *server, int listener, unsigned int connections_max, unsigned int timeout_seconds) {
    server->daemon = server->start(
        MHD_USE_EPOLL, 0, NULL, NULL, squire_http_access, server,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listener,
        MHD_OPTION_CONNECTION_LIMIT, connections_max,
        MHD_OPTION_CONNECTION_TIMEOUT, timeout_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(16 << 10),
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_END);
    return server->daemon == NULL ? -1 : 0;
}

// The descriptor that is readable when there is something to do; -1 where the library has none.
static inline int squire_http_descriptor(const squire_http_server *server) {
    const union MHD_DaemonInfo *information = server->information(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return information == NULL ? -1 : information->epoll_fd;
}

// Does what there is to do; returns in how many milliseconds there is more in any case, or -1 for never.
//
// Where there were as many connections as there may be, the library listens again at the beginning of a run only: when
// the last of them end in one, another must follow.
static inline long long squire_http_run(squire_http_server *server) {
    MHD_UNSIGNED_LONG_LONG milliseconds = 0;
    for (int runs = 0; runs < 2; runs += 1) {
        server->run(server->daemon);
        if (server->timeout(server->daemon, &milliseconds) == MHD_YES) {
            return milliseconds > 60000 ? 60000 : (long long)milliseconds;
        }
    }
    return -1;
}

static inline void squire_http_stop(squire_http_server *server) {
    if (server->daemon != NULL) server->stop(server->daemon);
    server->daemon = NULL;
}

// hiredis: its reply reader, with reply object functions that call back instead of building a tree.
//
// Compiles against hiredis 0.14 and 1.x, whose array functions take different element counts.
#pragma once

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdlib.h>

// Where a reader hands its values: one call a scalar, one an array's head, depth first. `is_root` is 1 for a value
// that is a whole reply. `bytes` is lent for the length of the call.
typedef struct squire_reply_sink {
    void *owner;
    void (*scalar)(void *owner, int is_root, int type, const char *bytes, size_t length, long long integer);
    void (*array)(void *owner, int is_root, size_t count);
} squire_reply_sink;

// hiredis wants an object for every value; none is made.
#define SQUIRE_NO_OBJECT ((void *)1)

// RESP3 is never asked for. A value that only it has is refused by no object at all, which hiredis takes for an error,
// as 0.14 does by itself.
#define SQUIRE_REFUSED NULL

static void *squire_on_string(const redisReadTask *task, char *bytes, size_t length) {
    const squire_reply_sink *sink = (const squire_reply_sink *)task->privdata;
    if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_STATUS && task->type != REDIS_REPLY_ERROR) {
        return SQUIRE_REFUSED;
    }
    sink->scalar(sink->owner, task->parent == NULL, task->type, bytes, length, 0);
    return SQUIRE_NO_OBJECT;
}

#if HIREDIS_MAJOR >= 1
static void *squire_on_array(const redisReadTask *task, size_t count) {
#else
static void *squire_on_array(const redisReadTask *task, int count) {
#endif
    const squire_reply_sink *sink = (const squire_reply_sink *)task->privdata;
    if (task->type != REDIS_REPLY_ARRAY) return SQUIRE_REFUSED;
    sink->array(sink->owner, task->parent == NULL, (size_t)count);
    return SQUIRE_NO_OBJECT;
}

static void *squire_on_integer(const redisReadTask *task, long long value) {
    const squire_reply_sink *sink = (const squire_reply_sink *)task->privdata;
    sink->scalar(sink->owner, task->parent == NULL, task->type, "", 0, value);
    return SQUIRE_NO_OBJECT;
}

static void *squire_on_nil(const redisReadTask *task) {
    const squire_reply_sink *sink = (const squire_reply_sink *)task->privdata;
    sink->scalar(sink->owner, task->parent == NULL, REDIS_REPLY_NIL, "", 0, 0);
    return SQUIRE_NO_OBJECT;
}

#if HIREDIS_MAJOR >= 1
static void *squire_on_double(const redisReadTask *task, double value, char *text, size_t length) {
    (void)task, (void)value, (void)text, (void)length;
    return SQUIRE_REFUSED;
}

static void *squire_on_boolean(const redisReadTask *task, int value) {
    (void)task, (void)value;
    return SQUIRE_REFUSED;
}
#endif

static void squire_on_free(void *object) { (void)object; }

// Makes a reader that hands its values to `sink`, which must outlive it; NULL without memory.
static inline redisReader *squire_reader_create(squire_reply_sink *sink) {
    static redisReplyObjectFunctions functions = {
        .createString = squire_on_string,
        .createArray = squire_on_array,
        .createInteger = squire_on_integer,
        .createNil = squire_on_nil,
#if HIREDIS_MAJOR >= 1
        .createDouble = squire_on_double,
        .createBool = squire_on_boolean,
#endif
        .freeObject = squire_on_free,
    };
    redisReader *reader = redisReaderCreateWithFunctions(&functions);
    if (reader == NULL) return NULL;
    reader->privdata = sink;
    // hiredis gives its buffer back whenever it is empty and larger than this. At its own 16 KiB every larger value
    // would be gathered in memory that was just asked for, page by page.
    reader->maxbuf = 256 * 1024;
    return reader;
}

// Reads one reply: 1 when one was complete, 0 when more bytes are needed, -1 when the bytes are no RESP.
static inline int squire_reader_next(redisReader *reader) {
    void *reply = NULL;
    if (redisReaderGetReply(reader, &reply) != REDIS_OK) return -1;
    return reply != NULL;
}

// Length in bytes of the bulk string that is being read, where it is a whole reply by itself, and in `present` how many
// of its bytes have come; -1 for anything else.
static inline long long squire_reader_pending_bulk(const redisReader *reader, size_t *present) {
#if HIREDIS_MAJOR >= 1
    int type = reader->ridx == 0 ? reader->task[0]->type : -1;
#else
    int type = reader->ridx == 0 ? reader->rstack[0].type : -1;
#endif
    if (type != REDIS_REPLY_STRING) return -1;
    long long length = 0;
    size_t index = reader->pos;
    while (index < reader->len && reader->buf[index] >= '0' && reader->buf[index] <= '9') {
        if (length > (1LL << 50)) return -1;
        length = length * 10 + (reader->buf[index] - '0');
        index += 1;
    }
    if (index + 2 > reader->len || reader->buf[index] != '\r') return -1;
    *present = reader->len - index - 2;
    return length;
}

// Zstandard. The functions stand for macros, which Swift does not see.
#pragma once

#include <zstd.h>

// Size of what a frame holds, as its head says it; -1 where it does not say, or there is no frame.
static inline long long squire_zstd_content_bytes(const void *frame, size_t count) {
    unsigned long long size = ZSTD_getFrameContentSize(frame, count);
    if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > 0x7fffffffffffffffULL) return -1;
    return (long long)size;
}

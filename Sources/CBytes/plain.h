// Looking at many bytes at once, with the vector instructions that every processor of the architecture has.
#ifndef SQUIRE_PLAIN_H
#define SQUIRE_PLAIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Whether a byte of a JSON string means itself and is a character of its own: ASCII from the space on, but for the
// quote and the backslash (RFC 8259 section 7).
static inline int squire_is_plain(uint8_t byte) {
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

// Number of plain bytes at the beginning of `count` bytes.
static inline size_t squire_plain_prefix(const uint8_t *text, size_t count) {
    size_t index = 0;
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    for (; index + 16 <= count; index += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(text + index));
        __m128i special = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        // What is 0x80 or above has its high bit set already, which is all that the mask takes.
        int found = _mm_movemask_epi8(_mm_or_si128(special, bytes));
        if (found) return index + (size_t)__builtin_ctz((unsigned)found);
    }
#elif defined(__aarch64__)
    const uint8x16_t quote = vdupq_n_u8('"'), backslash = vdupq_n_u8('\\'), space = vdupq_n_u8(0x20);
    for (; index + 16 <= count; index += 16) {
        uint8x16_t bytes = vld1q_u8(text + index);
        uint8x16_t special = vorrq_u8(vceqq_u8(bytes, quote), vceqq_u8(bytes, backslash));
        special = vorrq_u8(special, vorrq_u8(vcltq_u8(bytes, space), vcgeq_u8(bytes, vdupq_n_u8(0x80))));
        // Four bits for each byte.
        uint64_t found = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(special), 4)), 0);
        if (found) return index + ((size_t)__builtin_ctzll(found) >> 2);
    }
#endif
    for (; index < count; index += 1) {
        if (!squire_is_plain(text[index])) break;
    }
    return index;
}

#endif

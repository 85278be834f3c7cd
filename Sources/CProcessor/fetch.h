// What the processor is told that the language has no words for.
#ifndef SQUIRE_FETCH_H
#define SQUIRE_FETCH_H

// Has the processor fetch the line of memory that an address lies in while other work goes on. Any address will do.
static inline void squire_fetch(const void *address) {
    __builtin_prefetch(address, 0, 3);
}

#endif

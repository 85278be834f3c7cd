// Locking of a directory by a file in it, and what else Swift's Glibc module does not show of files.
#pragma once

#include <sys/file.h>

// 0, or -1 with errno EWOULDBLOCK where another open file description holds the lock. (In Swift, `flock` is a struct.)
static inline int squire_try_lock(int descriptor) { return flock(descriptor, LOCK_EX | LOCK_NB); }

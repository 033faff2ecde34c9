/* source.h: what a role can wait on, and the doorbell word that shared-memory transports ring.
 *
 * A transport says what to wait on (`struct wait_source`); a wait strategy says how. Neither knows
 * the other: both know this file, and run/wait_loop.c joins them.
 */
#ifndef HANDOFF_BASE_SOURCE_H
#define HANDOFF_BASE_SOURCE_H

#include <stdatomic.h>
#include <stdint.h>

#include "harness/base/doorbell.h"
#include "harness/base/err.h"

/* Words that two sides touch stand at least this far apart: 64-byte lines are fetched in pairs on
 * x86, lines are 128 bytes on some aarch64 machines, and a CPU writing the same line slows a GPU
 * reader by 2.8 times on Thor. */
#define SHARED_LINE_BYTES 128

/* The news of one direction of a shared-memory transport, alone on its line, in memory mapped by
 * both processes.
 *
 * `word` is the sequence word and the doorbell in one. Bit 0 is DOORBELL_CLOSED; the count of
 * events stands above it, so that each event adds DOORBELL_STEP, and the word is compared only for
 * equality or modulo wrap-around ((int32_t)(a - b)). Written by one side only, with release order;
 * read by the other with acquire order.
 *
 * `sleepers` is for wait strategies that sleep in the kernel: the waiter raises it before it
 * re-checks the word and sleeps, so that the notifier makes a system call only when somebody
 * sleeps. Transports leave it alone. */
#define DOORBELL_ROOM_BYTES (SHARED_LINE_BYTES - 16)
struct doorbell {
    _Alignas(SHARED_LINE_BYTES) union {
        struct {
            _Atomic uint32_t word;
            /* Policy latest keeps the slot that the news is about in the other half of the same 64
             * bits, and exchanges both halves at once. */
            _Atomic uint32_t detail;
        };
        _Atomic uint64_t word_and_detail; /* word is the low half */
    };
    _Atomic uint32_t sleepers;
    /* What a wait strategy keeps for this direction (a semaphore; a mutex and a condition), on the
     * line that the news come with. Made by its `create`; transports leave it zeroed. */
    _Alignas(16) unsigned char room[DOORBELL_ROOM_BYTES];
};
_Static_assert(sizeof(struct doorbell) == SHARED_LINE_BYTES, "a doorbell fills its line");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "word is the low half of word_and_detail");
_Static_assert(sizeof(_Atomic uint64_t) == 8 && ATOMIC_LLONG_LOCK_FREE == 2,
               "processes share 64-bit atomics");

enum source_kind {
    SOURCE_WORD = 1 << 0,   /* wait until bell->word differs from the value taken before the try */
    SOURCE_FD = 1 << 1,     /* wait until poll() reports `events` on `fd` */
    SOURCE_NATIVE = 1 << 2, /* the library waits itself: native_wait, with a deadline */
};

/* What to wait on for one direction of one endpoint. Plain values; valid until the endpoint is
 * destroyed, but ask anew after each ST_AGAIN: a transport may change direction (a sender out of
 * credits waits for POLLIN, one with a full buffer for POLLOUT). */
struct wait_source {
    enum source_kind kind;
    struct doorbell *bell; /* SOURCE_WORD */
    int fd;                /* SOURCE_FD */
    short events;          /* SOURCE_FD: POLLIN or POLLOUT */
    /* SOURCE_NATIVE, and any source of a TRANSPORT_NATIVE_WAIT: the library's own blocking call.
     * Blocks until there may be news, timeout_ms (at least 1) at most; back earlier is no error.
     * ST_OK: try again; ST_TIMEOUT; or ST_SYSTEM. NULL elsewhere. */
    enum status (*native_wait)(void *self, int timeout_ms);
    void *native_self;
};

/* The word's value now, with acquire order; 0 for sources without a word. Taken *before* the
 * transport is tried and handed to the wait strategy, so that no wake-up is lost in between. */
static inline uint32_t wait_source_value(const struct wait_source *source)
{
    return source->kind == SOURCE_WORD
               ? atomic_load_explicit(&source->bell->word, memory_order_acquire)
               : 0;
}

#endif

/* pending.h: results of CPU kernels that were computed and not yet asked for.
 *
 * A kernel is asynchronous (kernel.h), so a consumer may enqueue several frames before it polls.
 * A CPU kernel computes at once and keeps the results here, oldest first. Included by the CPU
 * kernels of this folder only.
 */
#ifndef HANDOFF_KERNELS_PENDING_H
#define HANDOFF_KERNELS_PENDING_H

#include <stdint.h>
#include <string.h>

#include "kernels/kernel.h"

/* As many as a transport has slots at most: more frames cannot be in flight. A power of two. */
#define KERNEL_PENDING_MAX 1024u

struct kernel_pending {
    uint32_t begin; /* counts results taken; modulo the size, the place of the oldest */
    uint32_t end;   /* counts results kept */
    uint64_t values[KERNEL_PENDING_MAX];
};

/* Empties it and touches all of it, so that no page fault is left for the hot path (with zeros the
 * compiler would turn malloc and memset into calloc, which touches nothing). */
static inline void kernel_pending_init(struct kernel_pending *pending)
{
    memset(pending->values, 0xff, sizeof pending->values);
    pending->begin = pending->end = 0;
}

/* Asked before the work is done: a frame whose result has no room must not be touched. */
static inline bool kernel_pending_full(const struct kernel_pending *pending)
{
    return pending->end - pending->begin == KERNEL_PENDING_MAX;
}

static inline void kernel_pending_push(struct kernel_pending *pending, uint64_t value)
{
    pending->values[pending->end++ % KERNEL_PENDING_MAX] = value;
}

/* The oldest result, once; ST_AGAIN when there is none. */
static inline enum status kernel_pending_pop(struct kernel_pending *pending,
                                             struct kernel_result *result)
{
    if (pending->begin == pending->end)
        return ST_AGAIN;
    *result = (struct kernel_result){
        .value = pending->values[pending->begin++ % KERNEL_PENDING_MAX],
    };
    if (pending->begin == pending->end)
        pending->begin = pending->end = 0; /* one frame in flight stays on one cache line */
    return ST_OK;
}

#endif

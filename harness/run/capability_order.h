/* capability_order.h: shared memory with words and content that both sides of a row and their
 * kernels reach: what the rows about who waits for whom have in common. Private to
 * capability_rows_*.c.
 */
#ifndef HANDOFF_RUN_CAPABILITY_ORDER_H
#define HANDOFF_RUN_CAPABILITY_ORDER_H

#include "harness/base/source.h"
#include "harness/run/capability_trial.h"

/* Words that both sides touch, each on its own line, in front of the content. */
struct order_words {
    _Alignas(SHARED_LINE_BYTES) uint32_t ask;
    _Alignas(SHARED_LINE_BYTES) uint32_t answer;
    _Alignas(SHARED_LINE_BYTES) uint32_t relay;
    _Alignas(SHARED_LINE_BYTES) uint64_t now_ns[2];
};
#define ORDER_PAGE ((size_t)65536) /* a whole page on any machine: memory is registered in those */
_Static_assert(sizeof(struct order_words) <= ORDER_PAGE, "the content begins on the next page");

/* Shared memory of both sides, registered by this one. */
struct order_memory {
    struct shm_map map;
    struct order_words *words; /* for the CPU */
    uint8_t *content;
    struct order_words *device_words; /* for kernels; NULL unless registered */
    uint8_t *device_content;
};
#define ORDER_MEMORY_NONE ((struct order_memory){.map = SHM_MAP_NONE})

/* One side makes it, the word `ask` set, and tells the other, which gets it and registers it. Both
 * close it in every case. */
enum status order_make(struct capability_trial *trial, uint32_t ask, struct order_memory *memory,
                       struct err *err);
enum status order_get(struct capability_trial *trial, struct order_memory *memory, struct err *err);
enum status order_register(struct capability_trial *trial, struct order_memory *memory,
                           struct err *err);
void order_close(struct capability_trial *trial, struct order_memory *memory);

static inline void word_store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline uint32_t word_load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Looks until the word is `value`, for a few seconds; "`what` did not come" otherwise. */
enum status word_await(const uint32_t *word, uint32_t value, const char *what, struct err *err);

/* Long enough for what should not happen to happen. */
void order_pause(void);

#endif

/* checksum.c: reads every byte of the payload once and sums it up, at memory bandwidth.
 *
 * Called by the consumer role through kernel.h. It is the cheapest work that needs all bytes, and
 * it proves that they arrived whole: the role compares the value with what the source must give.
 * The definition is frame_checksum_reference in harness/base/frame.h: the sum of w[i] * (2 i + 1)
 * over the payload's 32-bit words, modulo 2^64.
 *
 * How it avoids a multiplication per word: each vector lane keeps the plain sum of its words and
 * the sum of that sum's earlier values. For words a[0] … a[n-1] of one lane
 *     sum = Σ a[k]      prefix = Σ a[k] * (n-1-k)      so      Σ k * a[k] = (n-1) * sum - prefix
 * and lane l of L meets word i = L * k + l, whose weight is 2 L k + 2 l + 1.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/checksum.h"
#include "kernels/kernel.h"
#include "kernels/pending.h"

/* The lanes of one pass over the payload: word lane 2 j is the low half of 64-bit lane j. */
#define LANES_MAX 8
/* Vectors per turn of the loop: enough to hide its bookkeeping. */
#define UNROLL 4
#define PREFETCH_BYTES 4096
struct lane_sums {
    uint64_t even_sum[LANES_MAX];
    uint64_t even_prefix[LANES_MAX];
    uint64_t odd_sum[LANES_MAX];
    uint64_t odd_prefix[LANES_MAX];
};

static uint64_t checksum_fold(const struct lane_sums *sums, size_t lanes, size_t steps)
{
    if (steps == 0)
        return 0;
    uint64_t total = 0;
    uint64_t weight_step = 2 * (2 * (uint64_t)lanes); /* two words a lane */
    for (size_t j = 0; j < lanes; j++) {
        uint64_t even_ranked = (steps - 1) * sums->even_sum[j] - sums->even_prefix[j];
        uint64_t odd_ranked = (steps - 1) * sums->odd_sum[j] - sums->odd_prefix[j];
        total += weight_step * (even_ranked + odd_ranked);
        total += (4 * (uint64_t)j + 1) * sums->even_sum[j];
        total += (4 * (uint64_t)j + 3) * sums->odd_sum[j];
    }
    return total;
}

/* The words from byte `begin` (a multiple of 4) to the end, one by one. */
static uint64_t checksum_tail(const uint8_t *payload, size_t payload_bytes, size_t begin)
{
    uint64_t total = 0;
    for (size_t i = begin; i < payload_bytes; i += sizeof(uint32_t)) {
        uint32_t word = 0;
        size_t left = payload_bytes - i;
        memcpy(&word, payload + i, left < sizeof word ? left : sizeof word);
        total += le32toh(word) * (2 * (uint64_t)(i / sizeof word) + 1);
    }
    return total;
}

/* One pass with vectors of BYTES bytes. A macro, since each width needs a function of its own that
 * is compiled for its own instruction set: a vector type inlined from a function without that set
 * has already been taken apart. Adds, shifts and masks are all it takes, so that the compiler's own
 * vector types do for SSE2, AVX2 and NEON alike. Prefetching a page ahead takes AVX2 from 16 to
 * 29 GB/s where a plain read does 30; it stops at the payload's end, because behind it lies the
 * next slot, which the producer may be writing. */
#define CHECKSUM_PASS(NAME, BYTES, ATTRIBUTE)                                                  \
    ATTRIBUTE static uint64_t NAME(const uint8_t *payload, size_t payload_bytes)               \
    {                                                                                          \
        typedef uint64_t vector __attribute__((vector_size(BYTES)));                           \
        const vector zero = {0};                                                               \
        const vector low_half = zero + UINT32_MAX;                                             \
        vector even_sum = zero, even_prefix = zero, odd_sum = zero, odd_prefix = zero;         \
        size_t turn_bytes = UNROLL * sizeof(vector);                                           \
        size_t end = payload_bytes / turn_bytes * turn_bytes;                                  \
        for (size_t i = 0; i < end; i += turn_bytes) {                                         \
            for (size_t line = PREFETCH_BYTES; line < PREFETCH_BYTES + turn_bytes; line += 64) \
                if (i + line < payload_bytes)                                                  \
                    __builtin_prefetch(payload + i + line);                                    \
            for (size_t u = 0; u < turn_bytes; u += sizeof(vector)) {                          \
                vector words;                                                                  \
                memcpy(&words, payload + i + u, sizeof words);                                 \
                even_prefix += even_sum;                                                       \
                odd_prefix += odd_sum;                                                         \
                even_sum += words & low_half;                                                  \
                odd_sum += words >> 32;                                                        \
            }                                                                                  \
        }                                                                                      \
        struct lane_sums sums;                                                                 \
        memcpy(sums.even_sum, &even_sum, sizeof even_sum);                                     \
        memcpy(sums.even_prefix, &even_prefix, sizeof even_prefix);                            \
        memcpy(sums.odd_sum, &odd_sum, sizeof odd_sum);                                        \
        memcpy(sums.odd_prefix, &odd_prefix, sizeof odd_prefix);                               \
        return checksum_fold(&sums, sizeof(vector) / sizeof(uint64_t), end / sizeof(vector)) + \
               checksum_tail(payload, payload_bytes, end);                                     \
    }

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
CHECKSUM_PASS(checksum_pass_16, 16, )
#else
static uint64_t checksum_pass_16(const uint8_t *payload, size_t payload_bytes)
{
    return checksum_tail(payload, payload_bytes, 0);
}
#endif
#if defined(__x86_64__)
CHECKSUM_PASS(checksum_pass_32, 32, __attribute__((target("avx2"))))
#endif

/* The passes this processor can run, the fastest last. */
size_t checksum_passes(struct checksum_pass passes[CHECKSUM_PASSES_MAX])
{
    size_t count = 0;
    passes[count++] = (struct checksum_pass){"16-byte vectors", checksum_pass_16};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        passes[count++] = (struct checksum_pass){"avx2", checksum_pass_32};
#endif
    return count;
}

/* ---- The kernel ------------------------------------------------------------------------------ */

struct kernel_state {
    checksum_function pass;
    struct kernel_pending pending;
};

static enum status checksum_probe(struct err *err)
{
    return ST_OK;
}

static enum status checksum_open(const struct kernel_config *config, struct kernel_state **state,
                                 struct err *err)
{
    if (config->payload_bytes == 0)
        return err_set(err, ST_INVALID, "use kernel `none`, or a fill that moves a payload",
                       "kernel checksum: these frames have no payload");
    struct kernel_state *made = malloc(sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "kernel checksum: no memory for its state");
    kernel_pending_init(&made->pending);
    struct checksum_pass passes[CHECKSUM_PASSES_MAX];
    made->pass = passes[checksum_passes(passes) - 1].function;
    *state = made;
    return ST_OK;
}

static enum status checksum_enqueue(struct kernel_state *state, const struct frame *frame,
                                    struct gpu_stream *stream)
{
    if (kernel_pending_full(&state->pending))
        return ST_AGAIN;
    kernel_pending_push(&state->pending, state->pass(frame->payload, frame->payload_bytes));
    return ST_OK;
}

static enum status checksum_poll_done(struct kernel_state *state, struct kernel_result *result)
{
    return kernel_pending_pop(&state->pending, result);
}

static void checksum_close(struct kernel_state *state)
{
    free(state);
}

const struct kernel kernel_checksum = {
    .name = "checksum",
    .summary = "reads and verifies every byte, at memory bandwidth",
    .flags = KERNEL_READS_PAYLOAD | KERNEL_READS_ALL | KERNEL_CHECKSUM,
    .gpu_kind = LAUNCH_CHECKSUM,
    .probe = checksum_probe,
    .open = checksum_open,
    .enqueue = checksum_enqueue,
    .poll_done = checksum_poll_done,
    .close = checksum_close,
};

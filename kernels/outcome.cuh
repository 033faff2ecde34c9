/* outcome.cuh: how the shares of all blocks become one report.
 *
 * Called by the kernels after the work. Each block adds its share and a count in one atomic, and
 * whoever completes the count is the last block: it has the totals without asking again, writes the
 * report and leaves the scratch memory at 0 for the next kernel of the stream. With a sum of 64 bits
 * there are two such words, which the last block of the first one waits for; it hardly ever has to.
 * This saves two of the three journeys to the L2 cache that partial sums, a fence and a counter take,
 * over a microsecond of every frame's latency.
 */
#ifndef HANDOFF_KERNELS_OUTCOME_CUH
#define HANDOFF_KERNELS_OUTCOME_CUH

#include "kernels/launch.cuh"
#include "kernels/words.cuh"
#include "kernels/work.cuh"

/* Where the outcome goes, as a kernel's parameter. */
struct outcome {
    struct scratch *scratch;
    struct launch_report *report; /* NULL: nowhere */
    const uint32_t *abandon;      /* NULL: never */
    uint32_t done_value;
};

#define FINISHED_SHIFT 48
#define FINISHED_ONE ((uint64_t)1 << FINISHED_SHIFT)
/* Kinds that write count in the same word, above the torn tags, the blocks that were called off. */
#define ABANDONED_ONE ((uint64_t)1 << 32)
/* The low parts of all shares must fit below the count. */
static_assert((uint64_t)LAUNCH_BLOCKS_MAX << 32 <= FINISHED_ONE, "counts stay apart from sums");
static_assert(FRAME_PAYLOAD_MAX / FRAME_TAG_STRIDE < FINISHED_ONE, "and from torn tags");

static __host__ __device__ constexpr bool kind_sums(int kind)
{
    return kind == LAUNCH_CHECKSUM;
}

static __host__ __device__ constexpr bool kind_writes(int kind)
{
    return kind == LAUNCH_INVERT || kind == LAUNCH_PREPROCESS || kind == LAUNCH_FILL;
}

/* The sum over the block's threads, in thread 0. All threads call it; a barrier must lie between two
 * calls. */
static __device__ __forceinline__ uint64_t block_sum(uint64_t sum)
{
    __shared__ uint64_t warp_sums[LAUNCH_THREADS_MAX / 32];
    for (int distance = 16; distance > 0; distance /= 2)
        sum += __shfl_down_sync(0xffffffff, sum, distance);
    if (threadIdx.x % 32 == 0)
        warp_sums[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = threadIdx.x < blockDim.x / 32 ? warp_sums[threadIdx.x] : 0;
        for (int distance = 16; distance > 0; distance /= 2)
            sum += __shfl_down_sync(0xffffffff, sum, distance);
    }
    return sum;
}

/* The block's share in thread 0, and behind a barrier that all its threads have passed. */
template <int KIND> static __device__ __forceinline__ struct share block_share(struct share share)
{
    if (kind_sums(KIND))
        share.sum = block_sum(share.sum);
    else if (KIND == LAUNCH_INVERT) {
        if (__syncthreads_or(share.torn_tags != 0))
            share.torn_tags = (uint32_t)block_sum(share.torn_tags);
    } else if (KIND == LAUNCH_CHECK || KIND == LAUNCH_PREPROCESS)
        share.torn_tags = (uint32_t)__syncthreads_count(share.torn_tags != 0);
    else if (KIND != LAUNCH_NOTHING)
        __syncthreads();
    return share;
}

/* Block 0's thread 0, before the work. */
static __device__ __forceinline__ void outcome_begin(const struct outcome &outcome, uint32_t blocks,
                                                     uint64_t begin_ns)
{
    if (blocks > 1)
        store_relaxed_device(&outcome.scratch->begin_ns, begin_ns);
}

/* Of what the blocks wrote, the GPU has seen everything by now; the fence is for the host. */
template <int KIND>
static __device__ __forceinline__ void report_write(const struct outcome &outcome,
                                                    struct share total, uint64_t begin_ns,
                                                    uint64_t end_ns, bool abandoned)
{
    uint64_t took_ns = end_ns > begin_ns ? end_ns - begin_ns : 0;
    took_ns = took_ns < UINT32_MAX ? took_ns : UINT32_MAX;
    if (abandoned) {
        total = {0, 0};
        begin_ns = took_ns = 0;
    } else if (kind_writes(KIND)) {
        __threadfence_system();
    }
    store_pair_system(&outcome.report->begin_ns, begin_ns,
                      word64((uint32_t)took_ns, outcome.done_value));
    store_pair_system(&outcome.report->value, total.sum,
                      word64(total.torn_tags, outcome.done_value));
}

/* Adds a share to the totals: true for the last of the blocks, with the totals in *share. */
template <int KIND>
static __device__ __forceinline__ bool totals_add(struct scratch *scratch, uint32_t blocks,
                                                  struct share *share, bool *abandoned)
{
    uint64_t low = FINISHED_ONE + (kind_sums(KIND) ? (uint32_t)share->sum : share->torn_tags);
    if (kind_writes(KIND) && *abandoned)
        low += ABANDONED_ONE;
    uint64_t high = FINISHED_ONE + (share->sum >> 32);
    unsigned long long *low_word = (unsigned long long *)&scratch->finished;
    unsigned long long *high_word = (unsigned long long *)&scratch->finished_high;
    uint64_t low_total = low + atomicAdd(low_word, low);
    uint64_t high_total = kind_sums(KIND) ? high + atomicAdd(high_word, high) : 0;
    if (low_total >> FINISHED_SHIFT != blocks)
        return false;
    while (kind_sums(KIND) && high_total >> FINISHED_SHIFT != blocks)
        high_total = load_relaxed_device(&scratch->finished_high);
    low_total &= FINISHED_ONE - 1;
    share->sum = kind_sums(KIND) ? low_total + (high_total << 32) : 0;
    share->torn_tags = kind_sums(KIND) ? 0 : (uint32_t)low_total;
    if (kind_writes(KIND)) /* another block may have seen what this one did not */
        *abandoned = low_total >= ABANDONED_ONE;
    return true;
}

/* `early` is what was loaded before the totals: 0 where block 0 had not stored it yet. */
static __device__ __forceinline__ uint64_t begin_take(struct scratch *scratch, uint64_t early)
{
    uint64_t begin_ns = early;
    while (begin_ns == 0)
        begin_ns = load_relaxed_device(&scratch->begin_ns);
    scratch->finished = scratch->finished_high = scratch->begin_ns = 0;
    return begin_ns;
}

/* Thread 0 of each block, with the block's share, after block_share; begin_ns is block 0's. True in
 * the one that wrote the report. */
template <int KIND>
static __device__ __forceinline__ bool outcome_finish(const struct outcome &outcome,
                                                      uint32_t blocks, struct share share,
                                                      uint64_t begin_ns, bool abandoned)
{
    struct scratch *scratch = outcome.scratch;
    if (kind_writes(KIND) && blocks > 1)
        __threadfence(); /* the block's bytes before its count */
    uint64_t end_ns = clock_gpu_ns();
    if (blocks > 1) {
        uint64_t early = load_relaxed_device(&scratch->begin_ns); /* on its way with the totals */
        if (!totals_add<KIND>(scratch, blocks, &share, &abandoned))
            return false;
        begin_ns = begin_take(scratch, early);
    }
    report_write<KIND>(outcome, share, begin_ns, end_ns, abandoned);
    return true;
}

#endif

/* work.cuh: the work of each kind on one block's share of a frame.
 *
 * Called by the ordinary kernels (launch.cu) and the resident ones (launch_resident.cu), which run
 * the same bodies: each says which of how many blocks it is. launch.h says what the kinds compute;
 * the CPU files of this folder and harness/base/frame.c are what they are tested against.
 *
 * A row is one tag's FRAME_TAG_STRIDE bytes, and ROW_VECTORS threads have 16 bytes of it each, so
 * that the first of them and no other meets the tags. A block has threads for one or several rows and
 * takes every `blocks`th such piece: all blocks get the same number of pieces or one less, and those
 * under way at any moment lie together, which address translation likes when they are pages of host
 * memory.
 */
#ifndef HANDOFF_KERNELS_WORK_CUH
#define HANDOFF_KERNELS_WORK_CUH

#include "kernels/launch.cuh"
#include "kernels/pixel.cuh"
#include "kernels/words.cuh"

/* What a share came to: the sum of this thread, the torn tags that this thread found. */
struct share {
    uint64_t sum;
    uint32_t torn_tags;
};

#define VECTOR_BYTES 16u
#define ROW_VECTORS (FRAME_TAG_STRIDE / VECTOR_BYTES)
static_assert(LAUNCH_THREADS % ROW_VECTORS == 0, "whole rows for each block");
static_assert(FRAME_PAYLOAD_MAX / 2 < UINT32_MAX, "checksum weights have 32 bits");

/* ---- Vectors --------------------------------------------------------------------------------- */

/* CACHE is one of LAUNCH_CACHE_*. Where the caches are told nothing, their upkeep between kernels
 * costs half a microsecond. */
template <uint32_t CACHE> static __device__ __forceinline__ uint4 vector_load(const uint4 *vector)
{
    uint4 got;
    if (CACHE == LAUNCH_CACHE_STREAM)
        asm volatile("ld.global.cs.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(got.x), "=r"(got.y), "=r"(got.z), "=r"(got.w)
                     : "l"(vector));
    else if (CACHE == LAUNCH_CACHE_L2)
        asm volatile("ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(got.x), "=r"(got.y), "=r"(got.z), "=r"(got.w)
                     : "l"(vector));
    else
        got = *vector;
    return got;
}

template <uint32_t CACHE>
static __device__ __forceinline__ void vector_store(uint4 *vector, uint4 value)
{
    if (CACHE == LAUNCH_CACHE_STREAM)
        __stcs(vector, value);
    else if (CACHE == LAUNCH_CACHE_L2)
        asm volatile("st.global.L1::no_allocate.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(vector),
                     "r"(value.x), "r"(value.y), "r"(value.z), "r"(value.w)
                     : "memory");
    else
        *vector = value;
}

/* The bytes behind the last whole vector: the block that has them, and where they begin. */
static __device__ __forceinline__ bool leftover_mine(const struct job &job, uint32_t block,
                                                     uint32_t blocks)
{
    return job.payload_bytes % VECTOR_BYTES != 0 && block == blocks - 1 && threadIdx.x == 0;
}

static __device__ __forceinline__ uint64_t leftover_begin(const struct job &job)
{
    return job.payload_bytes / VECTOR_BYTES * VECTOR_BYTES;
}

/* Is there a tag in the leftover bytes? */
static __device__ __forceinline__ bool leftover_tagged(const struct job &job)
{
    return leftover_begin(job) % FRAME_TAG_STRIDE == 0 &&
           job.payload_bytes % VECTOR_BYTES >= FRAME_TAG_BYTES;
}

/* ---- CHECKSUM -------------------------------------------------------------------------------- */

/* Word i has the weight 2 i + 1, and vector v begins with word 4 v. */
static __device__ __forceinline__ uint64_t vector_sum(uint4 got, uint32_t index)
{
    uint32_t weight = 8 * index + 1;
    return (uint64_t)got.x * weight + (uint64_t)got.y * (weight + 2) +
           (uint64_t)got.z * (weight + 4) + (uint64_t)got.w * (weight + 6);
}

static __device__ uint64_t leftover_sum(const struct job &job)
{
    uint64_t sum = 0;
    for (uint64_t i = leftover_begin(job); i < job.payload_bytes; i++)
        sum += ((uint64_t)job.payload[i] << 8 * (i % 4)) * (2 * (i / 4) + 1);
    return sum;
}

template <uint32_t CACHE>
static __device__ __forceinline__ struct share checksum_share(const struct job &job, uint32_t block,
                                                              uint32_t blocks)
{
    const uint4 *vectors = (const uint4 *)job.payload;
    uint32_t count = (uint32_t)(job.payload_bytes / VECTOR_BYTES);
    uint32_t step = blocks * blockDim.x;
    struct share share = {0, 0};
    for (uint32_t i = block * blockDim.x + threadIdx.x; i < count; i += LAUNCH_LOADS * step) {
        uint4 got[LAUNCH_LOADS];
#pragma unroll
        for (int k = 0; k < LAUNCH_LOADS; k++)
            got[k] = i + k * step < count ? vector_load<CACHE>(vectors + i + k * step)
                                          : make_uint4(0, 0, 0, 0);
#pragma unroll
        for (int k = 0; k < LAUNCH_LOADS; k++)
            share.sum += vector_sum(got[k], i + k * step);
    }
    if (leftover_mine(job, block, blocks))
        share.sum += leftover_sum(job);
    return share;
}

/* ---- INVERT ---------------------------------------------------------------------------------- */

static __device__ uint32_t leftover_invert(const struct job &job)
{
    uint64_t begin = leftover_begin(job);
    bool torn = leftover_tagged(job) && *(const uint64_t *)(job.payload + begin) != job.tag;
    for (uint64_t i = begin; i < job.payload_bytes; i++)
        job.payload[i] = (uint8_t)~job.payload[i];
    return torn;
}

template <uint32_t CACHE>
static __device__ __forceinline__ struct share invert_share(const struct job &job, uint32_t block,
                                                            uint32_t blocks)
{
    uint4 *vectors = (uint4 *)job.payload;
    uint32_t count = (uint32_t)(job.payload_bytes / VECTOR_BYTES);
    uint32_t step = blocks * blockDim.x;
    struct share share = {0, 0};
    for (uint32_t i = block * blockDim.x + threadIdx.x; i < count; i += LAUNCH_LOADS * step) {
        uint4 got[LAUNCH_LOADS];
#pragma unroll
        for (int k = 0; k < LAUNCH_LOADS; k++)
            if (i + k * step < count)
                got[k] = vector_load<CACHE>(vectors + i + k * step);
#pragma unroll
        for (int k = 0; k < LAUNCH_LOADS; k++)
            if (i + k * step < count) {
                if (threadIdx.x % ROW_VECTORS == 0)
                    share.torn_tags += word64(got[k].x, got[k].y) != job.tag;
                vector_store<CACHE>(vectors + i + k * step,
                                    make_uint4(~got[k].x, ~got[k].y, ~got[k].z, ~got[k].w));
            }
    }
    if (leftover_mine(job, block, blocks))
        share.torn_tags += leftover_invert(job);
    return share;
}

/* ---- FILL ------------------------------------------------------------------------------------ */

static __device__ void leftover_fill(const struct job &job)
{
    bool tagged = leftover_tagged(job);
    uint64_t begin = leftover_begin(job);
    for (uint64_t i = begin; i < job.payload_bytes; i++) {
        uint64_t word = tagged && i < begin + FRAME_TAG_BYTES
                            ? job.tag
                            : frame_mix_content_word(job.key, i / sizeof(uint64_t));
        job.payload[i] = (uint8_t)(word >> 8 * (i % sizeof(uint64_t)));
    }
}

template <uint32_t CACHE>
static __device__ __forceinline__ struct share fill_share(const struct job &job, uint32_t block,
                                                          uint32_t blocks)
{
    uint4 *vectors = (uint4 *)job.payload;
    uint32_t count = (uint32_t)(job.payload_bytes / VECTOR_BYTES);
    uint32_t step = blocks * blockDim.x;
    for (uint32_t i = block * blockDim.x + threadIdx.x; i < count; i += step) {
        uint64_t low = threadIdx.x % ROW_VECTORS == 0
                           ? job.tag
                           : frame_mix_content_word(job.key, 2 * (uint64_t)i);
        uint64_t high = frame_mix_content_word(job.key, 2 * (uint64_t)i + 1);
        vector_store<CACHE>(vectors + i, make_uint4((uint32_t)low, (uint32_t)(low >> 32),
                                                    (uint32_t)high, (uint32_t)(high >> 32)));
    }
    if (leftover_mine(job, block, blocks))
        leftover_fill(job);
    return {0, 0};
}

/* ---- CHECK, and a look at the tags beside other work ------------------------------------------ */

/* Each of the first LAUNCH_CHECK_TAGS threads looks at the tag that frame_tags_check_sample would
 * look at; the chain of numbers behind it is walked anew by each. */
static __device__ __forceinline__ struct share check_share(const struct job &job, uint32_t block)
{
    size_t count = frame_mix_tag_count(job.payload_bytes);
    uint32_t sample = threadIdx.x;
    if (block != 0 || sample >= LAUNCH_CHECK_TAGS || sample >= count)
        return {0, 0};
    size_t index = sample;
    if (count > LAUNCH_CHECK_TAGS && sample == 1)
        index = count - 1;
    if (count > LAUNCH_CHECK_TAGS && sample > 1) {
        uint64_t random = job.tag;
        for (uint32_t i = 2; i <= sample; i++)
            random = frame_mix_sample_next(random);
        index = frame_mix_sample_tag(count, LAUNCH_CHECK_TAGS - 2, sample - 2, random);
    }
    const uint64_t *tag = (const uint64_t *)(job.payload + index * FRAME_TAG_STRIDE);
    return {0, *tag != job.tag};
}

/* ---- PREPROCESS ------------------------------------------------------------------------------ */

static __device__ __forceinline__ struct share preprocess_share(const struct job &job,
                                                                uint32_t block, uint32_t blocks)
{
    struct share share = check_share(job, block);
    for (uint32_t pixel = block * blockDim.x + threadIdx.x; pixel < PREPROCESS_PIXELS;
         pixel += blocks * blockDim.x)
        pixel_preprocess(job, pixel);
    return share;
}

/* ---- All kinds ------------------------------------------------------------------------------- */

template <int KIND, uint32_t CACHE>
static __device__ __forceinline__ struct share work_share(const struct job &job, uint32_t block,
                                                          uint32_t blocks)
{
    switch (KIND) {
    case LAUNCH_CHECKSUM:
        return checksum_share<CACHE>(job, block, blocks);
    case LAUNCH_INVERT:
        return invert_share<CACHE>(job, block, blocks);
    case LAUNCH_PREPROCESS:
        return preprocess_share(job, block, blocks);
    case LAUNCH_FILL:
        return fill_share<CACHE>(job, block, blocks);
    case LAUNCH_CHECK:
        return check_share(job, block);
    default:
        return {0, 0};
    }
}

#endif

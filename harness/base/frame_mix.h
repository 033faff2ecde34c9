/* frame_mix.h: the bits of a frame's content and tags, one word at a time.
 *
 * What frame.h defines for whole payloads, as functions of one word without state, so that C
 * (frame.c) and CUDA (kernels/work.cuh) compute the same bits from the same lines. Words are
 * 64-bit, little-endian in memory.
 */
#ifndef HANDOFF_BASE_FRAME_MIX_H
#define HANDOFF_BASE_FRAME_MIX_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/frame.h"

#if defined(__CUDACC__)
#define FRAME_MIX_INLINE static __host__ __device__ __forceinline__
#else
#define FRAME_MIX_INLINE static inline
#endif

/* Multiples of this odd number visit all 64-bit values: SplitMix64's step. */
#define FRAME_GOLDEN_STEP UINT64_C(0x9e3779b97f4a7c15)
#define FRAME_TAG_BYTES sizeof(uint64_t)

/* SplitMix64's finalizer: a bijection of 64-bit values whose only way to 0 is 0. */
FRAME_MIX_INLINE uint64_t frame_mix64(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* The tag of a frame id: bit 32 keeps the input away from 0, hence the tag too. */
FRAME_MIX_INLINE uint64_t frame_mix_tag(int32_t frame_id)
{
    return frame_mix64((uint32_t)frame_id | UINT64_C(1) << 32);
}

/* Blocks of FRAME_TAG_STRIDE bytes that have room for a tag. */
FRAME_MIX_INLINE size_t frame_mix_tag_count(size_t payload_bytes)
{
    return payload_bytes < FRAME_TAG_BYTES
               ? 0
               : (payload_bytes - FRAME_TAG_BYTES) / FRAME_TAG_STRIDE + 1;
}

/* What every word of source content number `index` of `seed` depends on. */
FRAME_MIX_INLINE uint64_t frame_mix_content_key(uint64_t seed, uint32_t index)
{
    return frame_mix64(frame_mix64(seed + FRAME_GOLDEN_STEP) + index);
}

/* Word number i of the content. No word depends on another, so a processor works on several at
 * once. */
FRAME_MIX_INLINE uint64_t frame_mix_content_word(uint64_t key, uint64_t i)
{
    return frame_mix64(key + (i + 1) * FRAME_GOLDEN_STEP);
}

/* Samples of `count` tags, samples < count: the first, the last, and the tags in between in equal
 * strata, one chosen from each: never the same twice, and over many frames every tag has its turn.
 * Stratum i of `strata` draws with the (i + 1)th of a chain of numbers that begins at the frame's
 * tag. */
FRAME_MIX_INLINE uint64_t frame_mix_sample_next(uint64_t random)
{
    return frame_mix64(random + FRAME_GOLDEN_STEP);
}

FRAME_MIX_INLINE size_t frame_mix_sample_tag(size_t count, size_t strata, size_t i, uint64_t random)
{
    size_t between = count - 2;
    size_t begin = between * i / strata;
    size_t end = between * (i + 1) / strata;
    return 1 + begin + (size_t)(random % (end - begin));
}

#endif

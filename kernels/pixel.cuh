/* pixel.cuh: one pixel of the output of `preprocess`: blended, normalized, planar; see preprocess.h.
 *
 * Called by work.cuh, which deals pixels out to threads.
 */
#ifndef HANDOFF_KERNELS_PIXEL_CUH
#define HANDOFF_KERNELS_PIXEL_CUH

#include "kernels/launch.cuh"
#include "kernels/words.cuh"

/* Where an output coordinate lies between two input pixels. (i + 0.5) * size / 224 - 0.5 has the
 * denominator 448, so whole numbers give it exactly, and fast where doubles are slow. */
struct position {
    uint32_t first;
    float fraction; /* the weight of the next pixel; 0 where there is none */
};

static __device__ __forceinline__ struct position position_make(uint32_t index, uint32_t input_size)
{
    const int64_t parts = 2 * PREPROCESS_SIZE;
    int64_t at = (int64_t)(2 * index + 1) * input_size - PREPROCESS_SIZE;
    int64_t last = (int64_t)(input_size - 1) * parts;
    at = at < 0 ? 0 : at > last ? last : at;
    uint32_t first = (uint32_t)((uint64_t)at / (uint32_t)parts);
    return {first, (float)((uint32_t)at - first * (uint32_t)parts) / (float)parts};
}

/* Two pixels from byte `at` on, in one word. Whole 32-bit words are loaded as far as the payload
 * goes, since each load of host memory is a journey. */
static __device__ __forceinline__ uint64_t pair_load(const struct job &job, uint64_t at)
{
    uint32_t bytes = 2 * (uint32_t)job.geometry.channels;
    uint64_t from = at & ~(uint64_t)3;
    uint32_t skip = (uint32_t)(at & 3);
    if (from + 12 > job.payload_bytes) {
        uint64_t pair = 0;
        for (uint32_t i = 0; i < bytes && at + i < job.payload_bytes; i++)
            pair |= (uint64_t)job.payload[at + i] << 8 * i;
        return pair;
    }
    const uint32_t *words = (const uint32_t *)(job.payload + from);
    uint32_t first = words[0];
    uint32_t second = skip + bytes > 4 ? words[1] : 0;
    uint32_t third = skip + bytes > 8 ? words[2] : 0;
    return word64(__funnelshift_r(first, second, 8 * skip),
                  __funnelshift_r(second, third, 8 * skip));
}

static __device__ __forceinline__ float channel_value(uint64_t pair, uint32_t byte)
{
    return (float)(uint32_t)(pair >> 8 * byte & 0xff);
}

static __device__ __forceinline__ void pixel_preprocess(const struct job &job, uint32_t pixel)
{
    uint32_t channels = (uint32_t)job.geometry.channels;
    struct position row = position_make(pixel / PREPROCESS_SIZE, (uint32_t)job.geometry.height);
    struct position column = position_make(pixel % PREPROCESS_SIZE, (uint32_t)job.geometry.width);
    uint64_t row_bytes = (uint64_t)job.geometry.width * channels;
    uint64_t above = row.first * row_bytes + (uint64_t)column.first * channels;
    uint64_t below = row.fraction > 0 ? above + row_bytes : above;
    uint64_t top_pair = pair_load(job, above);
    uint64_t bottom_pair = pair_load(job, below);
    uint32_t planes = channels == 1 ? 1 : PREPROCESS_PLANES_MAX;
#pragma unroll
    for (uint32_t plane = 0; plane < PREPROCESS_PLANES_MAX; plane++) {
        if (plane >= planes)
            break;
        float top_left = channel_value(top_pair, plane);
        float bottom_left = channel_value(bottom_pair, plane);
        float top_right = channel_value(top_pair, channels + plane);
        float bottom_right = channel_value(bottom_pair, channels + plane);
        float top = top_left + (top_right - top_left) * column.fraction;
        float bottom = bottom_left + (bottom_right - bottom_left) * column.fraction;
        float value = top + (bottom - top) * row.fraction;
        job.output[plane * PREPROCESS_PIXELS + pixel] =
            value * job.scale[plane] + job.offset[plane];
    }
}

#endif

/* hdr_layout.h: the inside of a histogram, shared by hdr.c and hdr_codec.c alone.
 *
 * Index i of counts stands for the values [hdr_low_ns(i), hdr_low_ns(i) + hdr_width_ns(i) - 1]. The
 * first 2048 have width 1; after that each 1024 doubles the width. This is HdrHistogram's layout
 * for lowest 1, highest an hour, three digits.
 */
#ifndef HANDOFF_MEASURE_HDR_LAYOUT_H
#define HANDOFF_MEASURE_HDR_LAYOUT_H

#include <stdint.h>

#include "harness/measure/hdr.h"

#define HDR_SUB_BUCKET_BITS 11 /* the smallest power of two that is at least 2 * 10^3 */
#define HDR_SUB_BUCKETS (1 << HDR_SUB_BUCKET_BITS)
#define HDR_SUB_BUCKETS_HALF (HDR_SUB_BUCKETS / 2)
#define HDR_BUCKETS 32 /* 2048 << 31 is the first such limit above an hour of nanoseconds */
#define HDR_COUNTS ((HDR_BUCKETS + 1) * HDR_SUB_BUCKETS_HALF)
/* More samples than this are refused by the decoder, so that sums of many cannot wrap around. */
#define HDR_COUNT_MAX ((uint64_t)1 << 53)

struct hdr {
    uint64_t total;
    uint64_t clamped;
    uint32_t index_end; /* one past the highest non-empty index; 0 when empty */
    uint64_t counts[HDR_COUNTS];
};

static inline uint32_t hdr_index(int64_t value_ns)
{
    int bits = 64 - __builtin_clzll((uint64_t)value_ns | (HDR_SUB_BUCKETS - 1));
    int bucket = bits - HDR_SUB_BUCKET_BITS;
    return (uint32_t)((bucket + 1) * HDR_SUB_BUCKETS_HALF +
                      (int)((value_ns >> bucket) - HDR_SUB_BUCKETS_HALF));
}

static inline unsigned hdr_bucket(uint32_t index)
{
    return index < HDR_SUB_BUCKETS ? 0 : index / HDR_SUB_BUCKETS_HALF - 1;
}

static inline int64_t hdr_width_ns(uint32_t index)
{
    return (int64_t)1 << hdr_bucket(index);
}

static inline int64_t hdr_low_ns(uint32_t index)
{
    unsigned bucket = hdr_bucket(index);
    return ((int64_t)index - (int64_t)bucket * HDR_SUB_BUCKETS_HALF) << bucket;
}

#endif

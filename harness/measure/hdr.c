/* hdr.c: recording into, merging and reading histograms. See hdr.h for the contract.
 *
 * The arithmetic of every figure follows HdrHistogram step by step, so that its other
 * implementations agree with ours to the last digit.
 */
#include "harness/measure/hdr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/hdr_layout.h"

_Static_assert(((int64_t)HDR_SUB_BUCKETS << (HDR_BUCKETS - 1)) > HDR_HIGHEST_NS, "all values fit");
_Static_assert(((int64_t)HDR_SUB_BUCKETS << (HDR_BUCKETS - 2)) <= HDR_HIGHEST_NS, "and just so");

__extension__ typedef unsigned __int128 hdr_wide_sum;

struct hdr *hdr_new(void)
{
    return calloc(1, sizeof(struct hdr));
}

void hdr_free(struct hdr *hdr)
{
    free(hdr);
}

void hdr_reset(struct hdr *hdr)
{
    memset(hdr, 0, sizeof *hdr);
}

void hdr_record(struct hdr *hdr, int64_t value_ns)
{
    hdr_record_count(hdr, value_ns, 1);
}

void hdr_record_count(struct hdr *hdr, int64_t value_ns, uint64_t count)
{
    if (count == 0)
        return;
    if (value_ns < 0)
        value_ns = 0;
    if (value_ns > HDR_HIGHEST_NS) {
        value_ns = HDR_HIGHEST_NS;
        hdr->clamped += count;
    }
    uint32_t index = hdr_index(value_ns);
    hdr->counts[index] += count;
    hdr->total += count;
    if (index >= hdr->index_end)
        hdr->index_end = index + 1;
}

void hdr_merge(struct hdr *into, const struct hdr *from)
{
    for (uint32_t i = 0; i < from->index_end; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
    into->clamped += from->clamped;
    if (from->index_end > into->index_end)
        into->index_end = from->index_end;
}

uint64_t hdr_count(const struct hdr *hdr)
{
    return hdr->total;
}

uint64_t hdr_clamped(const struct hdr *hdr)
{
    return hdr->clamped;
}

int64_t hdr_min_ns(const struct hdr *hdr)
{
    for (uint32_t i = 0; i < hdr->index_end; i++)
        if (hdr->counts[i] > 0)
            return hdr_low_ns(i);
    return 0;
}

int64_t hdr_max_ns(const struct hdr *hdr)
{
    if (hdr->index_end == 0)
        return 0;
    uint32_t last = hdr->index_end - 1;
    return hdr_low_ns(last) + hdr_width_ns(last) - 1;
}

/* The value in the middle of an index, as HdrHistogram takes it for means. */
static int64_t hdr_middle_ns(uint32_t index)
{
    return hdr_low_ns(index) + (hdr_width_ns(index) >> 1);
}

double hdr_mean_ns(const struct hdr *hdr)
{
    if (hdr->total == 0)
        return 0.0;
    hdr_wide_sum sum = 0;
    for (uint32_t i = 0; i < hdr->index_end; i++)
        sum += (hdr_wide_sum)hdr->counts[i] * (hdr_wide_sum)hdr_middle_ns(i);
    return (double)sum / (double)hdr->total;
}

double hdr_stddev_ns(const struct hdr *hdr)
{
    if (hdr->total == 0)
        return 0.0;
    double mean = hdr_mean_ns(hdr);
    double sum = 0.0;
    for (uint32_t i = 0; i < hdr->index_end; i++) {
        double deviation = (double)hdr_middle_ns(i) - mean;
        sum += deviation * deviation * (double)hdr->counts[i];
    }
    return sqrt(sum / (double)hdr->total);
}

/* Which sample, counted from 1, stands at quantile q of `count` of them. Goes through per cent as
 * the other implementations do: q * count would round differently now and then. */
static uint64_t hdr_rank(double q, uint64_t count)
{
    double percent = q * 100.0;
    if (percent > 100.0)
        percent = 100.0;
    double rank = percent * (double)count / 100.0 + 0.5;
    return rank < 1.0 ? 1 : (uint64_t)rank;
}

int64_t hdr_quantile_ns(const struct hdr *hdr, double q)
{
    return hdr_quantile_with_infinite_ns(hdr, 0, q);
}

int64_t hdr_quantile_with_infinite_ns(const struct hdr *hdr, uint64_t infinite, double q)
{
    if (hdr->total + infinite == 0)
        return 0;
    uint64_t rank = hdr_rank(q, hdr->total + infinite);
    uint64_t passed = 0;
    for (uint32_t i = 0; i < hdr->index_end; i++) {
        passed += hdr->counts[i];
        if (passed >= rank)
            return q > 0.0 ? hdr_low_ns(i) + hdr_width_ns(i) - 1 : hdr_low_ns(i);
    }
    return infinite > 0 ? INT64_MAX : hdr_max_ns(hdr);
}

int hdr_next_bin(const struct hdr *hdr, size_t *index, struct hdr_bin *bin)
{
    for (size_t i = *index; i < hdr->index_end; i++) {
        if (hdr->counts[i] == 0)
            continue;
        uint32_t at = (uint32_t)i;
        *bin = (struct hdr_bin){
            .low_ns = hdr_low_ns(at),
            .high_ns = hdr_low_ns(at) + hdr_width_ns(at) - 1,
            .count = hdr->counts[i],
        };
        *index = i + 1;
        return 1;
    }
    *index = hdr->index_end;
    return 0;
}

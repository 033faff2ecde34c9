/* hdr.h: a High Dynamic Range histogram of nanoseconds: 1 ns to an hour, 3 significant digits.
 *
 * The layout is HdrHistogram's (Gil Tene), so that the tools people have can read what we write:
 * values fall into power-of-two buckets of 2048 linear sub-buckets, the lower half of which only
 * the first bucket uses. Encoded as HdrHistogram V2, compressed, base64 ("HISTFAAA…").
 */
#ifndef HANDOFF_MEASURE_HDR_H
#define HANDOFF_MEASURE_HDR_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "harness/base/err.h"

#define HDR_LOWEST_NS 1
#define HDR_HIGHEST_NS 3600000000000
#define HDR_SIGNIFICANT_DIGITS 3

/* Opaque; about 270 kB of counts. */
struct hdr;

/* An empty histogram; NULL when out of memory. The caller frees. */
struct hdr *hdr_new(void);
/* Safe on NULL. */
void hdr_free(struct hdr *hdr);
void hdr_reset(struct hdr *hdr);

/* Counts one value. Values below 0 count as 0, above HDR_HIGHEST_NS as HDR_HIGHEST_NS; the number
 * of the latter is kept in hdr_clamped. Never allocates. */
void hdr_record(struct hdr *hdr, int64_t value_ns);
void hdr_record_count(struct hdr *hdr, int64_t value_ns, uint64_t count);

/* Adds all counts of `from`. */
void hdr_merge(struct hdr *into, const struct hdr *from);

uint64_t hdr_count(const struct hdr *hdr);
uint64_t hdr_clamped(const struct hdr *hdr);
int64_t hdr_min_ns(const struct hdr *hdr); /* lowest equivalent value, 0 when empty */
int64_t hdr_max_ns(const struct hdr *hdr); /* highest equivalent value, 0 when empty */
/* Over the middles of the cells values fell into, as HdrHistogram does it; 0 when empty. */
double hdr_mean_ns(const struct hdr *hdr);
double hdr_stddev_ns(const struct hdr *hdr);

/* The highest value equivalent to the one at quantile q in [0, 1], as HdrHistogram defines it: the
 * sample of rank max(1, floor(q * count + 0.5)); for q = 0 the lowest equivalent one; 0 when empty.
 * With `infinite` more samples beyond every value, INT64_MAX when the rank falls among them. */
int64_t hdr_quantile_ns(const struct hdr *hdr, double q);
int64_t hdr_quantile_with_infinite_ns(const struct hdr *hdr, uint64_t infinite, double q);

/* Base64 of the V2 compressed form; the caller frees *text. */
enum status hdr_encode(const struct hdr *hdr, char **text, struct err *err);
/* The inverse; ST_CORRUPT with the reason for anything else, however hostile. hdr_clamped is not
 * part of the format and starts at 0. The caller frees *hdr. */
enum status hdr_decode(const char *text, struct hdr **hdr, struct err *err);

/* Visits non-empty cells in rising order. */
struct hdr_bin {
    int64_t low_ns;  /* lowest value that falls into it */
    int64_t high_ns; /* highest value that falls into it */
    uint64_t count;
};
/* index starts at 0 and is advanced; false when there is no more. */
int hdr_next_bin(const struct hdr *hdr, size_t *index, struct hdr_bin *bin);

/* Writes the percentile distribution in HdrHistogram's text form (.hgrm), in nanoseconds. The
 * format knows no infinite samples: their number stands in a comment. Check ferror(file)
 * afterwards. */
void hdr_write_hgrm(const struct hdr *hdr, uint64_t infinite, FILE *file);

#endif

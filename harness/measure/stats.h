/* stats.h: from per-launch figures to what may be said about a cell.
 *
 * Launches are the unit, not frames: the frames of one launch are not independent. So a quantile is
 * taken per launch, where the launch has frames enough for it, and intervals are Student's t over
 * the launches. Used by result.c, the pilot, the report and the comparison.
 */
#ifndef HANDOFF_MEASURE_STATS_H
#define HANDOFF_MEASURE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/measure/hdr.h"

/* Launches from which on an interval is a 95 % confidence interval; with fewer it is the range. */
#define STATS_LAUNCHES_MIN 10

/* The quantiles that are reported, and the frames one launch needs for each.
 *
 * frames_min is the smallest n with 1 - q^n >= 0.975, that is ln(0.025) / ln(q) rounded up: with
 * fewer frames the chance is above 2.5 % that not one of them lies beyond the true quantile, and
 * then the sample holds no upper end for a two-sided 95 % interval of it; the "quantile" would be
 * the maximum under another name. */
enum stats_quantile {
    STATS_P50,
    STATS_P90,
    STATS_P99,
    STATS_P999,
    STATS_QUANTILE_COUNT,
};
struct stats_quantile_definition {
    const char *key; /* "p50", "p90", "p99", "p999": the keys in results */
    double q;
    uint64_t frames_min; /* 6, 36, 368, 3688 */
};
extern const struct stats_quantile_definition stats_quantiles[STATS_QUANTILE_COUNT];

/* One launch's quantile of a histogram and `infinite` more samples beyond every value. False when
 * they are fewer than frames_min. *value_ns is INFINITY when the rank falls among the infinite. */
bool stats_launch_quantile(const struct hdr *hdr, uint64_t infinite, enum stats_quantile quantile,
                           double *value_ns);

enum stats_spread {
    STATS_SPREAD_NONE,  /* no launch had frames enough: no value at all */
    STATS_SPREAD_RANGE, /* low and high are the smallest and the largest launch */
    STATS_SPREAD_CI95,  /* low and high are a 95 % t interval */
};
const char *stats_spread_name(enum stats_spread spread); /* "none", "range", "ci95" */

/* What a set of launches says about one figure. */
struct stats_estimate {
    double value; /* INFINITY where a launch's figure is infinite; NAN without a value */
    double low;
    double high;
    enum stats_spread spread;
    uint32_t launches; /* that had a figure */
};

/* For times, and rates that cannot be 0: the geometric mean, with the t interval on the logarithm.
 * Values below 1 count as 1, the resolution of a nanosecond (pass scaled values for other units);
 * nothing but zeros is 0, with a range.
 * With an infinite value among them there is no mean: value and high are INFINITY, low is the
 * smallest, and the spread is a range. */
struct stats_estimate stats_estimate_log(const double *values, size_t count);
/* For figures that may be 0, such as CPU time: the mean with its t interval, not below 0. */
struct stats_estimate stats_estimate_linear(const double *values, size_t count);
/* The same for differences, which may be negative: not cut at 0. */
struct stats_estimate stats_estimate_signed(const double *values, size_t count);

/* Mean and standard error of `count` >= 1 values of map(values[i]); the error is 0 for one
 * value. */
void stats_mean(const double *values, size_t count, double (*map)(double), double *mean,
                double *error);
/* The logarithm in which times and rates are compared; what is below 1 counts as 1. */
double stats_map_log(double value);

/* ---- Student's t --------------------------------------------------------------------------------
 * With `degrees` >= 1 degrees of freedom, which need not be whole. Both to 9 digits. */

/* The chance of a value above `t`: the p of a one-sided test. NAN for NAN. */
double stats_t_upper(double t, double degrees);
/* The quantile at p, 0.5 <= p < 1. */
double stats_t_quantile(double p, double degrees);
/* The ratio that a one-sided test of ln(ratio) against ln(margin) at `alpha` finds in 8 of 10
 * repetitions, if `error` (its standard error, with `degrees`) is the true one. */
double stats_detectable(double margin, double error, double degrees, double alpha);

/* ---- Paired comparison ------------------------------------------------------------------------
 * d = ln(new / base), launch by launch: launch k of two cells of one block ran next to each other,
 * so what drifts between rounds cancels. */
enum stats_verdict {
    STATS_UNCLEAR, /* not enough data to say any of the others */
    STATS_TIED,    /* the 90 % interval of d lies within +-5 % */
    STATS_SLOWER,  /* new is larger, beyond the margin (one-sided t at 5 %) */
    STATS_FASTER,  /* new is smaller, beyond the margin */
};
const char *stats_verdict_name(enum stats_verdict verdict); /* "unclear", "tied", … */

struct stats_paired {
    size_t pairs;       /* pairs in which both values are finite */
    double mean, error; /* of d, with its standard error; NAN without pairs, without two of them */
    double ratio;       /* exp(mean d): new / base; NAN without pairs */
    double low90, high90; /* intervals of the ratio; NAN with fewer than 2 pairs */
    double low95, high95;
    /* The smallest increase, as a ratio above 1, that this many pairs of this spread would have
     * shown beyond the margin in 8 of 10 repetitions; NAN with fewer than 2 pairs. */
    double detectable;
    enum stats_verdict verdict;
};

/* `margin` is the ratio that does not count as a difference yet: 1.02, or more where two clock
 * ticks are more (stats_margin). Values below 1 count as 1; pairs with an infinite value are left
 * out and make the verdict unclear. A verdict other than unclear needs at least 5 pairs. */
struct stats_paired stats_paired(const double *new_values, const double *base_values, size_t count,
                                 double margin);
/* 1.02, or (base + 2 ticks) / base where that is larger. */
double stats_margin(double base_ns, double tick_ns);

/* ---- Warm-up and steadiness ---------------------------------------------------------------------
 * Both take latencies in order of frames; UINT64_MAX, a frame that never finished, is left out.
 * Both allocate a copy; out of memory they give the cautious answer (not steady; half). */

/* Whether the latencies of one launch hold still. False when the medians of the first and of the
 * last third differ by more than 10 % of the smaller one, and by more than four times the standard
 * error of that difference. The error is estimated from the medians of up to 6 runs of
 * neighbouring frames in each third, so that neighbours that move together do not pass for
 * precision. With fewer than 60 frames it is true: nothing can be said. */
bool stats_steady(const uint64_t *latencies_ns, size_t count);

/* How many frames to leave out at the start, from a pilot's latencies. A rolling median of 9 frames
 * is at home while it is within 10 % of the median of the second half, or within three of its own
 * robust standard deviations there, if that is more. The warm-up ends with the first window that is
 * at home together with the 8 after it and with 9 in 10 of all that follow; twice the index of its
 * middle is the answer. At least 5 and at most half of the frames; half when there is no such
 * window. */
uint32_t stats_warmup(const uint64_t *latencies_ns, size_t count);

#endif

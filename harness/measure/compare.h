/* compare.h: the paired comparison that may fail a build, and the unpaired one that informs.
 *
 * A gate is one metric in one cell: pairs of launches of base and new that ran next to each other.
 * All gates of a comparison are one family: the chance that any of them calls "slower" what is the
 * same is held at COMPARE_ALPHA (Holm). "Faster" fails no build; it is a family of its own, held at
 * as much again, so that looking for improvements does not blunt the alarm. "Same" is said of each
 * gate for itself, at 5 %. scripts/compare-rates shows that this is so.
 *
 * Stored results were not interleaved; what differs between them may be the machine's day, so their
 * ratios carry a wider interval and gate nothing by themselves. Called by cli/cmd_compare and the
 * report. Uses the statistics of stats.h.
 */
#ifndef HANDOFF_MEASURE_COMPARE_H
#define HANDOFF_MEASURE_COMPARE_H

#include "harness/measure/stats.h"

#define COMPARE_ALPHA 0.05
#define COMPARE_SAME_RATIO 1.05 /* "same": the 90 % interval lies within this, both ways */
#define COMPARE_PAIRS_MIN 5     /* fewer decide nothing */
#define COMPARE_METRICS_MAX 8   /* that a scenario may declare as gates */

enum compare_verdict {
    COMPARE_UNCLEAR, /* not enough data */
    COMPARE_SAME,
    COMPARE_SLOWER,
    COMPARE_FASTER,
};
const char *compare_verdict_words(enum compare_verdict verdict); /* "not enough data", "same" … */

/* One gate: in, and after compare_judge out. `d` below is ln(new / base), or ln(base / new) where
 * more is better, so that above 0 always means worse. */
struct compare_gate {
    /* in */
    /* one per pair, in ns; other units scaled so that 1 is next to nothing */
    const double *new_values;
    const double *base_values;
    size_t count;
    bool more_is_better; /* frames per second */
    double margin;       /* ratio that is no difference yet: stats_margin() */
    /* out */
    struct stats_paired paired; /* of new / base as d says; `verdict` in it is without Holm */
    double p_slower, p_faster;  /* one-sided, beyond the margin; NAN where nothing can be tested */
    double p_slower_holm;       /* adjusted over all gates of the table that have a p */
    double p_faster_holm;
    double detectable; /* the smallest slowdown, as a ratio, that would have been called slower in 8
                          of 10 repetitions by this gate alone among those of the table, at Holm's
                          first step; NAN where it was no t test */
    enum compare_verdict verdict;
};

/* Judges a whole table. A gate is tested by the paired t, beyond its margin in either direction:
 * - With fewer than COMPARE_PAIRS_MIN pairs, or a value missing (NAN) in any of them, it is not
 *   tested, and no verdict says more than "not enough data". It does not count in the table's size.
 * - With infinite values (a quantile among the frames that never finished) there is no mean: then it
 *   is the sign test, in which an infinite value is beyond every finite one. It may say slower or
 *   faster, never same; `paired` is of the finite pairs.
 * It takes time with the square of `count`. */
void compare_judge(struct compare_gate *gates, size_t count);

/* One metric of one cell in two results that did not run together: Welch's t on the logarithms of
 * per-launch values, which need not be as many on both sides. The interval is of these launches;
 * how much a machine differs from one day to the next is not in them. */
struct compare_stored {
    size_t base_count, new_count; /* finite values */
    double ratio;                 /* new / base of the geometric means; NAN without values */
    double low95, high95;         /* NAN with fewer than 2 launches on a side */
    /* slower or faster: the 95 % interval is beyond the margin; same: it is within
     * COMPARE_SAME_RATIO. Where values are infinite: they are so more often on one side (Fisher's
     * exact test). Unclear with fewer than COMPARE_PAIRS_MIN values on a side or one missing (NAN).
     * Never gates by itself. */
    enum compare_verdict verdict;
};
/* More is slower: for rates exchange the sides. */
struct compare_stored compare_stored(const double *new_values, size_t new_count,
                                     const double *base_values, size_t base_count, double margin);

#endif

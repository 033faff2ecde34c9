/* compare.h: the paired comparison that may fail a build, and the unpaired one that informs.
 *
 * A gate is one metric in one cell: pairs of launches of base and new that ran next to each other.
 * All gates of a comparison are one family: the chance that any of them calls "slower" what is the
 * same is held at COMPARE_ALPHA (Holm). Stored results were not interleaved; what differs between
 * them may be the machine's day, so their ratios carry a wider interval and gate nothing by
 * themselves. Called by cli/cmd_compare and the report. Uses the statistics of stats.h.
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
    const double *new_values; /* one per pair */
    const double *base_values;
    size_t count;
    bool more_is_better; /* frames per second */
    double margin;       /* ratio that is no difference yet: stats_margin() */
    /* out */
    struct stats_paired paired; /* of new / base as d says; `verdict` in it is without Holm */
    double p_slower, p_faster;  /* one-sided t, beyond the margin; NAN without enough pairs */
    double p_slower_holm;       /* adjusted over all gates of the table */
    double p_faster_holm;
    double detectable; /* the smallest slowdown, as a ratio, that would have been called slower in 8
                          of 10 repetitions at this table's size; NAN without enough pairs */
    enum compare_verdict verdict;
};

/* Judges a whole table. */
void compare_judge(struct compare_gate *gates, size_t count);

/* One metric of one cell in two results that did not run together: Welch's t on the logarithms of
 * per-launch values, which need not be as many on both sides. */
struct compare_stored {
    size_t base_count, new_count;
    double ratio;                 /* new / base of the geometric means; NAN without values */
    double low95, high95;         /* NAN with fewer than 2 launches on a side */
    enum compare_verdict verdict; /* never gates by itself */
};
struct compare_stored compare_stored(const double *new_values, size_t new_count,
                                     const double *base_values, size_t base_count, double margin);

/* One-sided p of Student's t: the chance of a value above `t` with `degrees` >= 1 degrees. */
double compare_t_upper(double t, double degrees);

#endif

/* tradeoff.h: how soon against what CPU: which waits, or transports, are worth having, and how sure
 * that is.
 *
 * A point is a cell: its response at a high quantile, and the CPU time it takes. On the frontier
 * are those that no other one beats in both. Used by the conclusions and by plot_tradeoff.c.
 */
#ifndef HANDOFF_REPORT_TRADEOFF_H
#define HANDOFF_REPORT_TRADEOFF_H

#include "harness/report/verdict.h"

#define TRADEOFF_SENTENCES_MAX 3

struct tradeoff_point {
    const struct report_cell *cell;
    struct figure time; /* of response, nanoseconds */
    struct figure cpu;  /* per cent of one CPU */
    bool frontier;
};

struct tradeoff {
    const char *quantile; /* "p99", or a lower one where some cell has too few frames for it */
    bool net;             /* CPU of the whole system less the baseline's; else of both roles */
    bool busy;            /* other work hides the net figures: that is why they are not used */
    struct tradeoff_point *points; /* in the group's order */
    size_t count;
    struct text left_out; /* names of cells whose frames did not all finish, ", " between */
};

/* Whether response against CPU is a choice between the axis's values: it is between waits or
 * transports, not between loads or sizes of a frame. */
bool tradeoff_is_of(const char *axis);

/* Fills *made for a group of a block that compares such values at a schedule. False, and nothing to
 * free, when it is none or has fewer than two points, or when memory runs out. */
bool tradeoff_make(const struct report_block *block, const struct report_group *group,
                   struct tradeoff *made);
void tradeoff_free(struct tradeoff *tradeoff);

/* Whether other work on the machine decides a cell's net CPU: its interval is wide, or it is less
 * than what the roles themselves used, as where the machine had no time left to use. */
bool tradeoff_net_is_drowned(const struct report_cell *cell);

/* The CPU that both roles took themselves, launch by launch, so that it has an interval, in per
 * cent of one CPU. */
struct figure tradeoff_cost_of_roles(const struct report_cell *cell);

/* Marks the points on the frontier: no other is at most as dear and at most as late, and better in
 * one of the two. Equals are on it together. */
void tradeoff_mark_frontier(struct tradeoff_point *points, size_t count);

/* CPU of two cells, launch by launch, in per cent of one CPU. */
struct tradeoff_cost {
    size_t pairs;
    double mean; /* of a - b */
    double low90, high90;
    enum stats_verdict verdict; /* of a: slower means dearer */
};
/* Differences instead of the ratios of stats_paired: a net CPU time may be nothing, or less. Tied:
 * the 90 % interval of the difference lies within half a per cent of a CPU or 5 % of b, whichever
 * is larger. Dearer or cheaper: it lies beyond a tenth of a per cent or 2 %. Needs 5 pairs. */
struct tradeoff_cost tradeoff_cost_compare(const double *a, const double *b, size_t count);
/* The same of two points' cells. */
struct tradeoff_cost tradeoff_compare(const struct tradeoff *tradeoff, const struct report_cell *a,
                                      const struct report_cell *b);

/* The smallest of 1, 2, 5, 10, 20, 50, … that is above the value. */
double tradeoff_bound_above(double value);

/* Sentences: "At 60 frames/s, below 200 µs at p99, the cheapest is futex (85 µs, 2.1 % of a
 * CPU)."; at most TRADEOFF_SENTENCES_MAX, bounds growing, each with another answer. Returns how
 * many; the caller frees them. */
size_t tradeoff_sentences(const struct report_group *group, const struct tradeoff *tradeoff,
                          struct text sentences[TRADEOFF_SENTENCES_MAX]);

#endif

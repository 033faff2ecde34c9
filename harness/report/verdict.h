/* verdict.h: which of two cells is better, and whether the data can tell.
 *
 * Cells of one group ran interleaved, so launch k of one is compared with launch k of the other.
 * Called by the conclusions and the recommendation.
 */
#ifndef HANDOFF_REPORT_VERDICT_H
#define HANDOFF_REPORT_VERDICT_H

#include "harness/measure/gate.h"
#include "harness/measure/stats.h"
#include "harness/report/model.h"

/* Launches that both need for a verdict; stats_paired sees to it. */
#define VERDICT_PAIRS_MIN 5
/* Below so many clock ticks means are compared instead of medians. */
#define VERDICT_MEANS_BELOW_TICKS 50
/* A rate that is so many times another one is told beside a latency that does not say so. */
#define VERDICT_RATE_APART_RATIO 2.0
/* Searches look at the same few rates and stop at a twentieth (run/search.h, SEARCH_RATIO): limits
 * a hair apart, to both sides of such a rate, come back a whole step apart from every launch. */
#define VERDICT_SEARCH_MARGIN_RATIO 1.05

/* What a group is compared by. */
enum metric {
    METRIC_NONE,    /* nothing that two of its cells have */
    METRIC_HANDOFF, /* waits, where a commit moves no bytes */
    METRIC_LATENCY,
    METRIC_FRAMES_PER_S, /* pacing max: its latency is queue depth, so throughput only; pacing
                            search: the highest rate is the answer */
};

/* Whether a cell may be recommended: it ran, and every frame that was looked at was whole. */
bool verdict_cell_is_sound(const struct report_cell *cell);
/* The `null` transport moves no bytes: the tool's own cost, not a competitor. */
bool verdict_cell_is_floor(const struct report_cell *cell);

/* Whether every cell of the group searched for its highest rate: then each ran at its own. */
bool verdict_group_searches(const struct report_block *block, const struct report_group *group);
enum metric verdict_metric(const struct report_block *block, const struct report_group *group);
const char *verdict_metric_interval(enum metric metric); /* "handoff", "latency" or "" */
enum figure_unit verdict_metric_unit(enum metric metric);
/* p50 of the metric, or frames per second. */
struct figure verdict_figure(const struct report_cell *cell, enum metric metric);

/* How many times as many frames/s `other` moves as `cell`, where what their latencies say of that can
 * be wrong: with one frame in flight, by metric latency. Else NAN. */
double verdict_rate_ratio(const struct report_cell *cell, const struct report_cell *other,
                          enum metric metric);
/* Whether the other moves VERDICT_RATE_APART_RATIO times as many as a longer latency of the cell
 * explains: the rest of a frame's turn lies outside the latency, which begins when the frame is
 * filled. Where the producer had to wait for the GPU before that, only the rate shows it. */
bool verdict_loses_rate(const struct report_cell *cell, const struct report_cell *other,
                        enum metric metric);

/* The best sound cell of a group by that metric that is no floor, or NULL. */
const struct report_cell *verdict_best(const struct report_block *block,
                                       const struct report_group *group, enum metric metric);

/* The ratio of a gate that is no difference yet, where `base` has the geometric mean `value`: two
 * percent, or what the clock's tick, the step of CPU time or that of a search makes of it. */
double verdict_margin(const struct gate *gate, const struct report_cell *base, double value,
                      double tick_ns);

/* Whether the two are so few clock ticks that verdict_compare takes their means: its ratio is none
 * of the figures that verdict_figure gives then. */
bool verdict_compares_means(const struct report *report, const struct report_cell *cell,
                            const struct report_cell *base, enum metric metric);
/* `cell` against `base`, paired by launch: slower means worse, for throughput too (its ratio is
 * base / cell). Below 50 clock ticks means are compared instead of medians. */
struct stats_paired verdict_compare(const struct report *report, const struct report_cell *cell,
                                    const struct report_cell *base, enum metric metric);

#endif

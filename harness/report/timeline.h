/* timeline.h: how the launches of a cell went over their time, out of a result. Used by
 * plot_timeline.c. A result is input: what is absent, mistyped or too long is left out. */
#ifndef HANDOFF_REPORT_TIMELINE_H
#define HANDOFF_REPORT_TIMELINE_H

#include "harness/report/model.h"

#define TIMELINE_BUCKETS_MAX 60
#define TIMELINE_HICCUPS_MAX 8
#define TIMELINE_LAUNCHES_MAX 60

struct timeline_launch {
    double p50_ns[TIMELINE_BUCKETS_MAX]; /* NAN where no frame finished */
    double max_ns[TIMELINE_BUCKETS_MAX];
    size_t bucket_count; /* at least 1 */
    struct {
        double at; /* share of the launch's time, 0 to 1 */
        double value_ns;
    } hiccups[TIMELINE_HICCUPS_MAX];
    size_t hiccups_kept;
};

struct timeline {
    struct timeline_launch *launches; /* those that have one, in order */
    size_t count;
    size_t left_out;      /* launches beyond TIMELINE_LAUNCHES_MAX */
    const char *interval; /* "response" or "latency": the same in all of them */
    double frames;        /* finished */
    double hiccup_count;
    double hiccup_frames;
    size_t launches_with_hiccups;
    double low_ns, high_ns; /* of all medians and maxima */
};

/* False, and nothing to free, when no launch of the cell has one, or memory runs out. */
bool timeline_read(const struct report_cell *cell, struct timeline *timeline);
void timeline_free(struct timeline *timeline);

#endif

/* result_cell.h: what result_cell.c gathers from launches, for result_cell_json.c to write.
 */
#ifndef HANDOFF_RUN_RESULT_CELL_H
#define HANDOFF_RUN_RESULT_CELL_H

#include "harness/run/result_parts.h"

/* Figures with one value per launch, estimated across launches. */
enum cell_metric {
    METRIC_FRAMES_PER_S,
    METRIC_PRODUCER_PERCENT,
    METRIC_PRODUCER_NS_PER_FRAME,
    METRIC_CONSUMER_PERCENT,
    METRIC_CONSUMER_NS_PER_FRAME,
    METRIC_SYSTEM_PERCENT,
    METRIC_SYSTEM_LESS_NULL, /* percent, less the baseline's of the same number; may be negative */
    METRIC_COUNT,
};

struct cell_series {
    size_t count;
    double *values; /* room for one per launch */
};

/* Of one interval, over the launches that went well. Empty where one of them could not tell it:
 * those that could are the ones in which it was long. */
struct cell_interval {
    bool withheld;
    struct hdr *merged; /* NULL until a launch has this interval */
    uint64_t infinite;
    struct cell_series quantiles[STATS_QUANTILE_COUNT];
};

struct cell_role_totals {
    uint64_t voluntary_switches;
    uint64_t involuntary_switches;
    uint64_t page_faults;
    bool has_cpu; /* pinned, as the launches say */
    int cpu;
};

/* Everything about a cell. Integrity is that of all launches, failed ones too; other figures are of
 * those that went well. */
struct cell_totals {
    uint32_t ok;
    uint32_t failed;
    uint32_t unsteady;
    /* Of the first failed launch in the order they ran; "" for none. */
    char failure[RESULT_REASON_BYTES];
    char failure_hint[384];
    uint64_t failure_order;
    uint64_t frames;     /* counted and finished */
    uint64_t unfinished; /* counted, sent and not finished */
    uint64_t backlog_frames;
    uint64_t clamped;
    uint64_t deadline_ns;
    uint64_t deadline_missed;
    bool deadline_unknown;   /* two hosts' clocks could not tell */
    double copies_per_frame; /* sum over launches */
    struct fold_integrity integrity;
    struct cell_role_totals producer;
    struct cell_role_totals consumer;
    struct cell_series metrics[METRIC_COUNT];
    struct cell_series first_frame_ns;
    bool first_frame_unknown; /* in one launch at least, for the clocks of two hosts */
    struct cell_interval intervals[INTERVAL_COUNT];
    double *storage; /* of all series */
    cJSON *rows;     /* of all launches, in their order */
};

/* Reads the launches of a cell. The caller frees with cell_totals_free, also after a failure.
 * ST_NO_MEMORY, or ST_INVALID for a path that does not fit; bad launch files count as failed. */
enum status cell_totals_read(const struct result_cell *planned, const char *dir,
                             struct cell_totals *totals, struct err *err);
void cell_totals_free(struct cell_totals *totals);

#endif

/* intervals.h: every interval handoff reports, as a table made from intervals.def.
 *
 * Used by fold.c, which computes them, by result.c, which writes them, and by `handoff help
 * intervals` and the report, which print their definitions.
 */
#ifndef HANDOFF_MEASURE_INTERVALS_H
#define HANDOFF_MEASURE_INTERVALS_H

#include <stdbool.h>

#include "harness/measure/trace.h"

/* INTERVAL_latency, INTERVAL_handoff, … in the order of intervals.def. */
enum interval {
#define INTERVAL(name, from_side, from, to_side, to, definition) INTERVAL_##name,
#include "harness/measure/intervals.def"
#undef INTERVAL
    INTERVAL_COUNT,
};

/* Whose trace a stamp is in. */
enum trace_side {
    TRACE_SIDE_producer,
    TRACE_SIDE_consumer,
};

struct interval_definition {
    const char *name; /* "latency": the key in results */
    enum trace_side from_side;
    unsigned from_stamp; /* index into trace_record.stamps_ns, or INTERVAL_GPU_STAMP */
    enum trace_side to_side;
    unsigned to_stamp;
    const char *definition; /* one sentence, as printed to people */
};

/* INTERVAL_COUNT entries. */
extern const struct interval_definition interval_definitions[];

/* The moments of a frame that intervals are between, in the order of its journey: a paragraph for
 * people, ahead of the definitions. */
extern const char interval_stamps_text[];

/* A stamp of a trace_gpu_record, where one of a trace_record may stand as well. */
#define INTERVAL_GPU_STAMP(stamp) (TRACE_STAMPS + (unsigned)(stamp))

/* From where to where an interval goes: its definition's, or, where the kernel runs on the GPU, the
 * GPU's own stamps. */
struct interval_span {
    enum trace_side from_side;
    unsigned from_stamp;
    enum trace_side to_side;
    unsigned to_stamp;
};
struct interval_span interval_span(enum interval interval, bool kernel_on_gpu);

/* "ready", "done", "gpu_begin", …; "?" for a stamp that the side does not have. */
const char *trace_stamp_name(enum trace_side side, unsigned stamp);

/* The key of an interval; it must be one. */
const char *interval_name(enum interval interval);

/* The interval of that key, or INTERVAL_COUNT for an unknown one. */
enum interval interval_find(const char *name);

#endif

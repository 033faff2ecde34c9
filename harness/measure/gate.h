/* gate.h: the figures by which launches are compared, by name, and their values read off a launch.
 *
 * A scenario declares its gates by these names; a comparison pairs launches by number and takes the
 * gate's value of both. A result is input: every getter answers for what is absent or of another
 * type. Used by the scenario reader, the comparisons, and the report's verdicts.
 */
#ifndef HANDOFF_MEASURE_GATE_H
#define HANDOFF_MEASURE_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

enum gate_kind {
    GATE_TIME,         /* nanoseconds of an interval */
    GATE_FRAMES_PER_S, /* the only one of which more is better */
    GATE_CPU_PERCENT,  /* of one CPU */
};

struct gate {
    const char *name; /* "latency.p50", "frames_per_s", "cpu_percent.system" */
    enum gate_kind kind;
    const char *of;  /* the interval's or the role's key; "" for frames_per_s */
    const char *key; /* GATE_TIME: the member of a launch's interval, "p50_ns"; else "" */
};

/* Every interval's mean, p50, p90 and p99, frames_per_s, and the CPU of both roles and the
 * system. */
extern const struct gate gates[];
extern const size_t gate_count;

/* NULL when there is none of that name. */
const struct gate *gate_find(const char *name);
/* The mean of a time gate's interval, which is compared where a median is a few clock ticks; NULL
 * for the others. */
const struct gate *gate_mean(const struct gate *gate);

/* One launch's value; NAN when it has none: it failed, it lacks the interval, or has too few frames
 * for the quantile. INFINITY for a quantile among frames that never finished. */
double gate_launch_value(const struct gate *gate, const cJSON *launch);

/* What values are multiplied by before logarithms are taken, which take what is below 1 as 1: then
 * 1 is a nanosecond, a millionth of a frame/s, or a hundred-thousandth of a per cent. */
double gate_scale(const struct gate *gate);

/* The launch of that number among a cell's; NULL when it has none. */
const cJSON *gate_launch_find(const cJSON *cell, double number);

/* How many launches of the same numbers went well in both cells. */
size_t gate_pair_count(const cJSON *new_cell, const cJSON *base_cell);

/* The values of two cells' launches of the same numbers, in base's order; those of which either has
 * none are left out. Returns how many, at most `max`. */
size_t gate_pair(const struct gate *gate, const cJSON *new_cell, const cJSON *base_cell,
                 double *new_values, double *base_values, size_t max);

#endif

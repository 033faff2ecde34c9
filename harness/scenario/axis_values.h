/* axis_values.h: the values that each axis takes, for the shells' completion and the schema of
 * scenarios.
 *
 * Nobody writes them down a second time: names come from the registries, other words and ranges are
 * read off what axes.def says that the axis expects, as far as the axis itself takes them. So an
 * axis whose line there names its words completes and validates from the start.
 */
#ifndef HANDOFF_SCENARIO_AXIS_VALUES_H
#define HANDOFF_SCENARIO_AXIS_VALUES_H

#include "harness/scenario/axes.h"

#define AXIS_VALUES_MAX 64
#define AXIS_VALUE_BYTES 48

struct axis_value {
    char text[AXIS_VALUE_BYTES]; /* "spin", or what a number follows: "poll:", "cpus:" */
    bool is_prefix;
};

/* Fills `values`, and returns how many: the words that the axis takes. */
size_t axis_values_list(enum axis_index axis, struct axis_value values[AXIS_VALUES_MAX]);
/* Whether it takes whole numbers, and from where to where. */
bool axis_values_range(enum axis_index axis, int64_t *low, int64_t *high);

#endif

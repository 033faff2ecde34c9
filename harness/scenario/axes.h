/* axes.h: the table of axes: how each is read, written and defaulted. From axes.def.
 *
 * Used by the scenario reader, the matrix, the filters and `handoff list axes`. What others need of
 * a cell's axes is in cell.h.
 */
#ifndef HANDOFF_SCENARIO_AXES_H
#define HANDOFF_SCENARIO_AXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/scenario/cell.h"

#define AXIS_SLOTS_MAX 1024
#define AXIS_LAUNCHES_MAX 1000
#define AXIS_FRAMES_MAX 1000000
#define AXIS_SIDE_PIXELS_MAX 65536
#define AXIS_RATE_HZ_MIN 0.1
#define AXIS_RATE_HZ_MAX 1000000.0
#define AXIS_WAIT_US_MAX 1000000
#define AXIS_CPU_MAX 65535
#define AXIS_TIMER_SLACK_NS_MAX 1000000000
#define AXIS_FIFO_PRIORITY_MAX 99
/* Where {"search": …} looks when it does not say. */
#define AXIS_SEARCH_LOW_HZ 30.0
#define AXIS_SEARCH_HIGH_HZ 100000.0
#define AXIS_SEARCH_US_MAX 60000000

struct axis {
    const char *name;
    const char *otherwise; /* default as text; NULL: none */
    bool in_id;
    const char *about;    /* what it is, in a few words */
    const char *expected; /* what a value looks like */

    /* Reads one value (never a list) into the cell's field. ST_INVALID with what is wrong, without
     * the place, and a hint; the cell is then unchanged. */
    enum status (*parse)(const struct axis *axis, const cJSON *value, struct cell *cell,
                         struct err *err);
    /* Writes the cell's value as scenarios do, in one canonical form. */
    void (*format)(const struct cell *cell, char *text, size_t size);
};

enum axis_index {
#define AXIS(key, otherwise, in_id, about, expected) AXIS_INDEX_##key,
#include "harness/scenario/axes.def"
#undef AXIS
    AXIS_COUNT
};

extern const struct axis axis_table[AXIS_COUNT];

/* The axis of that name, or NULL. */
const struct axis *axis_find(const char *name);
/* ST_INVALID with a "did you mean" for a name that axis_find does not know. */
enum status axis_unknown(const char *name, struct err *err);

/* parse, for a value written as text: a default, or a value on the command line. */
enum status axis_parse_text(const struct axis *axis, const char *text, struct cell *cell,
                            struct err *err);

/* ST_INVALID "wait cannot be a number", with what the axis expects as the hint. */
enum status axis_fail_expected(const struct axis *axis, const cJSON *value, struct err *err);

/* Takes an unsigned number of at most `most` from *text and moves *text behind it; false, and both
 * untouched, if there is none. */
bool axis_take_u32(const char **text, uint32_t most, uint32_t *value);

/* "a number", "a list", "text", …: what a JSON value is, for messages. */
const char *axis_kind_of(const cJSON *value);

#define AXIS(key, otherwise, in_id, about, expected)                                             \
    enum status axis_parse_##key(const struct axis *axis, const cJSON *value, struct cell *cell, \
                                 struct err *err);                                               \
    void axis_format_##key(const struct cell *cell, char *text, size_t size);
#include "harness/scenario/axes.def"
#undef AXIS

#endif

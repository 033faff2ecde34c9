/* model.h: a result, seen the way a report tells it: blocks, groups and cells.
 *
 * A view on the parsed JSON, which must outlive it. A result is input: every getter answers for
 * values that are absent or of another type, and nothing here is trusted to be consistent. Called
 * by everything in this room.
 */
#ifndef HANDOFF_REPORT_MODEL_H
#define HANDOFF_REPORT_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/report/format.h"
#include "harness/report/text.h"

#define REPORT_SCHEMA_VERSION 1
#define REPORT_AXES_MAX 24
#define REPORT_AXIS_BYTES 64

struct report_cell {
    const cJSON *json;
    const char *id;
    const char *status; /* "ok", "failed", … */
    bool ok;
    size_t group;      /* index into the block's groups */
    char *label;       /* the axes that vary in the block, "shm · 1920×1080×3 · ping-pong" */
    char *short_label; /* the same without what the group's context says: "shm + futex" */
    char *name;        /* the compared value alone, for sentences: "shm" */
};

/* Cells that differ in nothing but the compared axis. */
struct report_group {
    /* What the others have that varies in the block, "1920×1080×3 · ping-pong", or "". */
    char *context;
    /* The same as the start of a sentence, "At 60 frames/s of 1920×1080×3 (6.2 MB)". */
    char *sentence;
    size_t *cells; /* indices into the block's cells */
    size_t cell_count;
};

struct report_block {
    const char *name;
    const char *description;
    const char *compare;                  /* axis, or "" */
    const char *varying[REPORT_AXES_MAX]; /* axes with more than one value, in order */
    bool bound[REPORT_AXES_MAX]; /* follows from the compared axis: each transport its own wait */
    size_t varying_count;
    char *constants; /* "shm · 640×480×3 · 60 frames/s": what all cells share, for a heading */
    struct report_cell *cells;
    size_t cell_count;
    struct report_group *groups;
    size_t group_count;
};

struct report {
    const cJSON *json;
    const char *scenario;
    double tick_ns; /* of the clock; 0 when unknown */
    struct report_block *blocks;
    size_t block_count;
};

/* ST_INVALID when the JSON is not a result this version reads, with the place; ST_NO_MEMORY. The
 * caller frees; `json` stays the caller's, must live longer, and must come from a parser: numbers
 * added with json_add_u64 are raw text until they have been through one. */
enum status report_open(const cJSON *json, struct report **report, struct err *err);
/* Safe on NULL. */
void report_free(struct report *report);

/* Figures of a cell; FIGURE_ABSENT when it has none. */
struct figure report_quantile(const struct report_cell *cell, const char *interval,
                              const char *quantile);
struct figure report_max(const struct report_cell *cell, const char *interval);
struct figure report_throughput(const struct report_cell *cell, const char *name);
/* role: "producer", "consumer" or "system". */
struct figure report_cpu_percent(const struct report_cell *cell, const char *role);
/* Both roles together, without an interval. */
struct figure report_cpu_both(const struct report_cell *cell);
/* The base64 histogram of an interval of a cell or of one launch; NULL without one. */
const char *report_histogram(const cJSON *cell_or_launch, const char *interval, double *infinite);

/* The value of an axis as the result has it, "rate:60"; "" when absent. */
const char *report_axis(const struct report_cell *cell, const char *axis, char *value);
/* The same as people say it: "60 frames/s". */
const char *report_axis_pretty(const struct report_cell *cell, const char *axis, char *value);
bool report_axis_is(const struct report_cell *cell, const char *axis, const char *prefix);

/* Torn, lost, repeated and reordered together; -1 when the cell does not say. */
double report_integrity_errors(const struct report_cell *cell);
/* "0 of 4,000", "3 torn, 1 lost", "not checked" or "—". */
void report_integrity_text(const struct report_cell *cell, struct text *text);

#endif

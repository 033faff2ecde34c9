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
#define REPORT_AXES_MAX 32
#define REPORT_AXIS_BYTES 64

struct report_cell {
    const cJSON *json;
    const char *id;
    const char *status; /* "ok", "failed", … */
    bool ok;
    /* The cell that its CPU is counted from, maybe of another block; NULL without. */
    const struct report_cell *baseline;
    size_t group; /* index into the block's groups */
    /* By index of block->varying: alike for two cells of the block where the axis' values are. */
    unsigned values[REPORT_AXES_MAX];
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
    /* Cells that only measure what the pacer costs. They are in no group and are compared with
     * nothing; their labels hold the axes that tell them apart. */
    struct report_cell *baselines;
    size_t baseline_count;
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
/* Cell `index` of a block, its baselines after the others; NULL beyond them. For what is counted or
 * listed whatever a cell is for. */
const struct report_cell *report_any_cell(const struct report_block *block, size_t index);
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
/* The whole system's less that of the cell's baseline, in per cent of one CPU; may be negative. */
struct figure report_cpu_net(const struct report_cell *cell);
/* The least that this machine needs for this cell's work in `interval` ("handoff", "latency"), in
 * nanoseconds; 0 when the result does not say. */
double report_floor_ns(const struct report_cell *cell, const char *interval);
/* Whether kernels of both roles ran in contexts of their own that take turns on the GPU. */
bool report_cell_takes_turns(const struct report_cell *cell);
/* The cell's p50 as a multiple of the floor; 0 without either, and for a latency with turns in it,
 * which no floor of one process has. */
double report_floor_multiple(const struct report_cell *cell, const char *interval);
/* The base64 histogram of an interval of a cell or of one launch; NULL without one. */
const char *report_histogram(const cJSON *cell_or_launch, const char *interval, double *infinite);

/* The value of an axis as the result has it, "rate:60"; "" when absent. */
const char *report_axis(const struct report_cell *cell, const char *axis, char *value);
bool report_axis_is(const struct report_cell *cell, const char *axis, const char *prefix);

/* ---- labels.c: what cells, groups and blocks are called; NULL when out of memory, else the caller
 * frees --------------------------------------------------------------------------------------- */

/* Which of the axes that vary go into a label. */
enum label_axes { LABEL_ALL, LABEL_COMPARED, LABEL_OTHERS, LABEL_NAME };
char *label_make(const struct report_block *block, const struct report_cell *cell,
                 enum label_axes axes);
/* The only cell of its block, of which no axis varies. */
char *label_of_lone_cell(const struct report_cell *cell);
/* What all cells of the block share, of the axes that a heading should name. */
char *label_of_block(const struct report_block *block);
/* "At 60 frames/s of 1920×1080×3 (6.22 MB), kernel checksum": the start of a sentence. */
char *label_sentence(const struct report_block *block, const struct report_cell *cell);
/* What tells the block's baselines apart: "baseline · idle states held off". */
char *label_baseline(const struct report_block *block, const struct report_cell *cell);

/* ---- names.c: axes and their values as people say them --------------------------------------- */

bool report_consumer_is_python(const struct report_cell *cell);
/* "60 frames/s", "real-time priority 50"; the value itself where there is nothing better. An array
 * of a consumer in C, which has none, is "C". */
const char *report_axis_pretty(const struct report_cell *cell, const char *axis, char *value);
/* Whether the pretty value says by itself which axis it is of; the others need the axis beside. */
bool report_axis_speaks(const char *axis);
/* The axis of a heading: "timer slack", "real-time" …; the axis itself where it will do. */
const char *report_axis_title(const char *axis);
/* Whether frames come when a schedule says so: then there is a response. */
bool report_cell_is_scheduled(const struct report_cell *cell);
/* Whether the cell searched for its highest rate; *bound_ns is what its response had to keep. */
bool report_cell_searches(const struct report_cell *cell, double *bound_ns);
/* The highest rate that such a cell may try; 0 when it is not known. */
double report_search_high_hz(const struct report_cell *cell);
/* Whether the axis has the value that it has where a scenario does not name it; false for axes that
 * this version does not know. */
bool report_axis_is_default(const struct report_cell *cell, const char *axis);

/* Torn, lost, repeated and reordered together; -1 when the cell does not say. */
double report_integrity_errors(const struct report_cell *cell);
/* "0 of 4,000", "3 torn, 1 lost", "not checked" or "—". */
void report_integrity_text(const struct report_cell *cell, struct text *text);

#endif

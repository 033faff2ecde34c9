/* export.h: what the parts of `handoff export` share.
 *
 * cmd_export.c reads the command line, loads the result and puts what comes out in its place; each
 * format is a file export_<format>.c that turns the result into text, and a row in export_formats.
 * A result is a stranger's: its strings enter through the functions below and text.h alone.
 */
#ifndef HANDOFF_CLI_EXPORT_H
#define HANDOFF_CLI_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/measure/intervals.h"
#include "harness/report/text.h"

#define EXPORT_CELLS_MAX 64

struct export_options {
    const char *result_path;
    const struct export_format *format;
    const char *out; /* NULL: standard output */
    const char *cells[EXPORT_CELLS_MAX];
    size_t cell_count; /* 0: all */
    bool all_intervals;
    enum interval interval;
    bool into_folder;
};

struct export_format {
    const char *name;
    bool all_intervals; /* without --interval: all of them, else latency */
    bool per_cell;      /* has no intervals, and --interval no meaning */
    bool of_comparison; /* takes the compare.json of `handoff compare` as well */
    bool has_parts;     /* can be written into a folder, a file for each cell and interval */
    /* Appends the whole export. ST_INVALID when the result has nothing for it, or is broken. */
    enum status (*write)(const struct export_options *options, const cJSON *result,
                         struct text *out, struct err *err);
};

enum status export_hgrm(const struct export_options *options, const cJSON *result, struct text *out,
                        struct err *err);
enum status export_hlog(const struct export_options *options, const cJSON *result, struct text *out,
                        struct err *err);
enum status export_csv(const struct export_options *options, const cJSON *result, struct text *out,
                       struct err *err);
enum status export_gbench(const struct export_options *options, const cJSON *result,
                          struct text *out, struct err *err);
enum status export_gha(const struct export_options *options, const cJSON *result, struct text *out,
                       struct err *err);
enum status export_gha_bigger(const struct export_options *options, const cJSON *result,
                              struct text *out, struct err *err);
enum status export_bmf(const struct export_options *options, const cJSON *result, struct text *out,
                       struct err *err);
enum status export_junit(const struct export_options *options, const cJSON *result,
                         struct text *out, struct err *err);

/* export_junit_gates.c: the same of a comparison. */
enum status export_junit_gates(const cJSON *comparison, struct text *out, struct err *err);

/* ---- export_junit.c: what both share --------------------------------------------------------- */

/* ` name="value"`, escaped. */
void export_junit_attribute(struct text *out, const char *name, const char *value);
/* A <property>, unless there is no value. */
void export_junit_property(struct text *out, const char *name, const char *value);
/* The <testsuite> with these counts, and all in it but the cases, which are XML already. */
struct export_junit_suite {
    const char *name, *package;
    const char *started_utc; /* "" when not known */
    int id;
    unsigned tests, failures, errors, skipped;
    double time_s;
    const char *properties, *cases;
};
void export_junit_suite(struct text *out, const struct export_junit_suite *suite);

/* ---- export_parts.c: what was asked for ------------------------------------------------------ */

/* "" where it has none. Valid as long as the cell. */
const char *export_cell_id(const cJSON *cell);
/* Whether the options ask for it. */
bool export_takes_cell(const struct export_options *options, const cJSON *cell);
bool export_takes_interval(const struct export_options *options, enum interval interval);

/* One cell and interval that was asked for and has figures. */
struct export_part {
    const cJSON *cell;
    enum interval interval;
    const cJSON *json; /* cell.intervals.NAME */
};
struct export_walk {
    const cJSON *cell;
    unsigned interval;
};
/* At pacing max, latency and age are how long the queue is, and shorter is not better: no figure
 * for whoever draws trends. */
bool export_is_queue_depth(const struct export_part *part);
/* The result's first; then export_next_part until it returns false. */
struct export_walk export_walk_start(const cJSON *result);
bool export_next_part(const struct export_options *options, struct export_walk *walk,
                      struct export_part *part);

/* What a cell and interval are called where other tools keep a history by name: the cell's id, with
 * "/interval=NAME" behind it unless that is latency. As plain text. */
void export_part_name(const struct export_part *part, struct text *name);

bool export_launch_is_ok(const cJSON *launch);
/* A launch's figures of the interval; NULL without. */
const cJSON *export_launch_interval(const cJSON *launch, enum interval interval);
/* An estimate's member: false unless it is a finite number. */
bool export_number(const cJSON *object, const char *name, double *value);
/* "2026-11-20T10:00:00Z" in seconds since the epoch; `otherwise` for anything else. */
int64_t export_time_s(const char *utc, int64_t otherwise);

/* ---- export_json.c: the formats that are JSON ------------------------------------------------ */

/* Adds a stranger's string: control characters, what reorders text and broken UTF-8 become '?'. */
bool export_add_text(cJSON *object, const char *name, const char *text);
/* Appends `root`, which came out of export_add_text, indented, and frees it; NULL is
 * ST_NO_MEMORY. */
enum status export_print(cJSON *root, struct text *out, struct err *err);
/* "10 launches, Linux 6.1, Xeon …": the conditions of a figure, in lines. */
void export_conditions(const cJSON *result, const cJSON *cell, struct text *text);

#endif

/* result_parts.h: the inside of result_*.c: launch files read back, and pieces of JSON.
 *
 * The adding functions accept a NULL object and answer false, so that a chain of them fails once
 * memory has run out and is checked at its end only.
 */
#ifndef HANDOFF_RUN_RESULT_PARTS_H
#define HANDOFF_RUN_RESULT_PARTS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/measure/fold.h"
#include "harness/measure/stats.h"
#include "harness/run/result.h"

/* Room for a reason with its context in front. */
#define RESULT_REASON_BYTES 640

/* An empty object or array as a member of `parent`; NULL when out of memory or parent is NULL. */
cJSON *result_add_object(cJSON *parent, const char *name);
cJSON *result_add_array(cJSON *parent, const char *name);

/* An integrity object without its "method". */
bool result_add_integrity(cJSON *parent, const struct fold_integrity *integrity);
void result_read_integrity(const cJSON *json, struct fold_integrity *integrity);

/* {"count": …, "histogram": …} of one interval, without quantiles; NULL with *err set. */
cJSON *result_interval_json(const struct hdr *hdr, uint64_t infinite, struct err *err);

/* A time in nanoseconds: a whole number, null for NAN, "inf" for INFINITY; and back. */
bool result_add_time(cJSON *object, const char *name, double value_ns);
double result_read_time(const cJSON *object, const char *name);

/* {"value": …, "low": …, "high": …, "spread": …, "launches": …}; with `is_time` the keys end in _ns
 * and the values are whole. */
bool result_add_estimate(cJSON *parent, const char *name, struct stats_estimate estimate,
                         bool is_time);

uint64_t result_get_u64(const cJSON *object, const char *name);

/* The "search" of a launch's row, and whether a row has one that fits its cell: steps within the
 * range and of the bound, the answer the highest rate that passed (a failed launch has none). A
 * cell without a search needs none. */
bool result_add_search(cJSON *row, const struct search *search);
bool result_search_fits(const cJSON *row, const struct cell *cell, bool is_ok);

/* The "timeline" of a launch's row; nothing where there is none. */
bool result_add_timeline(cJSON *row, const struct fold_timeline *timeline);

/* One launch file, read back. `row` is what goes into result.json, as written. */
struct launch_file {
    cJSON *json; /* owns everything below */
    cJSON *row;
    enum status status;
    bool ok;
};

/* DIR/launches/….json of a launch. ST_INVALID when the path does not fit. */
enum status result_launch_path(const char *dir, const char *cell_id, uint32_t launch,
                               char path[PATH_MAX], struct err *err);

/* Reads one launch file; checks that it is whole and of this launch of this cell. ST_AGAIN when
 * there is none; ST_INVALID or ST_CORRUPT for a bad one. The caller clears. */
enum status result_launch_read(const char *dir, const char *cell_id, uint32_t launch,
                               struct launch_file *file, struct err *err);
void result_launch_clear(struct launch_file *file);

/* The cell's object for result.json, and its status among result_summary's. The caller deletes
 * *json. Errors are only the runner's own: what is wrong with launches is in the object. */
enum status result_cell_json(const struct result_cell *planned, const char *dir, cJSON **json,
                             struct err *err);

#endif

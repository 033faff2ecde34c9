/* export_bmf.c: the Bencher Metric Format: {benchmark: {measure: {value, lower_value,
 * upper_value}}}. Called by cmd_export.c.
 *
 * Measures `latency` (the median, in ns) and `throughput` (frames/s) are Bencher's own; others have
 * the name of their interval and quantile. Bounds are given where they are a 95 % interval: the
 * range of a few launches is none.
 */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"

/* Bencher's limit on the name of a benchmark, in characters. */
#define BMF_NAME_MAX 1024

static bool bmf_add(cJSON *measures, const char *measure, const cJSON *estimate,
                    const char *const keys[3])
{
    double value, low, high;
    if (!export_number(estimate, keys[0], &value))
        return true;
    cJSON *json = cJSON_CreateObject();
    bool ok = json && json_add_double(json, "value", value);
    if (ok && strcmp(json_get_string(estimate, "spread", ""), "ci95") == 0 &&
        export_number(estimate, keys[1], &low) && export_number(estimate, keys[2], &high))
        ok =
            json_add_double(json, "lower_value", low) && json_add_double(json, "upper_value", high);
    return json_add(measures, measure, json) && ok;
}

static bool bmf_add_interval(cJSON *measures, const struct export_part *part)
{
    static const char *const keys[3] = {"value_ns", "low_ns", "high_ns"};
    const cJSON *quantiles = json_get(part->json, "quantiles");
    char measure[64];
    snprintf(measure, sizeof measure, "%s-p99", interval_name(part->interval));
    return bmf_add(measures, interval_name(part->interval), json_get(quantiles, "p50"), keys) &&
           bmf_add(measures, measure, json_get(quantiles, "p99"), keys);
}

/* All of one cell. */
static bool bmf_add_measures(const struct export_options *options, const cJSON *cell,
                             cJSON *measures)
{
    static const char *const keys[3] = {"value", "low", "high"};
    const cJSON *intervals = json_get(cell, "intervals");
    bool ok = true;
    for (unsigned i = 0; ok && i < INTERVAL_COUNT; i++) {
        struct export_part part = {cell, (enum interval)i,
                                   json_get(intervals, interval_name((enum interval)i))};
        if (part.json && export_takes_interval(options, part.interval) &&
            !export_is_queue_depth(&part))
            ok = bmf_add_interval(measures, &part);
    }
    return ok && bmf_add(measures, "throughput",
                         json_get(json_get(cell, "throughput"), "frames_per_s"), keys);
}

/* Cells without a figure are left out: the format has no place for why. */
static enum status bmf_add_cell(const struct export_options *options, const cJSON *cell,
                                cJSON *root, struct err *err)
{
    struct text name = {0};
    enum status status = ST_OK;
    text_add_plain(&name, export_cell_id(cell));
    cJSON *measures = cJSON_CreateObject();
    if (!measures || name.failed || !bmf_add_measures(options, cell, measures))
        status = err_set(err, ST_NO_MEMORY, NULL, "export: out of memory");
    if (status == ST_OK && !measures->child)
        goto undo_measures;
    if (status == ST_OK && (!name.used_bytes || name.used_bytes > BMF_NAME_MAX))
        status = err_set(err, ST_INVALID, "leave it out with --cell for the others",
                         "export: a cell's id is %zu bytes long, and Bencher takes 1 to %d",
                         name.used_bytes, BMF_NAME_MAX);
    if (status == ST_OK && json_get(root, text_get(&name)))
        status = err_set(err, ST_INVALID, "was the result changed by hand?",
                         "export: two cells have the id %s", text_get(&name));
    if (status == ST_OK) {
        if (!json_add(root, text_get(&name), measures))
            status = err_set(err, ST_NO_MEMORY, NULL, "export: out of memory");
        measures = NULL;
    }
undo_measures:
    cJSON_Delete(measures);
    text_free(&name);
    return status;
}

enum status export_bmf(const struct export_options *options, const cJSON *result, struct text *out,
                       struct err *err)
{
    cJSON *root = cJSON_CreateObject();
    const cJSON *cell;
    enum status status = root ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "export: out of memory");
    cJSON_ArrayForEach (cell, json_get(result, "cells")) {
        if (status == ST_OK && export_takes_cell(options, cell))
            status = bmf_add_cell(options, cell, root, err);
    }
    if (status == ST_OK && !root->child)
        status = err_set(err, ST_INVALID, "did every cell fail? `handoff report` shows the reasons",
                         "export: the result has no such figure");
    if (status != ST_OK) {
        cJSON_Delete(root);
        return status;
    }
    return export_print(root, out, err);
}

/* export_gha.c: the arrays that github-action-benchmark takes as customSmallerIsBetter (times) and
 * customBiggerIsBetter (rates): two files, since the action asks for the direction once per file.
 * Called by cmd_export.c.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"

/* One entry of either array. */
struct gha_entry {
    const cJSON *cell;
    const char *name;
    const char *unit;
    const cJSON *estimate;
    const char *keys[3]; /* of its value, low and high */
};

/* "38.1 to 41.2", where there is an interval or a range. */
static bool gha_add_range(cJSON *json, const struct gha_entry *entry, struct text *extra)
{
    double low, high;
    char range[96];
    const char *spread = json_get_string(entry->estimate, "spread", "");
    bool confident = strcmp(spread, "ci95") == 0;
    if ((!confident && strcmp(spread, "range") != 0) ||
        !export_number(entry->estimate, entry->keys[1], &low) ||
        !export_number(entry->estimate, entry->keys[2], &high))
        return true;
    snprintf(range, sizeof range, "%.10g to %.10g", low, high);
    const double launches = json_get_number(entry->estimate, "launches", 0);
    text_addf(extra, "%s over %.0f launch%s: %s\n", confident ? "95 % interval" : "range", launches,
              launches == 1 ? "" : "es", range);
    return json_add_string(json, "range", range);
}

/* Nothing is added for a figure that is absent or infinite: a chart has no place for it. */
static bool gha_add(const cJSON *result, const struct gha_entry *entry, cJSON *array)
{
    struct text extra = {0};
    double value;
    if (!export_number(entry->estimate, entry->keys[0], &value))
        return true;
    cJSON *json = cJSON_CreateObject();
    bool ok = json && json_add_string(json, "name", entry->name) &&
              json_add_string(json, "unit", entry->unit) && json_add_double(json, "value", value) &&
              gha_add_range(json, entry, &extra);
    export_conditions(result, entry->cell, &extra);
    ok = ok && !extra.failed && json_add_string(json, "extra", text_get(&extra));
    text_free(&extra);
    return json_append(array, json) && ok;
}

static enum status gha_finish(cJSON *array, bool ok, struct text *out, struct err *err)
{
    if (ok && cJSON_GetArraySize(array) == 0) {
        cJSON_Delete(array);
        return err_set(err, ST_INVALID,
                       "did every cell fail, or run at its highest rate? `handoff report` shows "
                       "the reasons; gha-bigger has frames/s",
                       "export: the result has no such figure");
    }
    if (!ok) {
        cJSON_Delete(array);
        array = NULL;
    }
    return export_print(array, out, err);
}

enum status export_gha(const struct export_options *options, const cJSON *result, struct text *out,
                       struct err *err)
{
    static const char *const quantiles[] = {"p50", "p99"};
    cJSON *array = cJSON_CreateArray();
    struct export_part part;
    struct export_walk walk = export_walk_start(result);
    bool ok = array != NULL;
    while (ok && export_next_part(options, &walk, &part)) {
        if (export_is_queue_depth(&part))
            continue;
        for (size_t i = 0; ok && i < sizeof quantiles / sizeof quantiles[0]; i++) {
            struct text name = {0};
            text_add_plain(&name, export_cell_id(part.cell));
            text_addf(&name, " %s %s", interval_name(part.interval), quantiles[i]);
            struct gha_entry entry = {
                .cell = part.cell,
                .name = text_get(&name),
                .unit = "ns",
                .estimate = json_get(json_get(part.json, "quantiles"), quantiles[i]),
                .keys = {"value_ns", "low_ns", "high_ns"},
            };
            ok = !name.failed && gha_add(result, &entry, array);
            text_free(&name);
        }
    }
    return gha_finish(array, ok, out, err);
}

enum status export_gha_bigger(const struct export_options *options, const cJSON *result,
                              struct text *out, struct err *err)
{
    cJSON *array = cJSON_CreateArray();
    const cJSON *cell;
    bool ok = array != NULL;
    cJSON_ArrayForEach (cell, json_get(result, "cells")) {
        if (!ok || !export_takes_cell(options, cell))
            continue;
        struct text name = {0};
        text_add_plain(&name, export_cell_id(cell));
        text_add(&name, " throughput");
        struct gha_entry entry = {
            .cell = cell,
            .name = text_get(&name),
            .unit = "frames/s",
            .estimate = json_get(json_get(cell, "throughput"), "frames_per_s"),
            .keys = {"value", "low", "high"},
        };
        ok = !name.failed && gha_add(result, &entry, array);
        text_free(&name);
    }
    return gha_finish(array, ok, out, err);
}

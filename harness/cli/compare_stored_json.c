/* compare_stored_json.c: stored results beside one another, for programs. See compare_stored.h;
 * results/README.md has the shape.
 */
#include <math.h>

#include "harness/base/json.h"
#include "harness/cli/compare_stored.h"

/* A stranger's text into a list, with what is no UTF-8 replaced. */
static bool append_text(cJSON *array, const char *text)
{
    struct text plain = {0};
    text_add_plain(&plain, text);
    const bool ok = !plain.failed && json_append(array, cJSON_CreateString(text_get(&plain)));
    text_free(&plain);
    return ok;
}

static bool add_results(cJSON *json, const struct stored *stored)
{
    cJSON *array = cJSON_CreateArray();
    bool ok = json_add(json, "results", array);
    for (size_t i = 0; ok && i < stored->beside->count; i++) {
        const cJSON *result = stored->beside->reports[i]->json, *tool = json_get(result, "tool");
        cJSON *entry = cJSON_CreateObject();
        ok = json_append(array, entry) && json_add_string(entry, "path", stored->paths[i]) &&
             json_add_string(entry, "scenario", stored->beside->reports[i]->scenario) &&
             json_add_string(entry, "started_utc",
                             json_get_string(json_get(result, "run"), "started_utc", "")) &&
             json_add_string(entry, "version", json_get_string(tool, "version", "")) &&
             json_add_string(entry, "commit", json_get_string(tool, "commit", ""));
    }
    return ok;
}

static bool add_differences(cJSON *json, const struct beside *beside)
{
    static const char *const weights[] = {"noted", "matters", "another_machine"};
    cJSON *array = cJSON_CreateArray();
    bool ok = json_add(json, "differences", array);
    for (size_t i = 0; ok && i < beside->difference_count; i++) {
        const struct beside_difference *difference = &beside->differences[i];
        cJSON *entry = cJSON_CreateObject(), *values = cJSON_CreateArray();
        ok = json_append(array, entry) && json_add_string(entry, "what", difference->what) &&
             json_add_string(entry, "weight", weights[difference->weight]) &&
             json_add_string(entry, "means", difference->means);
        ok = json_add(entry, "values", values) && ok;
        for (size_t j = 0; ok && j < beside->count; j++)
            ok = append_text(values, difference->values[j]);
    }
    return ok;
}

/* A number, "inf", or null. */
static bool add_figure(cJSON *json, const char *name, double value)
{
    return isinf(value) ? json_add_string(json, name, "inf") : json_add_double(json, name, value);
}

static bool add_value(cJSON *array, const struct beside_line *line,
                      const struct beside_value *value, bool is_first)
{
    static const char *const spreads[] = {"none", "ci95", "range"};
    cJSON *entry = cJSON_CreateObject();
    return json_append(array, entry) && add_figure(entry, "value", value->figure.value) &&
           add_figure(entry, "low", value->figure.low) &&
           add_figure(entry, "high", value->figure.high) &&
           json_add_string(entry, "spread", spreads[value->figure.spread]) &&
           json_add_i64(entry, "launches", value->figure.launches) &&
           (is_first ||
            (add_figure(entry, "ratio", value->stored.ratio) &&
             add_figure(entry, "ratio_low95", value->stored.low95) &&
             add_figure(entry, "ratio_high95", value->stored.high95) &&
             json_add_string(entry, "verdict", compare_verdict_words(value->stored.verdict)) &&
             json_add_string(entry, "words", beside_verdict_words(line, value->stored.verdict))));
}

static bool add_trend(cJSON *json, const struct beside_line *line)
{
    const struct beside_trend *trend = &line->trend;
    cJSON *entry = cJSON_CreateObject();
    return json_add(json, "trend", entry) && json_add_u64(entry, "results", trend->points) &&
           json_add_bool(entry, "rises", trend->rises) &&
           json_add_bool(entry, "falls", trend->falls) &&
           add_figure(entry, "per_result", trend->per_result) &&
           add_figure(entry, "low95", trend->low95) && add_figure(entry, "high95", trend->high95) &&
           json_add_string(entry, "verdict", compare_verdict_words(trend->verdict));
}

static bool add_line(cJSON *array, const struct beside *beside, const struct beside_line *line)
{
    static const char *const units[] = {[UNIT_NS] = "ns",
                                        [UNIT_FRAMES_PER_S] = "frames_per_s",
                                        [UNIT_GB_PER_S] = "bytes_per_s",
                                        [UNIT_PERCENT] = "percent"};
    cJSON *entry = cJSON_CreateObject(), *values = cJSON_CreateArray();
    bool ok = json_append(array, entry) && json_add_string(entry, "figure", line->gate->name) &&
              json_add_string(entry, "unit", units[line->unit]) &&
              json_add_bool(entry, "more_is_better", line->more_is_better);
    ok = json_add(entry, "values", values) && ok;
    for (size_t i = 0; ok && i < beside->count; i++)
        ok = add_value(values, line, &line->values[i], i == 0);
    return ok && (line->trend.points < 3 || add_trend(entry, line));
}

static bool add_row(cJSON *array, const struct beside *beside, const struct beside_row *row)
{
    cJSON *entry = cJSON_CreateObject(), *statuses = cJSON_CreateArray();
    cJSON *lines = cJSON_CreateArray();
    bool ok = json_append(array, entry) && json_add_string(entry, "id", row->id) &&
              json_add_string(entry, "block", row->block);
    ok = json_add(entry, "status", statuses) && ok;
    ok = json_add(entry, "figures", lines) && ok;
    for (size_t i = 0; ok && i < beside->count; i++)
        ok = row->cells[i] ? append_text(statuses, row->cells[i]->status)
                           : json_append(statuses, cJSON_CreateNull());
    for (size_t i = 0; ok && i < row->line_count; i++)
        ok = add_line(lines, beside, &row->lines[i]);
    return ok;
}

enum status stored_print_json(const struct stored *stored, struct err *err)
{
    const struct beside *beside = stored->beside;
    cJSON *json = cJSON_CreateObject(), *cells = cJSON_CreateArray();
    struct text summary = {0};
    stored_add_summary(stored, &summary);
    bool ok = json && json_add_string(json, "schema", "handoff-compare-stored") &&
              json_add_u64(json, "schema_version", 1) && add_results(json, stored) &&
              add_differences(json, beside);
    ok = json_add(json, "cells", cells) && ok;
    for (size_t i = 0; ok && i < beside->row_count; i++)
        ok = add_row(cells, beside, &beside->rows[i]);
    ok = ok && json_add_bool(json, "slower", stored_is_slower(stored)) &&
         json_add_string(json, "summary", text_get(&summary));
    enum status status = ok ? cli_print_json(stdout, json, err)
                            : err_set(err, ST_NO_MEMORY, NULL, "out of memory comparing results");
    text_free(&summary);
    cJSON_Delete(json);
    return status;
}

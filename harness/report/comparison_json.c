/* comparison_json.c: a comparison for programs. The shape is in results/README.md; see
 * comparison.h. */
#include <math.h>

#include "harness/base/json.h"
#include "harness/report/comparison_parts.h"

/* A number; null for NAN, "inf" for INFINITY. */
static bool add_value(cJSON *object, const char *name, double value)
{
    return isinf(value) ? json_add_string(object, name, "inf")
                        : json_add_double(object, name, value);
}

static bool add_values(cJSON *object, const char *name, const double *values, size_t count,
                       double scale)
{
    cJSON *list = cJSON_CreateArray();
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < count; i++)
        ok = json_append(list, isinf(values[i]) ? cJSON_CreateString("inf")
                                                : cJSON_CreateNumber(values[i] / scale));
    if (ok)
        return json_add(object, name, list);
    cJSON_Delete(list);
    return false;
}

static const char *unit_name(const struct gate *gate)
{
    return gate->kind == GATE_TIME           ? "ns"
           : gate->kind == GATE_FRAMES_PER_S ? "frames_per_s"
                                             : "percent";
}

static cJSON *row_json(const struct comparison_row *row)
{
    const struct compare_gate *judged = &row->judged;
    const struct comparison_ratio ratio = comparison_ratio(row);
    const bool any = judged->count > 0;
    cJSON *json = cJSON_CreateObject();
    bool ok = json && json_add_string(json, "cell", row->cell->id) &&
              json_add_string(json, "gate", row->gate->name) &&
              json_add_string(json, "compared", comparison_gate_name(row)) &&
              json_add_string(json, "unit", unit_name(row->gate)) &&
              json_add_bool(json, "more_is_better", row->gate->kind == GATE_FRAMES_PER_S) &&
              add_value(json, "base", row->base) && add_value(json, "new", row->new_value) &&
              add_value(json, "ratio", ratio.ratio) &&
              add_value(json, "ratio_low90", ratio.low90) &&
              add_value(json, "ratio_high90", ratio.high90) &&
              json_add_string(json, "verdict",
                              compare_verdict_words(any ? judged->verdict : COMPARE_UNCLEAR)) &&
              json_add_string(json, "reason", row->reason) &&
              json_add_u64(json, "pairs", judged->count) &&
              add_value(json, "margin", any ? judged->margin : NAN) &&
              add_value(json, "detectable", any ? judged->detectable : NAN) &&
              add_value(json, "p_slower", any ? judged->p_slower : NAN) &&
              add_value(json, "p_slower_holm", any ? judged->p_slower_holm : NAN) &&
              add_value(json, "p_faster", any ? judged->p_faster : NAN) &&
              add_value(json, "p_faster_holm", any ? judged->p_faster_holm : NAN) &&
              add_values(json, "base_values", row->base_values, judged->count, row->scale) &&
              add_values(json, "new_values", row->new_values, judged->count, row->scale);
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

static cJSON *left_json(const struct comparison_left *left)
{
    cJSON *json = cJSON_CreateObject();
    if (json && json_add_string(json, "cell", left->id) &&
        json_add_string(json, "reason", left->reason) &&
        json_add_bool(json, "regression", left->is_regression))
        return json;
    cJSON_Delete(json);
    return NULL;
}

static bool add_counts(cJSON *json, const struct comparison *comparison)
{
    cJSON *counts = cJSON_CreateObject();
    return json_add(json, "counts", counts) &&
           json_add_u64(counts, "slower", comparison->verdicts[COMPARE_SLOWER]) &&
           json_add_u64(counts, "faster", comparison->verdicts[COMPARE_FASTER]) &&
           json_add_u64(counts, "same", comparison->verdicts[COMPARE_SAME]) &&
           json_add_u64(counts, "not_enough_data", comparison->verdicts[COMPARE_UNCLEAR]) &&
           json_add_u64(counts, "regressions", comparison->regressions);
}

cJSON *comparison_json(const struct comparison *comparison)
{
    struct text words = {0}, conditions = {0};
    cJSON *json = cJSON_CreateObject();
    cJSON *rows = cJSON_CreateArray(), *left = cJSON_CreateArray();
    comparison_conclude(comparison, &words);
    comparison_conditions(comparison, &conditions);
    bool ok = json_add_string(json, "scenario", comparison->new_report->scenario) &&
              json_add_string(json, "base_name", comparison->base_name) &&
              json_add_string(json, "new_name", comparison->new_name) &&
              json_add_bool(json, "interrupted", comparison->interrupted) &&
              json_add_string(json, "conclusion", text_get(&words)) &&
              json_add_string(json, "conditions", text_get(&conditions)) &&
              add_counts(json, comparison);
    ok = json_add(json, "gates", rows) && ok;
    ok = json_add(json, "not_compared", left) && ok;
    for (size_t i = 0; ok && i < comparison->row_count; i++)
        ok = json_append(rows, row_json(&comparison->rows[i]));
    for (size_t i = 0; ok && i < comparison->left_count; i++)
        ok = json_append(left, left_json(&comparison->left[i]));
    text_free(&words);
    text_free(&conditions);
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

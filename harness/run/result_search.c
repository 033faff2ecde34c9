/* result_search.c: what a launch of a search tried, in its row, and whether a row's is whole.
 *
 * Called by result_launch.c and result_cell.c.
 */
#include <math.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/run/result_parts.h"

bool result_add_search(cJSON *row, const struct search *search)
{
    cJSON *json = result_add_object(row, "search");
    bool ok = json && json_add_u64(json, "bound_ns", search->bound_ns) &&
              json_add_double(json, "rate_hz", search->rate_hz) &&
              json_add_bool(json, "at_least", search_is_at_least(search));
    cJSON *steps = ok ? result_add_array(json, "steps") : NULL;
    ok = steps != NULL;
    for (uint32_t i = 0; ok && i < search->step_count; i++) {
        const struct search_step *step = &search->steps[i];
        cJSON *item = cJSON_CreateObject();
        ok = json_append(steps, item) && json_add_double(item, "rate_hz", step->rate_hz) &&
             result_add_time(item, "p99_ns", step->p99_ns) &&
             json_add_u64(item, "dropped", step->dropped) &&
             json_add_bool(item, "passed", step->verdict == SEARCH_PASSED) &&
             json_add_string(item, "reason", step->reason);
    }
    return ok;
}

/* A step's rate, or 0 for none that can be of this search. */
static double result_step_rate(const cJSON *item, const struct cell *cell)
{
    double rate_hz = json_get_number(item, "rate_hz", 0.0);
    const cJSON *p99 = json_get(item, "p99_ns");
    bool has_p99 = cJSON_IsNull(p99) || cJSON_IsNumber(p99) || cJSON_IsString(p99);
    double p99_ns = result_read_time(item, "p99_ns");
    bool passed = cJSON_IsTrue(json_get(item, "passed"));
    if (!has_p99 || !cJSON_IsBool(json_get(item, "passed")) ||
        !(rate_hz >= cell->search.low_hz && rate_hz <= cell->search.high_hz))
        return 0.0;
    if (passed && !(p99_ns <= (double)cell->search.response_p99_ns &&
                    json_get_number(item, "dropped", -1.0) == 0.0))
        return 0.0;
    return rate_hz;
}

bool result_search_fits(const cJSON *row, const struct cell *cell, bool is_ok)
{
    if (cell->pacing != PACING_SEARCH)
        return true;
    const cJSON *json = json_get(row, "search");
    const cJSON *steps = json_get(json, "steps");
    double answer_hz = json_get_number(json, "rate_hz", -1.0), highest_hz = 0.0;
    int count = cJSON_IsArray(steps) ? cJSON_GetArraySize(steps) : 0;
    if (count < 1 || count > SEARCH_STEPS_MAX ||
        result_get_u64(json, "bound_ns") != cell->search.response_p99_ns)
        return false;
    for (const cJSON *item = steps->child; item; item = item->next) {
        double rate_hz = result_step_rate(item, cell);
        if (rate_hz <= 0.0)
            return false;
        if (cJSON_IsTrue(json_get(item, "passed")))
            highest_hz = fmax(highest_hz, rate_hz);
    }
    return answer_hz == highest_hz && (!is_ok || highest_hz > 0.0);
}

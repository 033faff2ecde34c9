/* result_json.c: the pieces of JSON that launches and cells share. See result_parts.h. */
#include <math.h>
#include <stdlib.h>

#include "harness/base/json.h"
#include "harness/run/result_parts.h"

cJSON *result_add_object(cJSON *parent, const char *name)
{
    cJSON *child = parent ? cJSON_CreateObject() : NULL;
    return child && json_add(parent, name, child) ? child : NULL;
}

cJSON *result_add_array(cJSON *parent, const char *name)
{
    cJSON *child = parent ? cJSON_CreateArray() : NULL;
    return child && json_add(parent, name, child) ? child : NULL;
}

bool result_add_integrity(cJSON *parent, const struct fold_integrity *integrity)
{
    cJSON *json = result_add_object(parent, "integrity");
    return json && json_add_u64(json, "frames", integrity->frames) &&
           json_add_u64(json, "checked", integrity->checked) &&
           json_add_u64(json, "torn", integrity->torn) &&
           json_add_u64(json, "lost", integrity->lost) &&
           json_add_u64(json, "repeated", integrity->repeated) &&
           json_add_u64(json, "reordered", integrity->reordered) &&
           json_add_u64(json, "skipped", integrity->skipped);
}

void result_read_integrity(const cJSON *json, struct fold_integrity *integrity)
{
    *integrity = (struct fold_integrity){
        .frames = result_get_u64(json, "frames"),
        .checked = result_get_u64(json, "checked"),
        .torn = result_get_u64(json, "torn"),
        .lost = result_get_u64(json, "lost"),
        .repeated = result_get_u64(json, "repeated"),
        .reordered = result_get_u64(json, "reordered"),
        .skipped = result_get_u64(json, "skipped"),
    };
}

cJSON *result_interval_json(const struct hdr *hdr, uint64_t infinite, struct err *err)
{
    char *histogram = NULL;
    if (hdr_encode(hdr, &histogram, err) != ST_OK)
        return NULL;
    cJSON *json = cJSON_CreateObject();
    bool ok = json && json_add_u64(json, "count", hdr_count(hdr)) &&
              json_add_u64(json, "infinite", infinite) &&
              json_add_i64(json, "min_ns", hdr_min_ns(hdr)) &&
              json_add_i64(json, "max_ns", hdr_max_ns(hdr)) &&
              json_add_double(json, "mean_ns", hdr_mean_ns(hdr)) &&
              json_add_string(json, "histogram", histogram);
    free(histogram);
    if (!ok) {
        cJSON_Delete(json);
        err_set(err, ST_NO_MEMORY, NULL, "writing a result: out of memory");
        return NULL;
    }
    return json;
}

bool result_add_time(cJSON *object, const char *name, double value_ns)
{
    if (isnan(value_ns))
        return json_add(object, name, cJSON_CreateNull());
    if (isinf(value_ns))
        return json_add_string(object, name, "inf");
    return json_add_i64(object, name, llround(value_ns));
}

double result_read_time(const cJSON *object, const char *name)
{
    const cJSON *item = json_get(object, name);
    if (cJSON_IsString(item))
        return INFINITY;
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

bool result_add_estimate(cJSON *parent, const char *name, struct stats_estimate estimate,
                         bool is_time)
{
    cJSON *json = result_add_object(parent, name);
    if (!json)
        return false;
    bool ok = is_time ? result_add_time(json, "value_ns", estimate.value) &&
                            result_add_time(json, "low_ns", estimate.low) &&
                            result_add_time(json, "high_ns", estimate.high)
                      : json_add_double(json, "value", estimate.value) &&
                            json_add_double(json, "low", estimate.low) &&
                            json_add_double(json, "high", estimate.high);
    return ok && json_add_string(json, "spread", stats_spread_name(estimate.spread)) &&
           json_add_u64(json, "launches", estimate.launches);
}

uint64_t result_get_u64(const cJSON *object, const char *name)
{
    double value = json_get_number(object, name, 0.0);
    return value > 0.0 && value < 9007199254740992.0 ? (uint64_t)value : 0;
}

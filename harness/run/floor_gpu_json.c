/* floor_gpu_json.c: the GPU's floor as a member of a result, and back. See floor_gpu.h.
 *
 * Whole numbers are added as doubles, as in floor_json.c: result_floor.c reads them before they
 * have been written. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/run/floor_gpu.h"

double floor_gpu_switch_ns(const struct floor_gpu *floor)
{
    if (isnan(floor->turn.p50_ns) || isnan(floor->launch.p50_ns))
        return NAN;
    return fmax(floor->turn.p50_ns - floor->launch.p50_ns, 0);
}

/* ---- out ------------------------------------------------------------------------------------- */

/* To the tenth of a nanosecond: further digits are noise. */
static double floor_gpu_round(double value_ns)
{
    return round(value_ns * 10) / 10;
}

static bool floor_gpu_add(cJSON *json, const char *name, const struct floor_gpu_figure *figure)
{
    cJSON *member = cJSON_CreateObject();
    return json_add(json, name, member) &&
           json_add_double(member, "p50_ns", floor_gpu_round(figure->p50_ns)) &&
           json_add_double(member, "count", figure->count);
}

static bool floor_gpu_add_sizes(cJSON *json, const struct floor_gpu *floor)
{
    cJSON *sizes = cJSON_CreateArray();
    bool ok = json_add(json, "memory", sizes);
    for (size_t i = 0; ok && i < floor->size_count; i++) {
        const struct floor_gpu_size *from = &floor->sizes[i];
        cJSON *size = cJSON_CreateObject();
        ok = json_append(sizes, size) && json_add_double(size, "bytes", (double)from->bytes) &&
             floor_gpu_add(size, "device_copy", &from->device_copy) &&
             floor_gpu_add(size, "mapped_read", &from->mapped_read) &&
             floor_gpu_add(size, "host_copy", &from->host_copy) &&
             floor_gpu_add(size, "fill_invert", &from->fill_invert);
    }
    return ok;
}

cJSON *floor_gpu_to_json(const struct floor_gpu *floor)
{
    cJSON *json = cJSON_CreateObject();
    if (json && json_add_string(json, "device", floor->device) &&
        floor_gpu_add(json, "launch", &floor->launch) &&
        floor_gpu_add(json, "launch_word", &floor->launch_word) &&
        floor_gpu_add(json, "flag", &floor->flag) &&
        floor_gpu_add(json, "stream_values", &floor->stream_values) &&
        floor_gpu_add(json, "turn", &floor->turn) &&
        json_add_double(json, "switch_ns", floor_gpu_round(floor_gpu_switch_ns(floor))) &&
        floor_gpu_add_sizes(json, floor))
        return json;
    cJSON_Delete(json);
    return NULL;
}

/* ---- and in ---------------------------------------------------------------------------------- */

static bool floor_gpu_get(const cJSON *json, const char *name, struct floor_gpu_figure *figure)
{
    const cJSON *member = json_get(json, name), *p50 = json_get(member, "p50_ns");
    int64_t count;
    if (!json_whole(json_get(member, "count"), 0, UINT32_MAX, &count) ||
        !(cJSON_IsNull(p50) || cJSON_IsNumber(p50)))
        return false;
    double value_ns = cJSON_IsNull(p50) ? NAN : p50->valuedouble;
    *figure = (struct floor_gpu_figure){value_ns, (uint32_t)count};
    return isnan(value_ns) || (isfinite(value_ns) && value_ns >= 0);
}

static bool floor_gpu_get_size(const cJSON *json, struct floor_gpu_size *size)
{
    int64_t bytes;
    if (!json_whole(json_get(json, "bytes"), 1, INT64_C(1) << 40, &bytes))
        return false;
    size->bytes = (size_t)bytes;
    return floor_gpu_get(json, "device_copy", &size->device_copy) &&
           floor_gpu_get(json, "mapped_read", &size->mapped_read) &&
           floor_gpu_get(json, "host_copy", &size->host_copy) &&
           floor_gpu_get(json, "fill_invert", &size->fill_invert);
}

enum status floor_gpu_from_json(const cJSON *json, struct floor_gpu *out, struct err *err)
{
    struct floor_gpu read = {.launch_word = {NAN, 0}};
    const cJSON *sizes = json_get(json, "memory");
    snprintf(read.device, sizeof read.device, "%s", json_get_string(json, "device", ""));
    bool ok =
        floor_gpu_get(json, "launch", &read.launch) &&
        (!json_get(json, "launch_word") || floor_gpu_get(json, "launch_word", &read.launch_word)) &&
        floor_gpu_get(json, "flag", &read.flag) &&
        floor_gpu_get(json, "stream_values", &read.stream_values) &&
        floor_gpu_get(json, "turn", &read.turn) && cJSON_IsArray(sizes) &&
        cJSON_GetArraySize(sizes) <= FLOOR_SIZES_MAX;
    for (const cJSON *size = ok ? sizes->child : NULL; ok && size; size = size->next)
        ok = floor_gpu_get_size(size, &read.sizes[read.size_count++]);
    if (!ok)
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "what a floor of the GPU says is not one");
    *out = read;
    return ST_OK;
}

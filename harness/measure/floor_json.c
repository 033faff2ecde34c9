/* floor_json.c: the `floor` object of a result. The shape is in results/README.md. See floor.h.
 *
 * Whole numbers are added as doubles, which hold them exactly: result_floor.c reads the object
 * before it has been written, and what json_add_u64 adds is text until then.
 */
#include <math.h>

#include "harness/base/json.h"
#include "harness/measure/floor.h"

/* To the tenth of a nanosecond: further digits are noise. */
static bool floor_add_ns(cJSON *json, const char *name, double value_ns)
{
    return json_add_double(json, name, round(value_ns * 10) / 10);
}

/* An empty object or array as a new member; NULL when out of memory. */
static cJSON *floor_add(cJSON *parent, const char *name, cJSON *child)
{
    return json_add(parent, name, child) ? child : NULL;
}

static bool floor_add_clocks(cJSON *json, const struct floor *floor)
{
    cJSON *clocks = floor_add(json, "clocks", cJSON_CreateArray());
    bool ok = clocks != NULL;
    for (size_t i = 0; ok && i < floor->clock_count; i++) {
        cJSON *clock = cJSON_CreateObject();
        ok = json_append(clocks, clock) && json_add_string(clock, "name", floor->clocks[i].name) &&
             floor_add_ns(clock, "read_ns", floor->clocks[i].read_ns) &&
             floor_add_ns(clock, "tick_ns", floor->clocks[i].tick_ns);
    }
    return ok;
}

static bool floor_add_round_trip(cJSON *json, const char *name,
                                 const struct floor_round_trip *round_trip)
{
    cJSON *member = floor_add(json, name, cJSON_CreateObject());
    return member && floor_add_ns(member, "p50_ns", round_trip->p50_ns) &&
           floor_add_ns(member, "mean_ns", round_trip->mean_ns);
}

static bool floor_add_pairs(cJSON *json, const struct floor *floor)
{
    cJSON *pairs = floor_add(json, "pairs", cJSON_CreateArray());
    bool ok = pairs != NULL;
    for (size_t i = 0; ok && i < floor->pair_count; i++) {
        const struct floor_pair *from = &floor->pairs[i];
        cJSON *pair = cJSON_CreateObject();
        ok = json_append(pairs, pair) &&
             json_add_double(pair, "producer_cpu", from->cpus.producer) &&
             json_add_double(pair, "consumer_cpu", from->cpus.consumer) &&
             floor_add_round_trip(pair, "one_line", &from->lines.one_line) &&
             floor_add_round_trip(pair, "two_lines", &from->lines.two_lines);
    }
    return ok;
}

static bool floor_add_sleeping(cJSON *json, const struct floor *floor)
{
    cJSON *futex = floor_add(json, "futex", cJSON_CreateObject());
    cJSON *sleeps = futex ? floor_add(json, "nanosleep", cJSON_CreateArray()) : NULL;
    bool ok = sleeps && floor_add_ns(futex, "wake_nobody_ns", floor->futex.wake_nobody_ns) &&
              floor_add_ns(futex, "wake_sleeper_ns", floor->futex.wake_sleeper_ns) &&
              floor_add_ns(futex, "one_way_ns", floor->futex.one_way_ns);
    for (int i = 0; ok && i < FLOOR_NANOSLEEPS; i++) {
        cJSON *sleep = cJSON_CreateObject();
        ok = json_append(sleeps, sleep) &&
             json_add_double(sleep, "requested_ns", (double)floor->nanosleep[i].requested_ns) &&
             floor_add_ns(sleep, "p50_ns", floor->nanosleep[i].p50_ns);
    }
    return ok && floor_add_ns(json, "timer_slack_ns", floor->timer_slack_ns);
}

static bool floor_add_memory(cJSON *json, const struct floor *floor)
{
    cJSON *sizes = floor_add(json, "memory", cJSON_CreateArray());
    bool ok = sizes != NULL;
    for (size_t i = 0; ok && i < floor->memory_count; i++) {
        const struct floor_memory *from = &floor->memory[i];
        cJSON *size = cJSON_CreateObject();
        ok = json_append(sizes, size) && json_add_double(size, "bytes", (double)from->bytes) &&
             floor_add_ns(size, "copy_cached_ns", from->copy_cached_ns) &&
             floor_add_ns(size, "copy_evicted_ns", from->copy_evicted_ns) &&
             floor_add_ns(size, "read_cached_ns", from->read_cached_ns) &&
             floor_add_ns(size, "read_evicted_ns", from->read_evicted_ns) &&
             floor_add_ns(size, "read_written_elsewhere_ns", from->read_written_elsewhere_ns);
    }
    return ok;
}

cJSON *floor_to_json(const struct floor *floor)
{
    cJSON *json = cJSON_CreateObject();
    if (json && floor_add_ns(json, "system_call_ns", floor->system_call_ns) &&
        floor_add_clocks(json, floor) && floor_add_pairs(json, floor) &&
        floor_add_sleeping(json, floor) && floor_add_memory(json, floor))
        return json;
    cJSON_Delete(json);
    return NULL;
}

/* gate.c: see gate.h. */
#include "harness/measure/gate.h"

#include <math.h>
#include <string.h>

#include "harness/base/json.h"

const struct gate gates[] = {
#define INTERVAL(name, from_side, from, to_side, to, definition)                              \
    {#name ".mean", GATE_TIME, #name, "mean_ns"}, {#name ".p50", GATE_TIME, #name, "p50_ns"}, \
        {#name ".p90", GATE_TIME, #name, "p90_ns"}, {#name ".p99", GATE_TIME, #name, "p99_ns"},
#include "harness/measure/intervals.def"
#undef INTERVAL
    {"frames_per_s", GATE_FRAMES_PER_S, "", ""},
    {"cpu_percent.producer", GATE_CPU_PERCENT, "producer", ""},
    {"cpu_percent.consumer", GATE_CPU_PERCENT, "consumer", ""},
    {"cpu_percent.system", GATE_CPU_PERCENT, "system", ""},
};
const size_t gate_count = sizeof gates / sizeof gates[0];

const struct gate *gate_find(const char *name)
{
    for (size_t i = 0; i < gate_count; i++)
        if (strcmp(gates[i].name, name) == 0)
            return &gates[i];
    return NULL;
}

const struct gate *gate_mean(const struct gate *gate)
{
    for (size_t i = 0; i < gate_count && gate->kind == GATE_TIME; i++)
        if (strcmp(gates[i].of, gate->of) == 0 && strcmp(gates[i].key, "mean_ns") == 0)
            return &gates[i];
    return NULL;
}

static double gate_time(const struct gate *gate, const cJSON *launch)
{
    const cJSON *interval = json_get(json_get(launch, "intervals"), gate->of);
    const bool mean = strcmp(gate->key, "mean_ns") == 0;
    /* The mean is of the frames that finished: where some never did, there is none. */
    if (mean ? json_get_number(interval, "infinite", 0) > 0
             : strcmp(json_get_string(interval, gate->key, ""), "inf") == 0)
        return INFINITY;
    double value = json_get_number(interval, gate->key, NAN);
    return value >= 0 && value < 1e18 ? value : NAN;
}

static double gate_frames_per_s(const cJSON *launch)
{
    double given = json_get_number(launch, "frames_per_s", 0);
    double window_ns = json_get_number(launch, "window_ns", 0);
    double frames = json_get_number(launch, "frames", 0);
    if (given > 0)
        return given;
    return window_ns > 0 && frames > 0 ? frames * 1e9 / window_ns : NAN;
}

static double gate_cpu_percent(const struct gate *gate, const cJSON *launch)
{
    const cJSON *usage = json_get(json_get(launch, "usage"), gate->of);
    double wall_ns = json_get_number(usage, "wall_ns", 0);
    double busy_ns = strcmp(gate->of, "system") == 0 ? json_get_number(usage, "busy_ns", NAN)
                                                     : json_get_number(usage, "user_ns", NAN) +
                                                           json_get_number(usage, "system_ns", NAN);
    return wall_ns > 0 ? 100 * busy_ns / wall_ns : NAN;
}

static bool launch_is_ok(const cJSON *launch)
{
    return strcmp(json_get_string(launch, "status", ""), "ok") == 0;
}

double gate_launch_value(const struct gate *gate, const cJSON *launch)
{
    if (!launch_is_ok(launch))
        return NAN;
    switch (gate->kind) {
    case GATE_TIME:
        return gate_time(gate, launch);
    case GATE_FRAMES_PER_S:
        return gate_frames_per_s(launch);
    default:
        return gate_cpu_percent(gate, launch);
    }
}

double gate_scale(const struct gate *gate)
{
    return gate->kind == GATE_TIME ? 1 : gate->kind == GATE_FRAMES_PER_S ? 1e6 : 1e5;
}

const cJSON *gate_launch_find(const cJSON *cell, double number)
{
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
        if (json_get_number(launch, "launch", -1) == number)
            return launch;
    }
    return NULL;
}

size_t gate_pair_count(const cJSON *new_cell, const cJSON *base_cell)
{
    size_t count = 0;
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(base_cell, "launches")) {
        count += launch_is_ok(launch) &&
                 launch_is_ok(gate_launch_find(new_cell, json_get_number(launch, "launch", -2)));
    }
    return count;
}

size_t gate_pair(const struct gate *gate, const cJSON *new_cell, const cJSON *base_cell,
                 double *new_values, double *base_values, size_t max)
{
    size_t count = 0;
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(base_cell, "launches")) {
        const cJSON *other = gate_launch_find(new_cell, json_get_number(launch, "launch", -2));
        if (!other || count == max)
            continue;
        base_values[count] = gate_launch_value(gate, launch);
        new_values[count] = gate_launch_value(gate, other);
        count += !isnan(base_values[count]) && !isnan(new_values[count]);
    }
    return count;
}

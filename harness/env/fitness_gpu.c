/* fitness_gpu.c: heat, supply and the GPU: what holds clocks down, and who else uses them. */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/fitness_parts.h"

#define TRIP_DISTANCE_MILLIDEGREES 5000.0

/* ---- heat and supply ------------------------------------------------------------------------- */

static bool check_temperature(const cJSON *env, cJSON *findings)
{
    const cJSON *zone, *closest = NULL;
    double distance = 1e9, hottest = -300000.0;
    cJSON_ArrayForEach (zone, json_get(json_get(env, "thermal"), "zones")) {
        double here = fitness_number(zone, "millidegrees_c", -300000.0);
        double trip = fitness_number(zone, "trip_millidegrees_c", 1e9);
        hottest = here > hottest ? here : hottest;
        if (here > -300000.0 && trip - here < distance) {
            distance = trip - here;
            closest = zone;
        }
    }
    if (hottest <= -300000.0)
        return fitness_unknown(findings, "temperature", "how warm the machine is");
    if (!closest || distance > TRIP_DISTANCE_MILLIDEGREES)
        return fitness_good(findings, "temperature", "the hottest sensor shows %.0f degrees C",
                            hottest / 1e3);
    return fitness_say(findings,
                       (struct finding){"temperature", FITNESS_WARNING,
                                        "the machine slows down, or will as soon as it works",
                                        "let it cool down, and give it a fan"},
                       "%s is at %.0f degrees C, and is throttled from %.0f",
                       json_get_string(closest, "type", "a sensor"),
                       fitness_number(closest, "millidegrees_c", 0.0) / 1e3,
                       fitness_number(closest, "trip_millidegrees_c", 0.0) / 1e3);
}

/* Counters since the start: no verdict on this run, but a hint at what it will do. */
static bool check_throttled(const cJSON *env, cJSON *findings)
{
    const cJSON *cpu = json_get(env, "cpu"), *board = json_get(env, "board");
    double core = fitness_number(cpu, "core_throttle_count", -1.0);
    double package = fitness_number(cpu, "package_throttle_count", 0.0);
    double current = fitness_number(board, "overcurrent_events", -1.0);
    double times = (core > 0.0 ? core : 0.0) + package + (current > 0.0 ? current : 0.0);
    if (core < 0.0 && current < 0.0)
        return fitness_unknown(findings, "throttled", "how often the clocks were throttled");
    if (times == 0.0)
        return fitness_good(findings, "throttled", "never throttled since the start");
    return fitness_say(findings,
                       (struct finding){"throttled", FITNESS_NOTE,
                                        "under load this machine's clocks fall after a while",
                                        "better cooling or a stronger supply"},
                       "throttled %.0f time%s since the start", times, times == 1 ? "" : "s");
}

static bool check_battery(const cJSON *env, cJSON *findings)
{
    const cJSON *mains = json_get(json_get(env, "thermal"), "mains");
    if (!cJSON_IsFalse(mains))
        return fitness_good(findings, "battery",
                            cJSON_IsTrue(mains) ? "running on mains" : "no battery is described");
    return fitness_say(findings,
                       (struct finding){"battery", FITNESS_WARNING,
                                        "the firmware holds clocks down", "plug it in"},
                       "running on battery");
}

static bool check_power_mode(const cJSON *env, cJSON *findings)
{
    const char *mode = json_get_string(json_get(env, "board"), "power_mode", "");
    unsigned number;
    if (!fitness_is_jetson(env))
        return true;
    if (sscanf(mode, "pmode:%u", &number) != 1)
        return fitness_unknown(findings, "power_mode", "the power mode (nvpmodel)");
    if (number == 0)
        return fitness_good(findings, "power_mode", "power mode 0");
    return fitness_say(findings,
                       (struct finding){"power_mode", FITNESS_NOTE,
                                        "it limits clocks and the number of CPUs: compare only "
                                        "with results of the same mode",
                                        "sudo nvpmodel -m 0"},
                       "power mode %u", number);
}

bool fitness_check_heat(const cJSON *env, cJSON *findings)
{
    return check_temperature(env, findings) && check_throttled(env, findings) &&
           check_battery(env, findings) && check_power_mode(env, findings);
}

/* ---- the GPU --------------------------------------------------------------------------------- */

const char *fitness_gpu_held_back(const cJSON *env)
{
    static const char *const causes[] = {"hw_thermal_slowdown", "sw_thermal_slowdown",
                                         "hw_power_brake", "hw_slowdown", "sw_power_cap"};
    const cJSON *limit;
    for (size_t i = 0; i < ENV_COUNT(causes); i++)
        cJSON_ArrayForEach (limit, json_get(json_get(env, "gpu"), "clock_limits"))
            if (cJSON_IsString(limit) && strcmp(limit->valuestring, causes[i]) == 0)
                return causes[i];
    return "";
}

static bool check_gpu_clocks(const cJSON *env, cJSON *findings)
{
    const char *cause = fitness_gpu_held_back(env);
    if (!cJSON_IsArray(json_get(json_get(env, "gpu"), "clock_limits")))
        return fitness_unknown(findings, "gpu_clocks", "what limits the GPU's clocks");
    if (!cause[0])
        return fitness_good(findings, "gpu_clocks", "nothing holds the GPU's clocks back");
    return fitness_say(findings,
                       (struct finding){"gpu_clocks", FITNESS_WARNING,
                                        "its figures depend on how warm or loaded it was",
                                        "cool it or raise its power limit; `nvidia-smi -q -d "
                                        "PERFORMANCE` shows more"},
                       "the GPU's clocks are held back (%s)", cause);
}

static bool check_persistence(const cJSON *env, cJSON *findings)
{
    const cJSON *mode = json_get(json_get(env, "gpu"), "persistence_mode");
    if (!cJSON_IsBool(mode))
        return fitness_unknown(findings, "gpu_persistence", "the GPU's persistence mode");
    if (cJSON_IsTrue(mode))
        return fitness_good(findings, "gpu_persistence", "the GPU's driver stays loaded");
    return fitness_say(findings,
                       (struct finding){"gpu_persistence", FITNESS_NOTE,
                                        "the driver unloads between launches, so each starts with "
                                        "cold clocks and takes longer to begin",
                                        "sudo nvidia-smi -pm 1"},
                       "the GPU's persistence mode is off");
}

/* Names that env/displays.c knows, so nothing private. */
static bool check_displays(const cJSON *env, cJSON *findings)
{
    const cJSON *gpu = json_get(env, "gpu"), *name;
    const cJSON *names = json_get(gpu, "display_clients");
    double others = fitness_number(gpu, "other_clients", 0.0);
    char list[256] = "";
    if (!cJSON_IsArray(names))
        return fitness_unknown(findings, "gpu_clients", "who else uses the GPU");
    cJSON_ArrayForEach (name, names) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "",
                 cJSON_IsString(name) ? name->valuestring : "?");
    }
    if (!list[0] && others <= 0.0 && json_get_bool(gpu, "clients_visible", false))
        return fitness_good(findings, "gpu_clients", "nobody else uses the GPU");
    if (!list[0] && others <= 0.0)
        return fitness_unknown(findings, "gpu_clients",
                               "who else uses the GPU (root sees other users' processes)");
    return fitness_say(
        findings,
        (struct finding){"gpu_clients", FITNESS_WARNING,
                         "contexts take turns on the GPU: each frame of the screen, "
                         "or of another program, may delay a kernel by milliseconds",
                         list[0] ? "sudo systemctl isolate multi-user.target"
                                 : "stop them (`sudo fuser -v /dev/nvidia*`)"},
        list[0] && others > 0.0 ? "a display (%s) and %.0f other process%s use the GPU"
        : list[0]               ? "a display uses the GPU: %s"
                                : "%s%.0f other process%s the GPU",
        list, others, list[0] ? (others == 1.0 ? "" : "es") : (others == 1.0 ? " uses" : "es use"));
}

/* What a board's own clocks may do: {"current_hz", "min_hz", "max_hz", "locked"}. */
static bool check_board_clock(const cJSON *env, const char *member, const char *id,
                              const char *what, cJSON *findings)
{
    const cJSON *clock = json_get(json_get(env, "board"), member);
    double low = fitness_number(clock, "min_hz", -1.0),
           high = fitness_number(clock, "max_hz", -1.0);
    if (low < 0.0 || high <= 0.0)
        return fitness_unknown(findings, id, what);
    if (low >= high || json_get_bool(clock, "locked", false))
        return fitness_good(findings, id, "%s is fixed (%.0f MHz)", what,
                            fitness_number(clock, "current_hz", high) / 1e6);
    return fitness_say(findings,
                       (struct finding){id, FITNESS_WARNING,
                                        "it follows the load: new operating points take "
                                        "milliseconds, and medians move by tens of per cent",
                                        "sudo jetson_clocks"},
                       "%s moves between %.0f and %.0f MHz", what, low / 1e6, high / 1e6);
}

static bool check_usable(const cJSON *unusable, cJSON *findings)
{
    return fitness_say(
        findings,
        (struct finding){"gpu_unusable", FITNESS_NOTE, "cells with work on the GPU cannot run",
                         json_get_string(unusable, "hint", "")},
        "the GPU cannot be used: %s", json_get_string(unusable, "reason", "nobody knows why"));
}

bool fitness_check_gpu(const cJSON *env, cJSON *findings)
{
    const cJSON *unusable = json_get(json_get(env, "gpu"), "unusable");
    if (fitness_is_jetson(env) &&
        (!check_board_clock(env, "gpu_clock", "board_gpu_clock", "the GPU's clock", findings) ||
         !check_board_clock(env, "memory_clock", "board_memory_clock", "the memory's clock",
                            findings)))
        return false;
    if (!cJSON_IsObject(json_get(env, "gpu")))
        return true;
    if (cJSON_IsObject(unusable))
        return check_usable(unusable, findings);
    return check_gpu_clocks(env, findings) && check_persistence(env, findings) &&
           check_displays(env, findings);
}

/* fitness_changes.c: what became of the machine between the start and the end of a run. */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/fitness_parts.h"

#define SWAP_GROWTH_BYTES_MAX (64.0 * 1024 * 1024)
#define STEAL_PERCENT_MAX 0.1
#define STEAL_PERCENT_UNFIT 10.0

/* How much a counter has grown; 0 where it is not known on both sides, or began anew. */
static double growth(const cJSON *before, const cJSON *after, const char *section, const char *key)
{
    double first = fitness_number(json_get(before, section), key, -1.0);
    double last = fitness_number(json_get(after, section), key, -1.0);
    return first < 0.0 || last <= first ? 0.0 : last - first;
}

static bool find_throttling(const cJSON *before, const cJSON *after, cJSON *findings)
{
    double thermal = growth(before, after, "cpu", "core_throttle_count") +
                     growth(before, after, "cpu", "package_throttle_count");
    double current = growth(before, after, "board", "overcurrent_events");
    double periods = growth(before, after, "limits", "cgroup_throttled_periods");
    static const struct finding heat = {
        "throttled_meanwhile", FITNESS_UNFIT, "later launches ran on slower clocks",
        "cool it, or lower its highest frequency until this stays at 0"};
    static const struct finding supply = {
        "overcurrent_meanwhile", FITNESS_UNFIT, "later launches ran on slower clocks",
        "choose a lower power mode (`sudo nvpmodel -m`) or a stronger supply"};
    static const struct finding quota = {
        "quota_meanwhile", FITNESS_UNFIT,
        "tails of tens of milliseconds are the quota, not the transport",
        "raise it (docker run --cpus)"};
    return (thermal <= 0.0 ||
            fitness_say(findings, heat,
                        "the processor throttled %.0f time%s for heat during the run", thermal,
                        thermal == 1 ? "" : "s")) &&
           (current <= 0.0 ||
            fitness_say(findings, supply,
                        "over-current protection slowed the board down %.0f time%s during the run",
                        current, current == 1 ? "" : "s")) &&
           (periods <= 0.0 ||
            fitness_say(findings, quota,
                        "the control group's CPU quota stopped this run in %.0f period%s", periods,
                        periods == 1 ? "" : "s"));
}

static bool find_steal(const cJSON *before, const cJSON *after, cJSON *findings)
{
    double steal = growth(before, after, "load", "steal_ms");
    double total = growth(before, after, "load", "cpu_time_ms");
    double percent = total > 0.0 ? 100.0 * steal / total : 0.0;
    if (percent <= STEAL_PERCENT_MAX)
        return true;
    return fitness_say(
        findings,
        (struct finding){
            "steal_meanwhile", percent > STEAL_PERCENT_UNFIT ? FITNESS_UNFIT : FITNESS_WARNING,
            "other virtual machines are in these tails", "repeat it on a quieter host"},
        "the hypervisor took %.1f %% of the CPU time away during the run", percent);
}

/* The policy of the same name of CPUs in another environment, or NULL. */
static const cJSON *policy_find(const cJSON *env, const char *cpus)
{
    const cJSON *policy;
    cJSON_ArrayForEach (policy, json_get(json_get(env, "cpu"), "frequency")) {
        if (strcmp(json_get_string(policy, "cpus", ""), cpus) == 0)
            return policy;
    }
    return NULL;
}

static bool find_policy(const cJSON *first, const cJSON *last, cJSON *findings)
{
    static const char effect[] = "launches before and after it do not compare";
    const char *cpus = json_get_string(first, "cpus", "");
    const char *from = json_get_string(first, "governor", "");
    const char *to = json_get_string(last, "governor", from);
    double max_from = fitness_number(first, "max_khz", 0.0);
    double max_to = fitness_number(last, "max_khz", max_from);
    if (strcmp(from, to) != 0 &&
        !fitness_say(
            findings,
            (struct finding){"governor_meanwhile", FITNESS_WARNING, effect,
                             "find what changes it and run again"},
            "the frequency governor of CPUs %s changed from \"%s\" to \"%s\" during the run", cpus,
            from, to))
        return false;
    return max_from == max_to ||
           fitness_say(
               findings,
               (struct finding){"frequency_meanwhile", FITNESS_WARNING, effect,
                                "find what changes it (a power daemon, heat) and run again"},
               "the highest frequency of CPUs %s changed from %.0f to %.0f MHz during the "
               "run",
               cpus, max_from / 1e3, max_to / 1e3);
}

static bool find_frequency(const cJSON *before, const cJSON *after, cJSON *findings)
{
    const cJSON *first;
    cJSON_ArrayForEach (first, json_get(json_get(before, "cpu"), "frequency")) {
        if (!find_policy(first, policy_find(after, json_get_string(first, "cpus", "")), findings))
            return false;
    }
    return true;
}

static bool find_system(const cJSON *before, const cJSON *after, cJSON *findings)
{
    const char *from = json_get_string(json_get(before, "kernel"), "clocksource", "");
    const char *to = json_get_string(json_get(after, "kernel"), "clocksource", from);
    double swap = growth(before, after, "memory", "swap_used_bytes");
    if (from[0] != '\0' && strcmp(from, to) != 0 &&
        !fitness_say(findings,
                     (struct finding){"clocksource_meanwhile", FITNESS_UNFIT,
                                      "stamps before and after it do not cost the same",
                                      "see `dmesg`, and run again"},
                     "the clocksource changed from \"%s\" to \"%s\" during the run", from, to))
        return false;
    return swap <= SWAP_GROWTH_BYTES_MAX ||
           fitness_say(findings,
                       (struct finding){"swap_meanwhile", FITNESS_WARNING,
                                        "memory is short and page-ins stall frames",
                                        "close other programs or use fewer slots and smaller "
                                        "frames"},
                       "%.0f MB went to swap during the run", swap / 1e6);
}

/* That it was held back before the run is found there. */
static bool find_gpu(const cJSON *before, const cJSON *after, cJSON *findings)
{
    const char *from = fitness_gpu_held_back(before), *to = fitness_gpu_held_back(after);
    if (!to[0])
        return true;
    return fitness_say(findings,
                       (struct finding){"gpu_clocks", FITNESS_WARNING,
                                        "its figures depend on how warm or loaded it was",
                                        "cool it or raise its power limit; `nvidia-smi -q -d "
                                        "PERFORMANCE` shows more"},
                       "the GPU's clocks were held back %s the run (%s)",
                       from[0] ? "before and after" : "at the end of", to);
}

enum status fitness_find_changes(const cJSON *before, const cJSON *after, cJSON *findings,
                                 struct err *err)
{
    if (find_throttling(before, after, findings) && find_steal(before, after, findings) &&
        find_frequency(before, after, findings) && find_system(before, after, findings) &&
        find_gpu(before, after, findings))
        return ST_OK;
    return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the machine's fitness");
}

/* frequency.c: how fast the CPUs run and how deep they sleep: cpufreq policies and idle states.
 *
 * Both move sleeping waits by factors, so they are recorded before and after: the time spent in
 * each frequency and idle state over a run is the difference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"

#define CPUFREQ_ROOT "/sys/devices/system/cpu/cpufreq"
#define CPUIDLE_ROOT "/sys/devices/system/cpu/cpuidle"
#define CPUIDLE_STATES_MAX 16

/* Lines "frequency_khz ticks"; a tick is 10 ms on every architecture (USER_HZ). */
static bool time_in_state_add(cJSON *policy, const char *text)
{
    cJSON *states = cJSON_CreateArray();
    if (!json_add(policy, "time_in_state", states))
        return false;
    unsigned long long khz, ticks;
    int used;
    while (sscanf(text, "%llu %llu %n", &khz, &ticks, &used) == 2) {
        cJSON *state = cJSON_CreateObject();
        if (!json_append(states, state) || !json_add_u64(state, "khz", khz) ||
            !json_add_u64(state, "ms", ticks * 10))
            return false;
        text += used;
    }
    return true;
}

/* One policy: the CPUs whose frequency changes together. */
static bool policy_add(const char *root, const char *name, cJSON *policies)
{
    static const struct env_fact facts[] = {
        {"cpus", "affected_cpus", ENV_FACT_TEXT, 1},
        {"driver", "scaling_driver", ENV_FACT_TEXT, 1},
        {"governor", "scaling_governor", ENV_FACT_TEXT, 1},
        {"energy_preference", "energy_performance_preference", ENV_FACT_TEXT, 1},
        {"current_khz", "scaling_cur_freq", ENV_FACT_WHOLE, 1},
        {"min_khz", "scaling_min_freq", ENV_FACT_WHOLE, 1},
        {"max_khz", "scaling_max_freq", ENV_FACT_WHOLE, 1},
        {"hardware_min_khz", "cpuinfo_min_freq", ENV_FACT_WHOLE, 1},
        {"hardware_max_khz", "cpuinfo_max_freq", ENV_FACT_WHOLE, 1},
    };
    char folder[ENV_PATH_BYTES], times[8192];
    snprintf(folder, sizeof folder, CPUFREQ_ROOT "/%s", name);
    cJSON *policy = cJSON_CreateObject();
    if (!json_append(policies, policy) ||
        !env_add_facts(policy, root, folder, facts, ENV_COUNT(facts)))
        return false;
    return !env_read_text(times, sizeof times, root, "%s/stats/time_in_state", folder) ||
           time_in_state_add(policy, times);
}

static bool frequencies_add(const char *root, cJSON *section)
{
    struct env_names names;
    env_list_folder(root, CPUFREQ_ROOT, "policy", &names);
    if (names.count == 0)
        return true;
    cJSON *policies = cJSON_CreateArray();
    if (!json_add(section, "frequency", policies))
        return false;
    for (size_t i = 0; i < names.count; i++)
        if (!policy_add(root, names.names[i], policies))
            return false;
    return true;
}

/* States differ between kinds of CPUs only in detail, so the first CPU's stand for all; usage and
 * time are summed over CPUs. */
struct idle_sum {
    int64_t usage, time_us, disabled_on;
};

static void idle_sum_read(const char *root, unsigned state, struct idle_sum *sum)
{
    struct env_names names;
    int64_t value;
    env_list_folder(root, "/sys/devices/system/cpu", "cpu", &names);
    *sum = (struct idle_sum){0};
    for (size_t i = 0; i < names.count; i++) {
        const char *format = "/sys/devices/system/cpu/%s/cpuidle/state%u/%s";
        char path[ENV_PATH_BYTES];
        snprintf(path, sizeof path, format, names.names[i], state, "usage");
        sum->usage += env_read_i64(&value, root, "%s", path) ? value : 0;
        snprintf(path, sizeof path, format, names.names[i], state, "time");
        sum->time_us += env_read_i64(&value, root, "%s", path) ? value : 0;
        snprintf(path, sizeof path, format, names.names[i], state, "disable");
        sum->disabled_on += env_read_i64(&value, root, "%s", path) && value != 0;
    }
}

static bool idle_state_add(const char *root, unsigned state, const char *name, cJSON *states)
{
    struct idle_sum sum;
    int64_t latency_us;
    cJSON *object = cJSON_CreateObject();
    if (!json_append(states, object) || !json_add_string(object, "name", name))
        return false;
    if (env_read_i64(&latency_us, root, "/sys/devices/system/cpu/cpu0/cpuidle/state%u/latency",
                     state) &&
        !json_add_i64(object, "latency_us", latency_us))
        return false;
    idle_sum_read(root, state, &sum);
    return json_add_i64(object, "disabled_cpus", sum.disabled_on) &&
           json_add_i64(object, "entered", sum.usage) && json_add_i64(object, "us", sum.time_us);
}

static bool idle_add(const char *root, cJSON *section)
{
    static const struct env_fact facts[] = {
        {"driver", "current_driver", ENV_FACT_TEXT, 1},
        {"governor", "current_governor_ro", ENV_FACT_TEXT, 1},
    };
    char name[ENV_NAME_BYTES];
    cJSON *idle = cJSON_CreateObject();
    if (!idle || !env_add_facts(idle, root, CPUIDLE_ROOT, facts, ENV_COUNT(facts)))
        goto no_memory;
    for (unsigned i = 0; i < CPUIDLE_STATES_MAX; i++) {
        if (!env_read_text(name, sizeof name, root,
                           "/sys/devices/system/cpu/cpu0/cpuidle/state%u/name", i))
            break;
        cJSON *states = json_get(idle, "states");
        if (!states) {
            states = cJSON_CreateArray();
            if (!json_add(idle, "states", states))
                goto no_memory;
        }
        if (!idle_state_add(root, i, name, states))
            goto no_memory;
    }
    if (idle->child)
        return json_add(section, "idle", idle);
    cJSON_Delete(idle);
    return true;

no_memory:
    cJSON_Delete(idle);
    return false;
}

bool env_frequency_collect(const char *root, cJSON *section)
{
    return frequencies_add(root, section) && idle_add(root, section);
}

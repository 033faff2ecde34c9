/* warnings.c: what makes a machine unfit to measure on, said with its effect and the remedy.
 *
 * It reads the environment as collected (or as stored in an older result), never the machine. A
 * fact that is absent warns of nothing.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/env.h"

/* Below these nothing is said. */
#define LOAD_PER_CPU_MAX 0.5
#define BUSY_PERCENT_MAX 10.0
#define CGROUP_MEMORY_BYTES_MIN (512.0 * 1024 * 1024)
#define SWAP_USED_BYTES_MAX (64.0 * 1024 * 1024)
#define STEAL_PERCENT_MAX 0.1

static bool warn(cJSON *warnings, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool warn(cJSON *warnings, const char *format, ...)
{
    char text[640];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return json_append(warnings, cJSON_CreateString(text));
}

/* A number as collected (json_add_u64 leaves raw digits in memory) or as parsed from a file. */
static double number_get(const cJSON *section, const char *key, double otherwise)
{
    const cJSON *item = json_get(section, key);
    return cJSON_IsRaw(item) ? strtod(item->valuestring, NULL)
                             : json_get_number(section, key, otherwise);
}

/* How many CPUs the measurement can use. */
static double cpus_usable(const cJSON *env)
{
    const cJSON *cpu = json_get(env, "cpu");
    return number_get(cpu, "allowed_count", number_get(cpu, "cpu_count", 0.0));
}

static bool warn_cpus(const cJSON *env, cJSON *warnings)
{
    double cpus = cpus_usable(env);
    if (cpus == 1.0)
        return warn(warnings, "one CPU only: producer and consumer take turns on it, so every "
                              "spinning wait burns the other's time and latencies measure the "
                              "scheduler; use a machine with at least two, or widen the affinity "
                              "(taskset)");
    if (cpus == 2.0)
        return warn(warnings, "2 CPUs: producer, consumer and the rest of the system share them, "
                              "which stretches the tails; trust medians more than p99, or use a "
                              "machine with more");
    return true;
}

static bool warn_smt(const cJSON *env, cJSON *warnings)
{
    const cJSON *cpu = json_get(env, "cpu");
    if (!json_get_bool(cpu, "smt_active", false) ||
        number_get(cpu, "cpu_count", 0.0) <= number_get(cpu, "core_count", 0.0))
        return true;
    return warn(warnings, "SMT is on: work on a CPU's sibling slows it down and moves medians; "
                          "switch it off with `echo off | sudo tee "
                          "/sys/devices/system/cpu/smt/control`, or keep the siblings idle");
}

static bool warn_governor(const cJSON *env, cJSON *warnings)
{
    const cJSON *policy;
    const char *governor = NULL;
    char cpus[256] = "";
    cJSON_ArrayForEach (policy, json_get(json_get(env, "cpu"), "frequency")) {
        const char *name = json_get_string(policy, "governor", "performance");
        if (strcmp(name, "performance") == 0)
            continue;
        governor = governor ? governor : name;
        size_t used = strlen(cpus);
        snprintf(cpus + used, sizeof cpus - used, "%s%s", used > 0 ? "," : "",
                 json_get_string(policy, "cpus", "?"));
    }
    if (!governor)
        return true;
    for (char *c = cpus; *c; c++)
        if (*c == ' ')
            *c = ',';
    const char *l4t = json_get_string(json_get(env, "board"), "l4t", "");
    return warn(warnings,
                "CPU frequency governor is \"%s\" on CPUs %s: the clock follows the load, "
                "so a wait that sleeps is charged for slow clocks too; fix it with `%s`",
                governor, cpus,
                l4t[0] != '\0' ? "sudo jetson_clocks"
                               : "sudo cpupower frequency-set -g performance");
}

/* The load average remembers a build for minutes; the busy share of this moment decides, if
 * known. */
static bool warn_load(const cJSON *env, cJSON *warnings)
{
    const cJSON *load = json_get(env, "load");
    double cpus = cpus_usable(env), average = number_get(load, "average_1min", 0.0);
    double busy = number_get(load, "busy_percent", -1.0);
    if (busy > BUSY_PERCENT_MAX)
        return warn(warnings,
                    "%.0f %% of CPU time was already in use before the run (load average "
                    "%.2f on %.0f CPUs): other work stretches tails and keeps idle states "
                    "shallow; stop it (see `top`)",
                    busy, average, cpus);
    if (busy >= 0.0 || cpus < 1.0 || average / cpus <= LOAD_PER_CPU_MAX)
        return true;
    return warn(warnings,
                "load average %.2f on %.0f CPUs before the run: other work stretches "
                "tails and keeps idle states shallow; stop it (see `top`)",
                average, cpus);
}

static bool warn_limits(const cJSON *env, cJSON *warnings)
{
    const cJSON *limits = json_get(env, "limits");
    double cpus = number_get(limits, "cgroup_cpus", -1.0);
    double memory = number_get(limits, "cgroup_memory_bytes", -1.0);
    if (cpus >= 0.0 && cpus < 2.0 &&
        !warn(warnings,
              "this control group may use %.2f CPUs: two busy roles are stopped for the "
              "rest of each period, which shows as tails of tens of milliseconds; give "
              "the container at least 2 CPUs (docker run --cpus=2)",
              cpus))
        return false;
    if (memory >= 0.0 && memory < CGROUP_MEMORY_BYTES_MIN &&
        !warn(warnings,
              "this control group may use %.0f MB of memory: cells with 4K frames need "
              "several hundred and will be reported as failed; raise the limit (docker "
              "run --memory=2g)",
              memory / 1e6))
        return false;
    return true;
}

static bool warn_clocksource(const cJSON *env, cJSON *warnings)
{
    const char *name = json_get_string(json_get(env, "kernel"), "clocksource", "tsc");
    /* kvm-clock and the Hyper-V page are read without a system call, like tsc. */
    static const char *const fast[] = {"tsc", "arch_sys_counter", "kvm-clock",
                                       "hyperv_clocksource_tsc_page"};
    for (unsigned i = 0; i < sizeof fast / sizeof fast[0]; i++)
        if (strcmp(name, fast[i]) == 0)
            return true;
    return warn(warnings,
                "clocksource is \"%s\": each time stamp may be a system call of up to "
                "microseconds, inside every interval; if `dmesg` does not call the tsc "
                "unstable, use it: `echo tsc | sudo tee "
                "/sys/devices/system/clocksource/clocksource0/current_clocksource`",
                name);
}

static bool warn_virtual(const cJSON *env, cJSON *warnings)
{
    const cJSON *virtualisation = json_get(env, "virtualisation");
    if (!json_get_bool(virtualisation, "virtual", false))
        return true;
    const char *name = json_get_string(virtualisation, "hypervisor", "");
    return warn(warnings,
                "virtual machine%s%s%s: an idle virtual CPU costs a VM exit to wake, so "
                "waits that sleep look several times worse than on bare metal, and "
                "neighbours show in the tails; compare within this machine only",
                name[0] ? " (" : "", name, name[0] ? ")" : "");
}

static bool warn_memory(const cJSON *env, cJSON *warnings)
{
    double used = number_get(json_get(env, "memory"), "swap_used_bytes", 0.0);
    if (used <= SWAP_USED_BYTES_MAX)
        return true;
    return warn(warnings,
                "%.0f MB of swap are in use: a page that must come back from disk stalls "
                "a frame for milliseconds; close what fills the memory, then `sudo "
                "swapoff -a`",
                used / 1e6);
}

static bool warn_battery(const cJSON *env, cJSON *warnings)
{
    if (json_get_bool(json_get(env, "thermal"), "mains", true))
        return true;
    return warn(warnings, "running on battery: the firmware holds clocks down; plug it in");
}

bool env_warnings(const cJSON *before, cJSON *warnings)
{
    return warn_cpus(before, warnings) && warn_virtual(before, warnings) &&
           warn_governor(before, warnings) && warn_load(before, warnings) &&
           warn_limits(before, warnings) && warn_clocksource(before, warnings) &&
           warn_smt(before, warnings) && warn_memory(before, warnings) &&
           warn_battery(before, warnings);
}

/* How much a counter has grown; 0 where it is not known on both sides. */
static double growth(const cJSON *before, const cJSON *after, const char *section, const char *key)
{
    double first = number_get(json_get(before, section), key, -1.0);
    double last = number_get(json_get(after, section), key, -1.0);
    return first < 0.0 || last <= first ? 0.0 : last - first;
}

static bool warn_throttling(const cJSON *before, const cJSON *after, cJSON *warnings)
{
    double thermal = growth(before, after, "cpu", "core_throttle_count") +
                     growth(before, after, "cpu", "package_throttle_count");
    double current = growth(before, after, "board", "overcurrent_events");
    double periods = growth(before, after, "limits", "cgroup_throttled_periods");
    if (thermal > 0.0 &&
        !warn(warnings,
              "the processor throttled %.0f times for heat during the run: later launches "
              "ran on slower clocks; cool it, or lower its highest frequency until this "
              "stays at 0",
              thermal))
        return false;
    if (current > 0.0 &&
        !warn(warnings,
              "over-current protection slowed the board down %.0f times during the run; "
              "choose a lower power mode (nvpmodel) or a stronger supply",
              current))
        return false;
    if (periods > 0.0 &&
        !warn(warnings,
              "the control group's CPU quota stopped this run in %.0f periods: tails of "
              "tens of milliseconds are the quota, not the transport; raise it (docker "
              "run --cpus)",
              periods))
        return false;
    return true;
}

static bool warn_steal(const cJSON *before, const cJSON *after, cJSON *warnings)
{
    double steal = growth(before, after, "load", "steal_ms");
    double total = growth(before, after, "load", "cpu_time_ms");
    double percent = total > 0.0 ? 100.0 * steal / total : 0.0;
    if (percent <= STEAL_PERCENT_MAX)
        return true;
    return warn(warnings,
                "the hypervisor took %.1f %% of the CPU time away during the run: other "
                "virtual machines are in these tails; repeat it on a quieter host",
                percent);
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

static bool warn_frequency(const cJSON *before, const cJSON *after, cJSON *warnings)
{
    const cJSON *first;
    cJSON_ArrayForEach (first, json_get(json_get(before, "cpu"), "frequency")) {
        const char *cpus = json_get_string(first, "cpus", "");
        const cJSON *last = policy_find(after, cpus);
        const char *from = json_get_string(first, "governor", "");
        const char *to = json_get_string(last, "governor", from);
        double max_from = number_get(first, "max_khz", 0.0);
        double max_to = number_get(last, "max_khz", max_from);
        if (strcmp(from, to) != 0 &&
            !warn(warnings,
                  "the frequency governor of CPUs %s changed from \"%s\" to \"%s\" during "
                  "the run: launches before and after it do not compare; find what "
                  "changes it and run again",
                  cpus, from, to))
            return false;
        if (max_from != max_to &&
            !warn(warnings,
                  "the highest frequency of CPUs %s changed from %.0f to %.0f MHz during "
                  "the run: launches before and after it do not compare; find what "
                  "changes it (a power daemon, heat) and run again",
                  cpus, max_from / 1e3, max_to / 1e3))
            return false;
    }
    return true;
}

static bool warn_changes(const cJSON *before, const cJSON *after, cJSON *warnings)
{
    const char *from = json_get_string(json_get(before, "kernel"), "clocksource", "");
    const char *to = json_get_string(json_get(after, "kernel"), "clocksource", from);
    double swap = growth(before, after, "memory", "swap_used_bytes");
    if (from[0] != '\0' && strcmp(from, to) != 0 &&
        !warn(warnings,
              "the clocksource changed from \"%s\" to \"%s\" during the run: stamps before "
              "and after it do not cost the same; see `dmesg`, and run again",
              from, to))
        return false;
    if (swap > SWAP_USED_BYTES_MAX &&
        !warn(warnings,
              "%.0f MB went to swap during the run: memory is short and page-ins stall "
              "frames; close other programs or use fewer slots and smaller frames",
              swap / 1e6))
        return false;
    return true;
}

/* What held the GPU's clocks back when it was asked, before or after; "" for nothing that does. A GPU
 * that was idle, or whose clocks somebody set, is not held back. */
static const char *gpu_held_back(const cJSON *env)
{
    static const char *const causes[] = {"hw_thermal_slowdown", "sw_thermal_slowdown",
                                         "hw_power_brake", "hw_slowdown", "sw_power_cap"};
    const cJSON *limit;
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++)
        cJSON_ArrayForEach (limit, json_get(json_get(env, "gpu"), "clock_limits"))
            if (cJSON_IsString(limit) && strcmp(limit->valuestring, causes[i]) == 0)
                return causes[i];
    return "";
}

static bool warn_gpu(const cJSON *before, const cJSON *after, cJSON *warnings)
{
    const char *from = gpu_held_back(before), *to = gpu_held_back(after);
    const char *cause = to[0] ? to : from;
    return cause[0] == '\0' ||
           warn(
               warnings,
               "the GPU's clocks were held back %s the run (%s): its figures depend on how warm or "
               "loaded it was; cool it or raise its power limit, and see "
               "`nvidia-smi -q -d PERFORMANCE`",
               to[0] ? from[0] ? "before and after" : "at the end of" : "before", cause);
}

bool env_difference_warnings(const cJSON *before, const cJSON *after, cJSON *warnings)
{
    return warn_throttling(before, after, warnings) && warn_steal(before, after, warnings) &&
           warn_frequency(before, after, warnings) && warn_changes(before, after, warnings) &&
           warn_gpu(before, after, warnings);
}

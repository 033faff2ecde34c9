/* fitness_clocks.c: how fast the CPUs run, and what their clocks cost to read. */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/fitness_parts.h"

/* The policies whose governor is another: "0 1 2 3" and "4 5" as "0,1,2,3,4,5". */
static const char *slow_governor(const cJSON *env, char *cpus, size_t size)
{
    const cJSON *policy;
    const char *governor = NULL;
    cpus[0] = '\0';
    cJSON_ArrayForEach (policy, json_get(json_get(env, "cpu"), "frequency")) {
        const char *name = json_get_string(policy, "governor", "performance");
        if (strcmp(name, "performance") == 0)
            continue;
        governor = governor ? governor : name;
        size_t used = strlen(cpus);
        snprintf(cpus + used, size - used, "%s%s", used > 0 ? "," : "",
                 json_get_string(policy, "cpus", "?"));
    }
    for (char *c = cpus; *c; c++)
        if (*c == ' ')
            *c = ',';
    return governor;
}

static bool check_governor(const cJSON *env, cJSON *findings)
{
    char cpus[256];
    const char *governor = slow_governor(env, cpus, sizeof cpus);
    if (!cJSON_GetArraySize(json_get(json_get(env, "cpu"), "frequency")))
        return fitness_unknown(findings, "governor", "who sets the CPUs' frequency");
    if (!governor)
        return fitness_good(findings, "governor", "frequency governor performance");
    return fitness_say(findings,
                       (struct finding){"governor", FITNESS_WARNING,
                                        "the clock follows the load, so a wait that sleeps is "
                                        "charged for slow clocks too",
                                        fitness_is_jetson(env)
                                            ? "sudo jetson_clocks"
                                            : "sudo cpupower frequency-set -g performance"},
                       "frequency governor \"%s\" on CPUs %s", governor, cpus);
}

static bool check_turbo(const cJSON *env, cJSON *findings)
{
    static const char effect[] =
        "the clock depends on how warm the chip is and how many of its cores are busy, and moves "
        "medians from one launch to the next";
    const cJSON *cpu = json_get(env, "cpu");
    const cJSON *no_turbo = json_get(cpu, "intel_pstate_no_turbo"), *boost = json_get(cpu, "boost");
    const char *fix = "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo";
    if (!cJSON_IsBool(no_turbo) && !cJSON_IsBool(boost))
        return fitness_unknown(findings, "turbo", "whether CPUs boost their clocks");
    if (cJSON_IsBool(no_turbo) ? cJSON_IsTrue(no_turbo) : cJSON_IsFalse(boost))
        return fitness_good(findings, "turbo", "CPUs do not boost their clocks");
    if (!cJSON_IsBool(no_turbo))
        fix = "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost";
    return fitness_say(findings, (struct finding){"turbo", FITNESS_WARNING, effect, fix},
                       "CPUs boost their clocks (turbo)");
}

/* Somebody, or a power mode, holds the CPUs below what they could do. */
static bool check_frequency_limit(const cJSON *env, cJSON *findings)
{
    const cJSON *policy, *policies = json_get(json_get(env, "cpu"), "frequency");
    bool known = false;
    cJSON_ArrayForEach (policy, policies) {
        double max = fitness_number(policy, "max_khz", 0.0);
        double hardware = fitness_number(policy, "hardware_max_khz", 0.0);
        known |= max > 0.0 && hardware > 0.0;
        if (max > 0.0 && max < hardware)
            return fitness_say(
                findings,
                (struct finding){
                    "frequency_limit", FITNESS_NOTE, "figures are those of the lower clock",
                    fitness_is_jetson(env) ? "choose the power mode with `sudo nvpmodel -m`"
                                           : "`sudo cpupower frequency-set -u` sets it"},
                "CPUs %s may run at %.0f MHz of %.0f", json_get_string(policy, "cpus", "?"),
                max / 1e3, hardware / 1e3);
    }
    return known ? fitness_good(findings, "frequency_limit", "CPUs may run as fast as they can")
                 : fitness_unknown(findings, "frequency_limit", "how fast the CPUs may run");
}

static bool check_clocksource(const cJSON *env, cJSON *findings)
{
    const char *name = json_get_string(json_get(env, "kernel"), "clocksource", "");
    /* kvm-clock and the Hyper-V page are read without a system call, like tsc. */
    static const char *const fast[] = {"tsc", "arch_sys_counter", "kvm-clock",
                                       "hyperv_clocksource_tsc_page"};
    if (!name[0])
        return fitness_unknown(findings, "clocksource", "what the system takes its time from");
    for (unsigned i = 0; i < ENV_COUNT(fast); i++)
        if (strcmp(name, fast[i]) == 0)
            return fitness_good(findings, "clocksource", "clocksource %s", name);
    return fitness_say(findings,
                       (struct finding){"clocksource", FITNESS_WARNING,
                                        "each time stamp may be a system call of up to "
                                        "microseconds, inside every interval",
                                        "if `dmesg` does not call the tsc unstable: `echo tsc | "
                                        "sudo tee /sys/devices/system/clocksource/clocksource0/"
                                        "current_clocksource`"},
                       "clocksource \"%s\"", name);
}

/* The gaps that were measured on each CPU that the run uses (measure/gaps.h). */
#define GAPS_SHARE_NOTE 0.1
#define GAPS_SHARE_MAX 1.0
#define GAPS_SHARE_UNFIT 10.0
#define GAPS_LARGEST_NS_MAX 1000000.0

static bool check_gaps(const cJSON *env, cJSON *findings)
{
    const cJSON *gaps = json_get(env, "gaps"), *row;
    double share = -1.0, largest = 0.0, per_second = 0.0, cpu = -1.0;
    cJSON_ArrayForEach (row, json_get(gaps, "cpus")) {
        double found = fitness_number(row, "share_percent", -1.0);
        double longest = fitness_number(row, "largest_ns", 0.0);
        largest = longest > largest ? longest : largest;
        if (found <= share)
            continue;
        share = found;
        per_second = fitness_number(row, "per_second", 0.0);
        cpu = fitness_number(row, "cpu", -1.0);
    }
    if (share < 0.0)
        return fitness_unknown(findings, "gaps", "how much CPU time others take (not measured)");
    const enum fitness_level level = share > GAPS_SHARE_UNFIT        ? FITNESS_UNFIT
                                     : share > GAPS_SHARE_MAX        ? FITNESS_WARNING
                                     : largest > GAPS_LARGEST_NS_MAX ? FITNESS_WARNING
                                     : share > GAPS_SHARE_NOTE       ? FITNESS_NOTE
                                                                     : FITNESS_GOOD;
    const struct finding finding = {
        "gaps", level,
        level == FITNESS_GOOD ? ""
                              : "interrupts, other processes or a hypervisor stop a role for that "
                                "long, which is in the tails of whatever it measures",
        level == FITNESS_GOOD ? ""
                              : "stop other work (`top`), move interrupts away (/proc/irq/*/"
                                "smp_affinity_list), or measure on isolated CPUs"};
    return fitness_say(
        findings, finding,
        "CPU %.0f is taken away %.0f times per second, %.2f %% of its time (longest gap "
        "of all CPUs: %.*f %s)",
        cpu, per_second, share, largest < 1e7 ? 1 : 0,
        largest < 1e6 ? largest / 1e3 : largest / 1e6, largest < 1e6 ? "µs" : "ms");
}

bool fitness_check_clocks(const cJSON *env, cJSON *findings)
{
    static const fitness_check checks[] = {
        check_gaps, check_governor, check_turbo, check_frequency_limit, check_clocksource,
    };
    for (size_t i = 0; i < ENV_COUNT(checks); i++)
        if (!checks[i](env, findings))
            return false;
    return true;
}

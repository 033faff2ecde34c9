/* fitness_cpu.c: how many CPUs there are, who else uses them, and what takes them away. */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/fitness_parts.h"

#define LOAD_PER_CPU_MAX 0.5
#define BUSY_PERCENT_MAX 10.0
#define BUSY_PERCENT_UNFIT 50.0
#define STEAL_PERCENT_MAX 1.0
#define IDLE_LATENCY_US_GOOD 10.0
#define IDLE_LATENCY_US_MAX 100.0

static bool check_count(const cJSON *env, cJSON *findings)
{
    double cpus = fitness_cpus_usable(env);
    if (cpus <= 0.0)
        return fitness_unknown(findings, "cpus", "how many CPUs may be used");
    if (cpus == 1.0)
        return fitness_say(
            findings,
            (struct finding){"cpus", FITNESS_UNFIT,
                             "producer and consumer take turns on it, so every spinning wait "
                             "burns the other's time and latencies measure the scheduler",
                             "use a machine with at least two, or widen the affinity (taskset)"},
            "one CPU only");
    if (cpus == 2.0)
        return fitness_say(
            findings,
            (struct finding){"cpus", FITNESS_WARNING,
                             "producer, consumer and the rest of the system share them, which "
                             "stretches the tails; trust medians more than p99",
                             "use a machine with more"},
            "2 CPUs");
    return fitness_good(findings, "cpus", "%.0f CPUs", cpus);
}

static bool check_virtual(const cJSON *env, cJSON *findings)
{
    const cJSON *virtualisation = json_get(env, "virtualisation");
    const char *name = json_get_string(virtualisation, "hypervisor", "");
    if (!cJSON_IsBool(json_get(virtualisation, "virtual")))
        return fitness_unknown(findings, "virtual", "whether this is a virtual machine");
    if (!json_get_bool(virtualisation, "virtual", false))
        return fitness_good(findings, "virtual", "no virtual machine");
    return fitness_say(
        findings,
        (struct finding){"virtual", FITNESS_WARNING,
                         "an idle virtual CPU costs a VM exit to wake, so waits that sleep look "
                         "several times worse than on bare metal, and neighbours show in the "
                         "tails; compare within this machine only",
                         ""},
        "virtual machine%s%s%s", name[0] ? " (" : "", name, name[0] ? ")" : "");
}

/* The load average remembers a build for minutes; the busy share of this moment decides, if
 * known. */
static bool check_load(const cJSON *env, cJSON *findings)
{
    static const char effect[] = "other work stretches tails and keeps idle states shallow";
    const cJSON *load = json_get(env, "load");
    double cpus = fitness_cpus_usable(env), average = fitness_number(load, "average_1min", -1.0);
    double busy = fitness_number(load, "busy_percent", -1.0);
    if (busy > BUSY_PERCENT_MAX)
        return fitness_say(
            findings,
            (struct finding){"load", busy > BUSY_PERCENT_UNFIT ? FITNESS_UNFIT : FITNESS_WARNING,
                             effect, "stop it (`top` shows what it is)"},
            "%.0f %% of CPU time in use by others (load average %.2f on %.0f CPUs)", busy,
            average < 0.0 ? 0.0 : average, cpus);
    if (busy >= 0.0)
        return fitness_good(findings, "load", "%.0f %% of CPU time in use", busy);
    if (average < 0.0 || cpus < 1.0)
        return fitness_unknown(findings, "load", "how busy the CPUs are");
    if (average / cpus <= LOAD_PER_CPU_MAX)
        return fitness_good(findings, "load", "load average %.2f on %.0f CPUs", average, cpus);
    return fitness_say(
        findings,
        (struct finding){"load", FITNESS_WARNING, effect, "stop it (`top` shows what it is)"},
        "load average %.2f on %.0f CPUs", average, cpus);
}

static bool check_steal(const cJSON *env, cJSON *findings)
{
    const cJSON *load = json_get(env, "load");
    double steal = fitness_number(load, "steal_ms", -1.0);
    double total = fitness_number(load, "cpu_time_ms", 0.0);
    if (steal < 0.0 || total <= 0.0)
        return fitness_unknown(findings, "steal", "time stolen by a hypervisor");
    double percent = 100.0 * steal / total;
    if (percent <= STEAL_PERCENT_MAX)
        return fitness_good(findings, "steal", "%.2f %% of CPU time stolen since the start",
                            percent);
    return fitness_say(findings,
                       (struct finding){"steal", FITNESS_WARNING,
                                        "the hypervisor runs other virtual machines on these CPUs, "
                                        "and they are in the tails",
                                        "measure on a quieter host, or on dedicated CPUs"},
                       "%.1f %% of CPU time stolen since the start", percent);
}

static bool check_smt(const cJSON *env, cJSON *findings)
{
    const cJSON *cpu = json_get(env, "cpu");
    double cpus = fitness_number(cpu, "cpu_count", 0.0);
    double cores = fitness_number(cpu, "core_count", 0.0);
    bool active = json_get_bool(cpu, "smt_active", false);
    if (!cJSON_IsBool(json_get(cpu, "smt_active")) && (cpus <= 0.0 || cores <= 0.0))
        return fitness_unknown(findings, "smt", "whether CPUs share a core");
    if (!active || cpus <= cores)
        return fitness_good(findings, "smt", "no two CPUs share a core");
    return fitness_say(findings,
                       (struct finding){"smt", FITNESS_WARNING,
                                        "work on a CPU's sibling slows it down and moves medians",
                                        "echo off | sudo tee /sys/devices/system/cpu/smt/control"},
                       "SMT is on: %.0f CPUs on %.0f cores", cpus, cores);
}

static bool check_isolation(const cJSON *env, cJSON *findings)
{
    const cJSON *cpu = json_get(env, "cpu");
    const char *isolated = json_get_string(cpu, "isolated", "");
    const char *tickless = json_get_string(cpu, "nohz_full", "");
    if (strcmp(tickless, "(null)") == 0) /* as kernels print an empty mask */
        tickless = "";
    if (isolated[0] || tickless[0])
        return fitness_good(findings, "isolation", "isolated CPUs: %s; without a tick: %s",
                            isolated[0] ? isolated : "none", tickless[0] ? tickless : "none");
    return fitness_say(
        findings,
        (struct finding){"isolation", FITNESS_NOTE,
                         "the scheduler may put other work beside a role, and the "
                         "timer tick interrupts it",
                         "for the last microseconds of a tail: boot with isolcpus= "
                         "and nohz_full=, and name those CPUs by placement cpus:P,C"},
        "no CPU is kept free of other work");
}

/* The exit latency of the deepest state that some CPU may enter; -1: none is described. */
static double deepest_latency_us(const cJSON *env, const char **name)
{
    const cJSON *idle = json_get(json_get(env, "cpu"), "idle"), *state;
    double deepest = -1.0, cpus = fitness_number(json_get(env, "cpu"), "cpu_count", 0.0);
    cJSON_ArrayForEach (state, json_get(idle, "states")) {
        double latency = fitness_number(state, "latency_us", -1.0);
        double disabled = fitness_number(state, "disabled_cpus", 0.0);
        if (latency > deepest && (cpus <= 0.0 || disabled < cpus)) {
            deepest = latency;
            *name = json_get_string(state, "name", "?");
        }
    }
    return deepest;
}

static bool check_idle(const cJSON *env, cJSON *findings)
{
    const char *name = "";
    double latency = deepest_latency_us(env, &name);
    if (json_get_bool(json_get(env, "virtualisation"), "virtual", false))
        return fitness_unknown(findings, "idle_states", "how deep the hypervisor lets CPUs sleep");
    if (latency < 0.0)
        return fitness_unknown(findings, "idle_states", "how deep idle CPUs sleep");
    if (latency <= IDLE_LATENCY_US_GOOD)
        return fitness_good(findings, "idle_states", "idle CPUs wake within %.0f µs", latency);
    return fitness_say(
        findings,
        (struct finding){"idle_states",
                         latency > IDLE_LATENCY_US_MAX ? FITNESS_WARNING : FITNESS_NOTE,
                         "a wait that sleeps pays for it, the more the longer nothing happens",
                         "measure idle_latency held as well, or `sudo cpupower idle-set -D 10`"},
        "an idle CPU in state %s takes %.0f µs to wake", name, latency);
}

static bool check_idle_control(const cJSON *env, cJSON *findings)
{
    const char *access = json_get_string(json_get(env, "limits"), "cpu_dma_latency", "");
    if (!access[0])
        return fitness_unknown(findings, "idle_control", "whether the idle latency can be held");
    if (strcmp(access, "writable") == 0)
        return fitness_good(findings, "idle_control", "the idle latency can be held");
    return fitness_say(
        findings,
        (struct finding){"idle_control", FITNESS_NOTE, "cells with idle_latency held cannot run",
                         fitness_in_container(env) ? "docker run --device /dev/cpu_dma_latency"
                                                   : "sudo chmod o+rw /dev/cpu_dma_latency"},
        "/dev/cpu_dma_latency is %s",
        strcmp(access, "absent") == 0 ? "not there" : "not ours to write");
}

bool fitness_check_cpu(const cJSON *env, cJSON *findings)
{
    static const fitness_check checks[] = {
        check_count, check_virtual,   check_load, check_steal,
        check_smt,   check_isolation, check_idle, check_idle_control,
    };
    for (size_t i = 0; i < ENV_COUNT(checks); i++)
        if (!checks[i](env, findings))
            return false;
    return true;
}

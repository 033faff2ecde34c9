/* fitness_limits.c: what this process and its control group may use. */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/fitness_parts.h"

#define CGROUP_MEMORY_BYTES_MIN (512.0 * 1024 * 1024)
#define MEMLOCK_BYTES_MIN (64.0 * 1024 * 1024)
#define OPEN_FILES_MIN 1024.0

static bool check_memlock(const cJSON *env, cJSON *findings)
{
    const cJSON *item = json_get(json_get(env, "limits"), "memlock_bytes");
    double bytes = fitness_number(json_get(env, "limits"), "memlock_bytes", -1.0);
    if (cJSON_IsNull(item))
        return fitness_good(findings, "locked_memory", "no limit on locked memory");
    if (bytes < 0.0)
        return fitness_unknown(findings, "locked_memory", "the limit on locked memory");
    if (bytes >= MEMLOCK_BYTES_MIN)
        return fitness_good(findings, "locked_memory", "%.0f MB of memory may be locked",
                            bytes / 1e6);
    return fitness_say(
        findings,
        (struct finding){"locked_memory", FITNESS_NOTE,
                         "libraries that register memory with a device (RDMA, io_uring) fail or "
                         "fall back to copies",
                         fitness_in_container(env)
                             ? "docker run --ulimit memlock=-1"
                             : "`sudo prlimit --memlock=unlimited --pid $$` in this shell"},
        "%.1f MB of memory may be locked", bytes / 1e6);
}

static bool check_files(const cJSON *env, cJSON *findings)
{
    const cJSON *item = json_get(json_get(env, "limits"), "open_files");
    double files = fitness_number(json_get(env, "limits"), "open_files", -1.0);
    if (cJSON_IsNull(item))
        return fitness_good(findings, "open_files", "no limit on open files");
    if (files < 0.0)
        return fitness_unknown(findings, "open_files", "the limit on open files");
    if (files >= OPEN_FILES_MIN)
        return fitness_good(findings, "open_files", "%.0f files may be open", files);
    return fitness_say(findings,
                       (struct finding){"open_files", FITNESS_WARNING,
                                        "cells with many slots or a library's connections fail",
                                        "ulimit -n 4096"},
                       "only %.0f files may be open", files);
}

static bool check_cgroup_cpus(const cJSON *env, cJSON *findings)
{
    const cJSON *limits = json_get(env, "limits");
    double cpus = fitness_number(limits, "cgroup_cpus", -1.0);
    if (cpus < 0.0 && fitness_number(limits, "cgroup_version", -1.0) < 0.0)
        return fitness_unknown(findings, "cpu_quota", "the control group's share of the CPUs");
    if (cpus < 0.0)
        return fitness_good(findings, "cpu_quota", "the control group has no CPU quota");
    if (cpus >= 2.0)
        return fitness_good(findings, "cpu_quota", "this control group may use %.2f CPUs", cpus);
    return fitness_say(findings,
                       (struct finding){"cpu_quota", FITNESS_UNFIT,
                                        "two busy roles are stopped for the rest of each period, "
                                        "which shows as tails of tens of milliseconds",
                                        fitness_in_container(env)
                                            ? "docker run --cpus=2, or more"
                                            : "give the group at least 2 CPUs: `systemctl "
                                              "set-property UNIT CPUQuota=`, docker run --cpus=2"},
                       "this control group may use %.2f CPUs", cpus);
}

static bool check_cgroup_memory(const cJSON *env, cJSON *findings)
{
    const cJSON *limits = json_get(env, "limits");
    double bytes = fitness_number(limits, "cgroup_memory_bytes", -1.0);
    if (bytes < 0.0 && fitness_number(limits, "cgroup_version", -1.0) < 0.0)
        return fitness_unknown(findings, "memory_limit", "the control group's memory limit");
    if (bytes < 0.0)
        return fitness_good(findings, "memory_limit", "the control group has no memory limit");
    if (bytes >= CGROUP_MEMORY_BYTES_MIN)
        return fitness_good(findings, "memory_limit",
                            "this control group may use %.0f MB of memory", bytes / 1e6);
    return fitness_say(findings,
                       (struct finding){"memory_limit", FITNESS_WARNING,
                                        "cells with 4K frames need several hundred and will be "
                                        "reported as failed",
                                        "docker run --memory=2g"},
                       "this control group may use %.0f MB of memory", bytes / 1e6);
}

bool fitness_check_limits(const cJSON *env, cJSON *findings)
{
    static const fitness_check checks[] = {
        check_cgroup_cpus,
        check_cgroup_memory,
        check_memlock,
        check_files,
    };
    for (size_t i = 0; i < ENV_COUNT(checks); i++)
        if (!checks[i](env, findings))
            return false;
    return true;
}

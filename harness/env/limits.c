/* limits.c: what this process may use: rlimits, scheduling, and its control group's share.
 *
 * A control group with half a CPU looks like a slow machine with enormous tails, so the limits are
 * recorded and warned about. Limits nest: the tightest one on the way to the root counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"

/* cgroup v1 writes "none" as the largest multiple of the page size. */
#define MEMORY_NO_LIMIT ((int64_t)1 << 60)

static bool rlimit_add(cJSON *section, const char *key, int resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return true;
    if (limit.rlim_cur == RLIM_INFINITY)
        return json_add(section, key, cJSON_CreateNull());
    return json_add_u64(section, key, limit.rlim_cur);
}

/* Opened as the axis idle_latency would, and closed without having asked for anything: what
 * access() says is not what a container may do. */
static bool dma_latency_add(cJSON *section)
{
    int fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);
    const char *access = fd >= 0 ? "writable" : errno == ENOENT ? "absent" : "denied";
    if (fd >= 0)
        close(fd);
    return json_add_string(section, "cpu_dma_latency", access);
}

bool env_limits_collect(const char *root, cJSON *section)
{
    if (root[0] != '\0')
        return true; /* all of it is this process's */
    static const char *const policies[] = {
        [SCHED_OTHER] = "other", [SCHED_FIFO] = "fifo", [SCHED_RR] = "rr",
        [SCHED_BATCH] = "batch", [SCHED_IDLE] = "idle",
    };
    int slack_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    int policy = sched_getscheduler(0);
    return rlimit_add(section, "memlock_bytes", RLIMIT_MEMLOCK) &&
           rlimit_add(section, "open_files", RLIMIT_NOFILE) &&
           rlimit_add(section, "realtime_priority", RLIMIT_RTPRIO) &&
           (slack_ns < 0 || json_add_i64(section, "timer_slack_ns", slack_ns)) &&
           (policy < 0 || (size_t)policy >= ENV_COUNT(policies) || !policies[policy] ||
            json_add_string(section, "scheduling", policies[policy])) &&
           json_add_i64(section, "nice", getpriority(PRIO_PROCESS, 0)) && dma_latency_add(section);
}

/* Where one controller of this process is: the folder of its hierarchy and the group in it. */
struct group {
    int version; /* 0: none */
    char mount[128];
    char path[256];
};

/* Does the comma-separated list hold the name? */
static bool list_has(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *item = list; *item; item += *item == ',') {
        size_t item_length = strcspn(item, ",");
        if (item_length == length && strncmp(item, name, length) == 0)
            return true;
        item += item_length;
    }
    return false;
}

/* Reads lines "id:controllers:path" of /proc/self/cgroup; version 2 has id 0 and no controllers. */
static struct group group_find(const char *root, const char *controller)
{
    struct group group = {0};
    char text[4096], *rest;
    env_read_text(text, sizeof text, root, "/proc/self/cgroup");
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path || strlen(path + 1) >= sizeof group.path)
            continue;
        *controllers++ = '\0';
        *path++ = '\0';
        bool version2 = strcmp(line, "0") == 0 && controllers[0] == '\0';
        if (!list_has(controllers, controller) && !(version2 && group.version == 0))
            continue;
        group.version = version2 ? 2 : 1;
        strcpy(group.path, strcmp(path, "/") == 0 ? "" : path);
        if (version2)
            strcpy(group.mount, "/sys/fs/cgroup");
        else
            snprintf(group.mount, sizeof group.mount, "/sys/fs/cgroup/%.100s", controllers);
        if (!version2)
            break;
    }
    if (group.version == 1 && !env_exists(root, group.mount))
        snprintf(group.mount, sizeof group.mount, "/sys/fs/cgroup/%s", controller);
    return group;
}

/* Goes from the group to the root of its hierarchy; false at the end. In a container the outer part
 * of the path does not exist here, and its files are simply not found. */
static bool group_up(struct group *group)
{
    char *slash = strrchr(group->path, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

/* CPUs' worth of time per period; -1 without a limit or a file. */
static double cpu_limit_read(const char *root, const struct group *group)
{
    char text[128];
    long long quota_us, period_us;
    int64_t quota, period;
    if (group->version == 2) {
        if (!env_read_text(text, sizeof text, root, "%s%s/cpu.max", group->mount, group->path) ||
            sscanf(text, "%lld %lld", &quota_us, &period_us) != 2 || period_us <= 0)
            return -1.0;
        return (double)quota_us / (double)period_us;
    }
    if (!env_read_i64(&quota, root, "%s%s/cpu.cfs_quota_us", group->mount, group->path) ||
        !env_read_i64(&period, root, "%s%s/cpu.cfs_period_us", group->mount, group->path) ||
        quota <= 0 || period <= 0)
        return -1.0;
    return (double)quota / (double)period;
}

static int64_t memory_limit_read(const char *root, const struct group *group)
{
    int64_t bytes;
    const char *name = group->version == 2 ? "memory.max" : "memory.limit_in_bytes";
    if (!env_read_i64(&bytes, root, "%s%s/%s", group->mount, group->path, name) || bytes < 0 ||
        bytes >= MEMORY_NO_LIMIT)
        return -1;
    return bytes;
}

/* How often this group was stopped because its quota was used up. */
static bool throttled_add(const char *root, const struct group *group, cJSON *section)
{
    char text[2048];
    long long periods;
    if (!env_read_text(text, sizeof text, root, "%s%s/cpu.stat", group->mount, group->path))
        return true;
    const char *line = strstr(text, "nr_throttled ");
    return !line || sscanf(line, "nr_throttled %lld", &periods) != 1 ||
           json_add_i64(section, "cgroup_throttled_periods", periods);
}

bool env_cgroup_collect(const char *root, cJSON *section)
{
    struct group cpu = group_find(root, "cpu"), memory = group_find(root, "memory");
    double cpus_tightest = -1.0;
    int64_t bytes_tightest = -1;
    if (cpu.version > 0 && (!json_add_i64(section, "cgroup_version", cpu.version) ||
                            !throttled_add(root, &cpu, section)))
        return false;
    do {
        double cpus = cpu_limit_read(root, &cpu);
        if (cpus >= 0.0 && (cpus_tightest < 0.0 || cpus < cpus_tightest))
            cpus_tightest = cpus;
    } while (group_up(&cpu));
    do {
        int64_t bytes = memory_limit_read(root, &memory);
        if (bytes >= 0 && (bytes_tightest < 0 || bytes < bytes_tightest))
            bytes_tightest = bytes;
    } while (group_up(&memory));
    return (cpus_tightest < 0.0 || json_add_double(section, "cgroup_cpus", cpus_tightest)) &&
           (bytes_tightest < 0 || json_add_i64(section, "cgroup_memory_bytes", bytes_tightest));
}

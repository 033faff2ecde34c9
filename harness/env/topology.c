/* topology.c: which CPUs share a last-level cache, read from sysfs. See topology.h.
 *
 * Linux does not show every cache: a VM or an Arm server may describe only private ones, and a
 * container may have no sysfs at all. So each CPU is asked for the set of its neighbours by the
 * best description that says anything, and CPUs with the same lowest neighbour form a cluster.
 */
#include "harness/env/topology.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/env/files.h"

#define CPU_FOLDER "/sys/devices/system/cpu/cpu%u"
#define AFFINITY_CPUS_MAX 65536

/* The set a CPU belongs to: how many CPUs, and the lowest of them. */
struct neighbours {
    uint32_t count;
    uint32_t lowest;
};

static bool neighbours_parse(const char *list, struct neighbours *set)
{
    uint32_t cpus[TOPOLOGY_CPUS_MAX];
    uint32_t count = env_cpu_list_parse(list, cpus, sizeof cpus / sizeof cpus[0]);
    if (count == 0)
        return false;
    *set = (struct neighbours){.count = count, .lowest = cpus[0]};
    return true;
}

static struct neighbours core_read(const char *root, uint32_t cpu)
{
    struct neighbours core = {.count = 1, .lowest = cpu};
    char list[1024];
    if (env_read_text(list, sizeof list, root, CPU_FOLDER "/topology/core_cpus_list", cpu) ||
        env_read_text(list, sizeof list, root, CPU_FOLDER "/topology/thread_siblings_list", cpu))
        neighbours_parse(list, &core);
    return core;
}

/* The CPUs that share the highest cache level described for `cpu`. False when that cache is private
 * to the core: the cache that others share is then not described. */
static bool cache_read(const char *root, uint32_t cpu, struct neighbours *set)
{
    int64_t level, level_best = 0;
    char text[1024];
    for (unsigned index = 0; index < 16; index++) {
        if (!env_read_i64(&level, root, CPU_FOLDER "/cache/index%u/level", cpu, index))
            break;
        if (level <= level_best ||
            (env_read_text(text, sizeof text, root, CPU_FOLDER "/cache/index%u/type", cpu, index) &&
             strcmp(text, "Instruction") == 0))
            continue;
        if (env_read_text(text, sizeof text, root, CPU_FOLDER "/cache/index%u/shared_cpu_list", cpu,
                          index) &&
            neighbours_parse(text, set))
            level_best = level;
    }
    return level_best >= 3 || (level_best > 0 && set->count > core_read(root, cpu).count);
}

/* "32768K" as sysfs writes it; 0 for anything else. */
static uint64_t cache_size_parse(const char *text)
{
    char *end;
    unsigned long long size = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (end == text || (shift ? end[1] : *end) != '\0' || size > UINT64_MAX >> shift)
        return 0;
    return (uint64_t)size << shift;
}

uint64_t topology_last_level_bytes(const char *root, uint32_t cpu)
{
    uint64_t largest = 0;
    char text[64];
    for (unsigned index = 0; index < 16; index++) {
        if (!env_read_text(text, sizeof text, root, CPU_FOLDER "/cache/index%u/size", cpu, index))
            break;
        uint64_t size = cache_size_parse(text);
        largest = size > largest ? size : largest;
    }
    return largest;
}

/* The kernel's CPU clusters (Linux 5.16); on many machines each is a single core and says
 * nothing. */
static bool cluster_read(const char *root, uint32_t cpu, struct neighbours *set)
{
    char text[1024];
    return env_read_text(text, sizeof text, root, CPU_FOLDER "/topology/cluster_cpus_list", cpu) &&
           neighbours_parse(text, set) && set->count > core_read(root, cpu).count;
}

static bool package_read(const char *root, uint32_t cpu, struct neighbours *set)
{
    char text[1024];
    return (env_read_text(text, sizeof text, root, CPU_FOLDER "/topology/package_cpus_list", cpu) ||
            env_read_text(text, sizeof text, root, CPU_FOLDER "/topology/core_siblings_list",
                          cpu)) &&
           neighbours_parse(text, set);
}

typedef bool neighbours_reader(const char *root, uint32_t cpu, struct neighbours *set);
static neighbours_reader *const readers[] = {
    [TOPOLOGY_FROM_CACHE] = cache_read,
    [TOPOLOGY_FROM_CLUSTER] = cluster_read,
    [TOPOLOGY_FROM_PACKAGE] = package_read,
};

/* Uses one description for all CPUs, or none: two kinds of neighbours do not compare. It must say
 * something about every CPU, so one that is described only in part is passed over. */
static bool clusters_assign(const char *root, neighbours_reader *reader, struct topology *topology)
{
    uint32_t lowest[TOPOLOGY_CPUS_MAX];
    struct neighbours set;
    for (uint32_t i = 0; i < topology->count; i++) {
        if (!reader(root, topology->cpus[i].cpu, &set))
            return false;
        lowest[i] = set.lowest;
    }
    topology->cluster_count = 0;
    for (uint32_t i = 0; i < topology->count; i++) {
        uint32_t same = 0;
        while (lowest[same] != lowest[i])
            same++;
        topology->cpus[i].cluster =
            same < i ? topology->cpus[same].cluster : topology->cluster_count++;
    }
    return true;
}

enum status topology_read_from(const char *root, const uint32_t *cpus, uint32_t cpu_count,
                               struct topology *topology, struct err *err)
{
    if (cpu_count == 0 || cpu_count > TOPOLOGY_CPUS_MAX)
        return err_set(err, ST_UNAVAILABLE, "start it on fewer CPUs: taskset -c 0-1023 handoff …",
                       "%u CPUs: handoff knows machines of 1 to %d", cpu_count, TOPOLOGY_CPUS_MAX);
    topology->count = cpu_count;
    for (uint32_t i = 0; i < cpu_count; i++) {
        int64_t capacity = 0;
        if (!env_read_i64(&capacity, root, CPU_FOLDER "/cpu_capacity", cpus[i]) || capacity < 0 ||
            capacity > UINT32_MAX)
            capacity = 0;
        topology->cpus[i] = (struct topology_cpu){.cpu = cpus[i],
                                                  .core = core_read(root, cpus[i]).lowest,
                                                  .capacity = (uint32_t)capacity};
    }
    for (unsigned origin = 0; origin < ENV_COUNT(readers); origin++) {
        topology->origin = (enum topology_origin)origin;
        if (clusters_assign(root, readers[origin], topology))
            return ST_OK;
    }
    topology->origin = TOPOLOGY_UNKNOWN;
    topology->cluster_count = 1;
    for (uint32_t i = 0; i < cpu_count; i++)
        topology->cpus[i].cluster = 0;
    return ST_OK;
}

/* The mask must be at least as large as the kernel's, whose size nothing tells: grow until it
 * fits. */
static enum status affinity_read(uint32_t *cpus, uint32_t *count, struct err *err)
{
    for (size_t capacity = CPU_SETSIZE; capacity <= AFFINITY_CPUS_MAX; capacity *= 2) {
        size_t bytes = CPU_ALLOC_SIZE(capacity);
        cpu_set_t *mask = CPU_ALLOC(capacity);
        if (!mask)
            return err_set(err, ST_NO_MEMORY, NULL, "CPU affinity: out of memory");
        if (sched_getaffinity(0, bytes, mask) == 0) {
            *count = 0;
            for (size_t cpu = 0; cpu < capacity; cpu++)
                if (CPU_ISSET_S(cpu, bytes, mask) && (*count)++ < TOPOLOGY_CPUS_MAX)
                    cpus[*count - 1] = (uint32_t)cpu;
            CPU_FREE(mask);
            return ST_OK;
        }
        int failure = errno;
        CPU_FREE(mask);
        if (failure != EINVAL)
            return err_set_errno(err, failure, NULL, "sched_getaffinity");
    }
    return err_set(err, ST_UNAVAILABLE, NULL, "the kernel's CPU mask has over %d CPUs",
                   AFFINITY_CPUS_MAX);
}

enum status topology_read(struct topology *topology, struct err *err)
{
    uint32_t cpus[TOPOLOGY_CPUS_MAX], count = 0;
    enum status status = affinity_read(cpus, &count, err);
    if (status != ST_OK)
        return status;
    return topology_read_from("", cpus, count, topology, err);
}

const char *topology_origin_name(enum topology_origin origin)
{
    static const char *const names[] = {
        [TOPOLOGY_FROM_CACHE] = "cache",
        [TOPOLOGY_FROM_CLUSTER] = "cluster",
        [TOPOLOGY_FROM_PACKAGE] = "package",
        [TOPOLOGY_UNKNOWN] = "unknown",
    };
    return (unsigned)origin < ENV_COUNT(names) ? names[origin] : "unknown";
}

/* placement.c: picks CPUs for the roles from the machine's topology. See placement.h. */
#include "harness/run/placement.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct topology_cpu *placement_find(const struct topology *topology, uint32_t cpu)
{
    for (uint32_t i = 0; i < topology->count; i++)
        if (topology->cpus[i].cpu == cpu)
            return &topology->cpus[i];
    return NULL;
}

/* The first usable CPU in `cluster` on a core other than `core_avoided`
 * (UINT32_MAX: any), or NULL. CPU 0 is passed over when `spare_cpu0`. */
static const struct topology_cpu *placement_next(const struct topology *topology, uint32_t cluster,
                                                 uint32_t core_avoided, bool spare_cpu0)
{
    for (uint32_t i = 0; i < topology->count; i++) {
        const struct topology_cpu *cpu = &topology->cpus[i];
        if (cpu->cluster == cluster && cpu->core != core_avoided && !(spare_cpu0 && cpu->cpu == 0))
            return cpu;
    }
    return NULL;
}

/* Two CPUs on different cores of `cluster`, without CPU 0 if there are enough. */
static bool placement_pair_of(const struct topology *topology, uint32_t cluster, bool spare_cpu0,
                              const struct topology_cpu *pair[2])
{
    pair[0] = placement_next(topology, cluster, UINT32_MAX, spare_cpu0);
    pair[1] = pair[0] ? placement_next(topology, cluster, pair[0]->core, spare_cpu0) : NULL;
    return pair[1] != NULL;
}

/* Two CPUs on different cores of one cluster: the fastest cluster that has them, and of equally
 * fast ones one that can do it without CPU 0. */
static bool placement_pair_in_cluster(const struct topology *topology, struct placement_cpus *cpus)
{
    uint32_t capacity_best = 0;
    bool found = false, spared_best = false;
    for (uint32_t cluster = 0; cluster < topology->cluster_count; cluster++) {
        const struct topology_cpu *pair[2];
        bool spared = placement_pair_of(topology, cluster, true, pair);
        if (!spared && !placement_pair_of(topology, cluster, false, pair))
            continue;
        const uint32_t capacity = pair[0]->capacity;
        if (found &&
            (capacity < capacity_best || (capacity == capacity_best && spared <= spared_best)))
            continue;
        capacity_best = capacity;
        spared_best = spared;
        *cpus = (struct placement_cpus){(int)pair[0]->cpu, (int)pair[1]->cpu};
        found = true;
    }
    return found;
}

static bool placement_pair_across(const struct topology *topology, struct placement_cpus *cpus)
{
    const struct topology_cpu *first = &topology->cpus[0];
    for (uint32_t i = 1; i < topology->count; i++) {
        if (topology->cpus[i].cluster == first->cluster)
            continue;
        *cpus = (struct placement_cpus){(int)first->cpu, (int)topology->cpus[i].cpu};
        return true;
    }
    return false;
}

static void placement_auto(const struct topology *topology, struct placement_cpus *cpus)
{
    if (placement_pair_in_cluster(topology, cpus) || placement_pair_across(topology, cpus))
        return;
    /* One core: its SMT siblings if it has them, else both roles on the one CPU. */
    cpus->producer = (int)topology->cpus[0].cpu;
    cpus->consumer = (int)topology->cpus[topology->count - 1].cpu;
}

enum status placement_pick(const struct topology *topology, const struct cell *cell,
                           struct placement_cpus *cpus, struct err *err)
{
    struct placement_cpus picked = {-1, -1};
    switch (cell->placement) {
    case PLACEMENT_NONE:
        break;
    case PLACEMENT_AUTO:
        placement_auto(topology, &picked);
        break;
    case PLACEMENT_SAME_CPU:
        picked.producer = picked.consumer = (int)topology->cpus[topology->count - 1].cpu;
        break;
    case PLACEMENT_SAME_CLUSTER:
        if (!placement_pair_in_cluster(topology, &picked))
            return err_set(err, ST_UNAVAILABLE, "allow the process more CPUs (taskset, cpuset)",
                           "no two cores of one cluster among the %u CPUs this process may use",
                           topology->count);
        break;
    case PLACEMENT_CROSS_CLUSTER:
        if (!placement_pair_across(topology, &picked))
            return err_set(err, ST_UNAVAILABLE,
                           "only machines with several clusters or sockets can measure this",
                           "the %u CPUs this process may use are all of one cluster",
                           topology->count);
        break;
    case PLACEMENT_CPUS:
        if (!placement_find(topology, cell->producer_cpu) ||
            !placement_find(topology, cell->consumer_cpu))
            return err_set(err, ST_UNAVAILABLE,
                           "`taskset -cp $$` and lscpu show the CPUs there are",
                           "this process may not run on CPU %u",
                           placement_find(topology, cell->producer_cpu) ? cell->consumer_cpu
                                                                        : cell->producer_cpu);
        picked = (struct placement_cpus){(int)cell->producer_cpu, (int)cell->consumer_cpu};
        break;
    }
    *cpus = picked;
    return ST_OK;
}

enum status placement_apply(int cpu, struct err *err)
{
    if (cpu < 0)
        return ST_OK;
    cpu_set_t *set = CPU_ALLOC((size_t)cpu + 1);
    if (!set)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for a CPU set");
    size_t bytes = CPU_ALLOC_SIZE((size_t)cpu + 1);
    CPU_ZERO_S(bytes, set);
    CPU_SET_S((size_t)cpu, bytes, set);
    int failed = sched_setaffinity(0, bytes, set);
    int saved = errno;
    CPU_FREE(set);
    if (failed)
        return err_set_errno(err, saved, "choose CPUs this process may use", "cannot pin to CPU %d",
                             cpu);
    return ST_OK;
}

void placement_remember(struct placement_set *set)
{
    *set = (struct placement_set){0};
    /* glibc's wrapper hides how many bytes the kernel has filled in. */
    const long bytes = syscall(SYS_sched_getaffinity, 0, sizeof set->mask, set->mask);
    set->bytes = bytes > 0 ? (size_t)bytes : 0;
}

enum status placement_restore(const struct placement_set *set, struct err *err)
{
    if (set->bytes == 0 || syscall(SYS_sched_setaffinity, 0, set->bytes, set->mask) == 0)
        return ST_OK;
    return err_set_errno(err, errno, NULL, "cannot go back to the CPUs the process had");
}

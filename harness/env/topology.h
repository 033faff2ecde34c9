/* topology.h: the CPUs this process may run on, and which of them are close to each other.
 *
 * A hand-off between two CPUs that share a last-level cache costs a fraction of one that crosses to
 * another cluster or package, so where the roles run is an axis. run/placement.c picks the CPUs;
 * this file only says what there is. Not for the hot path.
 */
#ifndef HANDOFF_ENV_TOPOLOGY_H
#define HANDOFF_ENV_TOPOLOGY_H

#include <stdint.h>

#include "harness/base/err.h"

#define TOPOLOGY_CPUS_MAX 1024

/* Where the clusters come from, best first. */
enum topology_origin {
    TOPOLOGY_FROM_CACHE,   /* CPUs that share the last-level cache */
    TOPOLOGY_FROM_CLUSTER, /* no shared cache is described: the kernel's CPU clusters */
    TOPOLOGY_FROM_PACKAGE, /* neither is: the packages (sockets) */
    TOPOLOGY_UNKNOWN,      /* the system describes nothing: all CPUs count as one cluster */
};

struct topology_cpu {
    uint32_t cpu;      /* the kernel's number, as sched_setaffinity takes it */
    uint32_t cluster;  /* 0, 1, … in order of each cluster's lowest CPU */
    uint32_t core;     /* the lowest CPU of the same physical core: SMT siblings share it */
    uint32_t capacity; /* relative speed, 1024 = the fastest kind here; 0 = not described */
};

struct topology {
    uint32_t count; /* at least 1 */
    uint32_t cluster_count;
    enum topology_origin origin;
    struct topology_cpu cpus[TOPOLOGY_CPUS_MAX]; /* in ascending order of `cpu` */
};

/* The CPUs that sched_getaffinity allows this process, as sysfs describes them. ST_SYSTEM when the
 * affinity cannot be read, ST_UNAVAILABLE with more than TOPOLOGY_CPUS_MAX CPUs. A missing or
 * broken sysfs (a container) is no error: the origin says so. */
enum status topology_read(struct topology *topology, struct err *err);

/* The same for the given CPUs (ascending, at least one) and the sysfs under `root` ("" for this
 * machine's): for env.c and for tests with trees of other machines. */
enum status topology_read_from(const char *root, const uint32_t *cpus, uint32_t cpu_count,
                               struct topology *topology, struct err *err);

/* Bytes of the largest cache described for a CPU, under `root` as above; 0 when none is. */
uint64_t topology_last_level_bytes(const char *root, uint32_t cpu);

/* "cache", "cluster", "package" or "unknown". */
const char *topology_origin_name(enum topology_origin origin);

#endif

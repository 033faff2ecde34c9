/* placement.h: on which CPUs the two roles of a cell run.
 */
#ifndef HANDOFF_RUN_PLACEMENT_H
#define HANDOFF_RUN_PLACEMENT_H

#include "harness/env/topology.h"
#include "harness/scenario/cell.h"

/* CPU numbers, or -1 for a role that is not pinned. */
struct placement_cpus {
    int producer;
    int consumer;
};

/* Resolves a cell's placement on this machine. `auto` always succeeds: two cores of the fastest
 * cluster, sparing CPU 0 (which serves most interrupts) where there are enough, and on one CPU both
 * roles on it. The others give ST_UNAVAILABLE with the reason where the machine lacks such CPUs. */
enum status placement_pick(const struct topology *topology, const struct cell *cell,
                           struct placement_cpus *cpus, struct err *err);

/* Pins the calling process; -1 does nothing. */
enum status placement_apply(int cpu, struct err *err);

/* The CPUs that the calling thread may run on. Threads are born with those of their maker. */
struct placement_set {
    unsigned char mask[1024]; /* a bit for each CPU, as the kernel lays them out */
    size_t bytes;             /* of it; 0: not known */
};
void placement_remember(struct placement_set *set);
/* Back to a set that was remembered; does nothing with an empty one. */
enum status placement_restore(const struct placement_set *set, struct err *err);

#endif

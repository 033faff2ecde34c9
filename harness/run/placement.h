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

#endif

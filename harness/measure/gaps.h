/* gaps.h: how much of its time a CPU is taken away from a thread that never sleeps.
 *
 * Interrupts, other processes and a hypervisor stop a role amid a frame, whatever it measures. Here
 * a thread on each CPU does nothing but read the clock; two readings further apart than a threshold
 * have a gap between them. All CPUs are watched at once: a run uses them at once, too, and a
 * hypervisor with fewer processors than it promised shows only then. Called by the runner beside
 * the floor, and by `handoff doctor`; the findings are made by env/fitness.h.
 */
#ifndef HANDOFF_MEASURE_GAPS_H
#define HANDOFF_MEASURE_GAPS_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"

#define GAPS_CPUS_MAX 64
/* Below it nothing was taken away: reading the clock takes some 20 ns, a cache miss 200. */
#define GAPS_THRESHOLD_NS 1000
#define GAPS_WINDOW_NS 1000000000u

struct gaps_cpu {
    int cpu;
    uint64_t window_ns; /* watched */
    uint64_t count;
    uint64_t total_ns; /* of all gaps */
    uint64_t largest_ns;
    int64_t p50_ns; /* -1: too few gaps for it */
    int64_t p99_ns;
};

struct gaps {
    size_t count;
    struct gaps_cpu cpus[GAPS_CPUS_MAX];
};

/* Watches `count` CPUs (1 to GAPS_CPUS_MAX, each once) for `window_ns`, in which they do nothing
 * else; blocks as long. ST_UNAVAILABLE when this process may not run on one of them, ST_NO_MEMORY,
 * ST_SYSTEM; *gaps is set only after ST_OK. */
enum status gaps_measure(const int *cpus, size_t count, uint64_t window_ns, struct gaps *gaps,
                         struct err *err);

/* One thread's part, on the clock it is given; for tests of its arithmetic. Ends with the first
 * reading that is `window_ns` or more after the first. ST_NO_MEMORY. */
enum status gaps_watch(uint64_t (*now_ns)(void *context), void *context, uint64_t window_ns,
                       struct gaps_cpu *found);

/* The member `gaps` of an environment; the caller deletes. NULL when out of memory. */
cJSON *gaps_to_json(const struct gaps *gaps);

#endif

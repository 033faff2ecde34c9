/* usage.h: what a stretch of time cost the processor: one process's share, and the whole system's.
 *
 * Roles call usage_self around their counted window; the runner reads the system. Both are system
 * calls or /proc, never for the hot path.
 */
#ifndef HANDOFF_MEASURE_USAGE_H
#define HANDOFF_MEASURE_USAGE_H

#include <stdint.h>

#include "harness/base/err.h"

/* A reading, or the difference of two. Counts are of the whole process, all threads. */
struct usage {
    uint64_t user_ns; /* user_ns + system_ns is exact to the nanosecond; how the kernel splits it */
    uint64_t system_ns; /* between the two may be sampled */
    uint64_t wall_ns;   /* on the cell's clock */
    uint64_t voluntary_switches;
    uint64_t involuntary_switches;
    uint64_t minor_faults;
    uint64_t major_faults;
};

/* Reads the calling process's figures. Cannot fail on the systems we run on. */
void usage_self(struct usage *usage);

/* end - begin, field by field; a field that ran backwards (the kernel's split may) is 0. */
struct usage usage_difference(const struct usage *begin, const struct usage *end);

/* All CPUs together: a reading, or the difference of two.
 *
 * What was busy is what was not idle. On a kernel without periodic ticks (NOHZ, as all of ours)
 * idle time is measured where a CPU enters and leaves idle, while user and system time of short
 * stretches are samples taken at a tick: a process that woke a thousand times a second for 50 us
 * came out as 0.0 of 0.05 s by the ticks, and as 0.051 s by the idle time. */
struct usage_system {
    uint64_t busy_ns;  /* a difference: wall time of all CPUs less idle, iowait and steal; where the
                        * number of CPUs changed, and in a reading: the sum of the busy ticks */
    uint64_t idle_ns;  /* idle and iowait */
    uint64_t steal_ns; /* taken by the hypervisor */
    uint64_t wall_ns;  /* on the cell's clock */
    uint32_t cpus;     /* that /proc/stat lists */
};

/* Reads /proc/stat. ST_UNAVAILABLE when it is not there or not understood. */
enum status usage_system_read(struct usage_system *usage, struct err *err);

/* end - begin; `cpus` is that of the end. Steps of 10 ms: a short window is coarse. */
struct usage_system usage_system_difference(const struct usage_system *begin,
                                            const struct usage_system *end);

#endif

/* floor.h: what this machine can do at best: the limits that a hand-off is held against.
 *
 * A figure says little without its floor measured in the same run on the same CPUs. Called by the
 * `floor` command and by tests/support/bench_self.c; never while a cell is being measured.
 */
#ifndef HANDOFF_MEASURE_FLOOR_H
#define HANDOFF_MEASURE_FLOOR_H

#include <stdint.h>

#include "harness/base/err.h"

/* One way for a word to go there and back between two CPUs. */
struct floor_round_trip {
    /* Median of single round trips, each stamped, so that one reading of the clock is in it: what a
     * stamped hand-off can be compared with. */
    double p50_ns;
    /* Mean of many round trips between two readings, no clock in it: the median of such bunches, so
     * that one interruption does not spoil it. */
    double mean_ns;
};

struct floor_cache_line {
    struct floor_round_trip one_line;  /* both sides write the same line in turn */
    struct floor_round_trip two_lines; /* each side writes its own line and reads the other's */
    uint32_t round_trips;              /* that each of the four figures is of */
};

/* Bounces a word between CPUs cpu_a and cpu_b for some 50 ms, both spinning. Two threads, not two
 * processes: the caches know neither, and the page tables that differ do not matter for a line that
 * stays mapped. The caller's own pinning is left alone. ST_NOT_APPLICABLE when both CPUs are one,
 * ST_UNAVAILABLE when this process may not run on one of them, ST_TIMEOUT when a side got no answer
 * within seconds, ST_NO_MEMORY, ST_SYSTEM. */
enum status floor_cache_line(int cpu_a, int cpu_b, struct floor_cache_line *out, struct err *err);

/* What the calling thread pays per call: means over batches of thousands. */
struct floor_calls {
    double clock_read_ns;  /* clock_now_ns: one stamp */
    double clock_tick_ns;  /* its finest step */
    double system_call_ns; /* the cheapest one that enters the kernel */
};

/* The best of several batches, since only interruptions make one slower; takes some 50 ms. */
struct floor_calls floor_calls_measure(void);

#endif

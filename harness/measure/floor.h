/* floor.h: what this machine can do at best: the limits that a hand-off is held against.
 *
 * A figure says little without its floor measured in the same run on the same CPUs. Called by
 * run/run_floor.c before the first launch, by the `floor` command and by
 * tests/support/bench_self.c; never while a cell is being measured.
 *
 * Every figure is a median of many, so that an interruption does not move it, and NAN where it
 * could not be had.
 */
#ifndef HANDOFF_MEASURE_FLOOR_H
#define HANDOFF_MEASURE_FLOOR_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/measure/clock_choice.h"

/* ---- a cache line there and back ------------------------------------------------------------- */

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
    uint32_t round_trips;              /* that each of the four figures is of, at least */
};

/* Bounces a word between CPUs cpu_a and cpu_b for some 50 ms, both spinning. Two threads, not two
 * processes: the caches know neither, and the page tables that differ do not matter for a line that
 * stays mapped. The caller's own pinning is left alone. ST_NOT_APPLICABLE when both CPUs are one,
 * ST_UNAVAILABLE when this process may not run on one of them, ST_TIMEOUT when a side got no answer
 * within seconds, ST_NO_MEMORY, ST_SYSTEM. */
enum status floor_cache_line(int cpu_a, int cpu_b, struct floor_cache_line *out, struct err *err);

/* ---- single calls ---------------------------------------------------------------------------- */

/* What the calling thread pays per call: means over batches of thousands. */
struct floor_calls {
    double clock_read_ns;  /* clock_now_ns: one stamp */
    double clock_tick_ns;  /* its finest step */
    double system_call_ns; /* the cheapest one that enters the kernel */
};

/* The best of several batches, since only interruptions make one slower; takes some 50 ms. */
struct floor_calls floor_calls_measure(void);

/* ---- all of it ------------------------------------------------------------------------------- */

#define FLOOR_PAIRS_MAX 4
#define FLOOR_SIZES_MAX 4
#define FLOOR_CLOCKS_MAX 2
#define FLOOR_NANOSLEEPS 2
#define FLOOR_WARNINGS_MAX 12
#define FLOOR_WARNING_BYTES 256

struct floor_cpus {
    int producer;
    int consumer;
};

struct floor_config {
    /* Between which CPUs. The first pair also serves what needs no pair: its producer's CPU copies,
     * calls and sleeps, its consumer's reads. Without a pair all of that runs unpinned. A pair of
     * one CPU has no cache line to exchange and is left out, with a warning. */
    struct floor_cpus pairs[FLOOR_PAIRS_MAX];
    size_t pair_count;
    size_t sizes_bytes[FLOOR_SIZES_MAX]; /* of frames, each at least 1 */
    size_t size_count;
    /* The clocks of clock_choose, for the list; NULL: only the one in use, measured now. */
    const struct clock_choice *clock;
    /* What is not done by then is left out, with a warning. 0: FLOOR_BUDGET_NS. */
    uint64_t budget_ns;
};

/* Enough for four pairs and four sizes up to 8K frames. */
#define FLOOR_BUDGET_NS 2000000000u

struct floor_clock {
    const char *name; /* "CLOCK_MONOTONIC", "TSC", "CNTVCT" */
    double read_ns;
    double tick_ns;
};

struct floor_pair {
    struct floor_cpus cpus;
    struct floor_cache_line lines;
};

struct floor_futex {
    double wake_nobody_ns;  /* a FUTEX_WAKE when nobody sleeps */
    double wake_sleeper_ns; /* one that wakes a sleeper on the other CPU, as the waker pays it */
    double one_way_ns;      /* from before that call to the sleeper running */
};

struct floor_nanosleep {
    uint64_t requested_ns;
    double p50_ns; /* what it takes, at the timer slack found */
};

/* One frame of this size by one CPU. "Cached": again and again on the same buffers, in whichever
 * cache they fit; "evicted": every byte comes from memory, and goes there. */
struct floor_memory {
    size_t bytes;
    double copy_cached_ns; /* memcpy */
    double copy_evicted_ns;
    double read_cached_ns; /* a sum over every byte */
    double read_evicted_ns;
    double read_written_elsewhere_ns; /* just written by the pair's other CPU with memcpy */
};

struct floor {
    double system_call_ns;
    struct floor_clock clocks[FLOOR_CLOCKS_MAX]; /* those that are right here */
    size_t clock_count;
    struct floor_pair pairs[FLOOR_PAIRS_MAX];
    size_t pair_count;
    struct floor_futex futex; /* between the CPUs of the first pair */
    struct floor_nanosleep nanosleep[FLOOR_NANOSLEEPS];
    double timer_slack_ns;
    struct floor_memory memory[FLOOR_SIZES_MAX]; /* as configured */
    size_t memory_count;
    char warnings[FLOOR_WARNINGS_MAX][FLOOR_WARNING_BYTES]; /* what could not be had, and why */
    size_t warning_count;
};

/* Measures everything on pinned threads of its own, one part after the other, for up to the budget
 * (a single frame's copy beyond it at most). The caller's pinning is left alone and no thread or
 * mapping is left. What cannot be measured is NAN with a warning, and still ST_OK; ST_INVALID for a
 * config beyond the limits above. */
enum status floor_measure(const struct floor_config *config, struct floor *out, struct err *err);

/* The `floor` object of a result (results/schema.json), without the warnings; NULL when out of
 * memory. The caller deletes. */
cJSON *floor_to_json(const struct floor *floor);

#endif

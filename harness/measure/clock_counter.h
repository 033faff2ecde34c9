/* clock_counter.h: whether the processor's counter is a clock: what the kernel and the processor
 * say of it, how fast it runs, and whether all CPUs agree on it.
 *
 * Each question has a function that looks and one that judges what was seen; those that judge know
 * nothing of this machine, so that the tests can show them every bad counter. Called by
 * clock_choice.c.
 */
#ifndef HANDOFF_MEASURE_CLOCK_COUNTER_H
#define HANDOFF_MEASURE_CLOCK_COUNTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/measure/clock.h"

#define CLOCK_REASON_BYTES 240

/* What can be known without measuring. */
struct clock_trust {
    bool known;        /* this build has a reading of it */
    bool permitted;    /* the process may read it */
    bool ordered;      /* x86: the processor has rdtscp */
    bool invariant;    /* it has one speed and never stops, in no sleep state */
    const char *named; /* what the kernel calls it as a clock source */
    char source[32];   /* the clock source that the kernel uses; "" when it does not say */
};
void clock_trust_look(struct clock_trust *trust);
/* False with the reason, complete enough for a user. */
bool clock_trust_judge(const struct clock_trust *trust, char reason[CLOCK_REASON_BYTES]);

/* Parts per million that the speeds of two windows may differ by. */
#define CLOCK_WINDOWS_DIFFER_PPM 50

struct clock_speed {
    double ns_per_tick;
    /* Parts per million. The larger of: how far a window is off the whole, what the pairs leave
     * open */
    double error_ppm;
};
/* Pairs of both clocks, some 16 ms apart: takes 80 ms, asleep. */
enum { CLOCK_SPEED_PAIRS = 6 };
void clock_speed_look(struct clock_pair pairs[CLOCK_SPEED_PAIRS]);
bool clock_speed_judge(const struct clock_pair *pairs, size_t count, struct clock_speed *speed,
                       char reason[CLOCK_REASON_BYTES]);

/* Two CPUs that may be further apart than this have no clock in common. The bound holds the time
 * that a cache line takes, up to some hundred nanoseconds between sockets. */
#define CLOCK_APART_MAX_NS 2000

/* Readings that two CPUs exchanged through a cache line: how much later than the sender's the
 * receiver's reading was at least, in ticks, each way. The true time under way is positive, so the
 * receiver's counter is ahead by at most the one and behind by at most the other. */
struct clock_exchange {
    int cpu;              /* the other one is the first of those allowed */
    uint32_t round_trips; /* 0: the CPUs did not get to it in time */
    int64_t there_ticks;  /* from the first CPU to this */
    int64_t back_ticks;
};
struct clock_agreement {
    int first_cpu;
    size_t count; /* 0 where there is one CPU: it agrees with itself */
    struct clock_exchange *exchanges;
};
/* Compares every CPU that the calling thread may use with the first of them, by pairs of pinned
 * threads that `read` the counter: some 100 ms for many CPUs, 2 s at most on a busy machine. The
 * caller frees agreement->exchanges. ST_SYSTEM, ST_NO_MEMORY. */
enum status clock_agreement_look(uint64_t (*read)(void), struct clock_agreement *agreement,
                                 struct err *err);
/* True: *bound_ns is how far two of these CPUs are apart at most. */
bool clock_agreement_judge(const struct clock_agreement *agreement, double ns_per_tick,
                           double *bound_ns, char reason[CLOCK_REASON_BYTES]);

#endif

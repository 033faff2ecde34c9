/* clock.h: the one clock of a cell. Every stamp, deadline and schedule of every role is on it.
 *
 * It is CLOCK_MONOTONIC: the same for all processes and CPUs, the clock that clock_nanosleep can
 * sleep on, and the one Python's time.monotonic_ns reads. Its cost and tick are measured and stored
 * with each result.
 */
#ifndef HANDOFF_MEASURE_CLOCK_H
#define HANDOFF_MEASURE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC. Cannot fail on the systems we run on. */
static inline uint64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Sleeps until an absolute time on the same clock. Returns at once, without a system call, when it
 * has passed: the kernel may take tens of microseconds to find that out (28 on the developers'
 * machines), and a pacer that is late would never catch up. */
void clock_sleep_until_ns(uint64_t when_ns);

struct clock_quality {
    double read_ns; /* mean cost of one reading */
    double tick_ns; /* smallest step seen between two readings that differ */
};

/* Measures both for about a millisecond on the calling CPU. */
struct clock_quality clock_measure(void);

#endif

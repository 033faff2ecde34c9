/* clock.h: the one clock of a cell. Every stamp, deadline and schedule of every role is on it.
 *
 * It is CLOCK_MONOTONIC: the same for all processes and CPUs, the clock that clock_nanosleep can
 * sleep on, and the one Python's time.monotonic_ns reads. Its cost and tick are measured and stored
 * with each result.
 */
#ifndef HANDOFF_MEASURE_CLOCK_H
#define HANDOFF_MEASURE_CLOCK_H

#include <stddef.h>
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
    double read_ns; /* cost of one reading: the median of batches */
    double tick_ns; /* what it counts in: 1 for a fine clock, 32 for one of 31.25 MHz */
};

/* The tick behind the differences of neighbouring readings, from 0 up. A clock that shows the same
 * time twice counts in its smallest step. One that never does is finer than a reading costs: then the
 * differences themselves differ by whole ticks; three whole numbers in a row mean 1 ns (ticks that are
 * no whole number of nanoseconds give two). 0 without any step. */
double clock_tick_from_steps(const uint64_t *steps_ns, size_t count);

/* Measures both for about a millisecond on the calling CPU. */
struct clock_quality clock_measure(void);

#endif

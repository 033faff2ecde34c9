/* clock.h: the one clock of a cell. Every stamp, deadline and schedule of every role is on it.
 *
 * It is CLOCK_MONOTONIC, or the processor's own counter converted to the nanoseconds of
 * CLOCK_MONOTONIC, where that is cheaper and right on all CPUs (clock_choice.h decides, once per
 * run). A counter's conversion is taken anew by the runner before each launch and sent to the roles
 * (clock_rebase, clock_apply), so that all processes of a launch share one timebase exactly. Beside
 * CLOCK_MONOTONIC that timebase runs apart by some parts per million, since the kernel slews its
 * clock and nobody slews a counter: microseconds in a launch of a second. Whoever hands one of
 * these times to the kernel (an absolute timeout) or to another program (the header of a frame)
 * gets it with that error.
 */
#ifndef HANDOFF_MEASURE_CLOCK_H
#define HANDOFF_MEASURE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "harness/base/err.h"

enum clock_kind { CLOCK_KIND_MONOTONIC, CLOCK_KIND_COUNTER };

/* Fraction bits of clock_conversion.mult. With 32 of them a counter between 0.3 Hz and 10 GHz is
 * converted with an error of rounding below 0.002 ppm. */
#define CLOCK_SHIFT 32

/* How a counter becomes nanoseconds: ns + ((reading - counter) * mult >> CLOCK_SHIFT), with all
 * bits of the product, so that it holds for years of ticks. Zeroed, it is CLOCK_MONOTONIC. */
struct clock_conversion {
    enum clock_kind kind;
    uint64_t counter; /* a reading, and */
    uint64_t ns;      /* CLOCK_MONOTONIC at that moment */
    uint64_t mult;    /* nanoseconds per tick * 2^CLOCK_SHIFT, below 2^63 */
};

/* This process's clock. Written by clock_rebase, clock_apply and clock_choose only, while no other
 * thread reads it. */
extern struct clock_conversion clock_current;

/* Nanoseconds of CLOCK_MONOTONIC. Cannot fail on the systems we run on. */
static inline uint64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The processor's counter, in ticks; 0 where this build knows none.
 *
 * What a stamp needs of it: it is not taken before the load that saw the news (`seen`), and not
 * after the store that tells the news (`filled`). The first rules a plain reading out, which the
 * processor may do long before the load that the program has before it.
 *
 * x86: rdtscp waits until all earlier loads have their values; rdtsc (9.5 ns on the developers'
 * machines) does not, and with an lfence before it costs no less (18.7 against 18.4 ns). Later
 * instructions may begin before rdtscp is done. That needs no lfence behind it: a later store
 * leaves the processor only after rdtscp has retired, and a later load that begins some cycles
 * early makes what it belongs to seem that much shorter, never negative. This is how the kernel
 * reads it for CLOCK_MONOTONIC.
 *
 * aarch64: cntvct_el0 may be read early, too. An isb does not complete before the branches before
 * it are decided, and each stamp that must follow a load follows a branch on the loaded value (that
 * is how news is noticed): load, branch, isb, mrs is the architecture's own recipe. Towards later
 * stores: the stamp goes into the trace, by a store that needs the value read, and the store that
 * tells the news is a release, which comes after that one. The kernel reads it in this way as well.
 *
 * The compiler moves no access to memory across either, as it would not across clock_gettime. */
static inline uint64_t clock_counter_read(void)
{
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ __volatile__("rdtscp" : "=a"(low), "=d"(high) : : "rcx", "memory");
    return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ __volatile__("isb\n\tmrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
    return ticks;
#else
    return 0;
#endif
}

/* A counter's reading in nanoseconds; also of readings somewhat before the base. */
static inline uint64_t clock_convert(const struct clock_conversion *conversion, uint64_t reading)
{
    __extension__ typedef __int128 product;
    const int64_t ticks = (int64_t)(reading - conversion->counter);
    return conversion->ns + (uint64_t)((product)ticks * (int64_t)conversion->mult >> CLOCK_SHIFT);
}

/* Nanoseconds on the cell's clock. */
static inline uint64_t clock_now_ns(void)
{
    if (clock_current.kind == CLOCK_KIND_COUNTER)
        return clock_convert(&clock_current, clock_counter_read());
    return clock_monotonic_ns();
}

/* Sleeps until an absolute time on the cell's clock and does not return before it. Returns at once,
 * without a system call, when it has passed: the kernel may take tens of microseconds to find that
 * out (28 on the developers' machines), and a pacer that is late would never catch up. */
void clock_sleep_until_ns(uint64_t when_ns);

/* Both clocks at one moment: a reading of the counter between two of CLOCK_MONOTONIC. */
struct clock_pair {
    uint64_t counter;
    uint64_t ns;
    uint64_t error_ns; /* `ns` is off by at most this: half the distance of the two */
};

/* The tightest pair of many; takes a few microseconds. */
struct clock_pair clock_pair_take(void);

/* Takes the base of the conversion anew, and on return the clock shows no less than before: it
 * waits out what the two clocks ran apart. Does nothing for CLOCK_MONOTONIC. Called by the runner
 * before each launch; no other thread may read the clock meanwhile. */
void clock_rebase(void);

/* Makes another process's clock this one's. ST_CORRUPT when it cannot be: a counter that this
 * program does not know, or one that shows here, more than a millisecond off CLOCK_MONOTONIC, that
 * it is not the same (another machine, an emulator). */
enum status clock_apply(const struct clock_conversion *conversion, struct err *err);

/* "CLOCK_MONOTONIC", and for the counter "TSC" or "CNTVCT"; NULL where this build knows none. */
const char *clock_kind_name(enum clock_kind kind);

struct clock_quality {
    double read_ns; /* cost of one reading: the median of batches */
    double tick_ns; /* what it counts in: 1 for a fine clock, 32 for one of 31.25 MHz */
};

/* The tick behind the differences of neighbouring readings, from 0 up. A clock that shows the same
 * time twice counts in its smallest step. One that never does is finer than a reading costs: then
 * the differences themselves differ by whole ticks; three whole numbers in a row mean 1 ns (ticks
 * that are no whole number of nanoseconds give two). 0 without any step. */
double clock_tick_from_steps(const uint64_t *steps_ns, size_t count);

/* Measures both for clock_now_ns, about a millisecond on the calling CPU. One thread at a time. */
struct clock_quality clock_measure(void);

#endif

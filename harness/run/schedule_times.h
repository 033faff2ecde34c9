/* schedule_times.h: the times of a schedule, without the cell: what schedule.c makes for the C
 * producer and transports/frames/figures.c for producers in other languages, to the nanosecond
 * alike.
 */
#ifndef HANDOFF_RUN_SCHEDULE_TIMES_H
#define HANDOFF_RUN_SCHEDULE_TIMES_H

#include <stdint.h>

enum schedule_law {
    SCHEDULE_FIXED,   /* k T */
    SCHEDULE_RANDOM,  /* k T plus a random time from [0, T/2) */
    SCHEDULE_POISSON, /* the first at 0, then gaps with an exponential distribution of mean T */
};

/* When each of `frames` frames falls due, with T = 1 / rate_hz; never falling. */
void schedule_times_fill(enum schedule_law law, double rate_hz, uint32_t frames, uint64_t seed,
                         uint64_t *offsets_ns);

#endif

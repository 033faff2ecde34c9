/* schedule.h: when each frame falls due, relative to the start of its launch.
 *
 * Made by the producer before the clock starts, and read by it on the hot path: one load per frame,
 * no arithmetic that depends on the pacing and no call into the maths library. It depends on the
 * cell and the launch's seed alone, so that a launch can be repeated.
 */
#ifndef HANDOFF_RUN_SCHEDULE_H
#define HANDOFF_RUN_SCHEDULE_H

#include <stdint.h>

#include "harness/base/err.h"
#include "harness/scenario/cell.h"

struct schedule {
    uint64_t *offsets_ns; /* of each frame; never falling. NULL without a schedule */
    uint32_t count;
    double period_ns; /* mean time between frames */
};

/* The schedule of `frames` frames, with T = 1 / rate_hz:
 *   phase fixed     k T: a steady clock
 *   phase random    k T plus a random time from [0, T/2): gaps of T/2 to 3 T/2, mean T, so that
 *                   frames cannot lock to the period of a poll
 *   poisson         the first at 0, then gaps with an exponential distribution of mean T
 * For a cell without a schedule it is empty. Every page is touched. The caller closes.
 * ST_NO_MEMORY. */
enum status schedule_open(const struct cell *cell, uint32_t frames, uint64_t seed,
                          struct schedule *schedule, struct err *err);
/* Safe on a zeroed one. */
void schedule_close(struct schedule *schedule);

/* Time from the frame before to this one; for the first, the mean. */
static inline uint64_t schedule_gap_ns(const struct schedule *schedule, uint32_t id)
{
    return id == 0 ? (uint64_t)schedule->period_ns
                   : schedule->offsets_ns[id] - schedule->offsets_ns[id - 1];
}

#endif

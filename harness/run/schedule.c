/* schedule.c: see schedule.h. */
#include "harness/run/schedule.h"

#include <stdlib.h>

#include "harness/run/schedule_times.h"

enum status schedule_open(const struct cell *cell, uint32_t frames, uint64_t seed,
                          struct schedule *schedule, struct err *err)
{
    if (!cell_has_schedule(cell)) {
        *schedule = (struct schedule){0};
        return ST_OK;
    }
    struct schedule made = {.count = frames, .period_ns = 1e9 / cell->rate_hz};
    made.offsets_ns = malloc(((size_t)frames + 1) * sizeof *made.offsets_ns);
    if (!made.offsets_ns)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for a schedule of %u frames",
                       frames);
    const enum schedule_law law = cell->pacing == PACING_POISSON ? SCHEDULE_POISSON
                                  : cell->phase == PHASE_RANDOM  ? SCHEDULE_RANDOM
                                                                 : SCHEDULE_FIXED;
    schedule_times_fill(law, cell->rate_hz, frames, seed, made.offsets_ns);
    *schedule = made;
    return ST_OK;
}

void schedule_close(struct schedule *schedule)
{
    free(schedule->offsets_ns);
    *schedule = (struct schedule){0};
}

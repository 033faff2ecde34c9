/* schedule.c: see schedule.h. */
#include "harness/run/schedule.h"

#include <math.h>
#include <stdlib.h>

/* The source's content is made from the same seed: the two sequences must not be one. */
#define SCHEDULE_SALT UINT64_C(0x736368656475e1e5)

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t schedule_random(uint64_t *state)
{
    uint64_t mixed = (*state += 0x9e3779b97f4a7c15u);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

/* From [0, 1), in steps of 2^-53. */
static double schedule_uniform(uint64_t *state)
{
    return (double)(schedule_random(state) >> 11) * 0x1p-53;
}

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
    uint64_t state = seed ^ SCHEDULE_SALT;
    double poisson_ns = 0.0;
    for (uint32_t id = 0; id < frames; id++) {
        /* Not a sum: k T does not drift from its rate. */
        double offset_ns = made.period_ns * id;
        if (cell->pacing == PACING_POISSON) {
            offset_ns = poisson_ns;
            poisson_ns -= made.period_ns * log1p(-schedule_uniform(&state));
        } else if (cell->phase == PHASE_RANDOM) {
            offset_ns += 0.5 * made.period_ns * schedule_uniform(&state);
        }
        made.offsets_ns[id] = (uint64_t)offset_ns;
    }
    *schedule = made;
    return ST_OK;
}

void schedule_close(struct schedule *schedule)
{
    free(schedule->offsets_ns);
    *schedule = (struct schedule){0};
}

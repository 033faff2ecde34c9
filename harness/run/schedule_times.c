/* schedule_times.c: see schedule_times.h. */
#include "harness/run/schedule_times.h"

#include <math.h>

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

void schedule_times_fill(enum schedule_law law, double rate_hz, uint32_t frames, uint64_t seed,
                         uint64_t *offsets_ns)
{
    const double period_ns = 1e9 / rate_hz;
    uint64_t state = seed ^ SCHEDULE_SALT;
    double poisson_ns = 0.0;
    for (uint32_t id = 0; id < frames; id++) {
        /* Not a sum: k T does not drift from its rate. */
        double offset_ns = period_ns * id;
        if (law == SCHEDULE_POISSON) {
            offset_ns = poisson_ns;
            poisson_ns -= period_ns * log1p(-schedule_uniform(&state));
        } else if (law == SCHEDULE_RANDOM) {
            offset_ns += 0.5 * period_ns * schedule_uniform(&state);
        }
        offsets_ns[id] = (uint64_t)offset_ns;
    }
}

/* search.h: pacing `search`: the highest rate at which the p99 of `response` stays under a bound
 * and no frame is dropped, by bisection on the logarithm of the rate.
 *
 * search_run is arithmetic: what a step is, its caller says. search_launch makes each step a
 * session of its own at a fixed rate; the runner calls it in the place of session_run.
 */
#ifndef HANDOFF_RUN_SEARCH_H
#define HANDOFF_RUN_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/scenario/cell.h"

/* Rates closer than this are one: 5 % is what p99s of neighbouring launches scatter anyway. */
#define SEARCH_RATIO 1.05
/* Both ends, and 9 halvings of the widest range there is (0.1 to 1,000,000 frames per second). */
#define SEARCH_STEPS_MAX 16
/* Frames of a step: a p99 needs 368. */
#define SEARCH_FRAMES_MIN 400
#define SEARCH_FRAMES_MAX 200000
/* Warm-up frames of a step when the scenario leaves them to the pilot: a search has none. */
#define SEARCH_WARMUP 20

enum search_verdict {
    SEARCH_PASSED,
    SEARCH_MISSED, /* the rate is too high for the bound, or for the machine */
    SEARCH_BROKEN, /* nothing can be said: a role died, or frames were torn */
};

struct search_step {
    double rate_hz;
    double p99_ns;    /* of `response`; INFINITY when among the dropped, NAN when unknown */
    uint64_t dropped; /* frames never finished */
    enum search_verdict verdict;
    char reason[160]; /* why it did not pass */
};

struct search {
    uint64_t bound_ns;
    double low_hz, high_hz; /* where to look */
    double rate_hz;         /* the answer: the highest rate that passed; 0: none did */
    struct search_step steps[SEARCH_STEPS_MAX];
    uint32_t step_count;
};

/* Tries one rate: fills *step but for rate_hz, which is set. Anything but ST_OK ends the search at
 * once and is handed on. */
typedef enum status (*search_try)(void *context, struct search_step *step, struct err *err);

/* Fills rate_hz and steps of *search. The low end is tried first: where that misses, nothing else
 * is; then the high end: where that passes, it is the answer, which says "at least". A broken step
 * ends the search: it is the last one then, and the rate is of no use. */
enum status search_run(struct search *search, search_try try_rate, void *context, struct err *err);

/* The bound and the range of a cell with pacing search. */
struct search search_of_cell(const struct cell *cell);
/* True when the highest rate there was to look at passed. */
static inline bool search_is_at_least(const struct search *search)
{
    return search->rate_hz >= search->high_hz;
}

/* How many steps a launch of the cell takes at most; 1 for a cell without a search. */
uint32_t search_steps_max(const struct cell *cell);
/* Counted frames of a step: as many as the scenario gives or fill `launch_seconds`, within the
 * bounds above. */
uint32_t search_step_frames(const struct cell *cell, double launch_seconds, double rate_hz);
/* What the frames of all steps should take together, without starting and ending processes. */
uint64_t search_expected_ns(const struct cell *cell, double launch_seconds, uint32_t warmup);

#endif

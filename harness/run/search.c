/* search.c: the bisection of pacing `search`, without a session. See search.h. */
#include "harness/run/search.h"

#include <math.h>

static enum status search_step(struct search *search, double rate_hz, search_try try_rate,
                               void *context, enum search_verdict *verdict, struct err *err)
{
    struct search_step *step = &search->steps[search->step_count];
    *step = (struct search_step){.rate_hz = rate_hz, .p99_ns = NAN, .verdict = SEARCH_BROKEN};
    enum status status = try_rate(context, step, err);
    if (status != ST_OK)
        return status;
    search->step_count++;
    if (step->verdict == SEARCH_PASSED)
        search->rate_hz = rate_hz;
    *verdict = step->verdict;
    return ST_OK;
}

enum status search_run(struct search *search, search_try try_rate, void *context, struct err *err)
{
    const double ends_hz[2] = {search->low_hz, search->high_hz};
    enum search_verdict verdict = SEARCH_PASSED;
    search->step_count = 0;
    search->rate_hz = 0.0;
    /* The low end must pass for there to be an answer; the high end must miss for more of it. */
    for (int end = 0; end < 2; end++) {
        enum status status = search_step(search, ends_hz[end], try_rate, context, &verdict, err);
        if (status != ST_OK)
            return status;
        if (verdict != (end == 0 ? SEARCH_PASSED : SEARCH_MISSED))
            return ST_OK;
    }
    double high_hz = search->high_hz;
    while (high_hz / search->rate_hz >= SEARCH_RATIO && search->step_count < SEARCH_STEPS_MAX) {
        double middle_hz = sqrt(search->rate_hz * high_hz);
        enum status status = search_step(search, middle_hz, try_rate, context, &verdict, err);
        if (status != ST_OK)
            return status;
        if (verdict == SEARCH_BROKEN)
            return ST_OK;
        if (verdict == SEARCH_MISSED)
            high_hz = middle_hz;
    }
    return ST_OK;
}

struct search search_of_cell(const struct cell *cell)
{
    return (struct search){
        .bound_ns = cell->search.response_p99_ns,
        .low_hz = cell->search.low_hz,
        .high_hz = cell->search.high_hz,
    };
}

uint32_t search_steps_max(const struct cell *cell)
{
    if (cell->pacing != PACING_SEARCH)
        return 1;
    double width = log(cell->search.high_hz / cell->search.low_hz);
    uint32_t steps = 2;
    for (; width >= log(SEARCH_RATIO) && steps < SEARCH_STEPS_MAX; steps++)
        width *= 0.5;
    return steps;
}

uint32_t search_step_frames(const struct cell *cell, double launch_seconds, double rate_hz)
{
    double frames = cell->frames > 0 ? cell->frames : launch_seconds * rate_hz;
    return (uint32_t)fmin(fmax(frames, SEARCH_FRAMES_MIN), SEARCH_FRAMES_MAX);
}

uint64_t search_expected_ns(const struct cell *cell, double launch_seconds, uint32_t warmup)
{
    const double low_hz = cell->search.low_hz, high_hz = cell->search.high_hz;
    /* Nobody knows where it ends: the steps between are taken to be in the middle. */
    const double rates_hz[3] = {low_hz, high_hz, sqrt(low_hz * high_hz)};
    double seconds = 0.0;
    for (int i = 0; i < 3; i++)
        seconds += (warmup + (double)search_step_frames(cell, launch_seconds, rates_hz[i])) /
                   rates_hz[i] * (i < 2 ? 1 : search_steps_max(cell) - 2);
    return (uint64_t)(seconds * 1e9);
}

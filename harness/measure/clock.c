/* clock.c: sleeping on the cell's clock, and what one reading of it costs. */
#include "harness/measure/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void clock_sleep_until_ns(uint64_t when_ns)
{
    if (clock_now_ns() >= when_ns)
        return;
    struct timespec when = {
        .tv_sec = (time_t)(when_ns / 1000000000u),
        .tv_nsec = (long)(when_ns % 1000000000u),
    };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
        continue;
}

/* Larger differences are interruptions. */
#define CLOCK_STEP_MAX_NS 10000

double clock_tick_from_steps(const uint64_t *steps_ns, size_t count)
{
    static bool seen[CLOCK_STEP_MAX_NS + 3];
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < count; i++)
        if (steps_ns[i] <= CLOCK_STEP_MAX_NS)
            seen[steps_ns[i]] = true;
    size_t last = 0, gap_min = 0;
    for (size_t step = 1; step <= CLOCK_STEP_MAX_NS; step++) {
        if (!seen[step])
            continue;
        if (seen[0])
            return (double)step;
        if (seen[step + 1] && seen[step + 2])
            return 1.0;
        size_t gap = step - last;
        /* The first is the cost of a reading; a gap of 1 is the rounding of a tick. */
        if (last > 0 && gap > 1 && (gap_min == 0 || gap < gap_min))
            gap_min = gap;
        last = step;
    }
    return gap_min > 0 ? (double)gap_min : (double)last;
}

static int clock_compare(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

struct clock_quality clock_measure(void)
{
    enum { BATCHES = 201, READINGS = 100 };
    static uint64_t steps_ns[BATCHES * READINGS];
    double batch_ns[BATCHES];
    for (int batch = 0; batch < BATCHES; batch++) {
        uint64_t begin_ns = clock_now_ns();
        uint64_t last_ns = begin_ns;
        for (int i = 0; i < READINGS; i++) {
            uint64_t now_ns = clock_now_ns();
            steps_ns[batch * READINGS + i] = now_ns - last_ns;
            last_ns = now_ns;
        }
        batch_ns[batch] = (double)(last_ns - begin_ns) / READINGS;
    }
    /* The median batch: a single interruption would move a mean threefold. */
    qsort(batch_ns, BATCHES, sizeof batch_ns[0], clock_compare);
    return (struct clock_quality){
        .read_ns = batch_ns[BATCHES / 2],
        .tick_ns = clock_tick_from_steps(steps_ns, BATCHES * READINGS),
    };
}

/* clock.c: sleeping on the cell's clock, and what one reading of it costs. */
#include "harness/measure/clock.h"

#include <errno.h>

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

struct clock_quality clock_measure(void)
{
    enum { READINGS = 20000 };
    uint64_t step_min_ns = UINT64_MAX;
    uint64_t begin_ns = clock_now_ns();
    uint64_t last_ns = begin_ns;
    for (int i = 0; i < READINGS; i++) {
        uint64_t now_ns = clock_now_ns();
        if (now_ns != last_ns && now_ns - last_ns < step_min_ns)
            step_min_ns = now_ns - last_ns;
        last_ns = now_ns;
    }
    return (struct clock_quality){
        .read_ns = (double)(last_ns - begin_ns) / READINGS,
        /* Two readings cannot be closer than one costs, so a fine clock shows its cost here. */
        .tick_ns = step_min_ns == UINT64_MAX ? 0.0 : (double)step_min_ns,
    };
}

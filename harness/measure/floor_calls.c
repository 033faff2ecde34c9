/* floor_calls.c: the cost of reading a clock and of a system call. See floor.h. */
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/measure/floor_parts.h"

enum {
    FLOOR_CALLS_PER_BATCH = 20000,
    FLOOR_BATCHES = 10,
};

static double floor_system_calls_batch(void)
{
    uint64_t begin_ns = clock_now_ns();
    /* Through syscall(), since a C library may remember the answer. */
    for (int i = 0; i < FLOOR_CALLS_PER_BATCH; i++)
        (void)syscall(SYS_getppid);
    return (double)(clock_now_ns() - begin_ns) / FLOOR_CALLS_PER_BATCH;
}

struct floor_calls floor_calls_measure(void)
{
    struct floor_calls best = {0};
    for (int i = 0; i < FLOOR_BATCHES; i++) {
        struct clock_quality clock = clock_measure();
        double call_ns = floor_system_calls_batch();
        if (i == 0 || clock.read_ns < best.clock_read_ns)
            best.clock_read_ns = clock.read_ns;
        if (i == 0 || clock.tick_ns < best.clock_tick_ns)
            best.clock_tick_ns = clock.tick_ns;
        if (i == 0 || call_ns < best.system_call_ns)
            best.system_call_ns = call_ns;
    }
    return best;
}

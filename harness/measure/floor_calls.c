/* floor_calls.c: the cost of reading a clock and of a system call. See floor.h. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/measure/floor_parts.h"

enum {
    FLOOR_CALLS_PER_BATCH = 20000,
    FLOOR_BATCHES = 10,
    FLOOR_READINGS = 100,
    FLOOR_READING_BATCHES = 201,
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

static uint64_t floor_read_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__)
#define FLOOR_COUNTER "TSC"
static inline uint64_t floor_read_counter(void)
{
    return __builtin_ia32_rdtsc();
}
#elif defined(__aarch64__)
#define FLOOR_COUNTER "CNTVCT"
static inline uint64_t floor_read_counter(void)
{
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
}
#endif

/* Cost and tick of one clock, inlined for each, so that a reading is not a call through a pointer.
 * `unit_ns`: what one count of it is. */
#define FLOOR_CLOCK_MEASURE(function, read)                                               \
    static struct floor_clock function(const char *name, double unit_ns, uint64_t *steps) \
    {                                                                                     \
        double batch_ns[FLOOR_READING_BATCHES];                                           \
        for (int batch = 0; batch < FLOOR_READING_BATCHES; batch++) {                     \
            uint64_t first = read(), last = first;                                        \
            for (int i = 0; i < FLOOR_READINGS; i++) {                                    \
                uint64_t now = read();                                                    \
                steps[batch * FLOOR_READINGS + i] = now - last;                           \
                last = now;                                                               \
            }                                                                             \
            batch_ns[batch] = (double)(last - first) * unit_ns / FLOOR_READINGS;          \
        }                                                                                 \
        size_t count = FLOOR_READING_BATCHES * FLOOR_READINGS;                            \
        double tick = clock_tick_from_steps(steps, count);                                \
        return (struct floor_clock){                                                      \
            .name = name,                                                                 \
            .read_ns = floor_median(batch_ns, FLOOR_READING_BATCHES, 1),                  \
            .tick_ns = tick * unit_ns,                                                    \
        };                                                                                \
    }

FLOOR_CLOCK_MEASURE(floor_measure_monotonic, floor_read_monotonic)
#ifdef FLOOR_COUNTER
FLOOR_CLOCK_MEASURE(floor_measure_counter, floor_read_counter)

/* Nanoseconds of one count, over 5 ms: to the thousandth, which is enough for a cost. */
static double floor_counter_unit_ns(void)
{
    uint64_t begin_ns = floor_read_monotonic(), begin = floor_read_counter(), now_ns;
    while ((now_ns = floor_read_monotonic()) - begin_ns < 5000000)
        continue;
    uint64_t counted = floor_read_counter() - begin;
    return counted > 0 ? (double)(now_ns - begin_ns) / (double)counted : 0;
}
#endif

size_t floor_clocks_measure(struct floor_clock clocks[FLOOR_CLOCKS_MAX])
{
    size_t count = 0;
    uint64_t *steps = malloc(FLOOR_READING_BATCHES * FLOOR_READINGS * sizeof *steps);
    if (!steps)
        return 0;
    clocks[count++] = floor_measure_monotonic("CLOCK_MONOTONIC", 1.0, steps);
#ifdef FLOOR_COUNTER
    double unit_ns = floor_counter_unit_ns();
    if (unit_ns > 0)
        clocks[count++] = floor_measure_counter(FLOOR_COUNTER, unit_ns, steps);
#endif
    free(steps);
    return count;
}

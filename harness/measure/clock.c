/* clock.c: keeping the cell's clock, sleeping on it, and what one reading of it costs. */
#include "harness/measure/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What is left of a sleep that ended early is watched, since another sleep would take longer; more
 * than this is slept. */
#define CLOCK_WATCH_NS 20000
/* How far clock_rebase follows the old reading; more is no drift (the machine was suspended). */
#define CLOCK_REBASE_WAIT_NS 10000000
#define CLOCK_APPLY_ERROR_NS 1000000

struct clock_conversion clock_current;

const char *clock_kind_name(enum clock_kind kind)
{
    if (kind == CLOCK_KIND_MONOTONIC)
        return "CLOCK_MONOTONIC";
#if defined(__x86_64__)
    return "TSC";
#elif defined(__aarch64__)
    return "CNTVCT";
#else
    return NULL;
#endif
}

static struct timespec clock_timespec(uint64_t ns)
{
    return (struct timespec){
        .tv_sec = (time_t)(ns / 1000000000u),
        .tv_nsec = (long)(ns % 1000000000u),
    };
}

/* The kernel sleeps on CLOCK_MONOTONIC, which runs apart from a counter: how far is seen by reading
 * both before each sleep. In this order, so that whatever comes between the two readings makes the
 * sleep end early, not late. */
static void clock_sleep_until_counter(uint64_t when_ns)
{
    for (;;) {
        uint64_t kernel_ns = clock_monotonic_ns();
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= when_ns)
            return;
        struct timespec when = clock_timespec(kernel_ns + (when_ns - now_ns));
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
        while ((now_ns = clock_now_ns()) + CLOCK_WATCH_NS >= when_ns)
            if (now_ns >= when_ns)
                return;
    }
}

void clock_sleep_until_ns(uint64_t when_ns)
{
    if (clock_now_ns() >= when_ns)
        return;
    if (clock_current.kind == CLOCK_KIND_COUNTER) {
        clock_sleep_until_counter(when_ns);
        return;
    }
    struct timespec when = clock_timespec(when_ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
        continue;
}

struct clock_pair clock_pair_take(void)
{
    enum { ATTEMPTS = 50 };
    struct clock_pair best = {.error_ns = UINT64_MAX};
    uint64_t before_ns = clock_monotonic_ns();
    for (int i = 0; i < ATTEMPTS; i++) {
        uint64_t counter = clock_counter_read();
        uint64_t after_ns = clock_monotonic_ns();
        /* Rounded up: a width of 0 still hides a nanosecond. */
        uint64_t error_ns = (after_ns - before_ns) / 2 + 1;
        if (error_ns < best.error_ns)
            best = (struct clock_pair){counter, before_ns + (after_ns - before_ns) / 2, error_ns};
        before_ns = after_ns;
    }
    return best;
}

void clock_rebase(void)
{
    if (clock_current.kind != CLOCK_KIND_COUNTER)
        return;
    const struct clock_pair pair = clock_pair_take();
    const uint64_t shown_ns = clock_now_ns();
    clock_current.counter = pair.counter;
    clock_current.ns = pair.ns;
    /* Differences of times from before and after must not turn negative. */
    const uint64_t now_ns = clock_now_ns();
    if (shown_ns > now_ns && shown_ns - now_ns <= CLOCK_REBASE_WAIT_NS)
        clock_sleep_until_ns(shown_ns);
}

enum status clock_apply(const struct clock_conversion *conversion, struct err *err)
{
    if (conversion->kind == CLOCK_KIND_COUNTER) {
        /* Between two readings, since the process may be stopped here at any point. */
        uint64_t before_ns = clock_monotonic_ns();
        uint64_t shown_ns = clock_convert(conversion, clock_counter_read());
        uint64_t after_ns = clock_monotonic_ns();
        if (!clock_kind_name(CLOCK_KIND_COUNTER) || conversion->mult == 0 ||
            conversion->mult > INT64_MAX || shown_ns + CLOCK_APPLY_ERROR_NS < before_ns ||
            shown_ns > after_ns + CLOCK_APPLY_ERROR_NS)
            return err_set(err, ST_CORRUPT, "run it with --clock monotonic",
                           "the counter shows %" PRIu64 " ns here where CLOCK_MONOTONIC has "
                           "%" PRIu64 ": it is not the one that the runner chose as the clock",
                           shown_ns, after_ns);
    }
    clock_current = *conversion;
    return ST_OK;
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

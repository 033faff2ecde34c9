/* test_clock.c: the pacer's sleep: never too short, and no system call when there is nothing to
 * sleep.
 *
 * The C library's clock_nanosleep is replaced by one that counts its calls.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/measure/clock.h"
#include "tests/support/random_input.h"

static unsigned sleeps;
static unsigned interruptions; /* so many calls are to come back early, as a signal makes them */

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *when, struct timespec *left)
{
    sleeps++;
    if (interruptions > 0) {
        interruptions--;
        return EINTR;
    }
    return syscall(SYS_clock_nanosleep, clock, flags, when, left) == 0 ? 0 : errno;
}

static void test_the_past_costs_no_call(void **state)
{
    (void)state;
    sleeps = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t now_ns = clock_now_ns();
        clock_sleep_until_ns(now_ns - random_below(now_ns + 1));
    }
    assert_int_equal(sleeps, 0);
}

static void test_the_future_is_slept_for(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        uint64_t when_ns = clock_now_ns() + 1000000 + random_below(5000000);
        sleeps = 0;
        clock_sleep_until_ns(when_ns);
        assert_true(clock_now_ns() >= when_ns);
        /* A machine that stood still for the whole time leaves nothing to sleep for. */
        assert_true(sleeps <= 1);
    }
    /* Nothing stands still every time. */
    for (int i = 0; i < 100 && sleeps == 0; i++)
        clock_sleep_until_ns(clock_now_ns() + 1000000);
    assert_int_not_equal(sleeps, 0);
}

static void test_signals_do_not_cut_it_short(void **state)
{
    (void)state;
    uint64_t when_ns = clock_now_ns() + 20000000;
    interruptions = 1 + (unsigned)random_below(50);
    clock_sleep_until_ns(when_ns);
    assert_true(clock_now_ns() >= when_ns);
    interruptions = 0;
}

/* A clock that counts in ticks of num / den nanoseconds and takes about cost_ns to read. Whole
 * numbers, as the kernel's: a tick that is none is cut, not rounded here and there. */
static double tick_found(uint64_t num, uint64_t den, uint64_t cost_ns)
{
    enum { STEPS = 5000 };
    static uint64_t steps_ns[STEPS];
    uint64_t now_ps = 0, before_ns = 0;
    for (int i = 0; i < STEPS; i++) {
        now_ps += cost_ns * (1000 + random_below(500));
        if (random_below(500) == 0)
            now_ps += 20000000; /* an interruption */
        uint64_t shown_ns = now_ps * den / (1000 * num) * num / den;
        steps_ns[i] = shown_ns - before_ns;
        before_ns = shown_ns;
    }
    return clock_tick_from_steps(steps_ns, STEPS);
}

static void test_the_tick_is_told_from_the_cost(void **state)
{
    (void)state;
    assert_true(tick_found(10, 23, 20) == 1.0);              /* a time stamp counter of 2.3 GHz */
    assert_true(tick_found(32, 1, 12) == 32.0);              /* an Orin's counter, 31.25 MHz */
    assert_true(tick_found(32, 1, 90) == 32.0);              /* the same through a system call */
    assert_true(fabs(tick_found(125, 3, 15) - 41.0) <= 1.0); /* 24 MHz */
    assert_true(fabs(tick_found(125, 3, 90) - 41.0) <= 1.0);
    assert_true(tick_found(1000, 1, 300) == 1000.0);
    assert_true(clock_tick_from_steps(NULL, 0) == 0.0);
}

static void test_this_machines_clock_makes_sense(void **state)
{
    (void)state;
    struct clock_quality quality = clock_measure();
    assert_true(quality.read_ns > 1.0 && quality.read_ns < 100000.0);
    assert_true(quality.tick_ns >= 1.0 && quality.tick_ns < 100000.0);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_past_costs_no_call),
        cmocka_unit_test(test_the_future_is_slept_for),
        cmocka_unit_test(test_signals_do_not_cut_it_short),
        cmocka_unit_test(test_the_tick_is_told_from_the_cost),
        cmocka_unit_test(test_this_machines_clock_makes_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_clock.c: the pacer's sleep: never too short, and no system call when there is nothing to
 * sleep.
 *
 * The C library's clock_nanosleep is replaced by one that counts its calls.
 */
#include <errno.h>
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

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_past_costs_no_call),
        cmocka_unit_test(test_the_future_is_slept_for),
        cmocka_unit_test(test_signals_do_not_cut_it_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

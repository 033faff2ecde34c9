/* test_floor.c: the floors are measured, plausible, and refused where they have no meaning.
 *
 * Bounds are wide: they catch a broken measurement (zero, a clock in the wrong unit, two lines that
 * are one), never a slow day.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/measure/floor.h"

/* The first two CPUs this process may use; false when there is one. */
static int find_two_cpus(int cpus[2])
{
    cpu_set_t set;
    int found = 0;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
        if (CPU_ISSET(cpu, &set))
            cpus[found++] = cpu;
    return found == 2;
}

static void assert_between(double value, double low, double high)
{
    if (!(value >= low && value <= high))
        fail_msg("%f is not between %f and %f", value, low, high);
}

static void test_cache_line(void **state)
{
    int cpus[2];
    if (!find_two_cpus(cpus))
        skip();
    cpu_set_t before, after;
    sched_getaffinity(0, sizeof before, &before);
    struct floor_cache_line lines = {0};
    struct err err = {0};
    enum status status = floor_cache_line(cpus[0], cpus[1], &lines, &err);
    if (status != ST_OK)
        fail_msg("%s", err.what);
    /* A machine under load may double them; no machine is at 2 ns or at 100 us at the median. */
    assert_between(lines.one_line.p50_ns, 2, 100000);
    assert_between(lines.two_lines.p50_ns, 2, 100000);
    assert_between(lines.one_line.mean_ns, 2, 10000000);
    assert_between(lines.two_lines.mean_ns, 2, 10000000);
    assert_true(lines.round_trips >= 1000);
    sched_getaffinity(0, sizeof after, &after);
    assert_true(CPU_EQUAL(&before, &after));
}

static void test_refusals(void **state)
{
    int cpus[2];
    struct floor_cache_line lines = {.round_trips = 12345};
    struct err err = {0};
    assert_int_equal(floor_cache_line(0, 0, &lines, &err), ST_NOT_APPLICABLE);
    if (find_two_cpus(cpus)) {
        /* Either side may be the impossible one; the other thread must not be left spinning. */
        assert_int_equal(floor_cache_line(cpus[0], 100000, &lines, &err), ST_UNAVAILABLE);
        assert_non_null(err.hint[0] ? err.hint : NULL);
        assert_int_equal(floor_cache_line(100000, cpus[0], &lines, &err), ST_UNAVAILABLE);
    }
    assert_int_equal(floor_cache_line(-1, 0, &lines, &err), ST_INVALID);
    assert_int_equal(lines.round_trips, 12345);
}

static void test_calls(void **state)
{
    struct floor_calls calls = floor_calls_measure();
    assert_between(calls.clock_read_ns, 1, 10000);
    assert_between(calls.clock_tick_ns, 1, 1000000);
    assert_between(calls.system_call_ns, 5, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_line),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

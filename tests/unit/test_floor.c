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

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "harness/base/cache.h"
#include "harness/base/json.h"
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

/* ---- all of it ---- */

/* More than enough however busy the machine is: the repetitions end it. */
#define FLOOR_TEST_BUDGET_NS UINT64_C(100000000000)

static unsigned count_threads(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static struct floor measure(struct floor_config config)
{
    struct floor floor;
    struct err err = {0};
    if (floor_measure(&config, &floor, &err) != ST_OK)
        fail_msg("%s", err.what);
    return floor;
}

static void assert_no_memory_figure(const struct floor_memory *memory)
{
    assert_true(isnan(memory->copy_cached_ns) && isnan(memory->copy_evicted_ns) &&
                isnan(memory->read_cached_ns) && isnan(memory->read_evicted_ns) &&
                isnan(memory->read_written_elsewhere_ns));
}

static int has_warning(const struct floor *floor, const char *text)
{
    for (size_t i = 0; i < floor->warning_count; i++)
        if (strstr(floor->warnings[i], text))
            return 1;
    return 0;
}

static void test_everything(void **state)
{
    int cpus[2];
    if (!find_two_cpus(cpus))
        skip();
    cpu_set_t before, after;
    sched_getaffinity(0, sizeof before, &before);
    unsigned threads = count_threads();
    struct floor floor = measure((struct floor_config){
        .pairs = {{cpus[1], cpus[0]}},
        .pair_count = 1,
        .sizes_bytes = {1000003, 24000001, 1},
        .size_count = 3,
        .budget_ns = FLOOR_TEST_BUDGET_NS,
    });
    assert_int_equal(floor.warning_count, 0);
    assert_between(floor.system_call_ns, 5, 100000);
    assert_true(floor.clock_count >= 1);
    assert_string_equal(floor.clocks[0].name, "CLOCK_MONOTONIC");
    for (size_t i = 0; i < floor.clock_count; i++) {
        assert_between(floor.clocks[i].read_ns, 0.1, 100000);
        assert_between(floor.clocks[i].tick_ns, 0.01, 10000000);
    }
    assert_int_equal(floor.pair_count, 1);
    assert_int_equal(floor.pairs[0].cpus.producer, cpus[1]);
    assert_int_equal(floor.pairs[0].cpus.consumer, cpus[0]);
    assert_between(floor.pairs[0].lines.two_lines.p50_ns, 2, 100000);
    assert_between(floor.futex.wake_nobody_ns, 5, 1000000);
    assert_between(floor.futex.wake_sleeper_ns, 5, 100000000);
    assert_between(floor.futex.one_way_ns, 5, 100000000);
    for (int i = 0; i < FLOOR_NANOSLEEPS; i++)
        assert_true(floor.nanosleep[i].p50_ns >= (double)floor.nanosleep[i].requested_ns);
    int slack_ns = prctl(PR_GET_TIMERSLACK); /* emulators do not know it */
    assert_true(slack_ns < 0 ? isnan(floor.timer_slack_ns) : floor.timer_slack_ns == slack_ns);
    assert_int_equal(floor.memory_count, 3);
    for (size_t i = 0; i < floor.memory_count; i++) {
        const struct floor_memory *memory = &floor.memory[i];
        assert_true(memory->copy_cached_ns > 0 && memory->read_cached_ns > 0 &&
                    memory->read_written_elsewhere_ns > 0);
        assert_true(!cache_can_flush() ||
                    (memory->copy_evicted_ns > 0 && memory->read_evicted_ns > 0));
    }
    /* Twenty-four times the bytes. */
    assert_true(floor.memory[1].copy_cached_ns > floor.memory[0].copy_cached_ns);
    assert_true(floor.memory[1].read_cached_ns > floor.memory[0].read_cached_ns);
    assert_true(floor.memory[1].read_written_elsewhere_ns >
                floor.memory[0].read_written_elsewhere_ns);
    sched_getaffinity(0, sizeof after, &after);
    assert_true(CPU_EQUAL(&before, &after));
    /* A joined thread may be listed for a moment more. */
    for (int i = 0; i < 1000 && count_threads() != threads; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(count_threads(), threads);
}

static void test_no_time(void **state)
{
    int cpus[2];
    if (!find_two_cpus(cpus))
        skip();
    struct floor floor = measure((struct floor_config){
        .pairs = {{cpus[0], cpus[1]}},
        .pair_count = 1,
        .sizes_bytes = {1000000},
        .size_count = 1,
        .budget_ns = 1,
    });
    assert_int_equal(floor.pair_count, 1);
    assert_true(isnan(floor.pairs[0].lines.one_line.p50_ns));
    assert_true(isnan(floor.pairs[0].lines.two_lines.mean_ns));
    assert_true(isnan(floor.futex.wake_sleeper_ns) && isnan(floor.futex.one_way_ns));
    assert_true(isnan(floor.nanosleep[0].p50_ns) && isnan(floor.nanosleep[1].p50_ns));
    assert_int_equal(floor.nanosleep[1].requested_ns, 1000000);
    assert_int_equal(floor.memory_count, 1);
    assert_int_equal(floor.memory[0].bytes, 1000000);
    assert_no_memory_figure(&floor.memory[0]);
    assert_true(has_warning(&floor, "no time left"));
}

static void test_cpus_that_cannot_be_had(void **state)
{
    int cpus[2];
    if (!find_two_cpus(cpus))
        skip();
    struct floor_config config = {.pairs = {{100000, cpus[0]}, {cpus[0], cpus[1]}},
                                  .pair_count = 2,
                                  .sizes_bytes = {5000},
                                  .size_count = 1,
                                  .budget_ns = FLOOR_TEST_BUDGET_NS};
    struct floor floor = measure(config);
    assert_int_equal(floor.pair_count, 2);
    assert_true(isnan(floor.system_call_ns) && isnan(floor.clocks[0].read_ns));
    assert_true(isnan(floor.pairs[0].lines.two_lines.p50_ns));
    assert_between(floor.pairs[1].lines.two_lines.p50_ns, 2, 100000);
    assert_true(isnan(floor.futex.wake_nobody_ns) && isnan(floor.timer_slack_ns));
    assert_no_memory_figure(&floor.memory[0]);
    assert_true(has_warning(&floor, "may not run on CPU 100000"));
    /* One CPU for both: what needs two is left out, the rest is there. */
    config.pairs[0] = (struct floor_cpus){cpus[0], cpus[0]};
    config.pair_count = 1;
    floor = measure(config);
    assert_int_equal(floor.pair_count, 0);
    assert_true(floor.system_call_ns > 0 && floor.futex.wake_nobody_ns > 0);
    assert_true(isnan(floor.futex.one_way_ns) && floor.nanosleep[0].p50_ns > 0);
    assert_true(floor.memory[0].copy_cached_ns > 0 && floor.memory[0].read_cached_ns > 0);
    assert_true(isnan(floor.memory[0].read_written_elsewhere_ns));
    assert_true(has_warning(&floor, "nobody to exchange"));
    /* No CPUs in particular. */
    config.pair_count = 0;
    floor = measure(config);
    assert_int_equal(floor.warning_count, 0);
    assert_true(floor.memory[0].copy_cached_ns > 0 && floor.system_call_ns > 0);
}

static void test_bad_configs(void **state)
{
    struct floor floor = {.warning_count = 77};
    struct err err = {0};
    const struct floor_config bad[] = {
        {.pair_count = FLOOR_PAIRS_MAX + 1},
        {.size_count = FLOOR_SIZES_MAX + 1},
        {.pairs = {{0, -1}}, .pair_count = 1},
        {.sizes_bytes = {0}, .size_count = 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(floor_measure(&bad[i], &floor, &err), ST_INVALID);
    assert_int_equal(floor.warning_count, 77);
}

static void test_json(void **state)
{
    const struct floor floor = {
        .system_call_ns = 101.26,
        .clocks = {{"CLOCK_MONOTONIC", 21, 1}},
        .clock_count = 1,
        .pairs = {{.cpus = {3, 7}, .lines = {.one_line = {1, 2}, .two_lines = {NAN, 4}}}},
        .pair_count = 1,
        .futex = {1, 2, NAN},
        .nanosleep = {{100000, 5}, {1000000, NAN}},
        .timer_slack_ns = 50000,
        .memory = {{24883200, 1, 2, 3, NAN, 5}},
        .memory_count = 1,
    };
    cJSON *json = floor_to_json(&floor);
    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(
        text, "{\"system_call_ns\":101.3,"
              "\"clocks\":[{\"name\":\"CLOCK_MONOTONIC\",\"read_ns\":21,\"tick_ns\":1}],"
              "\"pairs\":[{\"producer_cpu\":3,\"consumer_cpu\":7,"
              "\"one_line\":{\"p50_ns\":1,\"mean_ns\":2},"
              "\"two_lines\":{\"p50_ns\":null,\"mean_ns\":4}}],"
              "\"futex\":{\"wake_nobody_ns\":1,\"wake_sleeper_ns\":2,\"one_way_ns\":null},"
              "\"nanosleep\":[{\"requested_ns\":100000,\"p50_ns\":5},"
              "{\"requested_ns\":1000000,\"p50_ns\":null}],"
              "\"timer_slack_ns\":50000,"
              "\"memory\":[{\"bytes\":24883200,\"copy_cached_ns\":1,\"copy_evicted_ns\":2,"
              "\"read_cached_ns\":3,\"read_evicted_ns\":null,\"read_written_elsewhere_ns\":5}]}");
    cJSON_free(text);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_line),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_calls),       cmocka_unit_test(test_everything),
        cmocka_unit_test(test_no_time),     cmocka_unit_test(test_cpus_that_cannot_be_had),
        cmocka_unit_test(test_bad_configs), cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

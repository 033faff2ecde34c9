/* test_gpu_clock.c: stamps of the GPU's clock on the CPU's: within the error that is told, or told
 * to be wrong.
 */
#include "tests/support/gpu_fixture.h"

#include <inttypes.h>

#include "harness/measure/clock.h"
#include "harness/measure/trace.h"
#include "harness/run/gpu_clock.h"
#include "tests/support/random_input.h"

/* The fake's own clock, where this runs over it. */
uint64_t fake_globaltimer_ns(void) __attribute__((weak));

struct opened {
    struct gpu *gpu;
    struct gpu_stream *stream;
    struct launcher *launcher;
    struct gpu_clock clock;
};

static struct opened open_clock(void)
{
    struct opened opened = {.gpu = gpu_fixture_open(GPU_SYNC_SPIN)};
    struct err err = {0};
    gpu_assert_ok(&err, gpu_stream_open(opened.gpu, &opened.stream, &err));
    gpu_assert_ok(&err, launcher_open(opened.gpu, &opened.launcher, &err));
    gpu_assert_ok(&err,
                  gpu_clock_open(&opened.clock, opened.gpu, opened.stream, opened.launcher, &err));
    return opened;
}

static void close_clock(struct opened *opened)
{
    gpu_clock_close(&opened->clock);
    gpu_clock_close(&opened->clock); /* twice is fine */
    launcher_close(opened->launcher);
    gpu_stream_close(opened->stream);
    gpu_close(opened->gpu);
}

/* One that a map can be made of: on a busy machine the answers of a whole exchange may come too late for
 * that, and then there is another. */
static void exchange(struct opened *opened, struct gpu_clock_pair *pair)
{
    struct err err = {0};
    int tries = 50;
    do
        gpu_assert_ok(&err, gpu_clock_exchange(&opened->clock, pair, &err));
    while (pair->error_ns > TRACE_GPU_ERROR_MAX_NS && --tries > 0);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Pairs taken in between, which have no part in the map, lie on it. */
static void test_stamps_between_two_exchanges(void **state)
{
    struct opened opened = open_clock();
    struct gpu_clock_pair pairs[6];
    struct gpu_clock_map map;
    struct err err = {0};
    for (int i = 0; i < 6; i++) {
        exchange(&opened, &pairs[i]);
        clock_sleep_until_ns(clock_now_ns() + 10000000 + random_below(20000000));
    }
    gpu_assert_ok(&err, gpu_clock_map_make(&pairs[0], &pairs[5], &map, &err));
    printf("the GPU's clock: ticks of %" PRIu64 " ns, read within %" PRIu64
           " ns, %.2f ppm off the CPU's\n",
           opened.clock.tick_ns, map.error_ns, (map.rate - 1.0) * 1e6);
    assert_true(map.error_ns <= TRACE_GPU_ERROR_MAX_NS);
    for (int i = 0; i < 6; i++) {
        uint64_t off_ns = distance(gpu_clock_to_host_ns(&map, pairs[i].gpu_ns), pairs[i].host_ns);
        if (off_ns > map.error_ns + pairs[i].error_ns)
            fail_msg("exchange %d is off by %" PRIu64 " ns; the errors are %" PRIu64
                     " and %" PRIu64,
                     i, off_ns, map.error_ns, pairs[i].error_ns);
    }
    assert_int_equal(gpu_clock_to_host_ns(&map, 0), 0);
    close_clock(&opened);
}

/* A kernel's stamps lie between its launch and the end of the wait for it. */
static void test_a_kernel_lies_within_its_call(void **state)
{
    struct opened opened = open_clock();
    struct gpu_clock_pair begin, end;
    struct gpu_clock_map map;
    struct err err = {0};
    void *host, *device;
    enum { ROUNDS = 50 };
    uint64_t calls_ns[ROUNDS][2], stamps_ns[ROUNDS][2];
    gpu_assert_ok(&err, gpu_pinned_alloc(opened.gpu, 4096, &host, &device, &err));
    const struct launch_report *report = host;
    exchange(&opened, &begin);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const struct launch_work work = {
            .kind = LAUNCH_NOTHING, .report = device, .done_value = i + 1};
        calls_ns[i][0] = clock_now_ns();
        gpu_assert_ok(&err, launcher_enqueue(opened.launcher, opened.stream, &work, &err));
        gpu_assert_ok(&err, gpu_stream_synchronize(opened.stream, &err));
        calls_ns[i][1] = clock_now_ns();
        assert_int_equal(report->done, i + 1);
        launch_report_stamps(report, &stamps_ns[i][0], &stamps_ns[i][1]);
        clock_sleep_until_ns(clock_now_ns() + random_below(500000));
    }
    exchange(&opened, &end);
    gpu_assert_ok(&err, gpu_clock_map_make(&begin, &end, &map, &err));
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t begin_ns = gpu_clock_to_host_ns(&map, stamps_ns[i][0]);
        uint64_t end_ns = gpu_clock_to_host_ns(&map, stamps_ns[i][1]);
        assert_true(begin_ns <= end_ns);
        assert_true(begin_ns + map.error_ns >= calls_ns[i][0]);
        assert_true(end_ns <= calls_ns[i][1] + map.error_ns);
    }
    gpu_pinned_free(opened.gpu, host);
    close_clock(&opened);
}

/* Whatever else is known of the GPU's clock, it says the same. */
static void test_the_fakes_own_clock(void **state)
{
    if (!fake_globaltimer_ns)
        gpu_skip("nothing else tells a real GPU's clock");
    struct opened opened = open_clock();
    struct gpu_clock_pair begin, end;
    struct gpu_clock_map map;
    struct err err = {0};
    enum { READINGS = 100 };
    uint64_t gpu_ns[READINGS], host_ns[READINGS][2];
    exchange(&opened, &begin);
    for (int i = 0; i < READINGS; i++) {
        clock_sleep_until_ns(clock_now_ns() + random_below(2000000));
        host_ns[i][0] = clock_now_ns();
        gpu_ns[i] = fake_globaltimer_ns();
        host_ns[i][1] = clock_now_ns();
    }
    exchange(&opened, &end);
    gpu_assert_ok(&err, gpu_clock_map_make(&begin, &end, &map, &err));
    for (int i = 0; i < READINGS; i++) {
        uint64_t mapped_ns = gpu_clock_to_host_ns(&map, gpu_ns[i]);
        assert_true(mapped_ns + map.error_ns + 32 >= host_ns[i][0]);
        assert_true(mapped_ns <= host_ns[i][1] + map.error_ns);
    }
    /* A deadline on it comes when it is meant, but for what the clocks run apart. */
    uint64_t deadline_ns = clock_now_ns() + 1000000000;
    uint64_t apart_ns = (deadline_ns - begin.host_ns) / 1000000 * GPU_CLOCK_DRIFT_PPM;
    assert_true(distance(gpu_clock_to_host_ns(&map, gpu_clock_to_gpu_ns(&begin, deadline_ns)),
                         deadline_ns) <= apart_ns + map.error_ns);
    close_clock(&opened);
}

static enum status make_map(uint64_t gpu_ns, uint64_t host_ns, uint64_t error_ns, struct err *err)
{
    const struct gpu_clock_pair begin = {7000000000000, 5000000000, 1000};
    const struct gpu_clock_pair end = {begin.gpu_ns + gpu_ns, begin.host_ns + host_ns, error_ns};
    struct gpu_clock_map map;
    enum status status = gpu_clock_map_make(&begin, &end, &map, err);
    if (status == ST_OK) {
        assert_int_equal(map.error_ns, error_ns > 1000 ? error_ns : 1000);
        assert_int_equal(gpu_clock_to_host_ns(&map, end.gpu_ns), end.host_ns);
        assert_int_equal(gpu_clock_to_host_ns(&map, begin.gpu_ns), begin.host_ns);
    }
    return status;
}

static void test_exchanges_that_disagree_are_refused(void **state)
{
    struct err err = {0};
    const uint64_t second_ns = 1000000000;
    assert_int_equal(make_map(second_ns, second_ns, 500, &err), ST_OK);
    /* 500 ppm of a second, and both errors. */
    assert_int_equal(make_map(second_ns + 500000 + 1500, second_ns, 500, &err), ST_OK);
    assert_int_equal(make_map(second_ns - 500000 - 1500, second_ns, 500, &err), ST_OK);
    gpu_assert_fails(&err, make_map(second_ns + 500000 + 1501, second_ns, 500, &err));
    assert_int_equal(err.status, ST_CORRUPT);
    gpu_assert_fails(&err, make_map(second_ns - 500000 - 1501, second_ns, 500, &err));
    gpu_assert_fails(&err, make_map(0, second_ns, 500, &err));
    gpu_assert_fails(&err, make_map((uint64_t)-5, 5, 500, &err));
    gpu_assert_fails(&err, make_map(5, (uint64_t)-5, 500, &err));
    assert_int_equal(make_map(second_ns, second_ns, TRACE_GPU_ERROR_MAX_NS, &err), ST_OK);
    gpu_assert_fails(&err, make_map(second_ns, second_ns, TRACE_GPU_ERROR_MAX_NS + 1, &err));
    assert_int_equal(err.status, ST_UNAVAILABLE);
}

int main(int argc, char **argv)
{
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stamps_between_two_exchanges),
        cmocka_unit_test(test_a_kernel_lies_within_its_call),
        cmocka_unit_test(test_the_fakes_own_clock),
        cmocka_unit_test(test_exchanges_that_disagree_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_fold_gpu.c: traces of launches with a GPU: whose stamps are taken, and which cannot be.
 */
#include "tests/support/fold_fixture.h"

static struct trace_gpu_record *sent_gpu(const struct launch *launch, uint32_t id)
{
    return trace_gpu_record(launch->producer, id);
}

static struct trace_gpu_record *arrived_gpu(const struct launch *launch, uint32_t index)
{
    return trace_gpu_record(launch->consumer, index);
}

/* The same launch with its kernel on a GPU: begun 170 ns after acquired, 210 ns long. */
static struct launch make_gpu_launch(struct fold_config config)
{
    config.kernel_on_gpu = true;
    struct launch launch = make_launch(config);
    launch.consumer->has_gpu = 1;
    for (uint32_t id = 0; id < total_of(&launch); id++) {
        uint64_t *stamps = arrived(&launch, id)->stamps_ns;
        stamps[STAMP_ACCESSED] = 0;
        arrived_gpu(&launch, id)->stamps_ns[STAMP_GPU_BEGIN] = stamps[STAMP_ACQUIRED] + 170;
        arrived_gpu(&launch, id)->stamps_ns[STAMP_GPU_END] = stamps[STAMP_ACQUIRED] + 380;
    }
    return launch;
}

static void test_a_kernel_on_the_gpu_has_the_gpus_stamps(void **state)
{
    struct fold_config config = usual;
    config.latest = true;
    struct launch launch = make_gpu_launch(config);
    struct fold *fold = fold_fine(&launch);
    assert_all(fold, INTERVAL_latency, 100, 1000);
    assert_all(fold, INTERVAL_handoff, 100, 140);
    assert_all(fold, INTERVAL_transfer, 100, 180);
    assert_all(fold, INTERVAL_access, 100, 170);
    assert_all(fold, INTERVAL_kernel, 100, 210);
    assert_all(fold, INTERVAL_enqueue_to_done, 100, 500);
    assert_all(fold, INTERVAL_age, 100, 670);
    fold_free(fold);
    launch.config.zero_copy = true;
    fold = fold_fine(&launch);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_access]), 0);
    assert_all(fold, INTERVAL_kernel, 100, 210);
    fold_free(fold);
    /* The CPU's cells have no such interval, whatever a trace says. */
    launch.config.kernel_on_gpu = false;
    fold = fold_fine(&launch);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_enqueue_to_done]), 0);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_kernel]), 0);
    fold_free(fold);
    free_launch(&launch);
}

/* Host stamps never stand in for the GPU's. */
static void test_absent_gpu_stamps_are_not_made_up(void **state)
{
    struct launch launch = make_gpu_launch(usual);
    for (uint32_t id = 50; id < 60; id++)
        arrived_gpu(&launch, id)->stamps_ns[STAMP_GPU_BEGIN] = 0;
    /* Frame 70 is lost, so the records behind it are those of other frames. */
    launch.config.partial = true;
    uint32_t count = total_of(&launch);
    memmove(arrived_gpu(&launch, 70), arrived_gpu(&launch, 71),
            (count - 71) * sizeof(struct trace_gpu_record));
    drop_arrival(&launch, 70);
    struct fold *fold = fold_fine(&launch);
    assert_all(fold, INTERVAL_kernel, 89, 210);
    assert_all(fold, INTERVAL_access, 89, 170);
    assert_all(fold, INTERVAL_enqueue_to_done, 99, 500);
    fold_free(fold);
    /* A role that did not get to converting its raw stamps left some in the trace all the same. */
    launch.consumer->has_gpu = 0;
    for (uint32_t id = 0; id < count; id++)
        arrived_gpu(&launch, id)->stamps_ns[STAMP_GPU_END] = random_u64();
    fold = fold_fine(&launch);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_kernel]), 0);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_access]), 0);
    assert_all(fold, INTERVAL_enqueue_to_done, 99, 500);
    fold_free(fold);
    free_launch(&launch);
}

static void test_order_event_has_no_host_intervals_of_the_fill(void **state)
{
    struct fold_config config = usual;
    config.order_event = true;
    config.fills_in_place = true;
    struct launch launch = make_gpu_launch(config);
    /* The frame was committed long before the GPU had written it. */
    for (uint32_t id = 0; id < total_of(&launch); id++) {
        uint64_t filled_ns = sent(&launch, id)->stamps_ns[STAMP_FILLED] + 200;
        sent(&launch, id)->stamps_ns[STAMP_READY] = filled_ns;
        sent(&launch, id)->stamps_ns[STAMP_FILLED] = filled_ns;
        sent_gpu(&launch, id)->stamps_ns[STAMP_GPU_FILLED] = filled_ns;
    }
    launch.producer->has_gpu = 1;
    struct fold *fold = fold_fine(&launch);
    assert_all(fold, INTERVAL_latency, 100, 480);
    assert_all(fold, INTERVAL_kernel, 100, 210);
    assert_all(fold, INTERVAL_notify, 100, 30);
    assert_all(fold, INTERVAL_enqueue_to_done, 100, 500);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_handoff]), 0);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_transfer]), 0);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_fill]), 0);
    assert_int_equal(fold->backlog_frames + fold->clamped, 0);
    fold_free(fold);
    free_launch(&launch);
}

/* A kernel that was done before the GPU had ended it, began before its frame was acquired or
 * filled, or a fill outside of its own time: the clocks or the order of the work are wrong, and no
 * figure stands. In the warm-up as well. */
static void test_gpu_stamps_that_cannot_be_are_refused(void **state)
{
    struct fold_config config = usual;
    config.zero_copy = true; /* no interval looks at the kernel's begin */
    struct launch launch = make_gpu_launch(config);
    launch.producer->has_gpu = 1;
    for (uint32_t id = 0; id < total_of(&launch); id++)
        sent_gpu(&launch, id)->stamps_ns[STAMP_GPU_FILLED] =
            sent(&launch, id)->stamps_ns[STAMP_FILLED] - 30;
    fold_free(fold_fine(&launch));
    uint32_t id = (uint32_t)random_below(total_of(&launch));
    uint64_t *filled_ns = &sent_gpu(&launch, id)->stamps_ns[STAMP_GPU_FILLED];
    uint64_t *gpu = arrived_gpu(&launch, id)->stamps_ns;
    const struct {
        uint64_t *stamp;
        uint64_t wrong_ns;
        const char *told;
    } lies[] = {
        {filled_ns, sent(&launch, id)->stamps_ns[STAMP_RESERVED] - 1, "to gpu_filled at"},
        {filled_ns, sent(&launch, id)->stamps_ns[STAMP_FILLED] + 1, "to filled at"},
        {filled_ns, gpu[STAMP_GPU_BEGIN] + 1, "-1 ns: from gpu_filled"},
        {&gpu[STAMP_GPU_BEGIN], arrived(&launch, id)->stamps_ns[STAMP_ACQUIRED] - 1,
         "to gpu_begin at"},
        {&gpu[STAMP_GPU_END], arrived(&launch, id)->stamps_ns[STAMP_DONE] + 1, "to done at"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint64_t kept_ns = *lies[i].stamp;
        uint64_t kept_filled_ns = sent(&launch, id)->stamps_ns[STAMP_FILLED];
        if (i == 2)
            sent(&launch, id)->stamps_ns[STAMP_FILLED] = 0; /* as with order event, until told */
        *lies[i].stamp = lies[i].wrong_ns;
        assert_refused(&launch, lies[i].told);
        *lies[i].stamp = kept_ns;
        sent(&launch, id)->stamps_ns[STAMP_FILLED] = kept_filled_ns;
    }
    free_launch(&launch);
}

/* The two clocks' error counts where a GPU stamp is one end, by the trace it is in, and nowhere
 * else. */
static void test_gpu_stamps_may_be_off_by_their_error(void **state)
{
    struct fold_config config = usual;
    config.tolerance_ns = 25;
    struct launch launch = make_gpu_launch(config);
    launch.producer->has_gpu = 1;
    launch.producer->gpu_error_ns = 4000;
    launch.consumer->gpu_error_ns = 300;
    uint64_t *begin_ns = &arrived_gpu(&launch, 64)->stamps_ns[STAMP_GPU_BEGIN];
    uint64_t acquired_ns = arrived(&launch, 64)->stamps_ns[STAMP_ACQUIRED];
    *begin_ns = acquired_ns - 325;
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->clamped, 1);
    fold_free(fold);
    --*begin_ns;
    assert_refused(&launch, "frame 64: the GPU's part is -326 ns");
    *begin_ns = acquired_ns;
    sent(&launch, 65)->stamps_ns[STAMP_NOTIFIED] =
        sent(&launch, 65)->stamps_ns[STAMP_COMMITTED] - 26;
    assert_refused(&launch, "frame 65: notify is -26 ns");
    sent(&launch, 65)->stamps_ns[STAMP_NOTIFIED] = 0;
    /* Ready is the GPU's with order event only. */
    uint64_t *ready_ns = &sent(&launch, 66)->stamps_ns[STAMP_READY];
    *ready_ns = arrived(&launch, 66)->stamps_ns[STAMP_DONE] + 4025;
    assert_refused(&launch, "frame 66: latency is -4025 ns");
    launch.config.order_event = true;
    launch.config.fills_in_place = true;
    fold_free(fold_fine(&launch));
    ++*ready_ns;
    assert_refused(&launch, "frame 66: latency is -4026 ns");
    launch.producer->gpu_error_ns = TRACE_GPU_ERROR_MAX_NS + 1;
    assert_refused(&launch, "the producer's GPU stamps may be off by 1000001 ns");
    free_launch(&launch);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_kernel_on_the_gpu_has_the_gpus_stamps),
        cmocka_unit_test(test_absent_gpu_stamps_are_not_made_up),
        cmocka_unit_test(test_order_event_has_no_host_intervals_of_the_fill),
        cmocka_unit_test(test_gpu_stamps_that_cannot_be_are_refused),
        cmocka_unit_test(test_gpu_stamps_may_be_off_by_their_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

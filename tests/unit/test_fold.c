/* test_fold.c: traces whose every interval is known in advance, and traces that lie.
 */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/measure/fold.h"
#include "tests/support/random_input.h"

enum { PERIOD_NS = 1000000 };

/* Two traces in mappings that punish overruns, and the config they were made for. */
struct launch {
    struct fold_config config;
    struct guarded memory[2];
    struct trace *producer;
    struct trace *consumer;
    uint64_t start_ns;
};

static uint32_t total_of(const struct launch *launch)
{
    return launch->config.warmup + launch->config.frames;
}

static struct trace_record *sent(const struct launch *launch, uint32_t id)
{
    return &launch->producer->records[id];
}

/* The consumer's record number `index`: of frame `index` unless a test moved it. */
static struct trace_record *arrived(const struct launch *launch, uint32_t index)
{
    return &launch->consumer->records[index];
}

/* A launch in which all went well: frames a millisecond apart, every stage of known length. */
static struct launch make_launch(struct fold_config config)
{
    struct launch launch = {.config = config, .start_ns = 5000000000 + random_below(1000000000)};
    uint32_t total = total_of(&launch);
    for (int i = 0; i < 2; i++)
        launch.memory[i] = guarded_make(trace_bytes(total));
    launch.producer = (struct trace *)launch.memory[0].bytes;
    launch.consumer = (struct trace *)launch.memory[1].bytes;
    trace_init(launch.producer, total);
    trace_init(launch.consumer, total);
    for (uint32_t id = 0; id < total; id++) {
        uint64_t due_ns = launch.start_ns + (uint64_t)id * PERIOD_NS;
        uint64_t ready_ns = due_ns + 50;
        *sent(&launch, id) = (struct trace_record){
            .stamps_ns = {due_ns, due_ns + 10, ready_ns, ready_ns + 20, ready_ns + 320,
                          ready_ns + 360, ready_ns + 390},
            .frame_id = (int32_t)id,
        };
        *arrived(&launch, id) = (struct trace_record){
            .stamps_ns = {due_ns - 500000, ready_ns + 460, ready_ns + 500, ready_ns + 570,
                          ready_ns + 1000, ready_ns + 1010},
            .frame_id = (int32_t)id,
            .flags = TRACE_FRAME_CHECKED,
        };
    }
    atomic_store(&launch.producer->count, total);
    atomic_store(&launch.consumer->count, total);
    return launch;
}

static void free_launch(struct launch *launch)
{
    guarded_free(&launch->memory[0]);
    guarded_free(&launch->memory[1]);
}

static enum status fold_launch(const struct launch *launch, struct fold *fold, struct err *err)
{
    size_t bytes = trace_bytes(total_of(launch));
    return fold_traces(&launch->config, launch->producer, bytes, launch->consumer, bytes, fold,
                       err);
}

static struct fold *fold_fine(const struct launch *launch)
{
    struct err err = {0};
    struct fold *fold = fold_new();
    if (fold_launch(launch, fold, &err) != ST_OK)
        fail_msg("%s", err.what);
    return fold;
}

static void assert_refused(const struct launch *launch, const char *cause)
{
    struct err err = {0};
    struct fold *fold = fold_new();
    assert_int_equal(fold_launch(launch, fold, &err), ST_CORRUPT);
    if (!strstr(err.what, cause))
        fail_msg("\"%s\" does not say \"%s\"", err.what, cause);
    fold_free(fold);
}

/* Moves the consumer's records from `index` on by one, over the one before. */
static void drop_arrival(struct launch *launch, uint32_t index)
{
    uint32_t count = atomic_load(&launch->consumer->count);
    memmove(arrived(launch, index), arrived(launch, index + 1),
            (count - index - 1) * sizeof(struct trace_record));
    atomic_store(&launch->consumer->count, count - 1);
}

static const struct fold_config usual = {
    .warmup = 8, .frames = 100, .rate = true, .deadline_ns = PERIOD_NS, .tolerance_ns = 0};

/* All values of an interval are the same here. */
static void assert_all(const struct fold *fold, enum interval interval, uint64_t count,
                       int64_t value_ns)
{
    assert_int_equal(hdr_count(fold->intervals[interval]), count);
    assert_int_equal(hdr_min_ns(fold->intervals[interval]), value_ns);
    assert_int_equal(hdr_max_ns(fold->intervals[interval]), value_ns);
}

/* ---- What is measured ------------------------------------------------------------------------ */

static void test_every_interval_is_its_definition(void **state)
{
    struct launch launch = make_launch(usual);
    struct fold *fold = fold_fine(&launch);
    assert_all(fold, INTERVAL_latency, 100, 1000);
    assert_all(fold, INTERVAL_handoff, 100, 140);
    assert_all(fold, INTERVAL_notify, 100, 30);
    assert_all(fold, INTERVAL_reserve, 100, 20);
    assert_all(fold, INTERVAL_fill, 100, 300);
    assert_all(fold, INTERVAL_transfer, 100, 180);
    assert_all(fold, INTERVAL_access, 100, 70);
    assert_all(fold, INTERVAL_kernel, 100, 430);
    assert_all(fold, INTERVAL_response, 100, 1050);
    assert_all(fold, INTERVAL_pacing, 100, 10);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_age]), 0);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_enqueue_to_done]), 0);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_round_trip]), 0);
    assert_int_equal(fold->sent_frames, 100);
    assert_int_equal(fold->finished_frames, 100);
    assert_int_equal(fold->backlog_frames + fold->clamped + fold->deadline_missed, 0);
    assert_int_equal(fold->first_frame_ns, 1000);
    assert_int_equal(fold->window_ns, 99 * (uint64_t)PERIOD_NS + 1000);
    assert_true(fold->frames_per_s > 999.999 && fold->frames_per_s < 1000.001);
    assert_true(fold->steady);
    assert_int_equal(fold->latency_count, 108);
    for (size_t i = 0; i < fold->latency_count; i++)
        assert_int_equal(fold->latencies_ns[i], 1000);
    assert_int_equal(fold->integrity.frames, 108);
    assert_int_equal(fold->integrity.checked, 108);
    assert_int_equal(fold_integrity_verdict(&fold->integrity, NULL), ST_OK);
    fold_free(fold);
    free_launch(&launch);
}

/* A first frame that is late does not make the rate look higher than it was; a launch that falls
 * behind its schedule has a lower one. */
static void test_a_rate_is_never_above_the_schedule(void **state)
{
    struct launch launch = make_launch(usual);
    arrived(&launch, 8)->stamps_ns[STAMP_DONE] += PERIOD_NS / 2;
    arrived(&launch, 8)->stamps_ns[STAMP_RELEASED] += PERIOD_NS / 2;
    struct fold *fold = fold_fine(&launch);
    assert_true(fold->frames_per_s > 999.999 && fold->frames_per_s < 1000.001);
    fold_free(fold);
    free_launch(&launch);
    launch = make_launch(usual);
    arrived(&launch, 107)->stamps_ns[STAMP_DONE] += 100 * (uint64_t)PERIOD_NS;
    arrived(&launch, 107)->stamps_ns[STAMP_RELEASED] += 100 * (uint64_t)PERIOD_NS;
    fold = fold_fine(&launch);
    assert_true(fold->frames_per_s > 500.0 && fold->frames_per_s < 503.0);
    fold_free(fold);
    free_launch(&launch);
}

static void test_intervals_exist_only_where_they_mean_something(void **state)
{
    struct fold_config config = usual;
    config.rate = false;
    config.latest = true;
    config.commit_moves_bytes = true;
    config.fills_in_place = true;
    config.zero_copy = true;
    struct launch launch = make_launch(config);
    struct fold *fold = fold_fine(&launch);
    assert_all(fold, INTERVAL_latency, 100, 1000);
    assert_all(fold, INTERVAL_age, 100, 570);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_handoff]), 0);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_reserve]), 0);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_access]), 0);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_response]), 0);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_pacing]), 0);
    assert_int_equal(fold->backlog_frames, 0);
    fold_free(fold);
    free_launch(&launch);
}

static void test_warm_up_is_left_out_and_the_first_frame_apart(void **state)
{
    struct launch launch = make_launch(usual);
    for (uint32_t id = 0; id < usual.warmup; id++)
        arrived(&launch, id)->stamps_ns[STAMP_DONE] += 400000 - 1000 * id;
    struct fold *fold = fold_fine(&launch);
    assert_all(fold, INTERVAL_latency, 100, 1000);
    assert_int_equal(fold->first_frame_ns, 401000);
    assert_int_equal(fold->latencies_ns[1], 400000);
    assert_int_equal(fold->latencies_ns[8], 1000);
    fold_free(fold);
    free_launch(&launch);
    /* Without a warm-up frame 0 is counted as well. */
    struct fold_config config = usual;
    config.warmup = 0;
    launch = make_launch(config);
    arrived(&launch, 0)->stamps_ns[STAMP_DONE] += 500;
    fold = fold_fine(&launch);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_latency]), 100);
    assert_int_equal(hdr_max_ns(fold->intervals[INTERVAL_latency]), 1500);
    assert_int_equal(fold->first_frame_ns, 1500);
    fold_free(fold);
    free_launch(&launch);
}

/* The frame was filled after the consumer took its first stamp and before its first look: it began
 * to wait earlier, and yet did not wait. */
static void test_a_frame_found_at_the_first_look_was_not_waited_for(void **state)
{
    struct launch launch = make_launch(usual);
    for (uint32_t id = 30; id < 36; id++) {
        uint64_t filled_ns = sent(&launch, id)->stamps_ns[STAMP_FILLED];
        arrived(&launch, id)->stamps_ns[STAMP_WAITING] = filled_ns - 200;
        arrived(&launch, id)->stamps_ns[STAMP_SEEN] = filled_ns - 200;
    }
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->backlog_frames, 6);
    assert_all(fold, INTERVAL_handoff, 94, 140);
    fold_free(fold);
    free_launch(&launch);
}

static void test_frames_the_consumer_did_not_wait_for_are_backlog(void **state)
{
    struct launch launch = make_launch(usual);
    /* It began to wait when the frame was filled, or later: 30 counted frames, 3 in the warm-up. */
    for (uint32_t id = 5; id < 38; id++)
        arrived(&launch, id)->stamps_ns[STAMP_WAITING] =
            sent(&launch, id)->stamps_ns[STAMP_FILLED] + random_below(2) * 50;
    /* A frame that was not waited for at all has no such stamp: neither the one nor the other. */
    arrived(&launch, 50)->stamps_ns[STAMP_WAITING] = 0;
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->backlog_frames, 30);
    assert_all(fold, INTERVAL_handoff, 69, 140);
    assert_all(fold, INTERVAL_latency, 100, 1000);
    fold_free(fold);
    free_launch(&launch);
}

static void test_absent_stamps_add_nothing(void **state)
{
    struct launch launch = make_launch(usual);
    for (uint32_t id = 20; id < 30; id++) {
        sent(&launch, id)->stamps_ns[STAMP_NOTIFIED] = 0;
        sent(&launch, id)->stamps_ns[STAMP_DUE] = 0;
        arrived(&launch, id)->stamps_ns[STAMP_ACCESSED] = 0;
    }
    struct fold *fold = fold_fine(&launch);
    assert_all(fold, INTERVAL_notify, 90, 30);
    assert_all(fold, INTERVAL_response, 90, 1050);
    assert_all(fold, INTERVAL_access, 90, 70);
    assert_all(fold, INTERVAL_kernel, 90, 430);
    assert_all(fold, INTERVAL_latency, 100, 1000);
    fold_free(fold);
    free_launch(&launch);
}

static void test_late_frames_miss_their_deadline(void **state)
{
    struct launch launch = make_launch(usual);
    /* Exactly on the deadline is in time. */
    for (uint32_t id = 40; id < 60; id++)
        arrived(&launch, id)->stamps_ns[STAMP_DONE] =
            sent(&launch, id)->stamps_ns[STAMP_DUE] + PERIOD_NS + (id < 50 ? 0 : 1);
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->deadline_missed, 10);
    fold_free(fold);
    free_launch(&launch);
}

/* ---- Kernels on a GPU ------------------------------------------------------------------------ */

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

/* A kernel that was done before the GPU had ended it, began before its frame was acquired or filled,
 * or a fill outside of its own time: the clocks or the order of the work are wrong, and no figure
 * stands. In the warm-up as well. */
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

/* How old a frame is when a user's function gets it is asked whatever the policy. */
static void test_age_exists_for_a_detector(void **state)
{
    struct launch launch = make_launch(usual);
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_age]), 0);
    fold_free(fold);
    launch.config.detector = true;
    fold = fold_fine(&launch);
    assert_all(fold, INTERVAL_age, 100, 570);
    fold_free(fold);
    free_launch(&launch);
}

/* ---- Integrity ------------------------------------------------------------------------------- */

static void test_latest_skips_and_counts_infinite_responses(void **state)
{
    struct fold_config config = usual;
    config.latest = true;
    struct launch launch = make_launch(config);
    for (int i = 0; i < 25; i++)
        drop_arrival(&launch, 8 + (uint32_t)random_below(70));
    drop_arrival(&launch, 2); /* in the warm-up */
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->integrity.skipped, 26);
    assert_int_equal(fold->integrity.lost, 0);
    assert_int_equal(fold->infinite[INTERVAL_response], 25);
    assert_int_equal(fold->infinite[INTERVAL_latency], 0);
    assert_int_equal(fold->deadline_missed, 25);
    assert_int_equal(fold->sent_frames, 100);
    assert_int_equal(fold->finished_frames, 75);
    assert_all(fold, INTERVAL_response, 75, 1050);
    assert_int_equal(fold->latencies_ns[2], UINT64_MAX);
    assert_int_equal(fold_integrity_verdict(&fold->integrity, NULL), ST_OK);
    fold_free(fold);
    free_launch(&launch);
}

static void test_latest_may_be_woken_by_an_older_frame(void **state)
{
    struct fold_config config = usual;
    config.latest = true;
    struct launch launch = make_launch(config);
    /* Frame 30 was news when frame 31 took its place. */
    arrived(&launch, 31)->stamps_ns[STAMP_SEEN] = sent(&launch, 31)->stamps_ns[STAMP_FILLED] - 5;
    struct fold *fold = fold_fine(&launch);
    assert_all(fold, INTERVAL_handoff, 99, 140);
    assert_int_equal(fold->backlog_frames, 1);
    fold_free(fold);
    /* Under policy block that cannot be. */
    launch.config.latest = false;
    assert_refused(&launch, "frame 31: handoff is -5 ns");
    free_launch(&launch);
}

static void test_broken_frames_are_counted(void **state)
{
    struct launch launch = make_launch(usual);
    struct err err = {0};
    arrived(&launch, 3)->flags |= TRACE_FRAME_TORN;
    arrived(&launch, 70)->flags |= TRACE_FRAME_TORN | TRACE_FRAME_BAD_SHAPE;
    arrived(&launch, 71)->flags |= TRACE_FRAME_BAD_SHAPE;
    arrived(&launch, 72)->flags = 0;
    /* 80 arrives in place of 81, that is twice; 81 never; 90 and 91 change places. */
    *arrived(&launch, 81) = *arrived(&launch, 80);
    struct trace_record kept = *arrived(&launch, 90);
    *arrived(&launch, 90) = *arrived(&launch, 91);
    *arrived(&launch, 91) = kept;
    launch.consumer->overflowed = 4;
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->integrity.torn, 3);
    assert_int_equal(fold->integrity.checked, 107);
    assert_int_equal(fold->integrity.repeated, 1 + 4);
    assert_int_equal(fold->integrity.lost, 1);
    assert_int_equal(fold->integrity.reordered, 1);
    assert_int_equal(fold->infinite[INTERVAL_response], 1);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_latency]), 99);
    assert_int_equal(fold_integrity_verdict(&fold->integrity, &err), ST_CORRUPT);
    assert_string_equal(err.what, "of 108 frames 3 were torn, 1 lost, 5 repeated, 1 reordered");
    fold_free(fold);
    free_launch(&launch);
}

static void test_each_kind_of_breakage_fails_the_launch(void **state)
{
    for (int kind = 0; kind < 4; kind++) {
        struct fold_integrity integrity = {.frames = 10, .checked = 10, .skipped = 5};
        assert_int_equal(fold_integrity_verdict(&integrity, NULL), ST_OK);
        *(kind == 0   ? &integrity.torn
          : kind == 1 ? &integrity.lost
          : kind == 2 ? &integrity.repeated
                      : &integrity.reordered) = 1;
        assert_int_equal(fold_integrity_verdict(&integrity, NULL), ST_CORRUPT);
    }
}

/* ---- Launches that broke off ----------------------------------------------------------------- */

static void test_a_partial_launch_is_folded_as_far_as_it_went(void **state)
{
    struct fold_config config = usual;
    config.partial = true;
    struct launch launch = make_launch(config);
    atomic_store(&launch.producer->count, 60);
    atomic_store(&launch.consumer->count, 57);
    drop_arrival(&launch, 40); /* a hole before the end is a loss all the same */
    arrived(&launch, 55)->stamps_ns[STAMP_DONE] = 0; /* it died in the middle of this one */
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->sent_frames, 52);
    assert_int_equal(fold->finished_frames, 57 - 8 - 2);
    assert_int_equal(fold->integrity.lost, 1);
    assert_int_equal(fold->integrity.frames, 60);
    assert_int_equal(fold->latency_count, 60);
    fold_free(fold);
    /* The same without being told that it broke off. */
    launch.config.partial = false;
    assert_refused(&launch, "only 60 of 108 frames");
    /* The consumer may have one more than the producer came to note. */
    launch.config.partial = true;
    atomic_store(&launch.producer->count, 30);
    fold = fold_fine(&launch);
    assert_int_equal(fold->sent_frames, 22);
    fold_free(fold);
    /* Neither role got anywhere. */
    atomic_store(&launch.producer->count, 0);
    atomic_store(&launch.consumer->count, 0);
    fold = fold_fine(&launch);
    assert_int_equal(fold->sent_frames + fold->finished_frames + fold->window_ns, 0);
    assert_int_equal(fold->latency_count, 0);
    fold_free(fold);
    free_launch(&launch);
}

static void test_a_fold_can_be_used_again(void **state)
{
    struct fold_config config = usual;
    config.latest = true;
    struct launch launch = make_launch(config);
    drop_arrival(&launch, 60);
    struct fold *fold = fold_fine(&launch);
    struct launch other = make_launch(usual);
    assert_int_equal(fold_launch(&other, fold, NULL), ST_OK);
    assert_all(fold, INTERVAL_response, 100, 1050);
    assert_int_equal(fold->infinite[INTERVAL_response] + fold->integrity.skipped, 0);
    fold_free(fold);
    fold_free(NULL);
    free_launch(&launch);
    free_launch(&other);
}

/* ---- Traces that lie ------------------------------------------------------------------------- */

static void test_impossible_times_name_frame_and_stamps(void **state)
{
    struct launch launch = make_launch(usual);
    uint64_t ready_ns = sent(&launch, 64)->stamps_ns[STAMP_READY];
    arrived(&launch, 64)->stamps_ns[STAMP_DONE] = ready_ns - 7;
    struct err err = {0};
    struct fold *fold = fold_new();
    assert_int_equal(fold_launch(&launch, fold, &err), ST_CORRUPT);
    char expected[200];
    snprintf(expected, sizeof expected,
             "frame 64: latency is -7 ns: from ready at %" PRIu64 " to done at %" PRIu64, ready_ns,
             ready_ns - 7);
    assert_string_equal(err.what, expected);
    fold_free(fold);
    arrived(&launch, 64)->stamps_ns[STAMP_DONE] = UINT64_MAX;
    assert_refused(&launch, "frame 64: latency is ");
    arrived(&launch, 64)->stamps_ns[STAMP_DONE] = ready_ns + HDR_HIGHEST_NS + 1;
    assert_refused(&launch, "frame 64: latency is 3600000000001 ns");
    free_launch(&launch);
}

static void test_the_clocks_error_is_tolerated_and_noted(void **state)
{
    struct fold_config config = usual;
    config.tolerance_ns = 25;
    struct launch launch = make_launch(config);
    sent(&launch, 4)->stamps_ns[STAMP_NOTIFIED] = sent(&launch, 4)->stamps_ns[STAMP_COMMITTED] - 1;
    sent(&launch, 64)->stamps_ns[STAMP_NOTIFIED] =
        sent(&launch, 64)->stamps_ns[STAMP_COMMITTED] - 25;
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->clamped, 1);
    assert_int_equal(hdr_min_ns(fold->intervals[INTERVAL_notify]), 0);
    fold_free(fold);
    sent(&launch, 64)->stamps_ns[STAMP_NOTIFIED]--;
    assert_refused(&launch, "frame 64: notify is -26 ns");
    free_launch(&launch);
}

static void test_ids_that_cannot_be_are_refused(void **state)
{
    static const int32_t impossible[] = {-1, INT32_MIN, 108, 109, INT32_MAX};
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        struct launch launch = make_launch(usual);
        arrived(&launch, 33)->frame_id = impossible[i];
        assert_refused(&launch, "consumer's trace: record 33 has frame id");
        arrived(&launch, 33)->frame_id = 33;
        sent(&launch, 33)->frame_id = impossible[i];
        assert_refused(&launch, "producer's trace: record 33 has frame id");
        free_launch(&launch);
    }
    struct launch launch = make_launch(usual);
    launch.producer->overflowed = 1;
    assert_refused(&launch, "found no room");
    launch.producer->overflowed = 0;
    launch.config.frames--;
    struct err err = {0};
    struct fold *fold = fold_new();
    size_t bytes = trace_bytes(108);
    assert_int_equal(
        fold_traces(&launch.config, launch.producer, bytes, launch.consumer, bytes, fold, &err),
        ST_CORRUPT);
    assert_non_null(strstr(err.what, "108 frames sent where 107 were planned"));
    fold_free(fold);
    free_launch(&launch);
}

static void test_random_damage_never_crashes(void **state)
{
    size_t accepted = 0;
    for (int round = 0; round < 400; round++) {
        struct fold_config config = usual;
        config.frames = 1 + (uint32_t)random_below(60);
        config.warmup = (uint32_t)random_below(10);
        config.partial = random_below(2);
        config.latest = random_below(2);
        config.tolerance_ns = (int64_t)random_below(2) * 1000000;
        struct launch launch = make_launch(config);
        size_t bytes = trace_bytes(total_of(&launch));
        for (uint64_t hits = random_below(4); hits > 0; hits--) {
            uint8_t *memory = launch.memory[random_below(2)].bytes;
            size_t at = (size_t)random_below(random_below(4) ? bytes : sizeof(struct trace));
            memory[at] = (uint8_t)random_u64();
        }
        struct fold *fold = fold_new();
        struct err err = {0};
        enum status status = fold_launch(&launch, fold, &err);
        assert_true(status == ST_OK || (status == ST_CORRUPT && err.what[0]));
        accepted += status == ST_OK;
        fold_free(fold);
        free_launch(&launch);
    }
    assert_true(accepted > 40 && accepted < 400);
}

/* With random gaps a kept rate is that of the schedule, not the nominal one, whatever the gaps. */
static void test_random_gaps_read_as_their_schedule(void **state)
{
    struct launch launch = make_launch(usual);
    uint64_t due_ns = launch.start_ns, first_ns = 0;
    for (uint32_t id = 0; id < total_of(&launch); id++) {
        /* The pauses are longer than a frame takes. */
        uint64_t shift_ns = due_ns - sent(&launch, id)->stamps_ns[STAMP_DUE];
        for (int i = 0; i < TRACE_STAMPS; i++) {
            sent(&launch, id)->stamps_ns[i] += sent(&launch, id)->stamps_ns[i] ? shift_ns : 0;
            arrived(&launch, id)->stamps_ns[i] += arrived(&launch, id)->stamps_ns[i] ? shift_ns : 0;
        }
        first_ns = id == launch.config.warmup ? due_ns : first_ns;
        due_ns += 5000 + random_below(2 * PERIOD_NS);
    }
    uint64_t last_ns = sent(&launch, total_of(&launch) - 1)->stamps_ns[STAMP_DUE];
    double gap_ns = (double)(last_ns - first_ns) / (launch.config.frames - 1);
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->finished_frames, launch.config.frames);
    assert_true(fabs(fold->frames_per_s * gap_ns * 1e-9 - 1.0) < 1e-9);
    fold_free(fold);
    free_launch(&launch);
}

/* It ends where the next frame begins, so the last one has none; the consumer's clock is not in it. */
/* ---- Over its time --------------------------------------------------------------------------- */

/* Makes frame `id` end that much later than the usual 1050 ns after it was due. */
static void delay_frame(const struct launch *launch, uint32_t id, uint64_t late_ns)
{
    for (int stamp = STAMP_SEEN; stamp <= STAMP_RELEASED; stamp++)
        arrived(launch, id)->stamps_ns[stamp] += late_ns;
}

static void test_a_timeline_has_every_frame_in_its_stretch(void **state)
{
    struct fold_config config = usual;
    config.frames = 600 + random_below(100);
    struct launch launch = make_launch(config);
    const uint32_t late = config.warmup + random_below(config.frames);
    delay_frame(&launch, late, 700);
    delay_frame(&launch, config.warmup - 1, 50000); /* not counted */
    struct fold *fold = fold_fine(&launch);
    const struct fold_timeline *timeline = &fold->timeline;
    const uint64_t span_ns = (uint64_t)(config.frames - 1) * PERIOD_NS;
    const uint32_t late_in =
        (uint32_t)((uint64_t)(late - config.warmup) * PERIOD_NS / timeline->bucket_ns);
    uint32_t frames = 0;
    assert_int_equal(timeline->interval, INTERVAL_response);
    assert_int_equal(timeline->bucket_count, FOLD_BUCKETS_MAX);
    assert_true(timeline->bucket_ns * FOLD_BUCKETS_MAX > span_ns);
    assert_true((timeline->bucket_ns - 1) * FOLD_BUCKETS_MAX <= span_ns);
    for (uint32_t i = 0; i < FOLD_BUCKETS_MAX; i++) {
        const uint64_t begin = i * timeline->bucket_ns, end = begin + timeline->bucket_ns;
        uint32_t in_it = 0;
        for (uint32_t id = 0; id < config.frames; id++)
            in_it += (uint64_t)id * PERIOD_NS >= begin && (uint64_t)id * PERIOD_NS < end;
        assert_int_equal(timeline->frames[i], in_it);
        assert_int_equal(timeline->unfinished[i], 0);
        assert_int_equal(timeline->p50_ns[i], 1050);
        assert_int_equal(timeline->max_ns[i], i == late_in ? 1750 : 1050);
        frames += timeline->frames[i];
    }
    assert_int_equal(frames, config.frames);
    fold_free(fold);
    free_launch(&launch);
    (void)state;
}

static void test_the_middle_of_a_stretch_is_its_median(void **state)
{
    struct launch launch = make_launch((struct fold_config){.warmup = 3, .frames = 12});
    static const uint64_t late_ns[12] = {900, 10, 500, 30, 40, 700, 5, 4, 3, 2, 1, 0};
    for (uint32_t i = 0; i < 12; i++)
        delay_frame(&launch, 3 + i, late_ns[i]);
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->timeline.interval, INTERVAL_latency);
    assert_int_equal(fold->timeline.bucket_count, 2);
    assert_int_equal(fold->timeline.p50_ns[0], 1040); /* the lower one of the middle two */
    assert_int_equal(fold->timeline.max_ns[0], 1900);
    assert_int_equal(fold->timeline.p50_ns[1], 1002);
    assert_int_equal(fold->timeline.max_ns[1], 1005);
    fold_free(fold);
    free_launch(&launch);
    /* Too short for two stretches. */
    launch = make_launch((struct fold_config){.warmup = 3, .frames = 11});
    fold = fold_fine(&launch);
    assert_int_equal(fold->timeline.bucket_count, 0);
    fold_free(fold);
    free_launch(&launch);
    (void)state;
}

/* Usual frames take 1050 ns, so the limit is p50 + 1 us at first, then p50 twice. */
static void test_hiccups_are_runs_of_frames_beyond_the_limit(void **state)
{
    struct fold_config config = usual;
    config.frames = 300;
    struct launch launch = make_launch(config);
    const uint32_t stall = config.warmup + 20 + random_below(100);
    delay_frame(&launch, stall, 2500); /* one stall, and its largest frame in the middle */
    delay_frame(&launch, stall + 1, 9000);
    delay_frame(&launch, stall + 2, 4000);
    delay_frame(&launch, stall + 10, 1050); /* at the limit: not beyond */
    delay_frame(&launch, stall + 20, 1055);
    struct fold *fold = fold_fine(&launch);
    const struct fold_timeline *timeline = &fold->timeline;
    const uint64_t p50_ns = (uint64_t)hdr_quantile_ns(fold->intervals[INTERVAL_response], 0.5);
    assert_int_equal(timeline->hiccup_above_ns, 2 * p50_ns);
    assert_int_equal(timeline->hiccup_count, 2);
    assert_int_equal(timeline->hiccup_frames, 4);
    assert_int_equal(timeline->hiccups_kept, 2);
    assert_int_equal(timeline->hiccups[0].value_ns, 10050);
    assert_int_equal(timeline->hiccups[0].frames, 3);
    assert_int_equal(timeline->hiccups[0].offset_ns,
                     (uint64_t)(stall + 1 - config.warmup) * PERIOD_NS);
    assert_int_equal(timeline->hiccups[1].value_ns, 2105);
    fold_free(fold);
    /* What more than one frame in ten has widens the limit: that is how the cell is. */
    for (uint32_t id = config.warmup; id < config.warmup + config.frames; id += 7)
        delay_frame(&launch, id, 3000);
    fold = fold_fine(&launch);
    assert_true(fold->timeline.hiccup_above_ns > 30000);
    assert_int_equal(fold->timeline.hiccup_count, 0);
    fold_free(fold);
    free_launch(&launch);
    (void)state;
}

static void test_less_than_a_microsecond_is_no_hiccup(void **state)
{
    struct launch launch = make_launch((struct fold_config){.warmup = 2, .frames = 100});
    for (uint32_t id = 0; id < 102; id++)
        arrived(&launch, id)->stamps_ns[STAMP_DONE] -= 429; /* a latency of 571 ns */
    delay_frame(&launch, 40, 1000);
    delay_frame(&launch, 50, 1001);
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->timeline.hiccup_above_ns, 1571);
    assert_int_equal(fold->timeline.hiccup_count, 1);
    assert_int_equal(fold->timeline.hiccups[0].value_ns, 1572);
    fold_free(fold);
    free_launch(&launch);
    (void)state;
}

static void test_the_largest_hiccups_are_kept_in_order_of_time(void **state)
{
    struct fold_config config = usual;
    config.frames = 900;
    struct launch launch = make_launch(config);
    enum { STALLS = 20 };
    uint64_t late_ns[STALLS];
    for (uint32_t i = 0; i < STALLS; i++) {
        late_ns[i] = 10000 + 1000 * (uint64_t)i;
        uint32_t other = random_below(i + 1);
        uint64_t kept = late_ns[other];
        late_ns[other] = late_ns[i];
        late_ns[i] = kept;
    }
    for (uint32_t i = 0; i < STALLS; i++)
        delay_frame(&launch, config.warmup + 30 + 40 * i, late_ns[i]);
    struct fold *fold = fold_fine(&launch);
    assert_int_equal(fold->timeline.hiccup_count, STALLS);
    assert_int_equal(fold->timeline.hiccups_kept, FOLD_HICCUPS_MAX);
    uint32_t at = 0;
    for (uint32_t i = 0; i < STALLS; i++)
        if (late_ns[i] >= 10000 + 1000 * (STALLS - FOLD_HICCUPS_MAX)) {
            assert_int_equal(fold->timeline.hiccups[at].value_ns, 1050 + late_ns[i]);
            assert_int_equal(fold->timeline.hiccups[at++].offset_ns,
                             (uint64_t)(30 + 40 * i) * PERIOD_NS);
        }
    assert_int_equal(at, FOLD_HICCUPS_MAX);
    fold_free(fold);
    free_launch(&launch);
    (void)state;
}

static void test_frames_that_never_finished_are_in_the_timeline_apart(void **state)
{
    struct fold_config config = usual;
    config.latest = true;
    struct launch launch = make_launch(config);
    drop_arrival(&launch, config.warmup + 60);
    struct fold *fold = fold_fine(&launch);
    uint32_t unfinished = 0, finished = 0;
    for (uint32_t i = 0; i < fold->timeline.bucket_count; i++) {
        unfinished += fold->timeline.unfinished[i];
        finished += fold->timeline.frames[i];
    }
    assert_int_equal(unfinished, 1);
    assert_int_equal(finished, config.frames - 1);
    assert_int_equal(fold->timeline.hiccup_count, 0);
    fold_free(fold);
    /* A launch that broke off has none. */
    config.partial = true;
    launch.config = config;
    fold = fold_fine(&launch);
    assert_int_equal(fold->timeline.bucket_count, 0);
    fold_free(fold);
    free_launch(&launch);
    (void)state;
}

static void test_a_round_trip_is_of_the_producers_clock_alone(void **state)
{
    struct fold_config config = usual;
    config.rate = false;
    config.pingpong = true;
    struct launch launch = make_launch(config);
    for (uint32_t i = 0; i < total_of(&launch); i++)
        for (int j = 0; j < TRACE_STAMPS; j++)
            arrived(&launch, i)->stamps_ns[j] += arrived(&launch, i)->stamps_ns[j] ? 77000 : 0;
    struct fold *fold = fold_fine(&launch);
    /* A histogram of three digits rounds it. */
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_round_trip]), 99);
    assert_true(fabs(hdr_mean_ns(fold->intervals[INTERVAL_round_trip]) - (PERIOD_NS - 40)) < 1000);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_latency]), 100);
    assert_true(fabs(hdr_mean_ns(fold->intervals[INTERVAL_latency]) - 78000) < 100);
    fold_free(fold);
    /* What was sent of a launch that broke off, and nothing that arrived. */
    launch.config.partial = true;
    atomic_store(&launch.producer->count, 40);
    atomic_store(&launch.consumer->count, 0);
    fold = fold_fine(&launch);
    assert_int_equal(hdr_count(fold->intervals[INTERVAL_round_trip]), 40 - 8 - 1);
    assert_int_equal(fold->sent_frames, 40 - 8);
    assert_int_equal(fold->integrity.frames, 40);
    assert_int_equal(fold->integrity.lost, 0);
    fold_free(fold);
    sent(&launch, 20)->stamps_ns[STAMP_WOKE] = sent(&launch, 19)->stamps_ns[STAMP_READY] - 1;
    assert_refused(&launch, "round_trip");
    free_launch(&launch);
}

/* Two hosts' clocks agree within something: only what spans both of them may be negative by it. */
static void test_clocks_of_two_hosts_may_be_apart(void **state)
{
    struct fold_config config = usual;
    config.apart_ns = 5000;
    struct launch launch = make_launch(config);
    for (uint32_t i = 0; i < total_of(&launch); i++)
        for (int j = 0; j < TRACE_STAMPS; j++)
            arrived(&launch, i)->stamps_ns[j] -= arrived(&launch, i)->stamps_ns[j] ? 5000 : 0;
    struct fold *fold = fold_fine(&launch);
    assert_all(fold, INTERVAL_latency, 100, 0);
    assert_all(fold, INTERVAL_kernel, 100, 430);
    assert_true(fold->clamped > 0);
    fold_free(fold);
    arrived(&launch, 50)->stamps_ns[STAMP_DONE] =
        arrived(&launch, 50)->stamps_ns[STAMP_ACCESSED] - 1;
    assert_refused(&launch, "kernel");
    launch.config.apart_ns = 3000;
    assert_refused(&launch, "latency");
    free_launch(&launch);
}

/* What the clocks may be apart is not held against the rate; what is more than that is. */
static void test_a_rate_across_two_hosts_is_not_of_the_clocks(void **state)
{
    struct fold_config config = usual;
    config.apart_ns = 5 * (uint64_t)PERIOD_NS;
    struct launch launch = make_launch(config);
    for (uint32_t i = 0; i < total_of(&launch); i++)
        for (int j = 0; j < TRACE_STAMPS; j++)
            arrived(&launch, i)->stamps_ns[j] +=
                arrived(&launch, i)->stamps_ns[j] ? config.apart_ns : 0;
    struct fold *fold = fold_fine(&launch);
    assert_true(fold->frames_per_s > 999.999 && fold->frames_per_s < 1000.001);
    fold_free(fold);
    arrived(&launch, 107)->stamps_ns[STAMP_DONE] += 100 * (uint64_t)PERIOD_NS;
    arrived(&launch, 107)->stamps_ns[STAMP_RELEASED] += 100 * (uint64_t)PERIOD_NS;
    fold = fold_fine(&launch);
    assert_true(fold->frames_per_s > 500.0 && fold->frames_per_s < 503.0);
    fold_free(fold);
    free_launch(&launch);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_interval_is_its_definition),
        cmocka_unit_test(test_a_rate_is_never_above_the_schedule),
        cmocka_unit_test(test_intervals_exist_only_where_they_mean_something),
        cmocka_unit_test(test_warm_up_is_left_out_and_the_first_frame_apart),
        cmocka_unit_test(test_frames_the_consumer_did_not_wait_for_are_backlog),
        cmocka_unit_test(test_a_frame_found_at_the_first_look_was_not_waited_for),
        cmocka_unit_test(test_absent_stamps_add_nothing),
        cmocka_unit_test(test_late_frames_miss_their_deadline),
        cmocka_unit_test(test_a_kernel_on_the_gpu_has_the_gpus_stamps),
        cmocka_unit_test(test_absent_gpu_stamps_are_not_made_up),
        cmocka_unit_test(test_order_event_has_no_host_intervals_of_the_fill),
        cmocka_unit_test(test_gpu_stamps_that_cannot_be_are_refused),
        cmocka_unit_test(test_gpu_stamps_may_be_off_by_their_error),
        cmocka_unit_test(test_age_exists_for_a_detector),
        cmocka_unit_test(test_latest_skips_and_counts_infinite_responses),
        cmocka_unit_test(test_latest_may_be_woken_by_an_older_frame),
        cmocka_unit_test(test_broken_frames_are_counted),
        cmocka_unit_test(test_each_kind_of_breakage_fails_the_launch),
        cmocka_unit_test(test_a_partial_launch_is_folded_as_far_as_it_went),
        cmocka_unit_test(test_a_fold_can_be_used_again),
        cmocka_unit_test(test_impossible_times_name_frame_and_stamps),
        cmocka_unit_test(test_the_clocks_error_is_tolerated_and_noted),
        cmocka_unit_test(test_ids_that_cannot_be_are_refused),
        cmocka_unit_test(test_random_damage_never_crashes),
        cmocka_unit_test(test_random_gaps_read_as_their_schedule),
        cmocka_unit_test(test_a_timeline_has_every_frame_in_its_stretch),
        cmocka_unit_test(test_the_middle_of_a_stretch_is_its_median),
        cmocka_unit_test(test_hiccups_are_runs_of_frames_beyond_the_limit),
        cmocka_unit_test(test_less_than_a_microsecond_is_no_hiccup),
        cmocka_unit_test(test_the_largest_hiccups_are_kept_in_order_of_time),
        cmocka_unit_test(test_frames_that_never_finished_are_in_the_timeline_apart),
        cmocka_unit_test(test_a_round_trip_is_of_the_producers_clock_alone),
        cmocka_unit_test(test_clocks_of_two_hosts_may_be_apart),
        cmocka_unit_test(test_a_rate_across_two_hosts_is_not_of_the_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

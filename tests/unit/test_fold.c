/* test_fold.c: traces of launches that went well or lost frames, whose every interval is known in
 * advance.
 */
#include <math.h>

#include "tests/support/fold_fixture.h"

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

/* ---- Roles on two hosts ---------------------------------------------------------------------- */

/* It ends where the next frame begins, so the last one has none; the consumer's clock is not in
 * it. */
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
        cmocka_unit_test(test_a_frame_found_at_the_first_look_was_not_waited_for),
        cmocka_unit_test(test_frames_the_consumer_did_not_wait_for_are_backlog),
        cmocka_unit_test(test_absent_stamps_add_nothing),
        cmocka_unit_test(test_late_frames_miss_their_deadline),
        cmocka_unit_test(test_random_gaps_read_as_their_schedule),
        cmocka_unit_test(test_age_exists_for_a_detector),
        cmocka_unit_test(test_latest_skips_and_counts_infinite_responses),
        cmocka_unit_test(test_latest_may_be_woken_by_an_older_frame),
        cmocka_unit_test(test_broken_frames_are_counted),
        cmocka_unit_test(test_each_kind_of_breakage_fails_the_launch),
        cmocka_unit_test(test_a_round_trip_is_of_the_producers_clock_alone),
        cmocka_unit_test(test_clocks_of_two_hosts_may_be_apart),
        cmocka_unit_test(test_a_rate_across_two_hosts_is_not_of_the_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

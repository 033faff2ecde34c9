/* test_fold_damage.c: traces that end early, and traces that lie.
 */
#include <inttypes.h>

#include "tests/support/fold_fixture.h"

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

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_partial_launch_is_folded_as_far_as_it_went),
        cmocka_unit_test(test_a_fold_can_be_used_again),
        cmocka_unit_test(test_impossible_times_name_frame_and_stamps),
        cmocka_unit_test(test_the_clocks_error_is_tolerated_and_noted),
        cmocka_unit_test(test_ids_that_cannot_be_are_refused),
        cmocka_unit_test(test_random_damage_never_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

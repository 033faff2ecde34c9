/* test_fold_timeline.c: what a fold keeps of a launch over its time: stretches, and the longest
 * hiccups.
 */
#include "tests/support/fold_fixture.h"

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

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_timeline_has_every_frame_in_its_stretch),
        cmocka_unit_test(test_the_middle_of_a_stretch_is_its_median),
        cmocka_unit_test(test_hiccups_are_runs_of_frames_beyond_the_limit),
        cmocka_unit_test(test_less_than_a_microsecond_is_no_hiccup),
        cmocka_unit_test(test_the_largest_hiccups_are_kept_in_order_of_time),
        cmocka_unit_test(test_frames_that_never_finished_are_in_the_timeline_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

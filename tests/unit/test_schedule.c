/* test_schedule.c: that frames fall due as the pacing promises: the distribution of their gaps, and
 * that a launch can be repeated. Bounds are such that a right schedule fails once in a million. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/run/schedule.h"
#include "tests/support/random_input.h"

enum { FRAMES = 20000 };

static struct schedule open_schedule(enum pacing pacing, enum phase phase, double rate_hz,
                                     uint64_t seed)
{
    struct err err = {.what = ""};
    struct schedule schedule;
    const struct cell cell = {.pacing = pacing, .phase = phase, .rate_hz = rate_hz};
    if (schedule_open(&cell, FRAMES, seed, &schedule, &err) != ST_OK)
        fail_msg("%s", err.what);
    return schedule;
}

/* Any rate there can be, low and high ones as likely. */
static double random_rate_hz(void)
{
    return pow(10.0, -1.0 + 7.0 * (double)random_below(1000) / 1000.0);
}

static void a_fixed_phase_is_a_steady_clock(void **state)
{
    (void)state;
    double rate_hz = random_rate_hz();
    struct schedule schedule = open_schedule(PACING_RATE, PHASE_FIXED, rate_hz, random_u64());
    for (uint32_t id = 0; id < FRAMES; id++)
        assert_int_equal(schedule.offsets_ns[id], (uint64_t)(1e9 / rate_hz * id));
    assert_int_equal(schedule_gap_ns(&schedule, 0), (uint64_t)(1e9 / rate_hz));
    schedule_close(&schedule);
    schedule_close(&schedule);
}

static void a_random_phase_keeps_its_distance(void **state)
{
    (void)state;
    double rate_hz = random_rate_hz(), period_ns = 1e9 / rate_hz;
    struct schedule schedule = open_schedule(PACING_RATE, PHASE_RANDOM, rate_hz, random_u64());
    double sum = 0.0, squares = 0.0;
    for (uint32_t id = 0; id < FRAMES; id++) {
        double into = (double)schedule.offsets_ns[id] / period_ns - id;
        /* Offsets are whole nanoseconds. */
        assert_true(into > -1.0 / period_ns - 1e-9 && into < 0.5 + 1e-9);
        if (id > 0)
            assert_true((double)schedule_gap_ns(&schedule, id) > 0.5 * period_ns - 1.0);
        sum += into;
        squares += into * into;
    }
    /* Uniform on [0, 1/2): mean 1/4, variance 1/48. */
    double mean = sum / FRAMES, rounding = 1.0 / period_ns;
    assert_true(fabs(mean - 0.25) < 6.0 * sqrt(1.0 / 48 / FRAMES) + rounding);
    assert_true(fabs(squares / FRAMES - mean * mean - 1.0 / 48) < 0.05 / 48 + rounding);
    schedule_close(&schedule);
}

static int compare_doubles(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static void poisson_gaps_are_exponential(void **state)
{
    (void)state;
    double rate_hz = fmin(random_rate_hz(), 1e5), period_ns = 1e9 / rate_hz;
    struct schedule schedule = open_schedule(PACING_POISSON, PHASE_FIXED, rate_hz, random_u64());
    enum { GAPS = FRAMES - 1 };
    double *gaps = calloc(GAPS, sizeof *gaps);
    double sum = 0.0, squares = 0.0, neighbours = 0.0, farthest = 0.0;
    assert_int_equal(schedule.offsets_ns[0], 0);
    for (uint32_t i = 0; i < GAPS; i++) {
        assert_true(schedule.offsets_ns[i + 1] >= schedule.offsets_ns[i]);
        gaps[i] = (double)schedule_gap_ns(&schedule, i + 1) / period_ns;
        sum += gaps[i];
        squares += gaps[i] * gaps[i];
        neighbours += i > 0 ? (gaps[i] - 1.0) * (gaps[i - 1] - 1.0) : 0.0;
    }
    double mean = sum / GAPS;
    assert_true(fabs(mean - 1.0) < 6.0 / sqrt(GAPS));
    /* The variance of a sample variance of an exponential is 8 / n. */
    assert_true(fabs(squares / GAPS - mean * mean - 1.0) < 6.0 * sqrt(8.0 / GAPS));
    /* Gaps know nothing of each other. */
    assert_true(fabs(neighbours / GAPS) < 6.0 / sqrt(GAPS));
    /* Kolmogorov and Smirnov: beyond this once in ten million. */
    qsort(gaps, GAPS, sizeof gaps[0], compare_doubles);
    for (uint32_t i = 0; i < GAPS; i++) {
        double expected = 1.0 - exp(-gaps[i]);
        farthest = fmax(farthest,
                        fmax(fabs(expected - (double)i / GAPS), fabs((i + 1.0) / GAPS - expected)));
    }
    double bound = sqrt(log(2e7) / (2.0 * GAPS)) + 1.0 / period_ns;
    if (farthest >= bound)
        fail_msg("the gaps are %.4f from exponential, more than %.4f", farthest, bound);
    free(gaps);
    schedule_close(&schedule);
}

static void a_schedule_follows_from_its_seed(void **state)
{
    (void)state;
    static const struct {
        enum pacing pacing;
        enum phase phase;
    } kinds[] = {{PACING_RATE, PHASE_RANDOM}, {PACING_POISSON, PHASE_FIXED}};
    uint64_t seed = random_below((uint64_t)1 << 53);
    for (size_t i = 0; i < 2; i++) {
        struct schedule one = open_schedule(kinds[i].pacing, kinds[i].phase, 100, seed);
        struct schedule same = open_schedule(kinds[i].pacing, kinds[i].phase, 100, seed);
        /* The seeds of neighbouring launches are neighbours. */
        struct schedule next = open_schedule(kinds[i].pacing, kinds[i].phase, 100, seed + 1);
        uint32_t equal = 0;
        assert_memory_equal(one.offsets_ns, same.offsets_ns, FRAMES * sizeof *one.offsets_ns);
        for (uint32_t id = 1; id < FRAMES; id++)
            equal += one.offsets_ns[id] == next.offsets_ns[id];
        assert_true(equal < 10);
        schedule_close(&one);
        schedule_close(&same);
        schedule_close(&next);
    }
}

static void without_a_schedule_there_is_none(void **state)
{
    (void)state;
    struct schedule schedule = open_schedule(PACING_PINGPONG, PHASE_FIXED, 0, 1);
    assert_null(schedule.offsets_ns);
    schedule = open_schedule(PACING_MAX, PHASE_FIXED, 0, 1);
    assert_null(schedule.offsets_ns);
    schedule_close(&schedule);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fixed_phase_is_a_steady_clock),
        cmocka_unit_test(a_random_phase_keeps_its_distance),
        cmocka_unit_test(poisson_gaps_are_exponential),
        cmocka_unit_test(a_schedule_follows_from_its_seed),
        cmocka_unit_test(without_a_schedule_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_stats.c: statistics against tables, against plain formulas, and against their own promises:
 * a 95 % interval covers what it should, a steady series is called steady, a drift is not.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/measure/stats.h"
#include "harness/measure/usage.h"
#include "tests/support/random_input.h"

#define assert_near(value, expected, tolerance)                                    \
    do {                                                                           \
        double near_value = (value);                                               \
        double near_expected = (expected);                                         \
        if (!(fabs(near_value - near_expected) <= (tolerance)))                    \
            fail_msg("%s is %.10g, not %.10g", #value, near_value, near_expected); \
    } while (0)

/* ---- Student's t ----------------------------------------------------------------------------- */

static void test_t_matches_the_tables(void **state)
{
    static const struct {
        uint32_t degrees;
        double p90, p95, p975, p99, p995;
    } table[] = {
        {1, 3.077684, 6.313752, 12.706205, 31.820516, 63.656741},
        {2, 1.885618, 2.919986, 4.302653, 6.964557, 9.924843},
        {3, 1.637744, 2.353363, 3.182446, 4.540703, 5.840909},
        {4, 1.533206, 2.131847, 2.776445, 3.746947, 4.604095},
        {5, 1.475884, 2.015048, 2.570582, 3.364930, 4.032143},
        {9, 1.383029, 1.833113, 2.262157, 2.821438, 3.249836},
        {10, 1.372184, 1.812461, 2.228139, 2.763769, 3.169273},
        {19, 1.327728, 1.729133, 2.093024, 2.539483, 2.860935},
        {30, 1.310415, 1.697261, 2.042272, 2.457262, 2.749996},
        {100, 1.290075, 1.660234, 1.983972, 2.364217, 2.625891},
        {999, 1.282399, 1.646380, 1.962341, 2.330086, 2.580760},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_near(stats_t_quantile(0.90, table[i].degrees), table[i].p90, 2e-6);
        assert_near(stats_t_quantile(0.95, table[i].degrees), table[i].p95, 2e-6);
        assert_near(stats_t_quantile(0.975, table[i].degrees), table[i].p975, 2e-6);
        assert_near(stats_t_quantile(0.99, table[i].degrees), table[i].p99, 2e-6);
        assert_near(stats_t_quantile(0.995, table[i].degrees), table[i].p995, 2e-6);
        assert_near(stats_t_quantile(0.5, table[i].degrees), 0.0, 1e-6);
    }
}

/* ---- Per launch ------------------------------------------------------------------------------ */

static void test_frames_needed_follow_from_the_rule(void **state)
{
    static const uint64_t expected[] = {6, 36, 368, 3688};
    for (unsigned i = 0; i < STATS_QUANTILE_COUNT; i++) {
        double exact = log(0.025) / log(stats_quantiles[i].q);
        assert_int_equal(stats_quantiles[i].frames_min, (uint64_t)ceil(exact));
        assert_int_equal(stats_quantiles[i].frames_min, expected[i]);
    }
}

static void test_launch_quantiles_need_their_frames(void **state)
{
    for (unsigned i = 0; i < STATS_QUANTILE_COUNT; i++) {
        enum stats_quantile quantile = (enum stats_quantile)i;
        uint64_t needed = stats_quantiles[i].frames_min;
        struct hdr *hdr = hdr_new();
        double value = -1.0;
        hdr_record_count(hdr, 1000 + i, needed - 1);
        assert_false(stats_launch_quantile(hdr, 0, quantile, &value));
        assert_true(value == -1.0);
        assert_true(stats_launch_quantile(hdr, 1, quantile, &value));
        assert_true(value == 1000 + i);
        assert_true(stats_launch_quantile(hdr, needed * 2000, quantile, &value));
        assert_true(isinf(value));
        hdr_free(hdr);
    }
}

/* ---- Across launches ------------------------------------------------------------------------- */

static void test_estimates_by_hand(void **state)
{
    /* ln of 1, e, e^2: mean e. Three launches: a range. */
    const double three[] = {exp(2.0), 1.0, exp(1.0)};
    struct stats_estimate estimate = stats_estimate_log(three, 3);
    assert_near(estimate.value, exp(1.0), 1e-12);
    assert_near(estimate.low, 1.0, 1e-12);
    assert_near(estimate.high, exp(2.0), 1e-12);
    assert_int_equal(estimate.spread, STATS_SPREAD_RANGE);
    assert_int_equal(estimate.launches, 3);
    /* Ten launches, five at 100 and five at 400: mean of logs ln 200, s = ln 2 * sqrt(10 / 9). */
    double ten[10];
    for (int i = 0; i < 10; i++)
        ten[i] = i % 2 ? 100.0 : 400.0;
    estimate = stats_estimate_log(ten, 10);
    double reach = 2.262157163 * log(2.0) * sqrt(10.0 / 9.0) / sqrt(10.0);
    assert_near(estimate.value, 200.0, 1e-9);
    assert_near(estimate.low, 200.0 * exp(-reach), 1e-6);
    assert_near(estimate.high, 200.0 * exp(reach), 1e-6);
    assert_int_equal(estimate.spread, STATS_SPREAD_CI95);
    /* Nine of them: no interval is claimed. */
    assert_int_equal(stats_estimate_log(ten, 9).spread, STATS_SPREAD_RANGE);
    /* The linear one: mean 250, s = 150 * sqrt(10 / 9). */
    estimate = stats_estimate_linear(ten, 10);
    reach = 2.262157163 * 150.0 / 3.0;
    assert_near(estimate.value, 250.0, 1e-9);
    assert_near(estimate.low, 250.0 - reach, 1e-6);
    assert_near(estimate.high, 250.0 + reach, 1e-6);
}

static void test_estimates_of_nothing_zero_and_infinity(void **state)
{
    struct stats_estimate estimate = stats_estimate_log(NULL, 0);
    assert_true(isnan(estimate.value) && isnan(estimate.low) && isnan(estimate.high));
    assert_int_equal(estimate.spread, STATS_SPREAD_NONE);
    assert_int_equal(stats_estimate_linear(NULL, 0).spread, STATS_SPREAD_NONE);
    /* Zeros count as one nanosecond in logarithms and as zeros in means. Nothing but zeros is 0. */
    double values[12] = {0.0, 0.0, 8.0};
    assert_near(stats_estimate_log(values, 3).value, 2.0, 1e-12);
    values[2] = 0.0;
    assert_true(stats_estimate_log(values, 12).value == 0.0);
    assert_true(stats_estimate_log(values, 12).high == 0.0);
    assert_near(stats_estimate_linear(values, 3).value, 0.0, 1e-12);
    /* A linear interval does not go below 0. */
    values[11] = 1000.0;
    estimate = stats_estimate_linear(values, 12);
    assert_true(estimate.low == 0.0 && estimate.high > estimate.value);
    /* One infinite launch among twelve: no mean, no interval. */
    for (int i = 0; i < 12; i++)
        values[i] = 50.0 + i;
    values[5] = INFINITY;
    estimate = stats_estimate_log(values, 12);
    assert_true(isinf(estimate.value) && isinf(estimate.high));
    assert_near(estimate.low, 50.0, 1e-12);
    assert_int_equal(estimate.spread, STATS_SPREAD_RANGE);
    assert_int_equal(estimate.launches, 12);
}

static void test_intervals_cover_what_they_promise(void **state)
{
    enum { ROUNDS = 4000, LAUNCHES = 10 };
    int covered = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double values[LAUNCHES];
        for (int i = 0; i < LAUNCHES; i++)
            values[i] = 5000.0 * exp(0.08 * random_normal());
        struct stats_estimate estimate = stats_estimate_log(values, LAUNCHES);
        covered += estimate.low <= 5000.0 && 5000.0 <= estimate.high;
    }
    /* 95 % of 4000 is 3800, with a standard deviation of 14. */
    assert_true(covered > 3800 - 6 * 14 && covered < 3800 + 6 * 14);
}

/* ---- Paired ---------------------------------------------------------------------------------- */

/* Pairs whose base drifts by a fifth from launch to launch, and whose ratio has a spread of its
 * own.
 */
static struct stats_paired random_pairs(size_t count, double ratio, double spread)
{
    double base[64];
    double new_values[64];
    for (size_t i = 0; i < count; i++) {
        base[i] = 20000.0 * exp(0.2 * random_normal());
        new_values[i] = base[i] * ratio * exp(spread * random_normal());
    }
    return stats_paired(new_values, base, count, 1.02);
}

static void test_pairs_by_hand(void **state)
{
    const double base[] = {100.0, 200.0, 400.0, 100.0, 300.0};
    double doubled[5];
    for (int i = 0; i < 5; i++)
        doubled[i] = 2.0 * base[i];
    struct stats_paired paired = stats_paired(doubled, base, 5, 1.02);
    assert_int_equal(paired.pairs, 5);
    assert_near(paired.ratio, 2.0, 1e-12);
    assert_near(paired.low95, 2.0, 1e-12);
    assert_near(paired.detectable, 1.02, 1e-9);
    assert_int_equal(paired.verdict, STATS_SLOWER);
    assert_int_equal(stats_paired(base, doubled, 5, 1.02).verdict, STATS_FASTER);
    assert_int_equal(stats_paired(base, base, 5, 1.02).verdict, STATS_TIED);
    assert_int_equal(stats_paired(base, base, 4, 1.02).verdict, STATS_UNCLEAR);
    /* Two clock ticks of 32 ns are more than doubling 10 ns. */
    assert_near(stats_margin(10.0, 32.0), 7.4, 1e-12);
    assert_near(stats_margin(1e6, 32.0), 1.02, 1e-12);
    assert_near(stats_margin(0.0, 1.0), 3.0, 1e-12);
    assert_int_equal(stats_paired(doubled, base, 5, 7.4).verdict, STATS_UNCLEAR);
    /* d = 0.1, 0.2, 0.3 around a mean of 0.2 with s = 0.1: t(0.975, 2) = 4.302653. */
    const double ones[] = {1000.0, 1000.0, 1000.0};
    const double more[] = {1000.0 * exp(0.1), 1000.0 * exp(0.2), 1000.0 * exp(0.3)};
    paired = stats_paired(more, ones, 3, 1.02);
    assert_near(log(paired.ratio), 0.2, 1e-12);
    assert_near(log(paired.high95), 0.2 + 4.302653 * 0.1 / sqrt(3.0), 1e-6);
    assert_near(log(paired.low90), 0.2 - 2.919986 * 0.1 / sqrt(3.0), 1e-6);
}

static void test_infinite_pairs_give_no_verdict(void **state)
{
    double base[12];
    double new_values[12];
    for (int i = 0; i < 12; i++) {
        base[i] = 1000.0;
        new_values[i] = 3000.0;
    }
    new_values[3] = INFINITY;
    struct stats_paired paired = stats_paired(new_values, base, 12, 1.02);
    assert_int_equal(paired.pairs, 11);
    assert_int_equal(paired.verdict, STATS_UNCLEAR);
    paired = stats_paired(NULL, NULL, 0, 1.02);
    assert_int_equal(paired.pairs, 0);
    assert_true(isnan(paired.ratio) && isnan(paired.low90));
    assert_int_equal(paired.verdict, STATS_UNCLEAR);
}

static void test_verdicts_are_right_often_enough(void **state)
{
    enum { ROUNDS = 2000 };
    int slower_at_margin = 0;
    int tied_at_limit = 0;
    int slower_when_detectable = 0;
    int tied_when_equal = 0;
    for (int round = 0; round < ROUNDS; round++) {
        /* On the margin, and on the limit of "tied", a verdict must be wrong in at most 5 %. */
        slower_at_margin += random_pairs(12, 1.02, 0.02).verdict == STATS_SLOWER;
        tied_at_limit += random_pairs(12, 1.05, 0.02).verdict == STATS_TIED;
        tied_when_equal += random_pairs(12, 1.0, 0.02).verdict == STATS_TIED;
        double detectable = random_pairs(12, 1.0, 0.05).detectable;
        assert_true(detectable > 1.02);
        slower_when_detectable += random_pairs(12, 1.064, 0.05).verdict == STATS_SLOWER;
    }
    assert_true(slower_at_margin < ROUNDS * 0.08 && slower_at_margin > ROUNDS * 0.02);
    assert_true(tied_at_limit < ROUNDS * 0.08);
    assert_true(tied_when_equal > ROUNDS * 0.9);
    /* With a spread of 5 % twelve pairs detect about 6.4 % in eight of ten. */
    assert_true(slower_when_detectable > ROUNDS * 0.7 && slower_when_detectable < ROUNDS * 0.9);
}

/* ---- Steadiness ------------------------------------------------------------------------------ */

enum { FRAMES_MAX = 4000 };

/* Latencies around 20 us: neighbours share `memory` of their noise, one in `outlier` is 40 times as
 * long, and the level goes from `from` to `to` linearly. */
static void random_series(uint64_t *latencies, size_t count, double from, double to, double spread,
                          double memory, double outliers)
{
    double noise = random_normal();
    for (size_t i = 0; i < count; i++) {
        double level = from + (to - from) * (double)i / (double)count;
        noise = memory * noise + sqrt(1.0 - memory * memory) * random_normal();
        double value = 20000.0 * level * exp(spread * noise);
        if (random_uniform() < outliers)
            value *= 40.0;
        latencies[i] = (uint64_t)value;
    }
}

static int count_unsteady(size_t count, double to, double spread, double memory)
{
    static uint64_t latencies[FRAMES_MAX];
    int unsteady = 0;
    for (int round = 0; round < 300; round++) {
        random_series(latencies, count, 1.0, to, spread, memory, 0.02);
        unsteady += !stats_steady(latencies, count);
    }
    return unsteady;
}

static void test_a_steady_series_is_steady(void **state)
{
    static const size_t counts[] = {60, 100, 400, 3000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        assert_true(count_unsteady(counts[i], 1.0, 0.05, 0.0) <= 4);
        assert_true(count_unsteady(counts[i], 1.0, 0.5, 0.0) <= 14);
    }
    /* Noise that neighbours share, over 20 frames or so. */
    assert_true(count_unsteady(400, 1.0, 0.3, 0.95) <= 40);
    assert_true(count_unsteady(3000, 1.0, 0.3, 0.95) <= 14);
}

static void test_a_drift_is_noticed(void **state)
{
    assert_true(count_unsteady(100, 1.6, 0.05, 0.0) >= 288);
    assert_true(count_unsteady(400, 1.6, 0.2, 0.0) >= 285);
    assert_true(count_unsteady(400, 0.5, 0.2, 0.0) >= 295);
    /* 7 % between the thirds is not worth a word. */
    assert_true(count_unsteady(400, 1.1, 0.02, 0.0) <= 3);
    /* A few frames say nothing. */
    assert_int_equal(count_unsteady(59, 3.0, 0.01, 0.0), 0);
}

static void test_unfinished_frames_do_not_unsteady(void **state)
{
    static uint64_t latencies[FRAMES_MAX];
    random_series(latencies, 600, 1.0, 1.0, 0.1, 0.0, 0.0);
    for (int i = 0; i < 600; i += 3)
        latencies[i] = UINT64_MAX;
    assert_true(stats_steady(latencies, 600));
    for (int i = 0; i < 600; i++)
        latencies[i] = UINT64_MAX;
    assert_true(stats_steady(latencies, 600));
    assert_true(stats_steady(NULL, 0));
}

/* ---- Warm-up --------------------------------------------------------------------------------- */

static void test_warmup_finds_the_end_of_the_ramp(void **state)
{
    static uint64_t latencies[FRAMES_MAX];
    for (int round = 0; round < 300; round++) {
        size_t count = 150 + random_below(600);
        size_t slow = random_below(count / 6);
        random_series(latencies, count, 1.0, 1.0, 0.05, 0.0, 0.02);
        for (size_t i = 0; i < slow; i++)
            latencies[i] = latencies[i] * 3;
        uint32_t warmup = stats_warmup(latencies, count);
        assert_true(warmup >= 5 && warmup <= count / 2);
        assert_true(warmup >= slow);
        assert_true(warmup <= 2 * slow + 20);
    }
}

static void test_warmup_of_odd_series(void **state)
{
    static uint64_t latencies[FRAMES_MAX];
    assert_int_equal(stats_warmup(NULL, 0), 0);
    random_series(latencies, FRAMES_MAX, 1.0, 1.0, 0.05, 0.0, 0.0);
    for (size_t count = 1; count < 40; count++) {
        uint32_t warmup = stats_warmup(latencies, count);
        assert_true(warmup <= count / 2 && (warmup >= 5 || warmup == count / 2));
    }
    /* A series that never settles, and one that is all the same. */
    for (size_t i = 0; i < 400; i++)
        latencies[i] = 1000 << (i / 20 % 16);
    assert_int_equal(stats_warmup(latencies, 400), 200);
    for (size_t i = 0; i < 400; i++)
        latencies[i] = 777;
    assert_in_range(stats_warmup(latencies, 400), 5, 10);
    for (size_t i = 0; i < 400; i++)
        latencies[i] = UINT64_MAX;
    assert_int_equal(stats_warmup(latencies, 400), 200);
}

/* ---- Usage ----------------------------------------------------------------------------------- */

static void test_usage_counts_work_and_sleep(void **state)
{
    struct usage begin;
    struct usage end;
    struct usage worked;
    usage_self(&begin);
    volatile uint64_t sink = 0;
    /* On a busy machine others may have the CPU for all of 20 ms. */
    do {
        for (int i = 0; i < 100000; i++)
            sink = sink + random_u64();
        usage_self(&end);
        worked = usage_difference(&begin, &end);
    } while (worked.wall_ns < 20000000 ||
             (worked.user_ns + worked.system_ns <= 1000000 && worked.wall_ns < 10000000000u));
    assert_true(worked.user_ns + worked.system_ns > 1000000);
    assert_true(worked.user_ns + worked.system_ns <= worked.wall_ns + 1000000);
    usage_self(&begin);
    for (int i = 0; i < 5; i++)
        nanosleep(&(struct timespec){.tv_nsec = 4000000}, NULL);
    char *page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 1, 1 << 20);
    usage_self(&end);
    munmap(page, 1 << 20);
    struct usage slept = usage_difference(&begin, &end);
    assert_true(slept.wall_ns >= 20000000);
    assert_true(slept.user_ns + slept.system_ns < slept.wall_ns / 2);
    assert_true(slept.voluntary_switches >= 5);
    assert_true(slept.minor_faults >= 1);
    /* What ran backwards is 0, not a huge number. */
    struct usage back = usage_difference(&end, &begin);
    assert_int_equal(back.wall_ns + back.user_ns + back.system_ns + back.minor_faults, 0);
}

static void test_system_usage(void **state)
{
    struct usage_system begin;
    struct usage_system end;
    struct err err = {0};
    assert_int_equal(usage_system_read(&begin, &err), ST_OK);
    assert_true(begin.cpus >= 1 && begin.busy_ns > 0);
    uint64_t until_ns = begin.wall_ns + 100000000;
    volatile uint64_t sink = 0;
    do {
        for (int i = 0; i < 100000; i++)
            sink = sink + random_u64();
        assert_int_equal(usage_system_read(&end, &err), ST_OK);
    } while (end.wall_ns < until_ns);
    struct usage_system used = usage_system_difference(&begin, &end);
    assert_int_equal(used.cpus, begin.cpus);
    /* One CPU was busy unless it was stolen; ticks are 10 ms. */
    assert_true(used.busy_ns + used.steal_ns >= 10000000);
    assert_true(used.busy_ns <= (used.wall_ns + 50000000) * used.cpus);
}

/* Ticks do not see what runs between them; the idle time does. */
static void test_busy_is_what_was_not_idle(void **state)
{
    const uint64_t ms = 1000000;
    struct usage_system begin = {.busy_ns = random_below(1000) * ms,
                                 .idle_ns = random_below(1000) * ms,
                                 .steal_ns = random_below(1000) * ms,
                                 .wall_ns = random_below(1000) * ms,
                                 .cpus = 4};
    struct usage_system end = begin;
    end.wall_ns += 1000 * ms;
    end.idle_ns += 3200 * ms;
    end.steal_ns += 300 * ms;
    end.busy_ns += 20 * ms;
    struct usage_system used = usage_system_difference(&begin, &end);
    assert_int_equal(used.busy_ns, 500 * ms);
    assert_int_equal(used.steal_ns, 300 * ms);
    /* All idle and a tick more, as the kernel rounds: nothing, not a huge number. */
    end.idle_ns += 510 * ms;
    assert_int_equal(usage_system_difference(&begin, &end).busy_ns, 0);
    /* A CPU that came or went makes the idle time unusable. */
    end.cpus = 3;
    assert_int_equal(usage_system_difference(&begin, &end).busy_ns, 20 * ms);
}

static void test_differences_may_be_negative(void **state)
{
    double values[12];
    for (int i = 0; i < 12; i++)
        values[i] = -5.0 + (i % 2 ? 1.0 : -1.0);
    struct stats_estimate difference = stats_estimate_signed(values, 12);
    assert_int_equal(difference.spread, STATS_SPREAD_CI95);
    assert_true(fabs(difference.value + 5.0) < 1e-12);
    /* Standard deviation sqrt(12/11), t(0.975, 11) = 2.200985. */
    double reach = 2.200985 * sqrt(12.0 / 11.0 / 12.0);
    assert_true(fabs(difference.low - (-5.0 - reach)) < 1e-5);
    assert_true(fabs(difference.high - (-5.0 + reach)) < 1e-5);
    assert_true(stats_estimate_linear(values, 12).low == 0.0);
    difference = stats_estimate_signed(values, 3);
    assert_int_equal(difference.spread, STATS_SPREAD_RANGE);
    assert_true(difference.low == -6.0 && difference.high == -4.0);
    assert_int_equal(stats_estimate_signed(values, 0).spread, STATS_SPREAD_NONE);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t_matches_the_tables),
        cmocka_unit_test(test_frames_needed_follow_from_the_rule),
        cmocka_unit_test(test_launch_quantiles_need_their_frames),
        cmocka_unit_test(test_estimates_by_hand),
        cmocka_unit_test(test_estimates_of_nothing_zero_and_infinity),
        cmocka_unit_test(test_intervals_cover_what_they_promise),
        cmocka_unit_test(test_pairs_by_hand),
        cmocka_unit_test(test_infinite_pairs_give_no_verdict),
        cmocka_unit_test(test_verdicts_are_right_often_enough),
        cmocka_unit_test(test_a_steady_series_is_steady),
        cmocka_unit_test(test_a_drift_is_noticed),
        cmocka_unit_test(test_unfinished_frames_do_not_unsteady),
        cmocka_unit_test(test_warmup_finds_the_end_of_the_ramp),
        cmocka_unit_test(test_warmup_of_odd_series),
        cmocka_unit_test(test_usage_counts_work_and_sleep),
        cmocka_unit_test(test_system_usage),
        cmocka_unit_test(test_busy_is_what_was_not_idle),
        cmocka_unit_test(test_differences_may_be_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

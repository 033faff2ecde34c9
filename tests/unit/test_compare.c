/* test_compare.c: the comparison's verdicts against figures found another way: Student's t against
 * its integral, Holm and Welch by hand, and what can be detected against what is detected.
 * tests/support/compare_rates.c has the error rates of whole tables.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/measure/compare.h"
#include "tests/support/random_input.h"

#define assert_near(value, expected, tolerance)                                    \
    do {                                                                           \
        double near_value = (value);                                               \
        double near_expected = (expected);                                         \
        if (!(fabs(near_value - near_expected) <= (tolerance)))                    \
            fail_msg("%s is %.12g, not %.12g", #value, near_value, near_expected); \
    } while (0)

enum { PAIRS_MAX = 64 };

/* ---- Student's t, integrated --------------------------------------------------------------- */

/* Of cos^(degrees - 1) from `angle` to a right angle, which is t's density but for a factor. Over
 * w, where w^2 is what is left to the right angle: smooth for any degrees. By Simpson's rule. */
static double integral(double angle, double degrees)
{
    enum { STEPS = 4000 };
    double reach = sqrt(asin(1.0) - angle);
    double sum = 0.0;
    for (int i = 0; i <= STEPS; i++) {
        double w = reach * i / STEPS;
        double value = w == 0.0 ? 0.0 : 2.0 * w * pow(sin(w * w), degrees - 1.0);
        sum += value * (i == 0 || i == STEPS ? 1.0 : i % 2 ? 4.0 : 2.0);
    }
    return sum * reach / STEPS / 3.0;
}

static double reference_t_upper(double t, double degrees)
{
    return integral(atan(t / sqrt(degrees)), degrees) / (2.0 * integral(0.0, degrees));
}

static void test_t_is_its_integral(void **state)
{
    static const double degrees[] = {1.0, 1.37, 2.0, 3.5, 4.0, 7.77, 9.0, 19.0, 38.4, 250.5};
    static const double values[] = {-7.0, -1.3, -0.01, 0.0, 0.2, 1.0, 1.9, 2.8, 4.4, 8.0, 25.0};
    for (size_t i = 0; i < sizeof degrees / sizeof degrees[0]; i++)
        for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
            double expected = reference_t_upper(values[j], degrees[i]);
            double p = stats_t_upper(values[j], degrees[i]);
            if (!(fabs(p / expected - 1.0) < 1e-6))
                fail_msg("t %g, %g degrees: %.12g, not %.12g", values[j], degrees[i], p, expected);
            if (values[j] >= 0.0 && p > 1e-12)
                assert_near(stats_t_quantile(1.0 - p, degrees[i]), values[j],
                            1e-6 * (1.0 + values[j]));
        }
    /* Many degrees are the normal distribution, all degrees have the same ends. */
    assert_near(stats_t_upper(1.959963985, 1e6), 0.025, 1e-6);
    assert_near(stats_t_upper(1.959963985, 1e12), 0.025, 1e-6);
    assert_near(stats_t_quantile(0.975, 1e12), 1.959963985, 1e-5);
    assert_true(stats_t_upper(INFINITY, 3.5) == 0.0 && stats_t_upper(-INFINITY, 3.5) == 1.0);
    assert_true(stats_t_upper(1e200, 3.5) == 0.0 && stats_t_upper(-1e200, 3.5) == 1.0);
    assert_true(isnan(stats_t_upper(NAN, 3.5)));
}

/* ---- A gate -------------------------------------------------------------------------------- */

/* A gate whose d are the mean `ratio` and `spread`, in random pairs. */
struct sample {
    double base[PAIRS_MAX];
    double new_values[PAIRS_MAX];
};

static struct compare_gate sample_gate(struct sample *sample, size_t count, double ratio,
                                       double spread)
{
    for (size_t i = 0; i < count; i++) {
        sample->base[i] = 20000.0 * exp(0.3 * random_normal());
        sample->new_values[i] = sample->base[i] * ratio * exp(spread * random_normal());
    }
    return (struct compare_gate){.new_values = sample->new_values,
                                 .base_values = sample->base,
                                 .count = count,
                                 .margin = 1.02};
}

/* d is `mean` and one of +-`reach` around it, count even: the standard error by hand. */
static struct compare_gate plain_gate(struct sample *sample, size_t count, double mean,
                                      double reach)
{
    for (size_t i = 0; i < count; i++) {
        sample->base[i] = 1000.0 * (double)(i + 1);
        sample->new_values[i] = sample->base[i] * exp(mean + (i % 2 ? reach : -reach));
    }
    return (struct compare_gate){.new_values = sample->new_values,
                                 .base_values = sample->base,
                                 .count = count,
                                 .margin = 1.02};
}

static double plain_t(size_t count, double mean, double reach)
{
    double n = (double)count;
    return (mean - log(1.02)) / (reach * sqrt(n / (n - 1.0)) / sqrt(n));
}

static void test_p_is_beyond_the_margin(void **state)
{
    struct sample sample;
    struct compare_gate gate = plain_gate(&sample, 10, 0.05, 0.04);
    compare_judge(&gate, 1);
    assert_near(gate.p_slower, reference_t_upper(plain_t(10, 0.05, 0.04), 9.0), 1e-9);
    assert_near(gate.p_faster, reference_t_upper(plain_t(10, -0.05, 0.04), 9.0), 1e-9);
    assert_near(gate.p_slower_holm, gate.p_slower, 0.0);
    assert_int_equal(gate.verdict, COMPARE_SLOWER);
    assert_int_equal(gate.paired.verdict, STATS_SLOWER);
    /* The other way round, and where more is better. */
    const double *base = gate.base_values;
    gate.base_values = gate.new_values;
    gate.new_values = base;
    compare_judge(&gate, 1);
    assert_near(gate.p_faster, reference_t_upper(plain_t(10, 0.05, 0.04), 9.0), 1e-9);
    assert_int_equal(gate.verdict, COMPARE_FASTER);
    gate.more_is_better = true;
    compare_judge(&gate, 1);
    assert_int_equal(gate.verdict, COMPARE_SLOWER);
    assert_near(gate.paired.ratio, exp(0.05), 1e-9);
    /* What is beyond nothing is not beyond the margin. */
    gate = plain_gate(&sample, 10, 0.022, 0.01);
    compare_judge(&gate, 1);
    assert_true(gate.paired.low95 > 1.0);
    assert_int_equal(gate.verdict, COMPARE_SAME);
    gate.margin = 1.0;
    compare_judge(&gate, 1);
    assert_int_equal(gate.verdict, COMPARE_SLOWER);
}

static void test_verdicts_of_odd_gates(void **state)
{
    struct sample sample;
    /* No spread at all: certain, whichever side of the margin. */
    struct compare_gate gate = plain_gate(&sample, 6, 0.1, 0.0);
    compare_judge(&gate, 1);
    assert_int_equal(gate.verdict, COMPARE_SLOWER);
    gate = plain_gate(&sample, 6, 0.0, 0.0);
    compare_judge(&gate, 1);
    assert_int_equal(gate.verdict, COMPARE_SAME);
    assert_near(gate.detectable, 1.02, 1e-12);
    /* Wide: neither. */
    gate = plain_gate(&sample, 6, 0.03, 0.2);
    compare_judge(&gate, 1);
    assert_int_equal(gate.verdict, COMPARE_UNCLEAR);
    assert_true(gate.detectable > 1.2 && gate.p_slower > 0.05);
    /* Too few pairs decide nothing, however clear. */
    gate = plain_gate(&sample, COMPARE_PAIRS_MIN - 1, 1.0, 0.001);
    compare_judge(&gate, 1);
    assert_int_equal(gate.verdict, COMPARE_UNCLEAR);
    assert_true(isnan(gate.p_slower) && isnan(gate.p_slower_holm) && isnan(gate.detectable));
    assert_near(gate.paired.ratio, 1.0 * exp(1.0), 1e-2);
    gate.count = 0;
    compare_judge(&gate, 1);
    assert_int_equal(gate.verdict, COMPARE_UNCLEAR);
    compare_judge(NULL, 0);
    /* A value that is missing on either side. */
    gate = plain_gate(&sample, 10, 1.0, 0.001);
    sample.new_values[3] = NAN;
    compare_judge(&gate, 1);
    assert_int_equal(gate.verdict, COMPARE_UNCLEAR);
    assert_true(isnan(gate.p_slower));
    gate = plain_gate(&sample, 10, 1.0, 0.001);
    sample.base[9] = NAN;
    compare_judge(&gate, 1);
    assert_int_equal(gate.verdict, COMPARE_UNCLEAR);
}

/* Frames that never finish are slower than any that do, but say nothing about a mean. */
static void test_infinite_values_are_counted_by_their_sign(void **state)
{
    struct sample sample;
    struct compare_gate gate = plain_gate(&sample, 10, 0.0, 0.001);
    for (int i = 0; i < 8; i++)
        sample.new_values[i] = INFINITY;
    compare_judge(&gate, 1);
    /* 8 of 10: (45 + 10 + 1) / 1024. */
    assert_near(gate.p_slower, 56.0 / 1024.0, 1e-12);
    assert_int_equal(gate.verdict, COMPARE_UNCLEAR);
    sample.new_values[8] = INFINITY;
    compare_judge(&gate, 1);
    assert_near(gate.p_slower, 11.0 / 1024.0, 1e-12);
    assert_near(gate.p_faster, 1.0, 1e-12);
    assert_int_equal(gate.verdict, COMPARE_SLOWER);
    assert_true(isnan(gate.detectable));
    /* Infinite on both sides is no difference. */
    for (int i = 0; i < 9; i++)
        sample.base[i] = INFINITY;
    compare_judge(&gate, 1);
    assert_near(gate.p_slower, 1.0, 1e-12);
    assert_int_equal(gate.verdict, COMPARE_UNCLEAR);
    /* In the base alone: faster; in the new, and finite ones beyond the margin beside: slower. */
    gate = plain_gate(&sample, 10, 0.1, 0.001);
    sample.new_values[4] = INFINITY;
    compare_judge(&gate, 1);
    assert_near(gate.p_slower, 1.0 / 1024.0, 1e-12);
    gate.base_values = sample.new_values;
    gate.new_values = sample.base;
    compare_judge(&gate, 1);
    assert_near(gate.p_faster, 1.0 / 1024.0, 1e-12);
    assert_int_equal(gate.verdict, COMPARE_FASTER);
}

/* ---- The table ----------------------------------------------------------------------------- */

static void test_holm_by_hand(void **state)
{
    enum { GATES = 5 };
    static const double means[GATES] = {0.060, 0.100, 0.000, 0.060, 0.055};
    struct sample samples[GATES];
    struct compare_gate gates[GATES];
    double p[GATES];
    for (int i = 0; i < GATES; i++) {
        gates[i] = plain_gate(&samples[i], 10, means[i], 0.04);
        p[i] = reference_t_upper(plain_t(10, means[i], 0.04), 9.0);
    }
    /* One that cannot be tested: it does not count. */
    samples[2].base[0] = NAN;
    compare_judge(gates, GATES);
    /* In order: 1, then 0 and 3 alike, then 4. */
    assert_near(gates[1].p_slower_holm, 4.0 * p[1], 1e-9);
    assert_near(gates[0].p_slower_holm, 3.0 * p[0], 1e-9);
    assert_near(gates[3].p_slower_holm, 3.0 * p[0], 1e-9);
    assert_near(gates[4].p_slower_holm, fmax(3.0 * p[0], p[4]), 1e-9);
    assert_true(isnan(gates[2].p_slower_holm));
    for (int i = 0; i < GATES; i++)
        assert_int_equal(gates[i].verdict, i == 2 ? COMPARE_UNCLEAR : COMPARE_SLOWER);
    /* The same p alone and among twenty that are the same: it was one of many looks. */
    enum { MANY = 20 };
    static struct sample many_samples[MANY];
    struct compare_gate many[MANY];
    for (int i = 0; i < MANY; i++)
        many[i] = plain_gate(&many_samples[i], 10, i == 7 ? 0.055 : 0.0, 0.04);
    compare_judge(many, MANY);
    assert_near(many[7].p_slower_holm, 20.0 * many[7].p_slower, 1e-12);
    assert_true(many[7].p_slower < COMPARE_ALPHA);
    assert_int_equal(many[7].verdict, COMPARE_UNCLEAR);
    assert_int_equal(many[7].paired.verdict, STATS_SLOWER);
    assert_near(many[0].p_slower_holm, 1.0, 0.0);
    assert_true(many[7].detectable > gates[1].detectable);
    /* Slower and faster are families of their own: the other direction costs nothing. */
    many[3] = plain_gate(&many_samples[3], 10, -0.5, 0.04);
    compare_judge(many, MANY);
    assert_near(many[7].p_slower_holm, 20.0 * many[7].p_slower, 1e-12);
    assert_int_equal(many[3].verdict, COMPARE_FASTER);
}

/* The effect that is said to be detectable is detected in 8 of 10 repetitions. */
static void test_detectable_is_detected(void **state)
{
    static const struct {
        size_t pairs, gates;
    } cases[] = {{5, 1}, {10, 1}, {10, 8}, {20, 24}, {6, 24}};
    enum { ROUNDS = 4000 };
    const double spread = 0.03;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double n = (double)cases[i].pairs;
        double alpha = COMPARE_ALPHA / (double)cases[i].gates;
        double ratio = stats_detectable(1.02, spread / sqrt(n), n - 1.0, alpha);
        int found = 0;
        for (int round = 0; round < ROUNDS; round++) {
            struct sample sample;
            struct compare_gate gate = sample_gate(&sample, cases[i].pairs, ratio, spread);
            compare_judge(&gate, 1);
            found += gate.p_slower <= alpha;
        }
        if (found < ROUNDS * 0.76 || found > ROUNDS * 0.84)
            fail_msg("%zu pairs, %zu gates: found %d of %d", cases[i].pairs, cases[i].gates, found,
                     ROUNDS);
    }
}

/* ---- Stored results ------------------------------------------------------------------------ */

static void test_welch_by_hand(void **state)
{
    /* Logarithms 1 .. 5 and 3, 5, 7, 9, 11, 13 in tenths, above 7: means 7.3 and 7.8, variances
     * 0.025 and 0.14. */
    double base[5];
    double new_values[6];
    for (int i = 0; i < 5; i++)
        base[i] = exp(7.0 + 0.1 * (i + 1));
    for (int i = 0; i < 6; i++)
        new_values[i] = exp(7.0 + 0.1 * (2 * i + 3));
    double a = 0.025 / 5.0;
    double b = 0.14 / 6.0;
    double degrees = (a + b) * (a + b) / (a * a / 4.0 + b * b / 5.0);
    struct compare_stored stored = compare_stored(new_values, 6, base, 5, 1.02);
    assert_int_equal(stored.base_count, 5);
    assert_int_equal(stored.new_count, 6);
    assert_near(stored.ratio, exp(0.5), 1e-12);
    double t = log(stored.high95 / stored.ratio) / sqrt(a + b);
    assert_near(reference_t_upper(t, degrees), 0.025, 1e-9);
    assert_near(stored.low95 * stored.high95, exp(1.0), 1e-9);
    assert_int_equal(stored.verdict, COMPARE_SLOWER);
    assert_int_equal(compare_stored(base, 5, new_values, 6, 1.02).verdict, COMPARE_FASTER);
    assert_int_equal(compare_stored(new_values, 6, base, 5, 1.6).verdict, COMPARE_UNCLEAR);
    /* Four on a side, or a missing one, decide nothing, nor does one infinite; the interval
     * stays. */
    stored = compare_stored(new_values, 4, base, 5, 1.02);
    assert_int_equal(stored.verdict, COMPARE_UNCLEAR);
    assert_false(isnan(stored.low95));
    new_values[2] = INFINITY;
    stored = compare_stored(new_values, 6, base, 5, 1.02);
    assert_int_equal(stored.new_count, 5);
    assert_int_equal(stored.verdict, COMPARE_UNCLEAR);
    new_values[2] = NAN;
    assert_int_equal(compare_stored(new_values, 6, base, 5, 1.02).verdict, COMPARE_UNCLEAR);
    /* Next to nothing. */
    stored = compare_stored(base, 1, base, 5, 1.02);
    assert_true(isnan(stored.low95) && isnan(stored.high95) && !isnan(stored.ratio));
    assert_true(isnan(compare_stored(NULL, 0, base, 5, 1.02).ratio));
    const double alike[] = {500.0, 500.0, 500.0, 500.0, 500.0};
    stored = compare_stored(alike, 5, alike, 5, 1.02);
    assert_near(stored.low95, 1.0, 1e-12);
    assert_int_equal(stored.verdict, COMPARE_SAME);
}

/* In how many launches frames never finished. */
static void test_stored_infinite_values_are_counted(void **state)
{
    double base[5];
    double new_values[6];
    for (int i = 0; i < 5; i++)
        base[i] = new_values[i] = 1000.0 + i;
    new_values[5] = 1000.0;
    for (int i = 0; i < 4; i++)
        new_values[i] = INFINITY;
    /* 4 of 6 against 0 of 5: 15 of 330, 4.5 %. */
    assert_int_equal(compare_stored(new_values, 6, base, 5, 1.02).verdict, COMPARE_UNCLEAR);
    new_values[4] = INFINITY;
    /* 5 of 6 against 0 of 5: 6 of 462, 1.3 %. */
    struct compare_stored stored = compare_stored(new_values, 6, base, 5, 1.02);
    assert_int_equal(stored.verdict, COMPARE_SLOWER);
    assert_int_equal(stored.new_count, 1);
    assert_true(isnan(stored.low95));
    assert_int_equal(compare_stored(base, 5, new_values, 6, 1.02).verdict, COMPARE_FASTER);
    new_values[5] = INFINITY;
    stored = compare_stored(new_values, 6, base, 5, 1.02);
    assert_int_equal(stored.verdict, COMPARE_SLOWER);
    assert_true(isnan(stored.ratio));
    for (int i = 0; i < 5; i++)
        base[i] = INFINITY;
    assert_int_equal(compare_stored(new_values, 6, base, 5, 1.02).verdict, COMPARE_UNCLEAR);
}

static void test_welch_covers_what_it_promises(void **state)
{
    enum { ROUNDS = 4000, BASE = 10, NEW = 7 };
    int covered = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double base[BASE];
        double new_values[NEW];
        for (int i = 0; i < BASE; i++)
            base[i] = 5000.0 * exp(0.02 * random_normal());
        for (int i = 0; i < NEW; i++)
            new_values[i] = 5500.0 * exp(0.08 * random_normal());
        struct compare_stored stored = compare_stored(new_values, NEW, base, BASE, 1.02);
        covered += stored.low95 <= 1.1 && 1.1 <= stored.high95;
    }
    assert_true(covered > 3800 - 6 * 14 && covered < 3800 + 6 * 14);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t_is_its_integral),
        cmocka_unit_test(test_p_is_beyond_the_margin),
        cmocka_unit_test(test_verdicts_of_odd_gates),
        cmocka_unit_test(test_infinite_values_are_counted_by_their_sign),
        cmocka_unit_test(test_holm_by_hand),
        cmocka_unit_test(test_detectable_is_detected),
        cmocka_unit_test(test_welch_by_hand),
        cmocka_unit_test(test_stored_infinite_values_are_counted),
        cmocka_unit_test(test_welch_covers_what_it_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

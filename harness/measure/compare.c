/* compare.c: the verdicts over a table of gates, and over two stored results. See compare.h. */
#include "harness/measure/compare.h"

#include <math.h>

const char *compare_verdict_words(enum compare_verdict verdict)
{
    static const char *const words[] = {"not enough data", "same", "slower", "faster"};
    return words[verdict];
}

/* ---- One gate -------------------------------------------------------------------------------- */

/* The one-sided p of `shift` standard errors' worth of difference; nothing spread at all leaves no
 * doubt, on whichever side of the margin it is. */
static double compare_p(double shift, double error, double degrees)
{
    if (error > 0.0)
        return stats_t_upper(shift / error, degrees);
    return shift > 0.0 ? 0.0 : 1.0;
}

/* The sign test: P(X >= hits), X of `count` tosses of a coin. */
static double compare_sign_p(size_t hits, size_t count)
{
    double log_ways = -(double)count * log(2.0); /* of (count over 0) / 2^count */
    double p = 0.0;
    for (size_t i = 0; i <= count; i++) {
        if (i >= hits)
            p += exp(log_ways);
        log_ways += log((double)(count - i)) - log((double)i + 1.0);
    }
    return fmin(p, 1.0);
}

/* How often b is beyond a by more than the margin; an infinite one is beyond every finite one. */
static size_t compare_beyond(const double *a, const double *b, size_t count, double margin)
{
    size_t beyond = 0;
    for (size_t i = 0; i < count; i++)
        beyond +=
            isinf(b[i]) ? !isinf(a[i]) : stats_map_log(b[i]) - stats_map_log(a[i]) > log(margin);
    return beyond;
}

static bool compare_has_missing(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (isnan(values[i]))
            return true;
    return false;
}

/* The interval of the gate and its two p, as if it were alone. */
static void compare_gate_test(struct compare_gate *gate)
{
    const double *worse = gate->more_is_better ? gate->base_values : gate->new_values;
    const double *better = gate->more_is_better ? gate->new_values : gate->base_values;
    size_t count = gate->count;
    gate->paired = stats_paired(worse, better, count, gate->margin);
    gate->p_slower = gate->p_faster = NAN;
    gate->p_slower_holm = gate->p_faster_holm = NAN;
    gate->detectable = NAN;
    gate->verdict = COMPARE_UNCLEAR;
    if (count < COMPARE_PAIRS_MIN || compare_has_missing(worse, count) ||
        compare_has_missing(better, count))
        return;
    if (gate->paired.pairs < count) {
        gate->p_slower = compare_sign_p(compare_beyond(better, worse, count, gate->margin), count);
        gate->p_faster = compare_sign_p(compare_beyond(worse, better, count, gate->margin), count);
        return;
    }
    double degrees = (double)count - 1.0;
    double limit = log(gate->margin);
    gate->p_slower = compare_p(gate->paired.mean - limit, gate->paired.error, degrees);
    gate->p_faster = compare_p(-gate->paired.mean - limit, gate->paired.error, degrees);
}

/* ---- The table ------------------------------------------------------------------------------- */

/* The two directions are tested alike. */
enum compare_side {
    COMPARE_SIDE_SLOWER,
    COMPARE_SIDE_FASTER,
};

static double compare_raw(const struct compare_gate *gate, enum compare_side side)
{
    return side == COMPARE_SIDE_SLOWER ? gate->p_slower : gate->p_faster;
}

static double *compare_adjusted(struct compare_gate *gate, enum compare_side side)
{
    return side == COMPARE_SIDE_SLOWER ? &gate->p_slower_holm : &gate->p_faster_holm;
}

/* Holm's step-down: the smallest p times `tested`, the next times one less, and so on, never below
 * the one before. `tested` gates have a p. */
static void compare_holm(struct compare_gate *gates, size_t count, size_t tested,
                         enum compare_side side)
{
    double reached = 0.0;
    for (size_t left = tested; left > 0; left--) {
        struct compare_gate *next = NULL;
        for (size_t i = 0; i < count; i++)
            if (!isnan(compare_raw(&gates[i], side)) && isnan(*compare_adjusted(&gates[i], side)) &&
                (next == NULL || compare_raw(&gates[i], side) < compare_raw(next, side)))
                next = &gates[i];
        reached = fmax(reached, fmin(1.0, (double)left * compare_raw(next, side)));
        *compare_adjusted(next, side) = reached;
    }
}

static enum compare_verdict compare_gate_verdict(const struct compare_gate *gate)
{
    if (isnan(gate->p_slower))
        return COMPARE_UNCLEAR;
    if (gate->p_slower_holm <= COMPARE_ALPHA)
        return COMPARE_SLOWER;
    if (gate->p_faster_holm <= COMPARE_ALPHA)
        return COMPARE_FASTER;
    bool is_whole = gate->paired.pairs == gate->count;
    return is_whole && gate->paired.low90 >= 1.0 / COMPARE_SAME_RATIO &&
                   gate->paired.high90 <= COMPARE_SAME_RATIO
               ? COMPARE_SAME
               : COMPARE_UNCLEAR;
}

void compare_judge(struct compare_gate *gates, size_t count)
{
    size_t tested = 0;
    for (size_t i = 0; i < count; i++) {
        compare_gate_test(&gates[i]);
        tested += !isnan(gates[i].p_slower);
    }
    compare_holm(gates, count, tested, COMPARE_SIDE_SLOWER);
    compare_holm(gates, count, tested, COMPARE_SIDE_FASTER);
    for (size_t i = 0; i < count; i++) {
        struct compare_gate *gate = &gates[i];
        gate->verdict = compare_gate_verdict(gate);
        if (!isnan(gate->p_slower) && gate->paired.pairs == gate->count)
            gate->detectable =
                stats_detectable(gate->margin, gate->paired.error, (double)gate->count - 1.0,
                                 COMPARE_ALPHA / (double)tested);
    }
}

/* ---- Stored results -------------------------------------------------------------------------- */

/* Mean and squared standard error of the logarithms of the finite values; returns how many. */
static size_t compare_log_mean(const double *values, size_t count, double *mean, double *error2)
{
    size_t finite = 0;
    double squares = 0.0;
    *mean = 0.0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            continue;
        double value = stats_map_log(values[i]);
        double step = value - *mean;
        finite++;
        *mean += step / (double)finite;
        squares += step * (value - *mean);
    }
    *error2 = finite > 1 ? squares / (double)(finite - 1) / (double)finite : 0.0;
    return finite;
}

static double compare_log_choose(size_t n, size_t k)
{
    return lgamma((double)n + 1.0) - lgamma((double)k + 1.0) - lgamma((double)(n - k) + 1.0);
}

/* Fisher's exact test: the chance that of `infinite` values among a + b at least `hits` fall on the
 * side that has a. */
static double compare_fisher_p(size_t hits, size_t a, size_t b, size_t infinite)
{
    double p = 0.0;
    for (size_t i = hits; i <= a && i <= infinite; i++)
        if (infinite - i <= b)
            p += exp(compare_log_choose(a, i) + compare_log_choose(b, infinite - i) -
                     compare_log_choose(a + b, infinite));
    return fmin(p, 1.0);
}

static size_t compare_count_infinite(const double *values, size_t count)
{
    size_t infinite = 0;
    for (size_t i = 0; i < count; i++)
        infinite += isinf(values[i]) != 0;
    return infinite;
}

/* Where values are infinite there are no means: whether they are so more often on one side. */
static enum compare_verdict compare_stored_infinite(const double *new_values, size_t new_count,
                                                    const double *base_values, size_t base_count)
{
    const size_t new_infinite = compare_count_infinite(new_values, new_count);
    const size_t base_infinite = compare_count_infinite(base_values, base_count);
    const size_t infinite = new_infinite + base_infinite;
    if (compare_fisher_p(new_infinite, new_count, base_count, infinite) <= COMPARE_ALPHA / 2.0)
        return COMPARE_SLOWER;
    if (compare_fisher_p(base_infinite, base_count, new_count, infinite) <= COMPARE_ALPHA / 2.0)
        return COMPARE_FASTER;
    return COMPARE_UNCLEAR;
}

/* Counts, ratio and interval of the finite values, as far as there are any. */
static void compare_stored_estimate(struct compare_stored *stored, const double *new_values,
                                    size_t new_count, const double *base_values, size_t base_count)
{
    double new_mean, base_mean, new_error2, base_error2;
    stored->new_count = compare_log_mean(new_values, new_count, &new_mean, &new_error2);
    stored->base_count = compare_log_mean(base_values, base_count, &base_mean, &base_error2);
    if (stored->new_count == 0 || stored->base_count == 0)
        return;
    stored->ratio = exp(new_mean - base_mean);
    if (stored->new_count < 2 || stored->base_count < 2)
        return;
    double error2 = new_error2 + base_error2;
    double reach = 0.0;
    if (error2 > 0.0) {
        /* Welch and Satterthwaite. */
        double degrees = error2 * error2 /
                         (new_error2 * new_error2 / (double)(stored->new_count - 1) +
                          base_error2 * base_error2 / (double)(stored->base_count - 1));
        reach = stats_t_quantile(0.975, fmax(1.0, degrees)) * sqrt(error2);
    }
    stored->low95 = exp(new_mean - base_mean - reach);
    stored->high95 = exp(new_mean - base_mean + reach);
}

struct compare_stored compare_stored(const double *new_values, size_t new_count,
                                     const double *base_values, size_t base_count, double margin)
{
    struct compare_stored stored = {.ratio = NAN, .low95 = NAN, .high95 = NAN};
    compare_stored_estimate(&stored, new_values, new_count, base_values, base_count);
    if (new_count < COMPARE_PAIRS_MIN || base_count < COMPARE_PAIRS_MIN ||
        compare_has_missing(new_values, new_count) || compare_has_missing(base_values, base_count))
        return stored;
    if (stored.new_count < new_count || stored.base_count < base_count)
        stored.verdict = compare_stored_infinite(new_values, new_count, base_values, base_count);
    else if (stored.low95 > margin)
        stored.verdict = COMPARE_SLOWER;
    else if (stored.high95 < 1.0 / margin)
        stored.verdict = COMPARE_FASTER;
    else if (stored.low95 >= 1.0 / COMPARE_SAME_RATIO && stored.high95 <= COMPARE_SAME_RATIO)
        stored.verdict = COMPARE_SAME;
    return stored;
}

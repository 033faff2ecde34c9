/* stats.c: quantiles per launch, intervals across launches, paired comparison. See stats.h. */
#include "harness/measure/stats.h"

#include <math.h>

/* Where two cells count as the same: the 90 % interval of the ratio within these. */
#define STATS_TIED_RATIO 1.05
#define STATS_MARGIN_RATIO 1.02
#define STATS_PAIRS_MIN 5
#define STATS_ALPHA 0.05

const struct stats_quantile_definition stats_quantiles[STATS_QUANTILE_COUNT] = {
    [STATS_P50] = {"p50", 0.5, 6},
    [STATS_P90] = {"p90", 0.9, 36},
    [STATS_P99] = {"p99", 0.99, 368},
    [STATS_P999] = {"p999", 0.999, 3688},
};

bool stats_launch_quantile(const struct hdr *hdr, uint64_t infinite, enum stats_quantile quantile,
                           double *value_ns)
{
    if (hdr_count(hdr) + infinite < stats_quantiles[quantile].frames_min)
        return false;
    int64_t value = hdr_quantile_with_infinite_ns(hdr, infinite, stats_quantiles[quantile].q);
    *value_ns = value == INT64_MAX ? INFINITY : (double)value;
    return true;
}

const char *stats_spread_name(enum stats_spread spread)
{
    static const char *const names[] = {"none", "range", "ci95"};
    return names[spread];
}

const char *stats_verdict_name(enum stats_verdict verdict)
{
    static const char *const names[] = {"unclear", "tied", "slower", "faster"};
    return names[verdict];
}

/* ---- Across launches ------------------------------------------------------------------------- */

void stats_mean(const double *values, size_t count, double (*map)(double), double *mean,
                double *error)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += map(values[i]);
    *mean = sum / (double)count;
    double squares = 0.0;
    for (size_t i = 0; i < count; i++)
        squares += (map(values[i]) - *mean) * (map(values[i]) - *mean);
    *error = count > 1 ? sqrt(squares / (double)(count - 1) / (double)count) : 0.0;
}

double stats_map_log(double value)
{
    return log(value < 1.0 ? 1.0 : value);
}

static double stats_map_same(double value)
{
    return value;
}

/* The smallest and largest value, and no mean yet. */
static struct stats_estimate stats_range(const double *values, size_t count)
{
    struct stats_estimate estimate = {
        .value = NAN, .low = NAN, .high = NAN, .launches = (uint32_t)count};
    if (count == 0)
        return estimate;
    estimate.spread = STATS_SPREAD_RANGE;
    estimate.low = INFINITY;
    estimate.high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        estimate.low = fmin(estimate.low, values[i]);
        estimate.high = fmax(estimate.high, values[i]);
    }
    return estimate;
}

struct stats_estimate stats_estimate_log(const double *values, size_t count)
{
    struct stats_estimate estimate = stats_range(values, count);
    if (count == 0)
        return estimate;
    if (isinf(estimate.high)) {
        estimate.value = INFINITY;
        return estimate;
    }
    /* All zero, as the access of a zero-copy cell: that is what is said, not the resolution. */
    if (estimate.high <= 0.0) {
        estimate.value = 0.0;
        return estimate;
    }
    double mean;
    double error;
    stats_mean(values, count, stats_map_log, &mean, &error);
    estimate.value = exp(mean);
    if (count >= STATS_LAUNCHES_MIN) {
        double reach = stats_t_quantile(0.975, (double)count - 1.0) * error;
        estimate.low = exp(mean - reach);
        estimate.high = exp(mean + reach);
        estimate.spread = STATS_SPREAD_CI95;
    }
    return estimate;
}

struct stats_estimate stats_estimate_signed(const double *values, size_t count)
{
    struct stats_estimate estimate = stats_range(values, count);
    if (count == 0)
        return estimate;
    double error;
    stats_mean(values, count, stats_map_same, &estimate.value, &error);
    if (count >= STATS_LAUNCHES_MIN) {
        double reach = stats_t_quantile(0.975, (double)count - 1.0) * error;
        estimate.low = estimate.value - reach;
        estimate.high = estimate.value + reach;
        estimate.spread = STATS_SPREAD_CI95;
    }
    return estimate;
}

struct stats_estimate stats_estimate_linear(const double *values, size_t count)
{
    struct stats_estimate estimate = stats_estimate_signed(values, count);
    if (estimate.spread == STATS_SPREAD_CI95)
        estimate.low = fmax(0.0, estimate.low);
    return estimate;
}

/* ---- Paired ---------------------------------------------------------------------------------- */

double stats_margin(double base_ns, double tick_ns)
{
    double base = base_ns < 1.0 ? 1.0 : base_ns;
    return fmax(STATS_MARGIN_RATIO, (base + 2.0 * tick_ns) / base);
}

/* Mean and standard error of d over the finite pairs, by Welford's recurrence; returns how many
 * those are. */
static size_t stats_pair_mean(const double *new_values, const double *base_values, size_t count,
                              double *mean, double *error)
{
    size_t pairs = 0;
    double squares = 0.0;
    *mean = 0.0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(new_values[i]) || !isfinite(base_values[i]))
            continue;
        double d = stats_map_log(new_values[i]) - stats_map_log(base_values[i]);
        double step = d - *mean;
        pairs++;
        *mean += step / (double)pairs;
        squares += step * (d - *mean);
    }
    *error = pairs > 1 ? sqrt(squares / (double)(pairs - 1) / (double)pairs) : 0.0;
    return pairs;
}

struct stats_paired stats_paired(const double *new_values, const double *base_values, size_t count,
                                 double margin)
{
    struct stats_paired paired = {.mean = NAN,
                                  .error = NAN,
                                  .ratio = NAN,
                                  .low90 = NAN,
                                  .high90 = NAN,
                                  .low95 = NAN,
                                  .high95 = NAN,
                                  .detectable = NAN,
                                  .verdict = STATS_UNCLEAR};
    double mean;
    double error;
    paired.pairs = stats_pair_mean(new_values, base_values, count, &mean, &error);
    if (paired.pairs == 0)
        return paired;
    paired.mean = mean;
    paired.ratio = exp(mean);
    if (paired.pairs < 2)
        return paired;
    paired.error = error;
    double degrees = (double)paired.pairs - 1.0;
    double one_sided = stats_t_quantile(0.95, degrees);
    double two_sided = stats_t_quantile(0.975, degrees);
    paired.low90 = exp(mean - one_sided * error);
    paired.high90 = exp(mean + one_sided * error);
    paired.low95 = exp(mean - two_sided * error);
    paired.high95 = exp(mean + two_sided * error);
    paired.detectable = stats_detectable(margin, error, degrees, STATS_ALPHA);
    if (paired.pairs < STATS_PAIRS_MIN || paired.pairs < count)
        return paired;
    if (paired.low90 > margin)
        paired.verdict = STATS_SLOWER;
    else if (paired.high90 < 1.0 / margin)
        paired.verdict = STATS_FASTER;
    else if (paired.low90 >= 1.0 / STATS_TIED_RATIO && paired.high90 <= STATS_TIED_RATIO)
        paired.verdict = STATS_TIED;
    return paired;
}

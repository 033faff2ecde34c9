/* beside_trend.c: how a figure goes over several results, and what is said of two. See beside.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/beside_parts.h"

/* Fewer results than these show no trend: through two points goes every line. */
#define TREND_POINTS_MIN 4

/* ---- Order ----------------------------------------------------------------------------------- */

const char *beside_started(const struct report *report)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    const char *text = json_get_string(json_get(report->json, "run"), "started_utc", "");
    for (size_t i = 0; i < sizeof form - 1; i++)
        if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return "";
    return text[sizeof form - 1] == '\0' ? text : "";
}

/* Whether result `a` comes after `b`. */
static bool is_after(const struct beside *beside, size_t a, size_t b)
{
    const char *started_a = beside_started(beside->reports[a]);
    const char *started_b = beside_started(beside->reports[b]);
    if (!started_a[0] || !started_b[0])
        return !started_a[0] && started_b[0];
    return strcmp(started_a, started_b) > 0;
}

void beside_order(struct beside *beside)
{
    for (size_t i = 0; i < beside->count; i++) {
        size_t at = i;
        for (; at > 0 && is_after(beside, beside->by_time[at - 1], i); at--)
            beside->by_time[at] = beside->by_time[at - 1];
        beside->by_time[at] = i;
    }
}

/* ---- The line -------------------------------------------------------------------------------- */

/* Least squares of y over 0, 1, 2 …; *error is the slope's standard error (count > 2). */
static double slope_fit(const double *y, size_t count, double *error)
{
    const double middle = ((double)count - 1.0) / 2.0;
    double mean = 0.0, sxx = 0.0, sxy = 0.0, residual = 0.0;
    for (size_t i = 0; i < count; i++)
        mean += y[i] / (double)count;
    for (size_t i = 0; i < count; i++) {
        sxx += ((double)i - middle) * ((double)i - middle);
        sxy += ((double)i - middle) * (y[i] - mean);
    }
    const double slope = sxy / sxx;
    for (size_t i = 0; i < count; i++) {
        double off = y[i] - mean - slope * ((double)i - middle);
        residual += off * off;
    }
    *error = sqrt(residual / ((double)count - 2.0) / sxx);
    return slope;
}

static enum compare_verdict trend_verdict(const struct beside_trend *trend, bool more_is_better,
                                          double margin)
{
    if (trend->points < TREND_POINTS_MIN)
        return COMPARE_UNCLEAR;
    const double whole = pow(trend->per_result, (double)trend->points - 1.0);
    const bool is_up = trend->low95 > 1.0 && whole > margin;
    const bool is_down = trend->high95 < 1.0 && whole < 1.0 / margin;
    if (!is_up && !is_down)
        return COMPARE_SAME;
    return is_up == more_is_better ? COMPARE_FASTER : COMPARE_SLOWER;
}

void beside_trend_find(const struct beside *beside, struct beside_line *line, double margin)
{
    struct beside_trend *trend = &line->trend;
    double y[BESIDE_RESULTS_MAX], error;
    *trend = (struct beside_trend){.per_result = NAN, .low95 = NAN, .high95 = NAN};
    if (beside->count < 3 || beside_machines_differ(beside))
        return;
    for (size_t i = 0; i < beside->count; i++) {
        const size_t column = beside->by_time[i];
        const struct figure *figure = &line->values[column].figure;
        if (figure->state == FIGURE_KNOWN && figure->value > 0 &&
            beside_started(beside->reports[column])[0])
            y[trend->points++] = log(figure->value);
    }
    if (trend->points < 3)
        return;
    trend->rises = trend->falls = true;
    for (size_t i = 1; i < trend->points; i++) {
        trend->rises = trend->rises && y[i] > y[i - 1];
        trend->falls = trend->falls && y[i] < y[i - 1];
    }
    const double slope = slope_fit(y, trend->points, &error);
    const double reach = stats_t_quantile(0.975, (double)trend->points - 2.0) * error;
    trend->per_result = exp(slope);
    trend->low95 = exp(slope - reach);
    trend->high95 = exp(slope + reach);
    trend->verdict = trend_verdict(trend, line->more_is_better, margin);
}

/* ---- Words ----------------------------------------------------------------------------------- */

const char *beside_verdict_words(const struct beside_line *line, enum compare_verdict verdict)
{
    switch (verdict) {
    case COMPARE_SAME:
        return "no difference seen";
    case COMPARE_SLOWER:
        return line->gate->kind == GATE_CPU_PERCENT ? "more CPU in stored results"
                                                    : "slower in stored results";
    case COMPARE_FASTER:
        return line->gate->kind == GATE_CPU_PERCENT ? "less CPU in stored results"
                                                    : "faster in stored results";
    default:
        return "not enough data";
    }
}

const char *beside_line_title(const struct beside_line *line, char *text)
{
    const struct gate *gate = line->gate;
    if (gate->kind == GATE_FRAMES_PER_S)
        return strcpy(text, "frames/s");
    if (gate->kind == GATE_CPU_PERCENT)
        snprintf(text, FIGURE_BYTES, "CPU %%, %s", gate->of);
    else
        snprintf(text, FIGURE_BYTES, "%s %.*s", gate->of, (int)strcspn(gate->key, "_"), gate->key);
    return text;
}

/* A ratio in as many digits as tell it from 1. */
static void ratio_format(double ratio, char *text)
{
    if (isnan(ratio))
        strcpy(text, "—");
    else
        snprintf(text, FIGURE_BYTES, "%.*f",
                 ratio < 1.995  ? 3
                 : ratio < 99.5 ? 1
                                : 0,
                 fmin(ratio, 1e15));
}

char *beside_ratio_format(const struct beside_value *value, char *text)
{
    char ratio[FIGURE_BYTES], low[FIGURE_BYTES], high[FIGURE_BYTES];
    const struct compare_stored *stored = &value->stored;
    ratio_format(stored->ratio, ratio);
    ratio_format(stored->low95, low);
    ratio_format(stored->high95, high);
    if (isnan(stored->ratio))
        return strcpy(text, "—");
    if (isnan(stored->low95) || isnan(stored->high95))
        snprintf(text, 2 * FIGURE_BYTES, "%.20s×", ratio);
    else
        snprintf(text, 2 * FIGURE_BYTES, "%.20s× (%.20s–%.20s)", ratio, low, high);
    return text;
}

static void percent_format(double ratio, char *text)
{
    double percent = 100.0 * (fmin(ratio, 1e6) - 1.0);
    snprintf(text, FIGURE_BYTES, "%+.*f %%", fabs(percent) < 9.95 ? 1 : 0, percent);
}

void beside_trend_add(struct text *text, const struct beside_line *line)
{
    const struct beside_trend *trend = &line->trend;
    char step[FIGURE_BYTES], low[FIGURE_BYTES], high[FIGURE_BYTES];
    if (trend->points < 3) {
        text_add(text, "too few results for a trend");
        return;
    }
    percent_format(trend->per_result, step);
    percent_format(trend->low95, low);
    percent_format(trend->high95, high);
    if (trend->rises || trend->falls)
        text_addf(text, "%s from each to the next of %zu results", trend->rises ? "rises" : "falls",
                  trend->points);
    else
        text_addf(text, "goes up and down over %zu results", trend->points);
    text_addf(text, ", by %s per result (95 %% interval %s to %s)", step, low, high);
    if (trend->verdict == COMPARE_SLOWER || trend->verdict == COMPARE_FASTER)
        text_addf(text, ": %s", beside_verdict_words(line, trend->verdict));
    else
        text_add(text, trend->verdict == COMPARE_SAME ? ": no trend that stands out"
                                                      : ": too few results for a trend");
}

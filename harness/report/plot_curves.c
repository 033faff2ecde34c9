/* plot_curves.c: the data of percentile curves. See plots.h and plots/percentiles.gp. */
#include <math.h>
#include <stdio.h>

#include "harness/base/json.h"
#include "harness/measure/hdr.h"
#include "harness/report/gnuplot.h"
#include "harness/report/plots.h"
#include "harness/report/verdict.h"

#define POINTS_PER_DECADE 48
#define LAUNCHES_SHOWN_MAX 64

struct launches {
    struct hdr *hdr[LAUNCHES_SHOWN_MAX];
    double infinite[LAUNCHES_SHOWN_MAX];
    size_t count;
    double samples_min; /* of the smallest launch: the band ends there */
};

static double samples_of(const struct hdr *hdr, double infinite)
{
    return (double)hdr_count(hdr) + infinite;
}

static void launches_open(struct launches *launches, const struct report_cell *cell,
                          const char *interval)
{
    const cJSON *json;
    launches->count = 0;
    launches->samples_min = INFINITY;
    cJSON_ArrayForEach (json, json_get(cell->json, "launches")) {
        double infinite;
        const char *text = report_histogram(json, interval, &infinite);
        struct hdr *hdr;
        if (!text || launches->count == LAUNCHES_SHOWN_MAX || hdr_decode(text, &hdr, NULL) != ST_OK)
            continue;
        launches->hdr[launches->count] = hdr;
        launches->infinite[launches->count++] = infinite;
        launches->samples_min = fmin(launches->samples_min, samples_of(hdr, infinite));
    }
}

static void launches_close(struct launches *launches)
{
    for (size_t i = 0; i < launches->count; i++)
        hdr_free(launches->hdr[i]);
}

/* The quantile at x = 1/(1-q); NAN among the frames that never finished. */
static double quantile_at(const struct hdr *hdr, double infinite, double x)
{
    int64_t value = hdr_quantile_with_infinite_ns(hdr, (uint64_t)fmin(infinite, 1e15), 1 - 1 / x);
    return value == INT64_MAX ? NAN : fmax(1, (double)value);
}

/* One row: x, the merged quantile, and the smallest and largest launch's where each has one. */
static void row_add(struct plot_input *input, const struct launches *launches, double x, double y)
{
    double low = INFINITY, high = 0;
    for (size_t i = 0; launches->count > 1 && x <= launches->samples_min && i < launches->count;
         i++) {
        double value = quantile_at(launches->hdr[i], launches->infinite[i], x);
        low = isnan(value) ? low : fmin(low, value);
        high = isnan(value) ? INFINITY : fmax(high, value);
    }
    if (high > 0 && isfinite(high))
        text_addf(&input->data, "%.6g\t%.0f\t%.0f\t%.0f\n", x, y, low, high);
    else
        text_addf(&input->data, "%.6g\t%.0f\t?\t?\n", x, y);
}

/* One curve, up to 1 - 1/n. False when the cell has no histogram that can be read. */
static bool curve_add(struct plot_input *input, const struct report_cell *cell,
                      const char *interval, double range[3])
{
    double infinite;
    struct hdr *hdr;
    const char *text = report_histogram(cell->json, interval, &infinite);
    if (!text || hdr_decode(text, &hdr, NULL) != ST_OK)
        return false;
    double samples = samples_of(hdr, infinite);
    if (hdr_count(hdr) < 2) {
        hdr_free(hdr);
        return false;
    }
    struct launches launches;
    launches_open(&launches, cell, interval);
    if (input->series)
        text_add(&input->data, "\n\n");
    text_add(&input->data, "x\t");
    text_add_label(&input->data, cell->short_label, 28);
    text_add(&input->data, "\tlow\thigh\n");
    for (int step = 0;; step++) {
        double x = fmin(pow(10, (double)step / POINTS_PER_DECADE), samples);
        double y = quantile_at(hdr, infinite, x);
        if (isnan(y))
            break;
        row_add(input, &launches, x, y);
        range[0] = fmin(range[0], y);
        range[1] = fmax(range[1], y);
        range[2] = fmax(range[2], x);
        if (x >= samples)
            break;
    }
    launches_close(&launches);
    hdr_free(hdr);
    input->series++;
    return true;
}

bool plot_curves_fill(const struct report_block *block, const struct report_group *group,
                      struct plot_input *input, struct text *caption)
{
    enum metric metric = verdict_metric(block, group);
    if (metric != METRIC_HANDOFF && metric != METRIC_LATENCY)
        return false;
    const char *interval = verdict_metric_interval(metric);
    double range[3] = {INFINITY, 0, 0}; /* smallest and largest time, largest x */
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (cell->ok && curve_add(input, cell, interval, range))
            text_addf(&input->colours, "%s%u", input->series > 1 ? " " : "",
                      plot_colour(block, cell));
    }
    if (input->series == 0)
        return false;
    double low = pow(10, floor(log10(range[0]))), high = pow(10, ceil(log10(range[1])));
    if (range[1] / range[0] < 30) { /* whole decades would squeeze the curves */
        low = range[0] / 1.25;
        high = range[1] * 1.25;
    }
    snprintf(input->layout, sizeof input->layout, "%.3f %.3f %.3f", low, high, range[2] * 1.12);
    text_add(&input->label, interval);
    text_addf(caption, "How %s is distributed", interval);
    if (group->context[0])
        text_addf(caption, " · %s", group->context);
    text_add(caption, ". Each curve is all launches together and ends where its frames do; the "
                      "band spans the launches.");
    return true;
}

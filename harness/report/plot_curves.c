/* plot_curves.c: the data of percentile curves. See plots.h and plots/percentiles.gp. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/hdr.h"
#include "harness/report/gnuplot.h"
#include "harness/report/plots.h"
#include "harness/report/verdict.h"

#define POINTS_PER_DECADE 48
#define POINTS_MAX (POINTS_PER_DECADE * 16)
#define CURVES_MAX 12
/* The chance that not one frame of a launch lies beyond the true quantile: with more of it, what
 * the launch has there is its maximum under another name. As in stats.h. */
#define BEYOND_CHANCE_MAX 0.025

/* A curve, and the smallest and largest launch's at each place; `high` is 0 where there is no
 * band. */
struct curve {
    double x[POINTS_MAX]; /* 1/(1-q) */
    double y[POINTS_MAX];
    double low[POINTS_MAX], high[POINTS_MAX];
    size_t count;
    size_t banded; /* points from the first on that every launch has frames enough for */
    size_t launches;
};

static double samples_of(const struct hdr *hdr, double infinite)
{
    return (double)hdr_count(hdr) + infinite;
}

/* The quantile at x = 1/(1-q); INFINITY among the frames that never finished. */
static double quantile_at(const struct hdr *hdr, double infinite, double x)
{
    int64_t value = hdr_quantile_with_infinite_ns(hdr, (uint64_t)fmin(infinite, 1e15), 1 - 1 / x);
    return value == INT64_MAX ? INFINITY : fmax(1, (double)value);
}

/* The merged curve, up to 1 - 1/n. False without a histogram that can be read. */
static bool curve_begin(struct curve *curve, const struct report_cell *cell, const char *interval)
{
    double infinite;
    struct hdr *hdr;
    const char *text = report_histogram(cell->json, interval, &infinite);
    curve->count = curve->banded = curve->launches = 0;
    if (!text || hdr_decode(text, &hdr, NULL) != ST_OK)
        return false;
    const double samples = samples_of(hdr, infinite);
    bool last = hdr_count(hdr) < 2;
    for (size_t i = 0; !last && i < POINTS_MAX; i++) {
        const double x = fmin(pow(10, (double)i / POINTS_PER_DECADE), samples);
        const double y = quantile_at(hdr, infinite, x);
        if (isinf(y))
            break;
        curve->x[i] = x;
        curve->y[i] = y;
        curve->low[i] = INFINITY;
        curve->high[i] = 0;
        curve->count++;
        last = x >= samples;
    }
    curve->banded = curve->count;
    hdr_free(hdr);
    return curve->count > 0;
}

/* Takes one launch into the band; where it has too few frames, the band ends for all: those that
 * happen to have enough are a selection. */
static void band_add(struct curve *curve, const struct hdr *hdr, double infinite)
{
    const double samples = samples_of(hdr, infinite);
    for (size_t i = 0; i < curve->banded; i++) {
        const double y = quantile_at(hdr, infinite, curve->x[i]);
        if (pow(1 - 1 / curve->x[i], samples) > BEYOND_CHANCE_MAX || isinf(y)) {
            curve->banded = i;
            break;
        }
        curve->low[i] = fmin(curve->low[i], y);
        curve->high[i] = fmax(curve->high[i], y);
    }
    curve->launches++;
}

static void band_make(struct curve *curve, const struct report_cell *cell, const char *interval)
{
    const cJSON *json;
    cJSON_ArrayForEach (json, json_get(cell->json, "launches")) {
        double infinite;
        struct hdr *hdr;
        if (strcmp(json_get_string(json, "status", ""), "ok") != 0)
            continue;
        const char *text = report_histogram(json, interval, &infinite);
        if (!text || hdr_decode(text, &hdr, NULL) != ST_OK) {
            curve->banded = 0;
            return;
        }
        band_add(curve, hdr, infinite);
        hdr_free(hdr);
    }
    if (curve->launches < 2)
        curve->banded = 0;
}

/* One curve of the data. False when the cell has no histogram that can be read. */
static bool curve_add(struct plot_input *input, struct curve *curve, const struct report_cell *cell,
                      const char *interval, double range[3])
{
    if (!curve_begin(curve, cell, interval))
        return false;
    band_make(curve, cell, interval);
    if (input->series)
        text_add(&input->data, "\n\n");
    text_add(&input->data, "x\t");
    text_add_label(&input->data, cell->short_label, 28);
    text_add(&input->data, "\tlow\thigh\n");
    for (size_t i = 0; i < curve->count; i++) {
        text_addf(&input->data, "%.6g\t%.0f\t", curve->x[i], curve->y[i]);
        if (i < curve->banded)
            text_addf(&input->data, "%.0f\t%.0f\n", curve->low[i], curve->high[i]);
        else
            text_add(&input->data, "?\t?\n");
        range[0] = fmin(range[0], curve->y[i]);
        range[1] = fmax(range[1], curve->y[i]);
        range[2] = fmax(range[2], curve->x[i]);
    }
    input->series++;
    return true;
}

/* Whether a cell is among the best that one picture can show. */
static bool is_shown(const struct report_block *block, const struct report_group *group,
                     enum metric metric, size_t index)
{
    const struct figure own = verdict_figure(&block->cells[group->cells[index]], metric);
    size_t better = 0;
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        const struct figure other = verdict_figure(cell, metric);
        better += cell->ok && other.state == FIGURE_KNOWN &&
                  (own.state != FIGURE_KNOWN || other.value < own.value ||
                   (other.value == own.value && i < index));
    }
    return better < CURVES_MAX;
}

bool plot_curves_fill(const struct report_block *block, const struct report_group *group,
                      struct plot_input *input, struct text *caption)
{
    enum metric metric = verdict_metric(block, group);
    if (metric != METRIC_HANDOFF && metric != METRIC_LATENCY)
        return false;
    const char *interval = verdict_metric_interval(metric);
    double range[3] = {INFINITY, 0, 0}; /* smallest and largest time, largest x */
    size_t left_out = 0;
    struct curve *curve = malloc(sizeof *curve);
    for (size_t i = 0; curve && i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (!cell->ok)
            continue;
        if (!is_shown(block, group, metric, i) || input->series == CURVES_MAX)
            left_out++;
        else if (curve_add(input, curve, cell, interval, range))
            text_addf(&input->colours, "%s%u", input->series > 1 ? " " : "",
                      plot_colour(block, cell));
    }
    free(curve);
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
                      "band spans the launches, as far as each has frames enough.");
    if (left_out)
        text_addf(caption, " Of %zu, the %zu with the lowest medians.", left_out + input->series,
                  input->series);
    return true;
}

/* axis_changes.c: what changing one axis does, all else equal. See axis_changes.h. */
#include "harness/report/axis_changes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether two cells differ in this axis of those that vary, and in no other. */
static bool differ_only_in(const struct report_block *block, const struct report_cell *a,
                           const struct report_cell *b, size_t axis)
{
    for (size_t i = 0; i < block->varying_count; i++)
        if ((a->values[i] == b->values[i]) == (i == axis))
            return false;
    return true;
}

static bool values_equal(const struct report_cell *a, const struct report_cell *b, const char *axis)
{
    char value_a[REPORT_AXIS_BYTES], value_b[REPORT_AXIS_BYTES];
    return strcmp(report_axis(a, axis, value_a), report_axis(b, axis, value_b)) == 0;
}

/* A cell with the value that the others are held against: the usual one, else the first. */
static const struct report_cell *base_find(const struct report_block *block, const char *axis)
{
    for (size_t i = 0; i < block->cell_count; i++)
        if (report_axis_is_default(&block->cells[i], axis))
            return &block->cells[i];
    return &block->cells[0];
}

/* What both are compared by. At maximum rate latency is queue depth; a search has a rate only. */
static enum metric pair_metric(const struct report_cell *a, const struct report_cell *b)
{
    double bound_ns;
    const bool rate_a = report_axis_is(a, "pacing", "max") || report_cell_searches(a, &bound_ns);
    const bool rate_b = report_axis_is(b, "pacing", "max") || report_cell_searches(b, &bound_ns);
    if (rate_a != rate_b)
        return METRIC_NONE;
    const enum metric metric = rate_a ? METRIC_FRAMES_PER_S : METRIC_LATENCY;
    const struct figure of_a = verdict_figure(a, metric), of_b = verdict_figure(b, metric);
    return of_a.state == FIGURE_KNOWN && of_b.state == FIGURE_KNOWN && of_a.value > 0 &&
                   of_b.value > 0
               ? metric
               : METRIC_NONE;
}

static bool cell_counts(const struct report_cell *cell)
{
    return verdict_cell_is_sound(cell) && !verdict_cell_is_floor(cell);
}

static void ratio_take(struct axis_ratio *ratio, struct figure now, struct figure base)
{
    if (now.state != FIGURE_KNOWN || base.state != FIGURE_KNOWN || now.value <= 0 ||
        base.value <= 0)
        return;
    const double value = now.value / base.value;
    const double sum = ratio->count ? log(ratio->mean) * (double)ratio->count : 0;
    ratio->low = ratio->count ? fmin(ratio->low, value) : value;
    ratio->high = ratio->count ? fmax(ratio->high, value) : value;
    ratio->count++;
    ratio->mean = exp((sum + log(value)) / (double)ratio->count);
}

static void pair_take(struct axis_change *change, const struct report *report,
                      const struct report_cell *cell, const struct report_cell *base)
{
    change->comparisons++;
    ratio_take(&change->ratio, verdict_figure(cell, change->metric),
               verdict_figure(base, change->metric));
    ratio_take(&change->cpu, report_cpu_both(cell), report_cpu_both(base));
    if (change->metric == METRIC_LATENCY)
        ratio_take(&change->p99, report_quantile(cell, "latency", "p99"),
                   report_quantile(base, "latency", "p99"));
    change->paired = verdict_compare(report, cell, base, change->metric);
    if (change->paired.pairs < VERDICT_PAIRS_MIN)
        change->few++;
    else if (change->paired.verdict == STATS_SLOWER)
        change->slower++;
    else if (change->paired.verdict == STATS_FASTER)
        change->faster++;
    else if (change->paired.verdict == STATS_TIED)
        change->tied++;
}

/* The change of that axis to this cell's value by that metric, a new one if need be; NULL when out
 * of memory. `first` is the first of this axis. */
static struct axis_change *change_get(struct axis_changes *changes, size_t first, const char *axis,
                                      const struct report_cell *cell,
                                      const struct report_cell *base, enum metric metric)
{
    for (size_t i = first; i < changes->count; i++)
        if (changes->items[i].metric == metric && values_equal(changes->items[i].to, cell, axis))
            return &changes->items[i];
    struct axis_change *items =
        realloc(changes->items, (changes->count + 1) * sizeof *changes->items);
    if (!items)
        return NULL;
    changes->items = items;
    items[changes->count] = (struct axis_change){.axis = axis,
                                                 .from = base,
                                                 .to = cell,
                                                 .metric = metric,
                                                 .ratio = {0, NAN, NAN, NAN},
                                                 .p99 = {0, NAN, NAN, NAN},
                                                 .cpu = {0, NAN, NAN, NAN}};
    return &items[changes->count++];
}

static bool axis_take(const struct report *report, const struct report_block *block, size_t axis,
                      struct axis_changes *changes)
{
    const char *name = block->varying[axis];
    const struct report_cell *usual = base_find(block, name);
    const size_t first = changes->count;
    for (size_t i = 0; i < block->cell_count; i++) {
        const struct report_cell *base = &block->cells[i];
        if (!cell_counts(base) || !values_equal(base, usual, name))
            continue;
        for (size_t j = 0; j < block->cell_count; j++) {
            const struct report_cell *cell = &block->cells[j];
            if (!differ_only_in(block, cell, base, axis) || !cell_counts(cell))
                continue;
            const enum metric metric = pair_metric(cell, base);
            if (metric == METRIC_NONE)
                continue;
            struct axis_change *change = change_get(changes, first, name, cell, base, metric);
            if (!change)
                return false;
            pair_take(change, report, cell, base);
        }
    }
    return true;
}

bool axis_changes_make(const struct report *report, const struct report_block *block,
                       struct axis_changes *changes)
{
    *changes = (struct axis_changes){NULL, 0};
    for (size_t i = 0; i < block->varying_count; i++) {
        if (strcmp(block->varying[i], block->compare) == 0 || block->bound[i])
            continue;
        if (!axis_take(report, block, i, changes)) {
            axis_changes_free(changes);
            return false;
        }
    }
    return true;
}

void axis_changes_free(struct axis_changes *changes)
{
    free(changes->items);
    *changes = (struct axis_changes){NULL, 0};
}

/* ---- in words -------------------------------------------------------------------------------- */

void axis_change_add_name(struct text *text, const struct axis_change *change)
{
    char to[REPORT_AXIS_BYTES], from[REPORT_AXIS_BYTES];
    if (!report_axis_speaks(change->axis)) {
        text_add_plain(text, report_axis_title(change->axis));
        text_add(text, " ");
    }
    text_add_plain(text, report_axis_pretty(change->to, change->axis, to));
    text_add(text, " instead of ");
    text_add_plain(text, report_axis_pretty(change->from, change->axis, from));
}

char *axis_ratio_format(double ratio, char *text)
{
    snprintf(text, FIGURE_BYTES, "%.*f×",
             ratio < 9.995   ? 2
             : ratio < 99.95 ? 1
                             : 0,
             fmin(ratio, 1e15));
    return text;
}

char *axis_ratio_format_range(const struct axis_ratio *ratio, char *text)
{
    char low[FIGURE_BYTES], high[FIGURE_BYTES];
    text[0] = '\0';
    if (ratio->count < 2)
        return text;
    axis_ratio_format(ratio->low, low);
    axis_ratio_format(ratio->high, high);
    low[strcspn(low, "\303")] = '\0'; /* the first byte of "×": said once */
    snprintf(text, FIGURE_BYTES, "%.20s–%.20s", low, high);
    return text;
}

static void verdict_count_add(struct text *text, const struct axis_change *change, size_t count,
                              const char *word)
{
    if (count == 0)
        return;
    text_addf(text, "%s%s", text->used_bytes ? ", " : "", word);
    if (change->comparisons == 1)
        return;
    if (count == change->comparisons)
        text_addf(text, count == 2 ? " in both" : " in all %zu", count);
    else
        text_addf(text, " in %zu of %zu", count, change->comparisons);
}

void axis_change_add_verdicts(struct text *text, const struct axis_change *change)
{
    struct text words = {0};
    const bool rate = change->metric == METRIC_FRAMES_PER_S;
    const size_t unclear =
        change->comparisons - change->slower - change->faster - change->tied - change->few;
    verdict_count_add(&words, change, change->slower, rate ? "fewer" : "longer");
    verdict_count_add(&words, change, change->faster, rate ? "more" : "shorter");
    verdict_count_add(&words, change, change->tied, "tied");
    verdict_count_add(&words, change, unclear, "not enough data");
    verdict_count_add(&words, change, change->few, "too few launches for a verdict");
    text_add(text, text_get(&words));
    text->failed = text->failed || words.failed;
    text_free(&words);
}

/* "3.0 times as long", "12 % longer", "40 % shorter" */
static void effect_add(struct text *text, const struct axis_change *change)
{
    char number[FIGURE_BYTES];
    const bool rate = change->metric == METRIC_FRAMES_PER_S;
    const double ratio = change->ratio.mean;
    if (ratio >= 1.5)
        text_addf(text, "%s as %s", format_ratio(ratio, number), rate ? "many" : "long");
    else if (ratio >= 1)
        text_addf(text, "%s %s", format_ratio(ratio, number), rate ? "more" : "longer");
    else
        text_addf(text, "%.*f %% %s", ratio > 0.9 ? 1 : 0, (1 - ratio) * 100,
                  rate ? "fewer" : "shorter");
}

struct axis_ratio axis_change_extent(const struct axis_change *change)
{
    const struct stats_paired *paired = &change->paired;
    struct axis_ratio extent = change->ratio;
    const bool rate = change->metric == METRIC_FRAMES_PER_S;
    if (change->comparisons == 1 && paired->pairs >= 2 && paired->low95 > 0 &&
        isfinite(paired->high95)) {
        extent.count = 2;
        extent.low = rate ? 1 / paired->high95 : paired->low95;
        extent.high = rate ? 1 / paired->low95 : paired->high95;
    }
    return extent;
}

/* "95 % interval 2.80–3.20× over 10 launches" of one comparison, "2.90–3.40× over 4
 * comparisons". */
static void extent_add(struct text *text, const struct axis_change *change)
{
    char range[FIGURE_BYTES];
    const struct axis_ratio extent = axis_change_extent(change);
    axis_ratio_format_range(&extent, range);
    if (change->comparisons > 1)
        text_addf(text, "%s over %zu comparisons", range, change->comparisons);
    else if (range[0])
        text_addf(text, "95 %% interval %s over %zu launches", range, change->paired.pairs);
    else
        text_add(text, "one comparison");
}

void axis_change_add_sentence(struct text *text, const struct axis_change *change)
{
    text_add(text, "With ");
    axis_change_add_name(text, change);
    text_addf(text, ", %s ",
              change->metric == METRIC_FRAMES_PER_S ? "frames/s are" : "p50 of latency is");
    effect_add(text, change);
    text_add(text, " (");
    extent_add(text, change);
    text_add(text, ")");
    if (change->comparisons > 1 || change->slower + change->faster == 0) {
        text_add(text, ": "); /* of one comparison the effect's own words say it */
        axis_change_add_verdicts(text, change);
    }
    text_add(text, ".");
}

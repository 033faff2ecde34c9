/* conclusions.c: one sentence per comparison. See conclusions.h.
 *
 * The rules are plain. A comparison stands on launches paired by number; "tied", "not enough data"
 * and the rest are stats_paired's verdicts. CPU figures are stated as measured, without a verdict.
 */
#include "harness/report/conclusions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/axis_changes.h"
#include "harness/report/transports.h"

#define STAGE_SMALL 0.01
#define CPU_SAME_RATIO 1.05

void conclusions_add_figure(struct text *text, const struct report_cell *cell, enum metric metric)
{
    char value[FIGURE_BYTES], spread[4 * FIGURE_BYTES];
    struct figure figure = verdict_figure(cell, metric);
    enum figure_unit unit = verdict_metric_unit(metric);
    text_addf(text, "%s%s", format_figure(&figure, unit, value),
              metric == METRIC_FRAMES_PER_S ? " frames/s" : "");
    format_spread(&figure, unit, spread, sizeof spread);
    if (metric == METRIC_FRAMES_PER_S && spread[0])
        text_addf(text, " (%s)", spread);
    else if (metric != METRIC_FRAMES_PER_S)
        text_addf(text, " (p50%s%s)", spread[0] ? ", " : "", spread);
}

static void name_add(struct text *text, const struct report_cell *cell)
{
    text_add(text, cell->name[0] ? cell->name : cell->label);
}

static struct figure cpu_figure(const struct report_block *block, const struct report_cell *cell)
{
    return strcmp(block->compare, "wait") == 0 ? report_cpu_percent(cell, "consumer")
                                               : report_cpu_both(cell);
}

/* ", for 4 % of a CPU instead of 100 %": whose CPU it is depends on what is compared. */
static void cpu_add(struct text *text, const struct report_block *block,
                    const struct report_cell *cell, const struct report_cell *base)
{
    struct figure now = cpu_figure(block, cell), before = cpu_figure(block, base);
    char value[FIGURE_BYTES], other[FIGURE_BYTES];
    const char *whose = strcmp(block->compare, "wait") == 0 ? "" : ", both roles together";
    if (now.state != FIGURE_KNOWN || before.state != FIGURE_KNOWN)
        return;
    format_figure(&now, UNIT_PERCENT, value);
    format_figure(&before, UNIT_PERCENT, other);
    double larger = fmax(now.value, before.value), smaller = fmin(now.value, before.value);
    if (strcmp(value, other) == 0 || larger <= smaller * CPU_SAME_RATIO)
        text_addf(text, ", at about the same CPU cost (%s %% of a CPU%s)", value, whose);
    else
        text_addf(text, ", for %s %% of a CPU instead of %s %%%s", value, other, whose);
}

/* The smallest effect that would have shown. */
static void detectable_add(struct text *text, const struct stats_paired *paired, const char *before)
{
    char ratio[FIGURE_BYTES];
    if (isfinite(paired->detectable) && paired->detectable > 1)
        text_addf(text, "%sa difference of %s or more would have been seen", before,
                  format_ratio(paired->detectable, ratio));
}

/* Where means are compared, whose ratio is not that of the medians that are shown: ", its mean 3.0
 * times spin's (…)". */
static void means_add(struct text *text, const struct stats_paired *paired, const char *base)
{
    char ratio[FIGURE_BYTES];
    format_ratio(paired->ratio, ratio);
    text_add(text, ", its mean ");
    if (paired->verdict == STATS_TIED)
        text_addf(text, "tied with %s's (within 5 %%", base);
    else if (paired->verdict == STATS_SLOWER)
        text_addf(text, strchr(ratio, '%') ? "%s more than %s's (" : "%s %s's (", ratio, base);
    else if (paired->verdict == STATS_FASTER)
        text_addf(text, "%.*f %% shorter than %s's (", paired->ratio > 0.9 ? 1 : 0,
                  (1 - paired->ratio) * 100, base);
    else
        text_addf(text, "not told apart from %s's for want of data (", base);
    if (paired->verdict == STATS_TIED || paired->verdict == STATS_UNCLEAR)
        detectable_add(text, paired, paired->verdict == STATS_TIED ? "; " : "");
    const bool opened = text_get(text)[text->used_bytes - 1] == '(';
    text_addf(text, "%sunder %d clock ticks means are compared)", opened ? "" : "; ",
              VERDICT_MEANS_BELOW_TICKS);
}

/* What `cell` is beside `base`: ", 110 times spin's 350 ns", ", tied with spin (…)". */
static void verdict_add(struct text *text, const struct report *report,
                        const struct report_cell *cell, const struct report_cell *base,
                        enum metric metric)
{
    char ratio[FIGURE_BYTES], value[FIGURE_BYTES];
    struct figure base_figure = verdict_figure(base, metric);
    format_figure(&base_figure, verdict_metric_unit(metric), value);
    struct stats_paired paired = verdict_compare(report, cell, base, metric);
    bool rate = metric == METRIC_FRAMES_PER_S;
    if (paired.pairs < VERDICT_PAIRS_MIN) {
        text_addf(text,
                  ", beside %s's %s; %zu launch%s of each %s too few for a verdict (%d are "
                  "needed)",
                  base->name, value, paired.pairs, paired.pairs == 1 ? "" : "es",
                  paired.pairs == 1 ? "is" : "are", VERDICT_PAIRS_MIN);
    } else if (verdict_compares_means(report, cell, base, metric)) {
        means_add(text, &paired, base->name);
    } else if (paired.verdict == STATS_TIED) {
        text_addf(text, ", tied with %s's %s (within 5 %%", base->name, value);
        detectable_add(text, &paired, "; ");
        text_add(text, ")");
    } else if (paired.verdict == STATS_SLOWER && paired.ratio >= 1) {
        format_ratio(paired.ratio, ratio);
        bool percent = strchr(ratio, '%') != NULL;
        if (rate)
            text_addf(text,
                      percent ? ", where %s's %s a thousand frames take %s less time"
                              : ", where %s's %s is %s as many",
                      base->name, value, ratio);
        else
            text_addf(text, percent ? ", %s more than %s's %s" : ", %s %s's %s", ratio, base->name,
                      value);
    } else {
        text_addf(text, ", beside %s's %s: not enough data to tell them apart (", base->name,
                  value);
        detectable_add(text, &paired, "");
        text_add(text, ")");
    }
}

static const char *metric_verb(enum metric metric)
{
    switch (metric) {
    case METRIC_HANDOFF:
        return "hands a frame over in ";
    case METRIC_LATENCY:
        return "gets a frame from the producer's hands to a finished kernel in ";
    case METRIC_FRAMES_PER_S:
        return "moves ";
    case METRIC_NONE:
        break;
    }
    return "";
}

/* True when the compared stage is under 1 % of the response in every cell of the group. */
static bool stage_is_small(const struct report_block *block, const struct report_group *group,
                           enum metric metric)
{
    size_t known = 0;
    for (size_t i = 0; metric == METRIC_HANDOFF && i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        struct figure stage = report_quantile(cell, "handoff", "p50");
        struct figure response = report_quantile(cell, "response", "p50");
        if (stage.state != FIGURE_KNOWN)
            continue;
        if (response.state != FIGURE_KNOWN || stage.value >= STAGE_SMALL * response.value)
            return false;
        known++;
    }
    return known > 0;
}

static void rate_add(struct text *text, const struct report_cell *cell,
                     const struct report_cell *best, enum metric metric)
{
    char value[FIGURE_BYTES], other[FIGURE_BYTES];
    enum figure_unit unit = verdict_metric_unit(METRIC_FRAMES_PER_S);
    struct figure rate = verdict_figure(cell, METRIC_FRAMES_PER_S);
    struct figure best_rate = verdict_figure(best, METRIC_FRAMES_PER_S);
    const bool moves_more = verdict_rate_ratio(cell, best, metric) * VERDICT_RATE_APART_RATIO <= 1;
    if (!moves_more && !verdict_loses_rate(cell, best, metric))
        return; /* the latency says as much, or there is little to say */
    text_addf(text, ", but at %s frames/s", format_figure(&rate, unit, value));
    text_addf(text, " against %s: the rest of a frame's turn lies outside the latency",
              format_figure(&best_rate, unit, other));
}

/* One point or the second half of the lead: a cell beside the best. */
static void cell_add(struct text *text, const struct report *report,
                     const struct report_block *block, const struct report_cell *cell,
                     const struct report_cell *best, enum metric metric)
{
    conclusions_add_figure(text, cell, metric);
    if (verdict_cell_is_floor(cell)) {
        text_add(text, "; it moves no bytes and shows the tool's own cost");
    } else if (report_integrity_errors(cell) > 0) {
        text_add(text, ", but frames arrived damaged: ");
        report_integrity_text(cell, text);
    } else {
        verdict_add(text, report, cell, best, metric);
        cpu_add(text, block, cell, best);
        rate_add(text, cell, best, metric);
    }
    text_add(text, ".");
}

/* The lead of three cells or more: the best one by itself. */
static void lead_add(struct text *text, const struct report_block *block,
                     const struct report_cell *best, enum metric metric)
{
    char value[FIGURE_BYTES];
    struct figure cpu = cpu_figure(block, best);
    name_add(text, best);
    text_addf(text, " %s", metric_verb(metric));
    conclusions_add_figure(text, best, metric);
    if (cpu.state == FIGURE_KNOWN)
        text_addf(text, ", for %s %% of a CPU%s", format_figure(&cpu, UNIT_PERCENT, value),
                  strcmp(block->compare, "wait") == 0 ? "" : ", both roles together");
    text_addf(text, ": the %s figure measured here.",
              metric == METRIC_FRAMES_PER_S ? "highest" : "lowest");
}

/* A block that compares nothing and moves no bytes says what the tool itself costs. */
static bool floor_make(const struct report_block *block, const struct report_group *group,
                       struct conclusion *made)
{
    const struct report_cell *cell = &block->cells[group->cells[0]];
    if (group->cell_count != 1 || !cell->ok || !verdict_cell_is_floor(cell) ||
        verdict_figure(cell, METRIC_LATENCY).state != FIGURE_KNOWN)
        return true;
    text_addf(&made->lead, "%s, a frame of which no byte moves takes ", group->sentence);
    conclusions_add_figure(&made->lead, cell, METRIC_LATENCY);
    text_add(&made->lead, ": what the tool itself costs, within every latency measured here.");
    return true;
}

/* A block that compares nothing says what each of its axes changes, if there is nothing else. */
static bool changes_make(const struct report *report, const struct report_block *block,
                         struct conclusion *made)
{
    struct axis_changes changes;
    if (made->lead.used_bytes)
        return true;
    if (!axis_changes_make(report, block, &changes))
        return false;
    struct text *points = calloc(changes.count + 2, sizeof *points);
    if (points) {
        free(made->points);
        made->points = points;
    }
    for (size_t i = 0; points && i < changes.count; i++)
        axis_change_add_sentence(i ? &points[made->point_count++] : &made->lead, &changes.items[i]);
    axis_changes_free(&changes);
    return points != NULL;
}

static bool conclusion_make(const struct report *report, const struct report_block *block,
                            const struct report_group *group, struct conclusion *made)
{
    enum metric metric = verdict_metric(block, group);
    const struct report_cell *best = verdict_best(block, group, metric);
    size_t others = 0;
    const struct report_cell *only = NULL;
    for (size_t i = 0; best && i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (cell != best && cell->ok && verdict_figure(cell, metric).state == FIGURE_KNOWN) {
            only = cell;
            others++;
        }
    }
    made->points = calloc(others + 2, sizeof *made->points);
    if (!made->points)
        return false;
    if (!block->compare[0])
        return floor_make(block, group, made) && changes_make(report, block, made);
    if (others == 0)
        return true;
    bool searches = verdict_group_searches(block, group);
    if (searches && !conclusions_add_search(&made->lead, block, group))
        return false;
    if (!searches)
        text_addf(&made->lead, "%s, ", group->sentence);
    if (others == 1 && !verdict_cell_is_floor(only) && !searches) {
        name_add(&made->lead, only);
        text_addf(&made->lead, " %s", metric_verb(metric));
        cell_add(&made->lead, report, block, only, best, metric);
    } else {
        if (!searches)
            lead_add(&made->lead, block, best, metric);
        const bool many = transports_are_many(block, group, metric);
        if (many) {
            struct text *point = &made->points[made->point_count++];
            text_add(point, "The others, ");
            transports_add(point, report, block, group, metric);
        }
        for (size_t i = 0; !many && i < group->cell_count; i++) {
            const struct report_cell *cell = &block->cells[group->cells[i]];
            if (cell == best || !cell->ok || verdict_figure(cell, metric).state != FIGURE_KNOWN)
                continue;
            struct text *point = &made->points[made->point_count++];
            name_add(point, cell);
            text_add(point, ": ");
            cell_add(point, report, block, cell, best, metric);
        }
    }
    if (stage_is_small(block, group, metric))
        text_add(&made->points[made->point_count++],
                 "Every one of these is under 1 % of the response: for time, the choice does not "
                 "matter here.");
    return true;
}

void conclusions_small_stages(const struct report_cell *cell, struct text *text)
{
    static const char *const stages[] = {"reserve", "fill", "transfer", "access", "kernel"};
    struct figure whole = report_quantile(cell, "response", "p50");
    if (whole.state != FIGURE_KNOWN)
        whole = report_quantile(cell, "latency", "p50");
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        struct figure stage = report_quantile(cell, stages[i], "p50");
        if (whole.state == FIGURE_KNOWN && stage.state == FIGURE_KNOWN &&
            stage.value < STAGE_SMALL * whole.value)
            text_addf(text, "%s%s", text->used_bytes ? ", " : "", stages[i]);
    }
}

enum status conclusions_make(const struct report *report, struct conclusions **conclusions,
                             struct err *err)
{
    size_t groups = 0;
    for (size_t i = 0; i < report->block_count; i++)
        groups += report->blocks[i].group_count;
    struct conclusions *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory writing conclusions");
    made->items = calloc(groups + 1, sizeof *made->items);
    if (!made->items)
        goto undo_made;
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        for (size_t j = 0; j < block->group_count; j++) {
            struct conclusion *item = &made->items[made->count++];
            item->block = i;
            if (!conclusion_make(report, block, &block->groups[j], item) ||
                !notes_make(report, block, &block->groups[j], item))
                goto undo_made;
        }
    }
    if (!transports_headlines(report, made))
        goto undo_made;
    advice_make(report, made);
    *conclusions = made;
    return ST_OK;
undo_made:
    conclusions_free(made);
    return err_set(err, ST_NO_MEMORY, NULL, "out of memory writing conclusions");
}

bool conclusions_opens_block(const struct conclusions *conclusions, size_t index)
{
    const size_t block = conclusions->items[index].block;
    bool is_alone = true;
    for (size_t i = 0; i < conclusions->count; i++) {
        if (!conclusions->items[i].lead.used_bytes)
            continue;
        if (conclusions->items[i].block != block)
            is_alone = false;
        else if (i < index)
            return false;
    }
    return !is_alone && conclusions->items[index].lead.used_bytes;
}

void conclusions_free(struct conclusions *conclusions)
{
    if (!conclusions)
        return;
    for (size_t i = 0; i < conclusions->count; i++) {
        struct conclusion *item = &conclusions->items[i];
        for (size_t j = 0; item->points && j < item->point_count; j++)
            text_free(&item->points[j]);
        for (size_t j = 0; item->notes && j < item->note_count; j++)
            text_free(&item->notes[j]);
        free(item->notes);
        free(item->points);
        text_free(&item->lead);
    }
    for (size_t i = 0; i < conclusions->headline_count; i++)
        text_free(&conclusions->headlines[i]);
    free(conclusions->headlines);
    for (size_t i = 0; i < conclusions->advice_count; i++)
        text_free(&conclusions->advice[i]);
    free(conclusions->advice);
    free(conclusions->items);
    free(conclusions);
}

/* plot_timeline.c: the data of launches over their time: was it one stall, or is the tail there all
 * the time? See plots.h, timeline.h and plots/timeline.gp.
 *
 * One panel per cell, its launches side by side, each as wide as the others however long it took.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/plots.h"
#include "harness/report/timeline.h"
#include "harness/report/verdict.h"

#define PANELS_MAX 4
#define NAME_CHARACTERS_MAX 28
/* Of one panel: more would stand closer than two pixels. */
#define STRETCHES_MAX 240
#define SQUARES_MAX 24
#define CELLS_MAX 256

struct candidate {
    const struct report_cell *cell;
    struct timeline timeline;
    double reach; /* largest value by smallest median: how much there is to see */
    bool best;    /* of its group */
    bool shown;
};

static int by_time(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Some neighbouring stretches as one: the middle one of their medians, the largest maximum. False
 * where none of them has a frame. */
static bool stretches_join(const struct timeline_launch *launch, size_t first, size_t count,
                           double *p50_ns, double *max_ns)
{
    double medians[TIMELINE_BUCKETS_MAX];
    size_t used = 0;
    *max_ns = 0;
    for (size_t i = first; i < first + count && i < launch->bucket_count; i++) {
        if (isnan(launch->p50_ns[i]))
            continue;
        medians[used++] = launch->p50_ns[i];
        *max_ns = fmax(*max_ns, launch->max_ns[i]);
    }
    if (used == 0)
        return false;
    qsort(medians, used, sizeof *medians, by_time);
    *p50_ns = medians[(used - 1) / 2];
    return true;
}

/* One index of the data: the heading, then the stretches; an empty line parts launches and stands
 * where nothing finished. */
static void stretches_add(struct text *data, const struct candidate *candidate)
{
    const struct timeline *timeline = &candidate->timeline;
    const size_t per_launch =
        STRETCHES_MAX / timeline->count > 1 ? STRETCHES_MAX / timeline->count : 1;
    for (size_t i = 0; i < timeline->count; i++) {
        const struct timeline_launch *launch = &timeline->launches[i];
        const size_t joined = (launch->bucket_count + per_launch - 1) / per_launch;
        const double width = 1.0 / (double)launch->bucket_count;
        bool open = false;
        for (size_t j = 0; j < launch->bucket_count; j += joined) {
            double p50_ns, max_ns;
            const size_t end =
                j + joined < launch->bucket_count ? j + joined : launch->bucket_count;
            if (!stretches_join(launch, j, joined, &p50_ns, &max_ns)) {
                if (open)
                    text_add(data, "\n");
                open = false;
                continue;
            }
            text_addf(data, "%.4f\t%.0f\t%.0f\n",
                      (double)i + 0.5 * width * (double)(j + end) * 0.96 + 0.02, p50_ns, max_ns);
            open = true;
        }
        if (open)
            text_add(data, "\n");
    }
}

/* The value from which on a panel marks hiccups: the largest of them all. */
static double marked_from(const struct timeline *timeline)
{
    double values[TIMELINE_LAUNCHES_MAX * TIMELINE_HICCUPS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < timeline->count; i++)
        for (size_t j = 0; j < timeline->launches[i].hiccups_kept; j++)
            values[count++] = timeline->launches[i].hiccups[j].value_ns;
    qsort(values, count, sizeof *values, by_time);
    return count > SQUARES_MAX ? values[count - SQUARES_MAX] : 0;
}

static void hiccups_add(struct text *data, const struct timeline *timeline)
{
    const double from_ns = marked_from(timeline);
    size_t marked = 0;
    for (size_t i = 0; i < timeline->count; i++)
        for (size_t j = 0; j < timeline->launches[i].hiccups_kept && marked < SQUARES_MAX; j++) {
            if (timeline->launches[i].hiccups[j].value_ns < from_ns)
                continue;
            text_addf(data, "%.4f\t%.0f\n",
                      (double)i + 0.96 * timeline->launches[i].hiccups[j].at + 0.02,
                      timeline->launches[i].hiccups[j].value_ns);
            marked++;
        }
    if (!marked) /* gnuplot wants a row: one that is out of sight */
        text_add(data, "-9\t1\n");
}

/* "3 hiccups in 2 of 10 launches, 0.05 % of the frames". */
static void summary_add(struct text *text, const struct timeline *timeline)
{
    char hiccups[FIGURE_BYTES];
    const double share =
        timeline->frames > 0 ? fmin(1, timeline->hiccup_frames / timeline->frames) * 100 : 0;
    if (timeline->hiccup_count < 1) {
        text_add(text, "no hiccups");
        return;
    }
    text_addf(text, "%s hiccup%s in %zu of %zu launches, %.2g %% of frames",
              format_count(timeline->hiccup_count, hiccups), timeline->hiccup_count < 2 ? "" : "s",
              timeline->launches_with_hiccups, timeline->count + timeline->left_out, share);
}

/* Two indices per panel: its stretches, and its hiccups; the names stand in index 0. */
static void panels_add(struct plot_input *input, const struct report_block *block,
                       const struct candidate *candidates, size_t count)
{
    struct text names = {0}, panels = {0};
    for (size_t i = 0; i < count; i++) {
        const struct candidate *candidate = &candidates[i];
        if (!candidate->shown)
            continue;
        text_add_label(&names,
                       candidate->cell->short_label[0] ? candidate->cell->short_label
                                                       : candidate->cell->label,
                       NAME_CHARACTERS_MAX);
        text_add(&names, "\t");
        summary_add(&names, &candidate->timeline);
        text_add(&names, "\n");
        text_add(&panels, "\n\n");
        stretches_add(&panels, candidate);
        text_add(&panels, "\n");
        hiccups_add(&panels, &candidate->timeline);
        text_addf(&input->colours, "%s%u", input->series++ ? " " : "",
                  plot_colour(block, candidate->cell));
    }
    text_add(&input->data, text_get(&names));
    text_add(&input->data, text_get(&panels));
    input->data.failed = input->data.failed || names.failed || panels.failed;
    text_free(&names);
    text_free(&panels);
}

/* The group's best, then those with the most to see. Returns how many. */
static size_t candidates_choose(struct candidate *candidates, size_t count)
{
    size_t shown = 0;
    for (; shown < PANELS_MAX && shown < count; shown++) {
        struct candidate *next = NULL;
        for (size_t i = 0; i < count; i++)
            if (!candidates[i].shown &&
                (!next || (candidates[i].best && !next->best) ||
                 (candidates[i].best == next->best && candidates[i].reach > next->reach)))
                next = &candidates[i];
        next->shown = true;
    }
    return shown;
}

static size_t candidates_find(const struct report_block *block, const struct report_group *group,
                              struct candidate *candidates)
{
    const struct report_cell *best = verdict_best(block, group, verdict_metric(block, group));
    size_t count = 0;
    for (size_t i = 0; i < group->cell_count && count < CELLS_MAX; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        struct candidate *candidate = &candidates[count];
        double bound_ns;
        /* At maximum rate a latency is the depth of a queue; a search has a rate of its own. */
        if (!cell->ok || verdict_cell_is_floor(cell) || report_axis_is(cell, "pacing", "max") ||
            report_cell_searches(cell, &bound_ns) || !timeline_read(cell, &candidate->timeline))
            continue;
        candidate->cell = cell;
        candidate->best = cell == best;
        candidate->reach = candidate->timeline.high_ns / candidate->timeline.low_ns;
        count++;
    }
    return count;
}

static void caption_write(struct text *caption, const struct report_group *group,
                          const char *interval, size_t shown, size_t count)
{
    text_addf(caption, "How each launch went over its time, by %s%s%s", interval,
              group->context[0] ? " · " : "", group->context);
    text_add(
        caption,
        ". The line is the median of each stretch, the band reaches to its slowest "
        "frame; squares are the largest hiccups, frames far above what one in ten has. Where they "
        "are fewer than 1 % of the frames, they are not what decides p99.");
    if (shown < count)
        text_addf(caption, " Of %zu, these are the fastest and those that reach farthest.", count);
}

bool plot_timeline_fill(const struct report_block *block, const struct report_group *group,
                        struct plot_input *input, struct text *caption)
{
    struct candidate *candidates = calloc(CELLS_MAX, sizeof *candidates);
    const size_t count = candidates ? candidates_find(block, group, candidates) : 0;
    const size_t shown = candidates_choose(candidates, count);
    double low = INFINITY, high = 0;
    size_t launches = 1;
    const char *interval = "";
    for (size_t i = 0; i < count; i++) {
        const struct timeline *timeline = &candidates[i].timeline;
        if (!candidates[i].shown)
            continue;
        low = fmin(low, timeline->low_ns);
        high = fmax(high, timeline->high_ns);
        launches = timeline->count > launches ? timeline->count : launches;
        interval = timeline->interval;
    }
    if (shown) {
        panels_add(input, block, candidates, count);
        snprintf(input->layout, sizeof input->layout, "%.3e %.3e %zu", low / 1.3, high * 1.5,
                 launches);
        text_add(&input->label, interval);
        caption_write(caption, group, interval, shown, count);
    }
    for (size_t i = 0; i < count; i++)
        timeline_free(&candidates[i].timeline);
    free(candidates);
    return shown > 0;
}

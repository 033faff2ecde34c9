/* plots.c: which pictures a report has, and in what order. See plots.h. */
#include "harness/report/plots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/gnuplot.h"

#define PATH_BYTES 4096 /* of the folder */
/* All results of a page together; each has at least a few. */
#define PICTURES_MAX 72
#define PICTURES_LEAST 4
#define INLINED_BYTES_MAX (3200u << 10)

static bool handoff_fill(const struct report_block *block, struct plot_input *input,
                         struct text *caption)
{
    return plot_bars_fill(block, METRIC_HANDOFF, input, caption);
}

static bool latency_fill(const struct report_block *block, struct plot_input *input,
                         struct text *caption)
{
    return plot_bars_fill(block, METRIC_LATENCY, input, caption);
}

static bool rates_fill(const struct report_block *block, struct plot_input *input,
                       struct text *caption)
{
    return plot_bars_fill(block, METRIC_FRAMES_PER_S, input, caption);
}

/* What there is to draw, by enum plot_kind. */
static const struct kind {
    const char *name;  /* in the names of files */
    const char *title; /* in a sentence; of those that are drawn for groups */
    size_t groups_max; /* of one block; 0 for a picture of the whole block */
    bool (*block_fill)(const struct report_block *, struct plot_input *, struct text *);
    bool (*group_fill)(const struct report_block *, const struct report_group *,
                       struct plot_input *, struct text *);
} kinds[PLOT_KIND_COUNT] = {
    [PLOT_TRADEOFF] = {"tradeoff", "response against CPU", 6, NULL, plot_tradeoff_fill},
    [PLOT_HANDOFF] = {"handoff", NULL, 0, handoff_fill, NULL},
    [PLOT_LATENCY] = {"latency", NULL, 0, latency_fill, NULL},
    [PLOT_RATES] = {"rates", NULL, 0, rates_fill, NULL},
    [PLOT_SIZES] = {"sizes", NULL, 0, plot_sizes_fill, NULL},
    [PLOT_STAGES] = {"stages", NULL, 0, plot_stages_fill, NULL},
    [PLOT_TIMELINE] = {"timeline", "launches over their time", 3, NULL, plot_timeline_fill},
    [PLOT_CURVES] = {"percentiles", "percentile curves", 6, NULL, plot_curves_fill},
};

/* A report's pictures in the making. */
struct making {
    const struct report *report;
    const char *folder;
    const char *prefix;
    struct plots *plots;
    size_t pictures_max;
    struct text list;
    size_t *next; /* the group to try next, by block and kind; a whole block counts as one */
};

/* Adds the picture if there is something to draw: then *drawn is set. */
static enum status plot_add(struct making *making, size_t block_index, enum plot_kind kind,
                            size_t group_index, bool *drawn, struct err *err)
{
    const struct report_block *block = &making->report->blocks[block_index];
    struct plot *plot = &making->plots->items[making->plots->count];
    struct plot_input input = {.series = 0};
    enum status status = ST_OK;
    memset(plot, 0, sizeof *plot);
    plot->kind = kind;
    plot->block = block_index;
    plot->group = group_index;
    *drawn = kinds[kind].block_fill ? kinds[kind].block_fill(block, &input, &plot->caption)
                                    : kinds[kind].group_fill(block, &block->groups[group_index],
                                                             &input, &plot->caption);
    if (*drawn) {
        int used = snprintf(plot->stem, sizeof plot->stem, "%.8s%zu-%s", making->prefix,
                            block_index + 1, kinds[kind].name);
        if (kinds[kind].group_fill)
            snprintf(plot->stem + used, sizeof plot->stem - (size_t)used, "-%zu", group_index + 1);
        making->plots->count++;
        status = plot_input_write(making->folder, plot, &input, &making->list, err);
    } else {
        text_free(&plot->caption);
    }
    plot_input_free(&input);
    return status;
}

/* The block's next picture of this kind, if it has one and there is room. */
static enum status next_add(struct making *making, size_t block_index, enum plot_kind kind,
                            struct err *err)
{
    const size_t groups = making->report->blocks[block_index].group_count;
    const size_t tries = kinds[kind].group_fill ? groups : groups ? 1 : 0;
    struct plot_extent *extent = &making->plots->extents[block_index * PLOT_KIND_COUNT + kind];
    size_t *next = &making->next[block_index * PLOT_KIND_COUNT + kind];
    enum status status = ST_OK;
    bool drawn = false;
    while (status == ST_OK && !drawn && *next < tries &&
           making->plots->count < making->pictures_max)
        status = plot_add(making, block_index, kind, (*next)++, &drawn, err);
    extent->drawn += drawn;
    extent->left_out = tries - *next;
    return status;
}

/* Every block's first pictures before any block's second. */
static enum status plots_choose(struct making *making, struct err *err)
{
    static const enum plot_kind order[PLOT_KIND_COUNT] = {PLOT_HANDOFF,  PLOT_LATENCY,  PLOT_RATES,
                                                          PLOT_TRADEOFF, PLOT_TIMELINE, PLOT_CURVES,
                                                          PLOT_STAGES,   PLOT_SIZES};
    enum status status = ST_OK;
    for (size_t round = 0; round < making->pictures_max; round++)
        for (size_t i = 0; i < PLOT_KIND_COUNT; i++)
            for (size_t block = 0; status == ST_OK && block < making->report->block_count; block++)
                if (round < kinds[order[i]].groups_max || round == 0)
                    status = next_add(making, block, order[i], err);
    return status;
}

static int by_place(const void *a, const void *b)
{
    const struct plot *x = a, *y = b;
    const size_t xs[] = {x->block, x->kind, x->group}, ys[] = {y->block, y->kind, y->group};
    for (size_t i = 0; i < sizeof xs / sizeof xs[0]; i++)
        if (xs[i] != ys[i])
            return xs[i] < ys[i] ? -1 : 1;
    return 0;
}

void plots_room_share(struct plots *plots, size_t bytes_max)
{
    size_t used = 0;
    for (size_t i = 0; i < plots->count; i++) {
        struct text *svg = &plots->items[i].svg;
        if (used + svg->used_bytes <= bytes_max) {
            used += svg->used_bytes;
            continue;
        }
        text_free(svg);
        plots->items[i].left_out = true;
    }
}

static struct plots *plots_new(const struct report *report, size_t pictures_max)
{
    struct plots *plots = calloc(1, sizeof *plots);
    if (!plots)
        return NULL;
    plots->items = calloc(pictures_max + 1, sizeof *plots->items);
    plots->extents = calloc(report->block_count * PLOT_KIND_COUNT + 1, sizeof *plots->extents);
    plots->block_count = report->block_count;
    if (!plots->items || !plots->extents) {
        plots_free(plots);
        return NULL;
    }
    for (size_t i = 0; i < report->block_count * PLOT_KIND_COUNT; i++) {
        plots->extents[i].block = i / PLOT_KIND_COUNT;
        plots->extents[i].kind = (enum plot_kind)(i % PLOT_KIND_COUNT);
    }
    return plots;
}

enum status plots_make(const struct report *report, const char *dir, const char *prefix,
                       size_t results, struct plots **plots, struct err *err)
{
    char folder[PATH_BYTES];
    const size_t share = PICTURES_MAX / (results ? results : 1);
    struct making making = {.report = report,
                            .folder = folder,
                            .prefix = prefix,
                            .pictures_max = share > PICTURES_LEAST ? share : PICTURES_LEAST};
    _Static_assert(PICTURES_MAX <= GNUPLOT_PICTURES_MAX, "one gnuplot draws them all");
    snprintf(folder, sizeof folder, "%s/plots", dir);
    enum status status = plot_scripts_write(folder, err);
    if (status != ST_OK)
        return status;
    making.plots = plots_new(report, making.pictures_max);
    making.next = calloc(report->block_count * PLOT_KIND_COUNT + 1, sizeof *making.next);
    if (!making.plots || !making.next)
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory drawing plots");
    if (status == ST_OK)
        status = plots_choose(&making, err);
    if (status == ST_OK)
        status = plot_all_draw(folder, prefix, making.plots, &making.list, err);
    if (status == ST_OK) {
        plots_room_share(making.plots, INLINED_BYTES_MAX / (results ? results : 1));
        qsort(making.plots->items, making.plots->count, sizeof *making.plots->items, by_place);
        *plots = making.plots;
        making.plots = NULL;
    }
    plots_free(making.plots);
    text_free(&making.list);
    free(making.next);
    return status;
}

void plots_add_left_out(struct text *out, const struct plots *plots, size_t block)
{
    size_t named = 0, not_inlined = 0;
    for (size_t i = 0; i < plots->block_count * PLOT_KIND_COUNT; i++) {
        const struct plot_extent *extent = &plots->extents[i];
        const char *title = kinds[extent->kind].title;
        if (extent->block != block || !title || !extent->left_out || !extent->drawn)
            continue;
        text_addf(out, "%s%s: %zu",
                  named++ ? ", " : "Only the first comparisons have pictures of their own (", title,
                  extent->drawn);
    }
    if (named)
        text_add(out, "), so that the page stays small; the table has the figures of all.");
    for (size_t i = 0; i < plots->count; i++)
        not_inlined += plots->items[i].block == block && plots->items[i].left_out;
    if (not_inlined)
        text_addf(out, "%s%zu more picture%s in plots/ beside this page.", named ? " " : "",
                  not_inlined, not_inlined == 1 ? " is" : "s are");
}

void plots_free(struct plots *plots)
{
    if (!plots)
        return;
    for (size_t i = 0; plots->items && i < plots->count; i++) {
        text_free(&plots->items[i].caption);
        text_free(&plots->items[i].svg);
    }
    free(plots->items);
    free(plots->extents);
    free(plots);
}

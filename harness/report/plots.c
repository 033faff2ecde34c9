/* plots.c: writing the data, running gnuplot, keeping the pictures. See plots.h. */
#include "harness/report/plots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/report/assets.h"
#include "harness/report/gnuplot.h"

#define GROUPS_DRAWN_MAX 6 /* of a block, of each kind of picture that shows one group */
#define PATH_BYTES 4096    /* of the folder */
#define FILE_BYTES (PATH_BYTES + 128)

static enum status script_write(const char *folder, const char *name, const unsigned char *asset,
                                struct err *err)
{
    char path[FILE_BYTES];
    struct text text = {0};
    text_add(&text, (const char *)asset);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    enum status status = text_write_file(&text, path, err);
    text_free(&text);
    return status;
}

static enum status scripts_write(const char *folder, struct err *err)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return err_set_errno(err, errno, "choose a folder you may write to with --out",
                             "cannot make %s", folder);
    enum status status = script_write(folder, "percentiles.gp", report_asset_percentiles_gp, err);
    if (status == ST_OK)
        status = script_write(folder, "bars.gp", report_asset_bars_gp, err);
    if (status == ST_OK)
        status = script_write(folder, "stages.gp", report_asset_stages_gp, err);
    if (status == ST_OK)
        status = script_write(folder, "tradeoff.gp", report_asset_tradeoff_gp, err);
    return status;
}

static enum status input_write(const char *folder, const struct plot *plot,
                               const struct plot_input *input, struct err *err)
{
    char path[FILE_BYTES];
    snprintf(path, sizeof path, "%s/%s.tsv", folder, plot->stem);
    enum status status = text_write_file(&input->data, path, err);
    if (status != ST_OK || plot->kind == PLOT_CURVES || plot->kind == PLOT_TRADEOFF)
        return status;
    snprintf(path, sizeof path, "%s/%s.headings.tsv", folder, plot->stem);
    return text_write_file(&input->headings, path, err);
}

/* Runs the script of a plot for one terminal. */
static enum status plot_run(const char *folder, const struct plot *plot,
                            const struct plot_input *input, const char *terminal, struct err *err)
{
    char output[64], data[64], headings[80], series[16], low[32], high[32], right[32];
    snprintf(output, sizeof output, "%s.%s", plot->stem, terminal);
    snprintf(data, sizeof data, "%s.tsv", plot->stem);
    snprintf(headings, sizeof headings, "%s.headings.tsv", plot->stem);
    const char *label = text_get(&input->label);
    if (plot->kind == PLOT_CURVES) {
        snprintf(series, sizeof series, "%zu", input->series);
        if (sscanf(input->layout, "%31s %31s %31s", low, high, right) != 3)
            return err_set(err, ST_CORRUPT, NULL, "%s: no range to draw", plot->stem);
        const char *args[] = {terminal, output, data,  series, text_get(&input->colours),
                              low,      high,   label, right};
        return gnuplot_run(folder, "percentiles.gp", args, 9, err);
    }
    if (plot->kind == PLOT_TRADEOFF) {
        const char *args[] = {terminal,
                              output,
                              data,
                              input->layout,
                              text_get(&input->ticks),
                              label,
                              text_get(&input->headings)};
        return gnuplot_run(folder, "tradeoff.gp", args, 7, err);
    }
    const char *args[] = {terminal, output, data, headings, input->layout, label};
    return gnuplot_run(folder, plot->kind == PLOT_STAGES ? "stages.gp" : "bars.gp", args, 6, err);
}

/* Draws one plot: SVG into the page and beside it, PNG beside it. A failing gnuplot is noted. */
static enum status plot_draw(struct plots *plots, struct plot *plot, const char *folder,
                             const struct plot_input *input, struct err *err)
{
    char path[FILE_BYTES];
    struct err problem;
    enum status status = input_write(folder, plot, input, err);
    if (status != ST_OK)
        return status;
    if (plots->problem.status == ST_UNAVAILABLE)
        return ST_OK; /* no gnuplot: asked once */
    status = plot_run(folder, plot, input, "svg", &problem);
    snprintf(path, sizeof path, "%s/%s.svg", folder, plot->stem);
    if (status == ST_OK)
        status = gnuplot_svg_inline(path, text_get(&plot->caption), &plot->svg, &problem);
    if (status == ST_OK)
        status = plot_run(folder, plot, input, "png", &problem);
    if (status != ST_OK && plots->problem.status == ST_OK)
        plots->problem = problem;
    return ST_OK;
}

/* Adds one plot if there is something to draw. */
static enum status plot_add(struct plots *plots, const struct report *report, const char *folder,
                            const char *prefix, enum plot_kind kind, size_t block_index,
                            size_t group_index, struct err *err)
{
    static const char *const names[] = {"handoff",     "latency", "rates",
                                        "percentiles", "stages",  "tradeoff"};
    const struct report_block *block = &report->blocks[block_index];
    struct plot *plot = &plots->items[plots->count];
    struct plot_input input = {.series = 0};
    enum status status = ST_OK;
    memset(plot, 0, sizeof *plot);
    plot->kind = kind;
    plot->block = block_index;
    static const enum metric metrics[] = {METRIC_HANDOFF, METRIC_LATENCY, METRIC_FRAMES_PER_S};
    const struct report_group *group = &block->groups[group_index];
    bool drawn = kind == PLOT_CURVES     ? plot_curves_fill(block, group, &input, &plot->caption)
                 : kind == PLOT_TRADEOFF ? plot_tradeoff_fill(block, group, &input, &plot->caption)
                 : kind == PLOT_STAGES
                     ? plot_stages_fill(block, &input, &plot->caption)
                     : plot_bars_fill(block, metrics[kind], &input, &plot->caption);
    if (drawn) {
        int used = snprintf(plot->stem, sizeof plot->stem, "%.8s%zu-%s", prefix, block_index + 1,
                            names[kind]);
        if (kind == PLOT_CURVES || kind == PLOT_TRADEOFF)
            snprintf(plot->stem + used, sizeof plot->stem - (size_t)used, "-%zu", group_index + 1);
        plots->count++;
        status = plot_draw(plots, plot, folder, &input, err);
    } else {
        text_free(&plot->caption);
    }
    plot_input_free(&input);
    return status;
}

/* A picture of each of the block's first groups that has one. */
static enum status groups_draw(struct plots *plots, const struct report *report, const char *folder,
                               const char *prefix, enum plot_kind kind, size_t block_index,
                               struct err *err)
{
    enum status status = ST_OK;
    size_t groups = report->blocks[block_index].group_count, first = plots->count;
    for (size_t i = 0; status == ST_OK && i < groups && plots->count < first + GROUPS_DRAWN_MAX;
         i++)
        status = plot_add(plots, report, folder, prefix, kind, block_index, i, err);
    return status;
}

/* All pictures of a block, in the order in which the page shows them. */
static enum status block_draw(struct plots *plots, const struct report *report, const char *folder,
                              const char *prefix, size_t block_index, struct err *err)
{
    static const enum plot_kind whole[] = {PLOT_HANDOFF, PLOT_LATENCY, PLOT_RATES, PLOT_STAGES};
    enum status status =
        groups_draw(plots, report, folder, prefix, PLOT_TRADEOFF, block_index, err);
    for (size_t i = 0; status == ST_OK && i < sizeof whole / sizeof whole[0] &&
                       report->blocks[block_index].group_count;
         i++)
        status = plot_add(plots, report, folder, prefix, whole[i], block_index, 0, err);
    if (status == ST_OK)
        status = groups_draw(plots, report, folder, prefix, PLOT_CURVES, block_index, err);
    return status;
}

enum status plots_make(const struct report *report, const char *dir, const char *prefix,
                       struct plots **plots, struct err *err)
{
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s/plots", dir);
    enum status status = scripts_write(folder, err);
    if (status != ST_OK)
        return status;
    struct plots *made = calloc(1, sizeof *made);
    if (made)
        made->items =
            calloc(report->block_count * (2 * GROUPS_DRAWN_MAX + 4) + 1, sizeof *made->items);
    if (!made || !made->items) {
        plots_free(made);
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory drawing plots");
    }
    for (size_t i = 0; status == ST_OK && i < report->block_count; i++)
        status = block_draw(made, report, folder, prefix, i, err);
    if (status != ST_OK) {
        plots_free(made);
        return status;
    }
    *plots = made;
    return ST_OK;
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
    free(plots);
}

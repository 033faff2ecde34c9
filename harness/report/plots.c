/* plots.c: writing the data, running gnuplot, keeping the pictures. See plots.h. */
#include "harness/report/plots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/report/assets.h"
#include "harness/report/gnuplot.h"

#define CURVES_PER_BLOCK_MAX 6
#define PATH_BYTES 4096 /* of the folder */
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
    return status;
}

static enum status input_write(const char *folder, const struct plot *plot,
                               const struct plot_input *input, struct err *err)
{
    char path[FILE_BYTES];
    snprintf(path, sizeof path, "%s/%s.tsv", folder, plot->stem);
    enum status status = text_write_file(&input->data, path, err);
    if (status != ST_OK || plot->kind == PLOT_CURVES)
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
    static const char *const names[] = {"handoff", "latency", "rates", "percentiles", "stages"};
    const struct report_block *block = &report->blocks[block_index];
    struct plot *plot = &plots->items[plots->count];
    struct plot_input input = {.series = 0};
    enum status status = ST_OK;
    memset(plot, 0, sizeof *plot);
    plot->kind = kind;
    plot->block = block_index;
    static const enum metric metrics[] = {METRIC_HANDOFF, METRIC_LATENCY, METRIC_FRAMES_PER_S};
    bool drawn = kind == PLOT_CURVES
                     ? plot_curves_fill(block, &block->groups[group_index], &input, &plot->caption)
                 : kind == PLOT_STAGES
                     ? plot_stages_fill(block, &input, &plot->caption)
                     : plot_bars_fill(block, metrics[kind], &input, &plot->caption);
    if (drawn) {
        int used = snprintf(plot->stem, sizeof plot->stem, "%.8s%zu-%s", prefix, block_index + 1,
                            names[kind]);
        if (kind == PLOT_CURVES)
            snprintf(plot->stem + used, sizeof plot->stem - (size_t)used, "-%zu", group_index + 1);
        plots->count++;
        status = plot_draw(plots, plot, folder, &input, err);
    } else {
        text_free(&plot->caption);
    }
    plot_input_free(&input);
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
            calloc(report->block_count * (CURVES_PER_BLOCK_MAX + 4) + 1, sizeof *made->items);
    if (!made || !made->items) {
        plots_free(made);
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory drawing plots");
    }
    for (size_t i = 0; status == ST_OK && i < report->block_count; i++) {
        size_t groups = report->blocks[i].group_count;
        status = plot_add(made, report, folder, prefix, PLOT_HANDOFF, i, 0, err);
        if (status == ST_OK)
            status = plot_add(made, report, folder, prefix, PLOT_LATENCY, i, 0, err);
        if (status == ST_OK)
            status = plot_add(made, report, folder, prefix, PLOT_RATES, i, 0, err);
        if (status == ST_OK)
            status = plot_add(made, report, folder, prefix, PLOT_STAGES, i, 0, err);
        for (size_t j = 0, first = made->count;
             status == ST_OK && j < groups && made->count < first + CURVES_PER_BLOCK_MAX; j++)
            status = plot_add(made, report, folder, prefix, PLOT_CURVES, i, j, err);
    }
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

/* plot_draw.c: the files of pictures, and gnuplot drawing them. See plots.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/report/assets.h"
#include "harness/report/gnuplot.h"
#include "harness/report/plots.h"

#define FILE_BYTES 4352
#define SCRIPT_ARGS 7 /* a script's third to ninth; the first two are terminal and output */

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

enum status plot_scripts_write(const char *folder, struct err *err)
{
    const struct {
        const char *name;
        const unsigned char *asset;
    } scripts[] = {
        {"picture.gp", report_asset_picture_gp},   {"percentiles.gp", report_asset_percentiles_gp},
        {"bars.gp", report_asset_bars_gp},         {"stages.gp", report_asset_stages_gp},
        {"tradeoff.gp", report_asset_tradeoff_gp}, {"sizes.gp", report_asset_sizes_gp},
        {"timeline.gp", report_asset_timeline_gp},
    };
    enum status status = ST_OK;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return err_set_errno(err, errno, "choose a folder you may write to with --out",
                             "cannot make %s", folder);
    for (size_t i = 0; status == ST_OK && i < sizeof scripts / sizeof scripts[0]; i++)
        status = script_write(folder, scripts[i].name, scripts[i].asset, err);
    return status;
}

static bool has_headings(enum plot_kind kind)
{
    return kind == PLOT_HANDOFF || kind == PLOT_LATENCY || kind == PLOT_RATES ||
           kind == PLOT_STAGES;
}

/* One field of the list: never empty, and nothing in it that ends a field. */
static void field_add(struct text *list, const char *field)
{
    text_add(list, "\t");
    for (const char *at = field; *at; at++)
        text_add_bytes(list, *at == '\t' || *at == '\n' || *at == '"' ? " " : at, 1);
    if (!field[0]) /* gnuplot may take an empty field for a missing one */
        text_add(list, "-");
}

/* The row of the list: the script, the stem, and what the script wants, as its first lines say. */
static void row_add(struct text *list, const struct plot *plot, const struct plot_input *input)
{
    static const char *const scripts[PLOT_KIND_COUNT] = {
        "tradeoff.gp", "bars.gp",   "bars.gp",     "bars.gp",
        "sizes.gp",    "stages.gp", "timeline.gp", "percentiles.gp"};
    char data[64], headings[80], series[16];
    snprintf(data, sizeof data, "%s.tsv", plot->stem);
    snprintf(headings, sizeof headings, "%s.headings.tsv", plot->stem);
    snprintf(series, sizeof series, "%zu", input->series);
    const char *args[SCRIPT_ARGS] = {data, headings, input->layout, text_get(&input->label)};
    if (!has_headings(plot->kind)) {
        args[1] = series;
        args[4] = text_get(&input->colours);
    }
    if (plot->kind == PLOT_TRADEOFF || plot->kind == PLOT_SIZES)
        args[5] = text_get(&input->ticks);
    if (plot->kind == PLOT_TRADEOFF || plot->kind == PLOT_SIZES)
        args[6] = text_get(&input->headings);
    text_add(list, scripts[plot->kind]);
    field_add(list, plot->stem);
    for (size_t i = 0; i < SCRIPT_ARGS; i++)
        field_add(list, args[i] ? args[i] : "");
    text_add(list, "\n");
}

enum status plot_input_write(const char *folder, const struct plot *plot,
                             const struct plot_input *input, struct text *list, struct err *err)
{
    static const char *const endings[] = {"svg", "png"};
    char path[FILE_BYTES];
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        snprintf(path, sizeof path, "%s/%s.%s", folder, plot->stem, endings[i]);
        unlink(path);
    }
    row_add(list, plot, input);
    snprintf(path, sizeof path, "%s/%s.tsv", folder, plot->stem);
    enum status status = text_write_file(&input->data, path, err);
    if (status != ST_OK || !has_headings(plot->kind))
        return status;
    snprintf(path, sizeof path, "%s/%s.headings.tsv", folder, plot->stem);
    return text_write_file(&input->headings, path, err);
}

/* One gnuplot ended badly: which picture was it? The others are drawn nevertheless. */
static void draw_apart(const char *folder, const char *name, struct plots *plots)
{
    struct err problem;
    for (size_t i = 0; i < plots->count; i++) {
        enum status status = gnuplot_draw(folder, name, i, 1, &problem);
        if (status == ST_OK)
            continue;
        err_context(&problem, "%s", plots->items[i].stem);
        plots->problem = problem;
        if (status != ST_SYSTEM)
            return; /* gnuplot is gone, or takes minutes: no use to go on */
    }
}

enum status plot_all_draw(const char *folder, const char *prefix, struct plots *plots,
                          const struct text *list, struct err *err)
{
    char path[FILE_BYTES], name[32];
    snprintf(name, sizeof name, "%.8spictures.tsv", prefix);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    enum status status = text_write_file(list, path, err);
    if (status != ST_OK || plots->count == 0)
        return status;
    status = gnuplot_draw(folder, name, 0, plots->count, &plots->problem);
    if (status == ST_SYSTEM) {
        plots->problem.status = ST_OK;
        draw_apart(folder, name, plots);
    }
    for (size_t i = 0; status != ST_UNAVAILABLE && i < plots->count; i++) {
        struct plot *plot = &plots->items[i];
        struct err problem;
        snprintf(path, sizeof path, "%s/%s.svg", folder, plot->stem);
        if (access(path, R_OK) != 0 && plots->problem.status != ST_OK)
            continue; /* said already */
        if (gnuplot_svg_inline(path, text_get(&plot->caption), &plot->svg, &problem) != ST_OK &&
            plots->problem.status == ST_OK)
            plots->problem = problem;
    }
    return ST_OK;
}

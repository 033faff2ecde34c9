/* plot_rows.c: the data of bars and stacked stages: one row per cell, grouped under headings.
 * See plots.h, plots/bars.gp and plots/stages.gp. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/report/gnuplot.h"
#include "harness/report/plots.h"
#include "harness/report/verdict.h"

#define LABEL_CHARACTERS_MAX 20
#define ROWS_MAX 60
#define ROW_PIXELS 21
#define CHARACTER_SHARE 0.0142 /* of the width, per character of a name */
#define STAGE_COUNT 6
#define STAGE_OTHER_SHARE 0.1 /* of the latency, from which on what no stage covers is shown */

/* The last is what none of them covers: launching on a GPU, and turns on it. */
static const char *const stage_names[STAGE_COUNT] = {"reserve", "fill",   "transfer",
                                                     "access",  "kernel", "other"};

void plot_input_free(struct plot_input *input)
{
    text_free(&input->data);
    text_free(&input->headings);
    text_free(&input->label);
    text_free(&input->colours);
    text_free(&input->ticks);
}

unsigned plot_colour(const struct report_block *block, const struct report_cell *cell)
{
    size_t distinct = 0;
    for (size_t i = 0; i < block->cell_count; i++) {
        const struct report_cell *seen = &block->cells[i];
        if (strcmp(seen->short_label, cell->short_label) == 0)
            break;
        bool earlier = false;
        for (size_t j = 0; j < i && !earlier; j++)
            earlier = strcmp(block->cells[j].short_label, seen->short_label) == 0;
        distinct += !earlier;
    }
    return palette[distinct % PALETTE_COUNT];
}

const char *plot_unit(double largest_ns, double *divisor)
{
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    size_t unit = 0;
    *divisor = 1;
    while (largest_ns / *divisor >= 2000 && unit < 3) {
        *divisor *= 1000;
        unit++;
    }
    return units[unit];
}

/* A drawing in the making: rows are counted downwards, half a row between groups. */
struct rows {
    double row;
    size_t cells;
    size_t left; /* cells that there was no room for */
    size_t label_characters;
    bool cut; /* a name was */
};

static void heading_add(struct plot_input *input, struct rows *rows,
                        const struct report_group *group)
{
    if (rows->cells)
        rows->row -= 0.5;
    if (!group->context[0])
        return;
    rows->row -= 1;
    text_addf(&input->headings, "%.2f\t", rows->row);
    text_add_label(&input->headings, group->context, 64);
    text_add(&input->headings, "\n");
}

static void name_add(struct plot_input *input, struct rows *rows, const struct report_cell *cell)
{
    struct text name = {0};
    const char *label = cell->short_label[0] ? cell->short_label : cell->label;
    text_add_label(&name, label, LABEL_CHARACTERS_MAX);
    rows->cut = rows->cut || text_width(label) > LABEL_CHARACTERS_MAX;
    size_t width = text_width(text_get(&name));
    if (width > rows->label_characters)
        rows->label_characters = width;
    text_addf(&input->data, "\t%s", text_get(&name));
    text_free(&name);
}

/* What of the block the picture does not show. */
static void left_out_add(struct text *caption, const struct rows *rows)
{
    if (rows->left)
        text_addf(caption, " The first %zu of %zu cells.", rows->cells, rows->cells + rows->left);
    if (rows->cut)
        text_add(caption, " Names are cut short: rows are in the table's order.");
}

static void layout_write(struct plot_input *input, const struct rows *rows, double axis_max,
                         double cpu_max)
{
    double height = 60 + (0.6 - rows->row) * ROW_PIXELS;
    double left = 0.035 + CHARACTER_SHARE * (double)rows->label_characters;
    snprintf(input->layout, sizeof input->layout, "%.0f %.4f %.2f %.4f %.4f", height, left,
             rows->row - 0.6, axis_max, cpu_max);
    if (!input->headings.used_bytes) /* gnuplot wants a row: one that is out of sight */
        text_add(&input->headings, "100\t.\n");
}

/* One bar, in units of `divisor`; keeps the largest ends seen. */
static void bar_add(struct plot_input *input, struct rows *rows, const struct report_block *block,
                    const struct report_cell *cell, enum metric metric, double divisor,
                    double ends[2])
{
    struct figure figure = verdict_figure(cell, metric), cpu = report_cpu_both(cell);
    char value[FIGURE_BYTES], percent[FIGURE_BYTES];
    bool ranged = isfinite(figure.low) && isfinite(figure.high);
    double low = ranged ? figure.low : figure.value, high = ranged ? figure.high : figure.value;
    if (strcmp(block->compare, "wait") == 0)
        cpu = report_cpu_percent(cell, "consumer");
    format_figure(&figure, verdict_metric_unit(metric), value);
    format_figure(&cpu, UNIT_PERCENT, percent);
    rows->row -= 1;
    rows->cells++;
    text_addf(&input->data, "%.2f\t%.6g\t%.6g\t%.6g\t%.6g\t%u", rows->row, figure.value / divisor,
              low / divisor, high / divisor, cpu.state == FIGURE_KNOWN ? cpu.value : 0,
              plot_colour(block, cell));
    name_add(input, rows, cell);
    text_addf(&input->data, "\t%s\t%s\n", value, percent);
    ends[0] = fmax(ends[0], fmax(high, figure.value));
    ends[1] = fmax(ends[1], cpu.state == FIGURE_KNOWN ? cpu.value : 0);
}

/* All bars; called twice, first to learn the unit. */
static void bars_add(struct plot_input *input, struct rows *rows, const struct report_block *block,
                     enum metric metric, double divisor, double ends[2])
{
    for (size_t i = 0; i < block->group_count; i++) {
        const struct report_group *group = &block->groups[i];
        bool headed = false;
        if (verdict_metric(block, group) != metric)
            continue;
        for (size_t j = 0; j < group->cell_count; j++) {
            const struct report_cell *cell = &block->cells[group->cells[j]];
            if (!cell->ok || verdict_figure(cell, metric).state != FIGURE_KNOWN)
                continue;
            if (rows->cells == ROWS_MAX) {
                rows->left++;
                continue;
            }
            if (!headed)
                heading_add(input, rows, group);
            headed = true;
            bar_add(input, rows, block, cell, metric, divisor, ends);
        }
    }
}

static bool all_search(const struct report_block *block)
{
    double bound_ns;
    for (size_t i = 0; i < block->cell_count; i++)
        if (!report_cell_searches(&block->cells[i], &bound_ns))
            return false;
    return true;
}

bool plot_bars_fill(const struct report_block *block, enum metric metric, struct plot_input *input,
                    struct text *caption)
{
    double ends[2] = {0, 0}, divisor = 1;
    struct rows rows = {0};
    bool rates = metric == METRIC_FRAMES_PER_S;
    bars_add(input, &rows, block, metric, 1, ends);
    if (ends[0] <= 0 || rows.cells < 2) /* one bar shows nothing that the table does not */
        return false;
    const char *unit = rates ? "frames/s" : plot_unit(ends[0], &divisor);
    plot_input_free(input);
    memset(&rows, 0, sizeof rows);
    bars_add(input, &rows, block, metric, divisor, ends);
    layout_write(input, &rows, ends[0] / divisor * 1.42, fmax(1, ends[1]) * 1.4);
    const char *whose =
        strcmp(block->compare, "wait") == 0 ? "the consumer's CPU" : "both roles' CPU together";
    if (rates && all_search(block)) {
        text_add(&input->label, unit);
        text_addf(caption,
                  "The highest rate at which response keeps its bound, with its interval across "
                  "launches, and %s at that rate beside. Longer is better.",
                  whose);
    } else if (rates) {
        text_add(&input->label, unit);
        text_addf(caption,
                  "Frames per second at maximum rate, and %s beside. Longer is better; "
                  "latency means nothing here, it is the depth of the queue.",
                  whose);
    } else {
        const char *interval = verdict_metric_interval(metric);
        text_addf(&input->label, "%s p50, %s", interval, unit);
        text_addf(caption,
                  "Median %s with its interval across launches, and %s beside. Shorter is "
                  "better.",
                  interval, whose);
    }
    left_out_add(caption, &rows);
    return true;
}

/* Whether the stage lies within the latency. A frame that is made in its slot, by the CPU or by the
 * GPU, is whole in the producer's hands only when it is filled: its latency begins there. */
static bool stage_is_within(const struct report_cell *cell, const char *stage)
{
    return strcmp(stage, "fill") != 0 ||
           (!report_axis_is(cell, "fill", "in_place") && !report_axis_is(cell, "fill", "gpu"));
}

/* The ends of a cell's stages, stacked from 0, and a '1' in `present` for each it has. False
 * without any. */
static bool stages_stack(const struct report_cell *cell, double ends[STAGE_COUNT],
                         char present[STAGE_COUNT + 1])
{
    struct figure whole = report_quantile(cell, "latency", "p50");
    bool any = false;
    double at = 0;
    for (size_t i = 0; i < STAGE_COUNT - 1; i++) {
        struct figure median = report_quantile(cell, stage_names[i], "p50");
        if (median.state == FIGURE_KNOWN && stage_is_within(cell, stage_names[i])) {
            at += fmax(0, median.value);
            any = true;
            present[i] = '1';
        }
        ends[i] = at;
    }
    if (any && whole.state == FIGURE_KNOWN && whole.value - at > STAGE_OTHER_SHARE * whole.value) {
        present[STAGE_COUNT - 1] = '1';
        at = whole.value;
    }
    ends[STAGE_COUNT - 1] = at;
    return any && at > 0;
}

static double stages_add(struct plot_input *input, struct rows *rows,
                         const struct report_block *block, double divisor,
                         char present[STAGE_COUNT + 1])
{
    double largest = 0;
    for (size_t i = 0; i < block->group_count; i++) {
        const struct report_group *group = &block->groups[i];
        bool headed = false;
        if (verdict_metric(block, group) == METRIC_FRAMES_PER_S)
            continue; /* its transfer is the depth of the queue */
        for (size_t j = 0; j < group->cell_count; j++) {
            const struct report_cell *cell = &block->cells[group->cells[j]];
            double ends[STAGE_COUNT];
            char whole[FIGURE_BYTES], others[STAGE_COUNT + 1] = "000000";
            const bool full = rows->cells == ROWS_MAX;
            struct figure latency = report_quantile(cell, "latency", "p50");
            if (!cell->ok || !stages_stack(cell, ends, full ? others : present))
                continue;
            if (full) {
                rows->left++;
                continue;
            }
            if (!headed)
                heading_add(input, rows, group);
            headed = true;
            rows->row -= 1;
            rows->cells++;
            text_addf(&input->data, "%.2f", rows->row);
            for (size_t k = 0; k < STAGE_COUNT; k++)
                text_addf(&input->data, "\t%.6g", ends[k] / divisor);
            name_add(input, rows, cell);
            text_addf(&input->data, "\t%s\n", format_figure(&latency, UNIT_NS, whole));
            largest = fmax(largest, ends[STAGE_COUNT - 1]);
        }
    }
    return largest;
}

bool plot_stages_fill(const struct report_block *block, struct plot_input *input,
                      struct text *caption)
{
    double divisor = 1;
    struct rows rows = {0};
    char present[STAGE_COUNT + 1] = "000000";
    double largest = stages_add(input, &rows, block, 1, present);
    if (largest <= 0)
        return false;
    const char *unit = plot_unit(largest, &divisor);
    plot_input_free(input);
    memset(&rows, 0, sizeof rows);
    stages_add(input, &rows, block, divisor, present);
    rows.row -= 1.2; /* room that the legend takes */
    layout_write(input, &rows, largest / divisor * 1.22, 0);
    size_t used = strlen(input->layout);
    snprintf(input->layout + used, sizeof input->layout - used, " %s", present);
    text_addf(&input->label, "p50 of each stage, %s", unit);
    text_add(caption,
             "Where the time of a frame goes, from whole in the producer's hands to a "
             "finished kernel: the median of each stage, and behind them that of the whole.");
    if (present[STAGE_COUNT - 1] == '1')
        text_add(caption, " Other is what they leave of it: medians of parts need not add up to "
                          "that of the whole, and launching on a GPU and waiting for a turn on it "
                          "is no stage.");
    left_out_add(caption, &rows);
    return true;
}

/* page_blocks.c: each block with its pictures and tables. See page.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/columns.h"
#include "harness/report/gpu_costs.h"
#include "harness/report/page.h"
#include "harness/report/spread.h"
#include "harness/report/two_hosts.h"

static void plot_figure(struct text *out, const struct plot *plot)
{
    if (!plot->svg.used_bytes)
        return;
    text_add(out, "<figure>");
    text_add(out, text_get(&plot->svg));
    text_add(out, "<figcaption>");
    text_add_html(out, text_get(&plot->caption));
    text_add(out, "</figcaption></figure>\n");
}

/* A paragraph of its own, where there is something to say; frees the sentence. */
static void sentence_write(struct text *out, struct text *sentence)
{
    if (sentence->used_bytes) {
        text_add(out, "<p class=\"shared\">");
        text_add_prose(out, text_get(sentence));
        text_add(out, "</p>\n");
    }
    text_free(sentence);
}

/* Which pictures a block with many comparisons does not have. */
static void left_out_write(struct text *out, const struct plots *plots, size_t block_index)
{
    struct text sentence = {0};
    if (plots)
        plots_add_left_out(&sentence, plots, block_index);
    sentence_write(out, &sentence);
}

static void table_head(struct text *out, const struct report_block *block)
{
    text_add(out, "<thead>\n<tr><td></td>");
    for (size_t i = 0; i < COLUMN_COUNT;) {
        size_t first = i;
        while (i < COLUMN_COUNT &&
               strcmp(report_columns[i].group, report_columns[first].group) == 0)
            i++;
        text_addf(out, "<th colspan=\"%zu\" scope=\"colgroup\">%s</th>", i - first,
                  report_columns[first].group);
    }
    text_add(out, "<td></td></tr>\n<tr><th scope=\"col\">");
    text_add_html(out, block->compare);
    text_add(out, "</th>");
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        text_addf(out, "<th scope=\"col\"%s>%s</th>",
                  column_opens_group(i) ? " class=\"first\"" : "", report_columns[i].name);
    }
    text_add(out, "<th scope=\"col\" class=\"first\">bytes</th></tr>\n</thead>\n");
}

/* "1.2× floor", for a multiple that there is. */
static void floor_add(struct text *out, double multiple)
{
    char text[FIGURE_BYTES];
    if (multiple > 0)
        text_addf(out, "<small class=\"floor\">%s floor</small>", format_multiple(multiple, text));
}

/* One figure: the value, its interval in small, and both in words on hover. */
static void table_figure(struct text *out, const struct report_cell *cell, size_t column, bool best)
{
    const struct column *shown = &report_columns[column];
    struct figure figure = shown->get(cell);
    char value[FIGURE_BYTES], spread[4 * FIGURE_BYTES], range[3 * FIGURE_BYTES];
    format_spread(&figure, shown->unit, spread, sizeof spread);
    text_addf(out, "<td class=\"%s%s\"", column_opens_group(column) ? "first" : "",
              best ? " best" : "");
    if (spread[0])
        text_addf(out, " title=\"%s\"", spread);
    text_add(out, ">");
    text_add_html(out, format_figure(&figure, shown->unit, value));
    if (strcmp(shown->name, "p50") == 0 &&
        format_range(&figure, shown->unit, range, sizeof range)[0])
        text_addf(out, "<small>%s</small>", range);
    if (strcmp(shown->name, "p50") == 0)
        floor_add(out, report_floor_multiple(cell, shown->group));
    text_add(out, "</td>");
}

/* Whether this column is what the group is compared by. */
static bool column_is_metric(size_t column, enum metric metric)
{
    const struct column *shown = &report_columns[column];
    if (metric == METRIC_FRAMES_PER_S)
        return strcmp(shown->name, "frames/s") == 0;
    return strcmp(shown->name, "p50") == 0 &&
           strcmp(shown->group, verdict_metric_interval(metric)) == 0;
}

/* The best of its group, or not told apart from it by enough launches to tell. */
static bool cell_is_among_best(const struct report *report, const struct report_cell *cell,
                               const struct report_cell *best, enum metric metric)
{
    if (!best || !verdict_cell_is_sound(cell) || verdict_cell_is_floor(cell))
        return false;
    struct stats_paired paired = verdict_compare(report, cell, best, metric);
    return paired.pairs >= VERDICT_PAIRS_MIN && paired.verdict != STATS_SLOWER;
}

static void table_row(struct text *out, const struct report *report, const struct report_cell *cell,
                      const struct report_cell *best, enum metric metric)
{
    struct text words = {0};
    bool marked = cell_is_among_best(report, cell, best, metric);
    const char *label = cell->short_label[0] ? cell->short_label : cell->label;
    text_addf(out, "<tr%s><th scope=\"row\"%s title=\"", cell->ok ? "" : " class=\"absent\"",
              page_label_class(label));
    text_add_html(out, cell->id);
    text_add(out, "\">");
    text_add_html(out, label);
    if (cell->ok && cJSON_GetArraySize(json_get(cell->json, "flags")) > 0) {
        text_add(out, "<small>");
        page_flags(out, cell);
        text_add(out, "</small>");
    }
    text_add(out, "</th>");
    if (cell->ok) {
        for (size_t i = 0; i < COLUMN_COUNT; i++)
            table_figure(out, cell, i, marked && column_is_metric(i, metric));
        report_integrity_text(cell, &words);
        text_addf(out, "<td class=\"first%s\">", report_integrity_errors(cell) > 0 ? " wrong" : "");
        text_add_html(out, text_get(&words));
        text_add(out, "</td>");
    } else {
        columns_add_status(cell, &words);
        text_addf(out, "<td class=\"first why\" colspan=\"%d\">", COLUMN_COUNT + 1);
        text_add_html(out, text_get(&words));
        text_add(out, "</td>");
    }
    text_add(out, "</tr>\n");
    text_free(&words);
}

static void page_table(struct text *out, const struct report *report,
                       const struct report_block *block)
{
    text_add(out, "<div class=\"scroll\" tabindex=\"0\">\n<table class=\"figures\">\n");
    table_head(out, block);
    for (size_t i = 0; i < block->group_count; i++) {
        const struct report_group *group = &block->groups[i];
        enum metric metric = verdict_metric(block, group);
        const struct report_cell *best =
            block->compare[0] && group->cell_count > 1 ? verdict_best(block, group, metric) : NULL;
        text_add(out, "<tbody>\n");
        if (group->context[0]) {
            text_addf(out, "<tr class=\"context\"><th colspan=\"%d\" scope=\"rowgroup\"><span>",
                      COLUMN_COUNT + 2);
            text_add_html(out, group->context);
            text_add(out, "</span></th></tr>\n");
        }
        for (size_t j = 0; j < group->cell_count; j++)
            table_row(out, report, &block->cells[group->cells[j]], best, metric);
        text_add(out, "</tbody>\n");
    }
    text_add(out, "</table>\n</div>\n");
}

/* What two hosts mean for figures, what a GPU costs before the first frame, and how much the
 * launches behind a comparison of waits differ. */
static void spread_write(struct text *out, const struct report *report,
                         const struct report_block *block)
{
    struct text sentence = {0};
    two_hosts_add_sentence(&sentence, report, block);
    sentence_write(out, &sentence);
    gpu_costs_add_sentence(&sentence, block);
    sentence_write(out, &sentence);
    if (strcmp(block->compare, "wait") == 0)
        spread_add_sentence(&sentence, block);
    sentence_write(out, &sentence);
}

void page_block(struct text *out, const struct page_part *part, size_t block_index)
{
    const struct report_block *block = &part->report->blocks[block_index];
    if (block->cell_count == 0)
        return;
    text_add(out, "<section class=\"block\">\n<h2>");
    text_add_html(out, block->name);
    text_add(out, "</h2>\n");
    if (block->description[0]) {
        text_add(out, "<p class=\"about\">");
        text_add_html(out, block->description);
        text_add(out, "</p>\n");
    }
    if (block->constants[0]) {
        text_add(out, "<p class=\"shared\">All with ");
        text_add_html(out, block->constants);
        text_add(out, "</p>\n");
    }
    text_add(out, "<div class=\"plots\">\n");
    for (size_t i = 0; part->plots && i < part->plots->count; i++)
        if (part->plots->items[i].block == block_index)
            plot_figure(out, &part->plots->items[i]);
    text_add(out, "</div>\n");
    left_out_write(out, part->plots, block_index);
    page_table(out, part->report, block);
    spread_write(out, part->report, block);
    page_block_axes(out, part->report, block);
    page_block_waits(out, block);
    page_block_details(out, block);
    text_add(out, "</section>\n");
}

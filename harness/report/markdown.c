/* markdown.c: the summary for a CI job: conclusions and one small table per block. See page.h. */
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/columns.h"
#include "harness/report/conditions.h"
#include "harness/report/gpu_costs.h"
#include "harness/report/page.h"
#include "harness/report/two_hosts.h"

#define CONCLUSIONS_MAX 24 /* comparisons said */
#define POINTS_MAX 6       /* of one of them */
#define ROWS_MAX 120       /* of all tables together */
#define ROWS_MIN 6         /* of one table, if it has them */
#define REASONS_MAX 4      /* why cells of a block have no figures */

static bool is_full(const struct text *out)
{
    return out->used_bytes > MARKDOWN_BYTES_MAX;
}

static void line_add(struct text *out, const char *before, const struct text *words,
                     const char *after)
{
    text_add(out, before);
    text_add_markdown(out, text_get(words));
    text_add(out, after);
}

static void conclusion_write(struct text *out, const struct conclusion *item)
{
    line_add(out, "- ", &item->lead, "\n");
    for (size_t i = 0; i < item->point_count && i < POINTS_MAX; i++)
        line_add(out, "  - ", &item->points[i], "\n");
    if (item->point_count > POINTS_MAX)
        text_addf(out, "  - and %zu more, on the page\n", item->point_count - POINTS_MAX);
    for (size_t i = 0; i < item->note_count; i++)
        line_add(out, "\n  ", &item->notes[i], "\n");
}

/* Where and how it was measured. */
static void scope_write(struct text *out, const struct page_part *part)
{
    struct text words = {0};
    page_machine_line(part->report, &words);
    line_add(out, "> This holds for ", &words, "");
    text_free(&words);
    if (page_fitness_verdict(part)[0]) {
        text_add(out, " (");
        text_add_markdown(out, page_fitness_verdict(part));
        text_add(out, ")");
    }
    conditions_add(&words, part->report);
    line_add(out, ", and for these conditions: ", &words, "\n\n");
    text_free(&words);
}

static void conclusions_write(struct text *out, const struct page_part *part)
{
    const struct conclusions *conclusions = part->conclusions;
    size_t said = 0, left = 0;
    for (size_t i = 0; i < conclusions->headline_count; i++)
        line_add(out, "> ", &conclusions->headlines[i], "\n>\n");
    for (size_t i = 0; i < conclusions->advice_count; i++)
        line_add(out, "> **", &conclusions->advice[i], "**\n>\n");
    scope_write(out, part);
    for (size_t i = 0; i < conclusions->count; i++) {
        if (!conclusions->items[i].lead.used_bytes)
            continue;
        if (said == CONCLUSIONS_MAX || is_full(out)) {
            left++;
            continue;
        }
        if (conclusions_opens_block(conclusions, i)) {
            text_add(out, said ? "\n**" : "**");
            text_add_markdown(out, part->report->blocks[conclusions->items[i].block].name);
            text_add(out, "**\n\n");
        }
        conclusion_write(out, &conclusions->items[i]);
        said++;
    }
    if (left)
        text_addf(out, "- and %zu more comparison%s, on the page\n", left, left == 1 ? "" : "s");
    text_add(out, "\n");
}

/* A figure, with its interval where the column is what cells are compared by. */
static void figure_write(struct text *out, const struct report_cell *cell, size_t column)
{
    const struct column *shown = &report_columns[column];
    const struct figure figure = shown->get(cell);
    char value[FIGURE_BYTES], range[3 * FIGURE_BYTES];
    text_add(out, " ");
    text_add_markdown(out, format_figure(&figure, shown->unit, value));
    if ((strcmp(shown->name, "p50") == 0 || strcmp(shown->name, "frames/s") == 0) &&
        format_range(&figure, shown->unit, range, sizeof range)[0])
        text_addf(out, " (%s)", range);
    text_add(out, " |");
}

static void row_write(struct text *out, const struct report_cell *cell)
{
    struct text words = {0};
    text_add(out, "| ");
    text_add_markdown(out, cell->label);
    text_add(out, " |");
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        figure_write(out, cell, i);
    report_integrity_text(cell, &words);
    line_add(out, " ", &words, " |\n");
    text_free(&words);
}

static void table_write(struct text *out, const struct report_block *block, size_t rows_max)
{
    size_t rows = 0, left = 0;
    for (size_t i = 0; i < block->cell_count; i++) {
        if (!block->cells[i].ok)
            continue;
        if (rows >= rows_max || is_full(out)) {
            left++;
            continue;
        }
        if (rows++ == 0) {
            text_add(out, "| cell |");
            for (size_t j = 0; j < COLUMN_COUNT; j++)
                text_addf(out, " %s %s |", report_columns[j].group, report_columns[j].name);
            text_add(out, " bytes |\n|:--|");
            for (size_t j = 0; j < COLUMN_COUNT; j++)
                text_add(out, "--:|");
            text_add(out, ":--|\n");
        }
        row_write(out, &block->cells[i]);
    }
    if (left)
        text_addf(out, "%s%zu more cell%s on the page.\n", rows ? "\n" : "", left,
                  left == 1 ? " is" : "s are");
    if (rows || left)
        text_add(out, "\n");
}

/* Whether an earlier cell of the block has no figures for the same reason. */
static bool reason_is_known(const struct report_block *block, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (!block->cells[i].ok && page_reasons_equal(&block->cells[i], &block->cells[index]))
            return true;
    return false;
}

/* Why cells of the block have no figures: each reason once, with how many it holds for. */
static void reasons_write(struct text *out, const struct report_block *block)
{
    size_t said = 0;
    for (size_t i = 0; i < block->cell_count && !is_full(out); i++) {
        struct text words = {0};
        size_t count = 0;
        if (block->cells[i].ok || reason_is_known(block, i))
            continue;
        if (said++ == REASONS_MAX) {
            text_add(out, "- and more, on the page\n");
            break;
        }
        for (size_t j = i; j < block->cell_count; j++)
            count += !block->cells[j].ok && page_reasons_equal(&block->cells[i], &block->cells[j]);
        columns_add_status(&block->cells[i], &words);
        text_add(out, "- ");
        text_add_markdown(out, block->cells[i].label);
        if (count > 1)
            text_addf(out, " and %zu more", count - 1);
        line_add(out, ": ", &words, "\n");
        text_free(&words);
    }
    if (said)
        text_add(out, "\n");
}

static void block_write(struct text *out, const struct report *report,
                        const struct report_block *block, size_t rows_max)
{
    struct text across = {0}, gpu = {0};
    text_add(out, "### ");
    text_add_markdown(out, block->name);
    text_add(out, "\n\n");
    if (block->constants[0]) {
        text_add(out, "All with ");
        text_add_markdown(out, block->constants);
        text_add(out, "\n\n");
    }
    table_write(out, block, rows_max);
    reasons_write(out, block);
    two_hosts_add_sentence(&across, report, block);
    if (across.used_bytes)
        line_add(out, "", &across, "\n\n");
    text_free(&across);
    gpu_costs_add_sentence(&gpu, block);
    if (gpu.used_bytes)
        line_add(out, "", &gpu, "\n\n");
    text_free(&gpu);
}

static void blocks_write(struct text *out, const struct report *report)
{
    size_t left = 0;
    const size_t share = report->block_count ? ROWS_MAX / report->block_count : 0;
    for (size_t i = 0; i < report->block_count; i++) {
        if (report->blocks[i].cell_count == 0)
            continue;
        if (is_full(out))
            left++;
        else
            block_write(out, report, &report->blocks[i], share < ROWS_MIN ? ROWS_MIN : share);
    }
    if (left)
        text_addf(out, "%zu more block%s on the page.\n\n", left, left == 1 ? " is" : "s are");
}

static void warnings_write(struct text *out, const struct page_part *part)
{
    const cJSON *warning;
    cJSON_ArrayForEach (warning, json_get(part->report->json, "warnings")) {
        if (!cJSON_IsString(warning))
            continue;
        text_add(out, "- ⚠️ ");
        text_add_markdown(out, warning->valuestring);
        text_add(out, "\n");
    }
    text_add(out, "\n");
}

static void part_write(struct text *out, const struct page_part *part)
{
    struct text line = {0};
    text_add(out, "## handoff: ");
    text_add_markdown(out, part->report->scenario);
    text_add(out, "\n\n");
    if (page_fitness_worst(part) == FITNESS_UNFIT)
        text_add(out,
                 "> ⚠️ **This machine was not fit to measure on: read the figures as those of "
                 "a machine in the state described below.**\n>\n");
    conclusions_write(out, part);
    warnings_write(out, part);
    markdown_claims(out, part);
    markdown_validity(out, part);
    blocks_write(out, part->report);
    page_integrity_sentence(part->report, &line);
    line_add(out, "", &line, "\n\n");
    text_free(&line);
    page_machine_line(part->report, &line);
    line_add(out, "<sub>", &line, "");
    text_free(&line);
    page_command(part->report, &line);
    if (line.used_bytes)
        line_add(out, "<br>Repeat: ", &line, "");
    text_add(out, "</sub>\n\n");
    text_free(&line);
}

void markdown_write(struct text *out, const struct page_part *parts, size_t count,
                    const struct beside *beside)
{
    if (beside)
        markdown_beside(out, parts, beside);
    for (size_t i = 0; i < count; i++) {
        if (is_full(out)) {
            text_addf(out, "%zu more result%s on the page: a job's summary has no room for them.\n",
                      count - i, count - i == 1 ? " is" : "s are");
            return;
        }
        part_write(out, &parts[i]);
    }
}

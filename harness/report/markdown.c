/* markdown.c: the summary for a CI job: conclusions and one small table per block. See page.h. */
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/columns.h"
#include "harness/report/page.h"
#include "harness/report/two_hosts.h"

/* A summary of more than this is refused by code hosts, so it stops with a word about it. */
#define MARKDOWN_BYTES_MAX 200000

static void conclusions_write(struct text *out, const struct page_part *part)
{
    const struct conclusions *conclusions = part->conclusions;
    for (size_t i = 0; i < conclusions->headline_count; i++) {
        text_add(out, "> ");
        text_add_markdown(out, text_get(&conclusions->headlines[i]));
        text_add(out, "\n>\n");
    }
    for (size_t i = 0; i < conclusions->advice_count; i++) {
        text_add(out, "> **");
        text_add_markdown(out, text_get(&conclusions->advice[i]));
        text_add(out, "**\n>\n");
    }
    text_add(out, "> This holds for this machine, these sizes and these settings.\n\n");
    for (size_t i = 0; i < conclusions->count; i++) {
        const struct conclusion *item = &conclusions->items[i];
        if (!item->lead.used_bytes)
            continue;
        text_add(out, "- ");
        text_add_markdown(out, text_get(&item->lead));
        text_add(out, "\n");
        for (size_t j = 0; j < item->point_count; j++) {
            text_add(out, "  - ");
            text_add_markdown(out, text_get(&item->points[j]));
            text_add(out, "\n");
        }
        for (size_t j = 0; j < item->note_count; j++) {
            text_add(out, "\n  ");
            text_add_markdown(out, text_get(&item->notes[j]));
            text_add(out, "\n");
        }
    }
    text_add(out, "\n");
}

static void block_write(struct text *out, const struct report *report,
                        const struct report_block *block)
{
    struct text across = {0};
    if (block->cell_count == 0 || out->used_bytes > MARKDOWN_BYTES_MAX)
        return;
    text_add(out, "### ");
    text_add_markdown(out, block->name);
    text_add(out, "\n\n");
    if (block->constants[0]) {
        text_add(out, "All with ");
        text_add_markdown(out, block->constants);
        text_add(out, "\n\n");
    }
    text_add(out, "| cell |");
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        text_addf(out, " %s %s |", report_columns[i].group, report_columns[i].name);
    text_add(out, " bytes |\n|:--|");
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        text_add(out, "--:|");
    text_add(out, ":--|\n");
    for (size_t i = 0; i < block->cell_count; i++) {
        const struct report_cell *cell = &block->cells[i];
        struct text words = {0};
        text_add(out, "| ");
        text_add_markdown(out, cell->label);
        text_add(out, " |");
        for (size_t j = 0; j < COLUMN_COUNT; j++) {
            char value[FIGURE_BYTES];
            struct figure figure = report_columns[j].get(cell);
            text_add(out, " ");
            text_add_markdown(out, format_figure(&figure, report_columns[j].unit, value));
            text_add(out, " |");
        }
        if (cell->ok)
            report_integrity_text(cell, &words);
        else
            columns_add_status(cell, &words);
        text_add(out, " ");
        text_add_markdown(out, text_get(&words));
        text_add(out, " |\n");
        text_free(&words);
    }
    text_add(out, "\n");
    two_hosts_add_sentence(&across, report, block);
    if (across.used_bytes) {
        text_add_markdown(out, text_get(&across));
        text_add(out, "\n\n");
    }
    text_free(&across);
}

static void part_write(struct text *out, const struct page_part *part)
{
    const cJSON *warning;
    struct text line = {0};
    text_add(out, "## handoff: ");
    text_add_markdown(out, part->report->scenario);
    text_add(out, "\n\n");
    conclusions_write(out, part);
    cJSON_ArrayForEach (warning, json_get(part->report->json, "warnings")) {
        if (!cJSON_IsString(warning))
            continue;
        text_add(out, "- ⚠️ ");
        text_add_markdown(out, warning->valuestring);
        text_add(out, "\n");
    }
    text_add(out, "\n");
    markdown_claims(out, part);
    markdown_validity(out, part);
    for (size_t i = 0; i < part->report->block_count; i++)
        block_write(out, part->report, &part->report->blocks[i]);
    page_integrity_sentence(part->report, &line);
    text_add_markdown(out, text_get(&line));
    text_add(out, "\n\n");
    text_free(&line);
    page_machine_line(part->report, &line);
    text_add(out, "<sub>");
    text_add_markdown(out, text_get(&line));
    text_free(&line);
    page_command(part->report, &line);
    if (line.used_bytes) {
        text_add(out, "<br>Repeat: ");
        text_add_markdown(out, text_get(&line));
    }
    text_add(out, "</sub>\n\n");
    text_free(&line);
}

void markdown_write(struct text *out, const struct page_part *parts, size_t count,
                    const struct beside *beside)
{
    if (beside)
        markdown_beside(out, parts, beside);
    for (size_t i = 0; i < count; i++) {
        if (out->used_bytes > MARKDOWN_BYTES_MAX) {
            text_add(out, "The rest is on the page: it would not fit a job summary.\n");
            return;
        }
        part_write(out, &parts[i]);
    }
}

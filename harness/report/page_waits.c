/* page_waits.c: what waiting costs: CPU, wake calls and switches, beside a comparison of waits.
 * See page.h. */
#include <math.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/page.h"
#include "harness/report/tradeoff.h"

/* A figure with its interval in small, as the main table has them. */
static void figure_add(struct text *out, struct figure figure, enum figure_unit unit,
                       const char *class)
{
    char value[FIGURE_BYTES], range[3 * FIGURE_BYTES];
    text_addf(out, "<td%s>", class);
    text_add_html(out, format_figure(&figure, unit, value));
    if (format_range(&figure, unit, range, sizeof range)[0])
        text_addf(out, "<small>%s</small>", range);
    text_add(out, "</td>");
}

/* Switches per frame: "1.00", "46.2", "0". */
static void switches_add(struct text *out, const struct report_cell *cell, const char *role,
                         const char *name, const char *class)
{
    const cJSON *json = json_get(json_get(json_get(cell->json, "switches"), role), name);
    text_addf(out, "<td%s>", class);
    if (!cJSON_IsNumber(json) || !isfinite(json->valuedouble))
        text_add(out, "—");
    else if (json->valuedouble == 0)
        text_add(out, "0");
    else if (fabs(json->valuedouble) < 0.005)
        text_add(out, "&lt;0.01");
    else
        text_addf(out, "%.*f", fabs(json->valuedouble) < 9.95 ? 2 : 0,
                  fmin(json->valuedouble, 1e15));
    text_add(out, "</td>");
}

static void row_add(struct text *out, const struct report_cell *cell)
{
    text_add(out, "<tr><th scope=\"row\" title=\"");
    text_add_html(out, cell->id);
    text_add(out, "\">");
    text_add_html(out, cell->short_label[0] ? cell->short_label : cell->label);
    text_add(out, "</th>");
    figure_add(out, report_cpu_percent(cell, "producer"), UNIT_PERCENT, " class=\"first\"");
    figure_add(out, report_cpu_percent(cell, "consumer"), UNIT_PERCENT, "");
    figure_add(out, report_cpu_percent(cell, "system"), UNIT_PERCENT, "");
    figure_add(out, report_cpu_net(cell), UNIT_PERCENT, "");
    figure_add(out, report_quantile(cell, "notify", "p50"), UNIT_NS, " class=\"first\"");
    switches_add(out, cell, "producer", "voluntary_per_frame", " class=\"first\"");
    switches_add(out, cell, "consumer", "voluntary_per_frame", "");
    switches_add(out, cell, "producer", "involuntary_per_frame", " class=\"first\"");
    switches_add(out, cell, "consumer", "involuntary_per_frame", "");
    text_add(out, "</tr>\n");
}

static void head_add(struct text *out)
{
    text_add(out,
             "<thead>\n<tr><td></td><th colspan=\"4\" scope=\"colgroup\">CPU, % of one</th>"
             "<th scope=\"colgroup\">waking</th><th colspan=\"2\" scope=\"colgroup\">sleeps per "
             "frame</th><th colspan=\"2\" scope=\"colgroup\">interrupted per frame</th></tr>\n"
             "<tr><th scope=\"col\">wait</th><th scope=\"col\" class=\"first\">producer</th>"
             "<th scope=\"col\">consumer</th><th scope=\"col\">machine</th><th scope=\"col\">less "
             "baseline</th><th scope=\"col\" class=\"first\">notify p50</th><th scope=\"col\" "
             "class=\"first\">producer</th><th scope=\"col\">consumer</th><th scope=\"col\" "
             "class=\"first\">producer</th><th scope=\"col\">consumer</th></tr>\n</thead>\n");
}

static void context_add(struct text *out, const char *context)
{
    text_add(out, "<tr class=\"context\"><th colspan=\"10\" scope=\"rowgroup\"><span>");
    text_add_html(out, context);
    text_add(out, "</span></th></tr>\n");
}

/* The rows of one comparison, or nothing where no cell of it ran. */
static void group_add(struct text *out, const struct report_block *block,
                      const struct report_group *group)
{
    bool headed = false;
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (!cell->ok)
            continue;
        if (!headed)
            text_add(out, "<tbody>\n");
        if (!headed && group->context[0])
            context_add(out, group->context);
        headed = true;
        row_add(out, cell);
    }
    if (headed)
        text_add(out, "</tbody>\n");
}

/* Baseline `index` of those that the block's cells are counted from, each once, and then of those
 * that stand in the block for no cell that ran; NULL beyond them. */
static const struct report_cell *baseline_get(const struct report_block *block, size_t index)
{
    for (size_t i = 0; i < block->cell_count; i++) {
        bool earlier = !block->cells[i].baseline;
        for (size_t j = 0; j < i && !earlier; j++)
            earlier = block->cells[j].baseline == block->cells[i].baseline;
        if (!earlier && index-- == 0)
            return block->cells[i].baseline;
    }
    for (size_t i = 0; i < block->baseline_count; i++) {
        bool used = false;
        for (size_t j = 0; j < block->cell_count && !used; j++)
            used = block->cells[j].baseline == &block->baselines[i];
        if (!used && index-- == 0)
            return &block->baselines[i];
    }
    return NULL;
}

static void baselines_add(struct text *out, const struct report_block *block)
{
    bool headed = false;
    const struct report_cell *baseline;
    for (size_t i = 0; (baseline = baseline_get(block, i)); i++) {
        if (!baseline->ok)
            continue;
        if (!headed) {
            text_add(out, "<tbody>\n");
            context_add(out, "nothing but the pacer, for the same schedule: compared with nothing");
        }
        headed = true;
        row_add(out, baseline);
    }
    if (headed)
        text_add(out, "</tbody>\n");
}

static bool block_has_rows(const struct report_block *block)
{
    const struct report_cell *cell;
    bool about_waits =
        strcmp(block->compare, "wait") == 0 || strcmp(block->compare, "producer_wait") == 0;
    for (size_t i = 0; (cell = report_any_cell(block, i)); i++)
        if (cell->ok && (about_waits || cell->baseline))
            return true;
    return false;
}

void page_block_waits(struct text *out, const struct report_block *block)
{
    if (!block_has_rows(block))
        return;
    text_add(out, "<h3>What the waiting costs</h3>\n<div class=\"scroll\" tabindex=\"0\">\n"
                  "<table class=\"figures\">\n");
    head_add(out);
    for (size_t i = 0; i < block->group_count; i++)
        group_add(out, block, &block->groups[i]);
    baselines_add(out, block);
    text_add(out, "</table>\n</div>\n");
    for (size_t i = 0; i < block->cell_count; i++) {
        if (!block->cells[i].ok || !tradeoff_net_is_drowned(&block->cells[i]))
            continue;
        text_add(out, "<p class=\"shared\">Other work on the machine decides what is left less the "
                      "baseline here: rely on the roles' own figures, or run it on a machine that "
                      "is idle.</p>\n");
        return;
    }
}

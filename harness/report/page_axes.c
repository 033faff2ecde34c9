/* page_axes.c: what each axis changes besides the compared one, below a block's table. See
 * page.h. */
#include <string.h>

#include "harness/report/axis_changes.h"
#include "harness/report/page.h"

/* "3.05×" with its range in small; "—" where there is none. */
static void ratio_add(struct text *out, const struct axis_ratio *ratio)
{
    char text[FIGURE_BYTES];
    text_add(out, "<td>");
    text_add(out, ratio->count ? axis_ratio_format(ratio->mean, text) : "—");
    if (axis_ratio_format_range(ratio, text)[0])
        text_addf(out, "<small>%s</small>", text);
    text_add(out, "</td>");
}

static void row_add(struct text *out, const struct axis_change *change)
{
    struct text words = {0};
    const bool rate = change->metric == METRIC_FRAMES_PER_S;
    axis_change_add_name(&words, change);
    text_add(out, "<tr><th scope=\"row\">");
    text_add_prose(out, text_get(&words));
    text_add(out, "</th>");
    const struct axis_ratio none = {.count = 0}, metric = axis_change_extent(change);
    ratio_add(out, rate ? &none : &metric);
    ratio_add(out, &change->p99);
    ratio_add(out, rate ? &metric : &none);
    ratio_add(out, &change->cpu);
    text_free(&words);
    axis_change_add_verdicts(&words, change);
    text_addf(out, "<td>%zu</td><td class=\"words\">", change->comparisons);
    text_add_prose(out, text_get(&words));
    text_add(out, "</td></tr>\n");
    text_free(&words);
}

void page_block_axes(struct text *out, const struct report *report,
                     const struct report_block *block)
{
    struct axis_changes changes;
    if (!axis_changes_make(report, block, &changes)) {
        out->failed = true;
        return;
    }
    if (changes.count)
        text_add(out,
                 "<h3>What else makes a difference</h3>\n<div class=\"scroll\" tabindex=\"0\">\n"
                 "<table class=\"details changes\">\n<thead><tr><th scope=\"col\" class=\"words\">"
                 "all else equal</th><th scope=\"col\">latency p50</th><th scope=\"col\">latency "
                 "p99</th><th scope=\"col\">frames/s</th><th scope=\"col\">CPU, both roles</th>"
                 "<th scope=\"col\">compari&#173;sons</th><th scope=\"col\" class=\"words\">launch "
                 "by launch</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < changes.count; i++)
        row_add(out, &changes.items[i]);
    if (changes.count)
        text_add(out, "</tbody>\n</table>\n</div>\n");
    axis_changes_free(&changes);
}

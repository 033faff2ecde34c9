/* page_beside.c: several results beside one another, at the top of their page. See page.h; what is
 * said of them is beside.h's.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/columns.h"
#include "harness/report/page.h"
#include "harness/report/side_by_side.h"

/* Table cells of results beside one another that a page holds; further rows are only counted. */
#define VALUES_MAX 12000

static void head_row(struct text *out, const struct page_part *parts, size_t count,
                     const char *first)
{
    text_addf(out, "<thead><tr><th scope=\"col\" class=\"words\">%s</th>", first);
    for (size_t i = 0; i < count; i++) {
        struct text label = {0};
        side_label_add(&label, parts, count, i);
        text_add(out, "<th scope=\"col\">");
        text_add_html(out, text_get(&label));
        text_add(out, "</th>");
        text_free(&label);
    }
    text_add(out, "</tr></thead>\n");
}

/* One line about every result: what it is of. */
static void about_row(struct text *out, const struct page_part *parts, size_t count,
                      enum side_fact fact)
{
    text_addf(out, "<tr><th scope=\"row\">%s</th>", side_fact_title(fact));
    for (size_t i = 0; i < count; i++) {
        struct text value = {0};
        side_fact_add(&value, &parts[i], fact);
        text_addf(out, "<td%s>",
                  fact == SIDE_FITNESS && page_fitness_worst(&parts[i]) == FITNESS_UNFIT
                      ? " class=\"wrong\""
                      : "");
        text_add_prose(out, value.used_bytes ? text_get(&value) : "not known");
        text_add(out, "</td>");
        text_free(&value);
    }
    text_add(out, "</tr>\n");
}

static void difference_row(struct text *out, const struct beside_difference *difference,
                           size_t count)
{
    text_add(out, "<tr><th scope=\"row\">");
    text_add_prose(out, difference->what);
    text_add(out, "<small>");
    text_add_prose(out, difference->means);
    text_add(out, "</small></th>");
    for (size_t i = 0; i < count; i++) {
        const bool differs = strcmp(difference->values[i], difference->values[0]) != 0;
        text_add(out, differs ? "<td class=\"differs\">" : "<td>");
        text_add_prose(out, difference->values[i]);
        text_add(out, "</td>");
    }
    text_add(out, "</tr>\n");
}

static void about_add(struct text *out, const struct page_part *parts, const struct beside *beside)
{
    const size_t count = beside->count;
    text_add(out, "<h2>What they are of, and what is not alike</h2>\n<div class=\"scroll\" "
                  "tabindex=\"0\">\n<table class=\"details beside about\">\n");
    head_row(out, parts, count, "");
    text_add(out, "<tbody>\n");
    for (int fact = 0; fact < SIDE_FACTS; fact++)
        about_row(out, parts, count, (enum side_fact)fact);
    for (size_t i = 0; i < beside->difference_count; i++)
        difference_row(out, &beside->differences[i], count);
    text_add(out, "</tbody>\n</table>\n</div>\n");
}

static void value_cell(struct text *out, const struct beside_line *line, size_t column)
{
    const struct beside_value *value = &line->values[column];
    char figure[FIGURE_BYTES], ratio[2 * FIGURE_BYTES];
    text_add(out, "<td>");
    text_add_html(out, format_figure(&value->figure, line->unit, figure));
    if (column && isfinite(value->stored.ratio)) {
        text_addf(out, "<small class=\"%s\" title=\"%s\">",
                  value->stored.verdict == COMPARE_SLOWER   ? "wrong"
                  : value->stored.verdict == COMPARE_FASTER ? "right"
                                                            : "",
                  side_verdict_word(value->stored.verdict));
        text_add_prose(out, beside_ratio_format(value, ratio));
        if (value->stored.verdict != COMPARE_UNCLEAR)
            text_addf(out, "<br>%s", side_verdict_word(value->stored.verdict));
        text_add(out, "</small>");
    }
    text_add(out, "</td>");
}

/* Why a cell has no figure in any column, or nothing. */
static void empty_row(struct text *out, const struct beside_row *row, size_t count)
{
    text_add(out, "<tr><th scope=\"row\">");
    text_add_prose(out, row->label);
    text_add(out, "</th>");
    for (size_t i = 0; i < count; i++) {
        text_add(out, "<td>");
        text_add_html(out, !row->cells[i]      ? "not in it"
                           : row->cells[i]->ok ? "—"
                                               : columns_status_words(row->cells[i]));
        text_add(out, "</td>");
    }
    text_add(out, "</tr>\n");
}

static void row_add(struct text *out, const struct beside_row *row, size_t count)
{
    char title[FIGURE_BYTES];
    if (row->line_count == 0)
        empty_row(out, row, count);
    for (size_t i = 0; i < row->line_count; i++) {
        const struct beside_line *line = &row->lines[i];
        text_addf(out, "<tr%s><th scope=\"row\" title=\"", i ? " class=\"more\"" : "");
        text_add_html(out, row->id);
        text_add(out, "\">");
        if (i == 0)
            text_add_prose(out, row->label);
        text_add(out, "<small>");
        text_add_prose(out, beside_line_title(line, title));
        text_add(out, "</small></th>");
        for (size_t j = 0; j < count; j++)
            value_cell(out, line, j);
        text_add(out, "</tr>\n");
    }
}

static void rows_add(struct text *out, const struct page_part *parts, const struct beside *beside)
{
    const char *block = NULL;
    size_t lines = 0, left = 0;
    text_add(out, "<h2>Cell by cell</h2>\n<p class=\"shared\">Beside each figure its ratio to the "
                  "first column's with a 95 % interval over launches, where both have them; where "
                  "it leaves worse, better and no difference open, no "
                  "verdict.</p>\n"
                  "<div class=\"scroll\" tabindex=\"0\">\n<table class=\"details beside\">\n");
    head_row(out, parts, beside->count, "cell");
    for (size_t i = 0; i < beside->row_count; i++) {
        const struct beside_row *row = &beside->rows[i];
        if ((lines + row->line_count + 1) * beside->count > VALUES_MAX) {
            left = beside->row_count - i;
            break;
        }
        if (!block || strcmp(block, row->block) != 0) {
            text_addf(out,
                      "%s<tbody>\n<tr class=\"context\"><th colspan=\"%zu\" "
                      "scope=\"rowgroup\"><span>",
                      block ? "</tbody>\n" : "", beside->count + 1);
            text_add_html(out, row->block);
            text_add(out, "</span></th></tr>\n");
            block = row->block;
        }
        row_add(out, row, beside->count);
        lines += row->line_count ? row->line_count : 1;
    }
    text_addf(out, "%s</table>\n</div>\n", block ? "</tbody>\n" : "");
    if (left)
        text_addf(out,
                  "<p class=\"shared\">%zu more cells: <code>handoff compare</code> with these "
                  "results shows all.</p>\n",
                  left);
}

void page_beside(struct text *out, const struct page_part *parts, const struct beside *beside)
{
    struct text sentences[SIDE_SENTENCES_MAX];
    const size_t count = side_sentences(parts, beside, sentences);
    text_addf(out, "<article class=\"overview\">\n<header>\n<p class=\"brand\">handoff</p>\n<h1>");
    side_title_add(out, parts, beside->count, text_add_html);
    text_add(out, "</h1>\n</header>\n<section class=\"answer\">\n<h2>Beside the first</h2>\n");
    for (size_t i = 0; i < count; i++) {
        text_addf(out, "<p%s>", i + 1 == count ? " class=\"scope\"" : "");
        page_words(out, text_get(&sentences[i]));
        text_add(out, "</p>\n");
        text_free(&sentences[i]);
    }
    text_add(out, "</section>\n<section>\n");
    about_add(out, parts, beside);
    text_add(out, "</section>\n<section>\n");
    rows_add(out, parts, beside);
    text_add(out, "</section>\n</article>\n");
}

/* page_claims.c: what is said, and what was measured. See page.h. */
#include <string.h>

#include "harness/report/page.h"

static void cell_begin(struct text *out, const char *class, const char *label)
{
    text_addf(out, "<td class=\"%s\" data-label=\"%s\">", class, label);
}

static void verdict_add(struct text *out, const struct claim_row *row, enum claim_verdict verdict)
{
    static const char *const classes[] = {
        [CLAIM_UNTESTED] = "open", [CLAIM_UNDECIDED] = "open", [CLAIM_NOT_REPRODUCED] = "not",
        [CLAIM_HOLDS] = "holds",   [CLAIM_IMPOSSIBLE] = "not", [CLAIM_IN_PART] = "holds",
    };
    cell_begin(out, classes[verdict], "verdict");
    text_addf(out, "<strong>%s</strong>", claim_verdict_words(verdict));
    if (row->machine[0]) {
        text_add(out, "<small>measured on another machine than it speaks of: ");
        text_add_html(out, row->machine);
        text_add(out, "</small>");
    }
    text_add(out, "</td>");
}

static void case_add(struct text *out, const struct claim_row *row, size_t index)
{
    const struct claim_case *one = &row->cases[index];
    char value[FIGURE_BYTES], spread[4 * FIGURE_BYTES];
    text_add(out, "<tr>");
    cell_begin(out, "number", "quoted");
    text_add_html(out, row->quoted);
    text_addf(out, "<small>%s</small></td>", row->figure);
    cell_begin(out, "number here", "measured here");
    text_add_html(out, format_figure(&one->measured, UNIT_NS, value));
    if (claim_case_name(row, index)[0]) {
        text_add(out, "<small class=\"case\">");
        text_add_prose(out, claim_case_name(row, index));
        text_add(out, "</small>");
    }
    if (format_spread(&one->measured, UNIT_NS, spread, sizeof spread)[0]) {
        text_add(out, "<small>");
        text_add_prose(out, spread);
        text_add(out, "</small>");
    }
    text_add(out, "</td>");
    verdict_add(out, row, one->verdict);
    cell_begin(out, "why", "why");
    text_add_prose(out, text_get(&one->why));
    if (row->known[0] && index + 1 == row->case_count) {
        text_add(out, " <span class=\"known\">Known about it: ");
        text_add_prose(out, row->known);
        text_add(out, "</span>");
    }
    text_add(out, "</td></tr>\n");
}

static void row_add(struct text *out, const struct claim_row *row)
{
    text_add(out, "<tbody>\n<tr class=\"said\"><th colspan=\"4\" scope=\"rowgroup\">“");
    text_add_prose(out, row->says);
    text_add(out, "” <small>");
    text_add_html(out, row->id);
    if (row->where[0]) {
        text_add(out, " · ");
        text_add_html(out, row->where);
    }
    if (row->verdict == CLAIM_IN_PART)
        text_addf(out, " · %s", claim_verdict_words(row->verdict));
    text_add(out, "</small></th></tr>\n");
    for (size_t i = 0; i < row->case_count; i++)
        case_add(out, row, i);
    text_add(out, "</tbody>\n");
}

void page_claims(struct text *out, const struct page_part *part)
{
    struct text summary = {0};
    if (!part->claims || part->claims->count == 0)
        return;
    text_add(out, "<section class=\"block\"");
    page_id(out, part, "claims");
    text_add(out, ">\n<h2>What is said, and what was measured"
                  "</h2>\n<p class=\"about\">");
    claims_add_summary(&summary, part->claims);
    text_add_prose(out, text_get(&summary));
    text_free(&summary);
    text_add(out, "</p>\n<p class=\"shared\">A claim holds where the whole 95&#160;% interval over "
                  "the launches lies within what is quoted. One that is not reproduced may hold on "
                  "another machine.</p>\n<table class=\"claims\">\n<thead><tr><th scope=\"col\" "
                  "class=\"number\">quoted</th><th scope=\"col\" class=\"number\">measured here"
                  "</th><th scope=\"col\">verdict</th><th scope=\"col\">why</th></tr></thead>\n");
    for (size_t i = 0; i < part->claims->count; i++)
        row_add(out, &part->claims->rows[i]);
    text_add(out, "</table>\n</section>\n");
}

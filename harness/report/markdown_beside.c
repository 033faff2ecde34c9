/* markdown_beside.c: several results beside one another, in the summary for a CI job. See
 * page.h. */
#include <math.h>

#include "harness/report/side_by_side.h"

#define COLUMNS_MAX 12 /* a summary is read on a narrow page */
#define LINES_MAX 60

static void head_add(struct text *out, const struct page_part *parts, size_t count, size_t columns)
{
    text_add(out, "| |");
    for (size_t i = 0; i < columns; i++) {
        struct text label = {0};
        side_label_add(&label, parts, count, i);
        text_add(out, " ");
        text_add_markdown(out, text_get(&label));
        text_add(out, " |");
        text_free(&label);
    }
    text_add(out, "\n|:--|");
    for (size_t i = 0; i < columns; i++)
        text_add(out, "--:|");
    text_add(out, "\n");
}

static void about_add(struct text *out, const struct page_part *parts, const struct beside *beside,
                      size_t columns)
{
    head_add(out, parts, beside->count, columns);
    for (int fact = 0; fact < SIDE_FACTS; fact++) {
        text_addf(out, "| %s |", side_fact_title((enum side_fact)fact));
        for (size_t i = 0; i < columns; i++) {
            struct text value = {0};
            side_fact_add(&value, &parts[i], (enum side_fact)fact);
            text_add(out, " ");
            text_add_markdown(out, text_get(&value));
            text_add(out, " |");
            text_free(&value);
        }
        text_add(out, "\n");
    }
    for (size_t i = 0; i < beside->difference_count; i++) {
        text_add(out, "| ");
        text_add_markdown(out, beside->differences[i].what);
        text_add(out, " |");
        for (size_t j = 0; j < columns; j++) {
            text_add(out, " ");
            text_add_markdown(out, beside->differences[i].values[j]);
            text_add(out, " |");
        }
        text_add(out, "\n");
    }
    text_add(out, "\n");
}

static void line_add(struct text *out, const struct beside_row *row, const struct beside_line *line,
                     size_t columns)
{
    char title[FIGURE_BYTES], ratio[2 * FIGURE_BYTES];
    text_add(out, "| ");
    text_add_markdown(out, row->block);
    text_add(out, ": ");
    text_add_markdown(out, row->label);
    text_add(out, ", ");
    text_add_markdown(out, beside_line_title(line, title));
    text_add(out, " |");
    for (size_t i = 0; i < columns; i++) {
        const struct beside_value *value = &line->values[i];
        char figure[FIGURE_BYTES];
        text_add(out, " ");
        text_add_markdown(out, format_figure(&value->figure, line->unit, figure));
        if (i && isfinite(value->stored.ratio)) {
            const bool decided =
                value->stored.verdict == COMPARE_SLOWER || value->stored.verdict == COMPARE_FASTER;
            text_addf(out, ", %s", beside_ratio_format(value, ratio));
            if (decided)
                text_addf(out, " **%s**", side_verdict_word(value->stored.verdict));
        }
        text_add(out, " |");
    }
    text_add(out, "\n");
}

/* Whether some column of the line is better or worse than the first. */
static bool line_differs(const struct beside_line *line, size_t columns)
{
    for (size_t i = 1; i < columns; i++)
        if (line->values[i].stored.verdict == COMPARE_SLOWER ||
            line->values[i].stored.verdict == COMPARE_FASTER)
            return true;
    return false;
}

/* Lines that differ come first, so that what is left out is what says least. */
static void lines_add(struct text *out, const struct page_part *parts, const struct beside *beside,
                      size_t columns)
{
    size_t shown = 0, left = 0;
    head_add(out, parts, beside->count, columns);
    for (int differing = 1; differing >= 0; differing--) {
        for (size_t i = 0; i < beside->row_count; i++) {
            const struct beside_row *row = &beside->rows[i];
            for (size_t j = 0; j < row->line_count; j++) {
                if (line_differs(&row->lines[j], columns) != (differing == 1))
                    continue;
                if (shown == LINES_MAX || out->used_bytes > MARKDOWN_BYTES_MAX / 2) {
                    left++;
                    continue;
                }
                line_add(out, row, &row->lines[j], columns);
                shown++;
            }
        }
    }
    text_add(out, "\n");
    if (left)
        text_addf(out, "%zu more figures are on the page.\n\n", left);
}

void markdown_beside(struct text *out, const struct page_part *parts, const struct beside *beside)
{
    struct text sentences[SIDE_SENTENCES_MAX];
    const size_t count = side_sentences(parts, beside, sentences);
    const size_t columns = beside->count < COLUMNS_MAX ? beside->count : COLUMNS_MAX;
    text_add(out, "## handoff: ");
    side_title_add(out, parts, beside->count, text_add_markdown);
    text_add(out, "\n\n");
    for (size_t i = 0; i < count; i++) {
        text_add(out, "- ");
        text_add_markdown(out, text_get(&sentences[i]));
        text_add(out, "\n");
        text_free(&sentences[i]);
    }
    text_add(out, "\n");
    about_add(out, parts, beside, columns);
    lines_add(out, parts, beside, columns);
    if (columns < beside->count)
        text_addf(out, "%zu more results are on the page.\n\n", beside->count - columns);
}

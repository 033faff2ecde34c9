/* comparison_print.c: a comparison for a terminal and for the summary of a CI job. See
 * comparison.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/report/comparison_parts.h"
#include "harness/report/wrap.h"

/* The columns of both, as text. */
enum {
    COLUMN_GATE,
    COLUMN_BASE,
    COLUMN_NEW,
    COLUMN_RATIO,
    COLUMN_VERDICT,
    COLUMN_SEES,
    COLUMN_PAIRS,
    COLUMNS
};
static const char *const titles[COLUMNS] = {"gate",    "base", "new",  "new/base (90 %)",
                                            "verdict", "sees", "pairs"};
static const int widths[COLUMNS] = {24, 9, 9, 19, 15, 8, 5};
#define CELL_TEXT_BYTES 96

static void figure_format(double value, const struct gate *gate, char *text)
{
    struct figure figure = {.state = isnan(value)   ? FIGURE_ABSENT
                                     : isinf(value) ? FIGURE_INFINITE
                                                    : FIGURE_KNOWN,
                            .value = value};
    format_figure(&figure, comparison_unit(gate), text);
}

/* "1.034", "184": digits enough to tell 2 % from nothing, and no more. */
static char *ratio_format(double ratio, char *text)
{
    snprintf(text, FIGURE_BYTES, ratio < 10 ? "%.3f" : "%.3g", fmin(ratio, 1e15));
    return text;
}

static void row_format(const struct comparison_row *row, char cells[COLUMNS][CELL_TEXT_BYTES])
{
    struct comparison_ratio ratio = comparison_ratio(row);
    char by[FIGURE_BYTES];
    snprintf(cells[COLUMN_GATE], CELL_TEXT_BYTES, "%s", comparison_gate_name(row));
    figure_format(row->base, row->gate, cells[COLUMN_BASE]);
    figure_format(row->new_value, row->gate, cells[COLUMN_NEW]);
    char middle[FIGURE_BYTES], low[FIGURE_BYTES], high[FIGURE_BYTES];
    if (isfinite(ratio.low90) && isfinite(ratio.high90))
        snprintf(cells[COLUMN_RATIO], CELL_TEXT_BYTES, "%s %s–%s",
                 ratio_format(ratio.ratio, middle), ratio_format(ratio.low90, low),
                 ratio_format(ratio.high90, high));
    else
        snprintf(cells[COLUMN_RATIO], CELL_TEXT_BYTES, "%s",
                 isfinite(ratio.ratio) ? ratio_format(ratio.ratio, middle) : "—");
    snprintf(cells[COLUMN_VERDICT], CELL_TEXT_BYTES, "%s",
             compare_verdict_words(row->judged.count ? row->judged.verdict : COMPARE_UNCLEAR));
    const bool sees = row->judged.count && isfinite(row->judged.detectable);
    snprintf(cells[COLUMN_SEES], CELL_TEXT_BYTES, "%s%s",
             sees && row->judged.detectable < 1.5 ? "+" : "",
             sees ? format_ratio(row->judged.detectable, by) : "—");
    snprintf(cells[COLUMN_PAIRS], CELL_TEXT_BYTES, "%zu", row->judged.count);
}

/* What the columns mean. */
static const char legend[] =
    "sees: the smallest slowdown that would have been called slower in 8 of 10 such comparisons. "
    "slower, faster: beyond 2 %, or beyond what the clock, the count of CPU time or a search "
    "resolves where that is more; for the whole table a false alarm in at most 5 % of comparisons. "
    "same: the 90 % interval lies within 5 %.";

static void aligned_print(FILE *file, const char *text, int width, bool left)
{
    int blanks = width - (int)text_width(text);
    fprintf(file, "%*s%s%*s", left || blanks < 0 ? 0 : blanks, "", text,
            left && blanks > 0 ? blanks : 0, "");
}

static bool column_is_left(int column)
{
    return column == COLUMN_GATE || column == COLUMN_VERDICT;
}

static void wrapped_print(FILE *file, const char *before, const char *text)
{
    size_t indent = text_width(before);
    fputs(before, file);
    wrap_print(file, text, indent, indent);
}

static void table_row_print(FILE *file, const struct comparison_row *row)
{
    char cells[COLUMNS][CELL_TEXT_BYTES];
    row_format(row, cells);
    for (int i = 0; i < COLUMNS; i++) {
        fputs("  ", file);
        aligned_print(file, cells[i], widths[i], column_is_left(i));
    }
    fputc('\n', file);
    if (row->reason[0]) {
        fputs("      ", file);
        wrap_print(file, row->reason, 6, 6);
    }
}

/* The cell's name above its rows, with its conditions where they are not alike for all. */
static void table_cell_print(FILE *file, const struct comparison *comparison,
                             const struct report_cell *cell)
{
    struct text name = {0}, conditions = {0};
    text_add_plain(&name, cell->id);
    fprintf(file, "%s\n", text_get(&name));
    comparison_cell_conditions(comparison, cell, &conditions);
    if (conditions.used_bytes)
        wrapped_print(file, "  ", text_get(&conditions));
    text_free(&name);
    text_free(&conditions);
}

static void table_left_print(FILE *file, const struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->left_count; i++) {
        struct text line = {0};
        text_add(&line, comparison->left[i].is_regression ? "regression: " : "not compared: ");
        text_add_plain(&line, comparison->left[i].id);
        text_add(&line, ": ");
        text_add_plain(&line, comparison->left[i].reason);
        wrap_print(file, text_get(&line), 0, 2);
        text_free(&line);
    }
}

void comparison_print_table(const struct comparison *comparison, FILE *file)
{
    struct text words = {0}, conditions = {0}, sides = {0};
    comparison_conclude(comparison, &words);
    wrapped_print(file, "=> ", text_get(&words));
    comparison_sides(comparison, &sides);
    fputc('\n', file);
    wrap_print(file, text_get(&sides), 0, 0);
    text_free(&sides);
    if (comparison->row_count) {
        for (int i = 0; i < COLUMNS; i++) {
            fputs("  ", file);
            aligned_print(file, titles[i], widths[i], column_is_left(i));
        }
        fputc('\n', file);
    }
    for (size_t i = 0; i < comparison->row_count; i++) {
        const struct comparison_row *row = &comparison->rows[i];
        if (i == 0 || row[-1].cell != row->cell)
            table_cell_print(file, comparison, row->cell);
        table_row_print(file, row);
    }
    table_left_print(file, comparison);
    fputc('\n', file);
    if (comparison->judged_count)
        wrap_print(file, legend, 0, 0);
    comparison_conditions(comparison, &conditions);
    wrap_print(file, text_get(&conditions), 0, 0);
    text_free(&words);
    text_free(&conditions);
}

/* ---- Markdown -------------------------------------------------------------------------------- */

static void markdown_row_add(struct text *out, const struct comparison *comparison,
                             const struct comparison_row *row)
{
    static const char *const marks[] = {"", "", "🔺 ", "🔽 "};
    char cells[COLUMNS][CELL_TEXT_BYTES];
    struct text conditions = {0};
    row_format(row, cells);
    text_add(out, "| ");
    text_add_markdown(out, row->cell->id);
    comparison_cell_conditions(comparison, row->cell, &conditions);
    if (conditions.used_bytes) {
        text_add(out, "<br>");
        text_add_markdown(out, text_get(&conditions));
    }
    text_free(&conditions);
    for (int i = 0; i < COLUMNS; i++) {
        text_add(out, " | ");
        if (i == COLUMN_VERDICT && row->judged.count)
            text_add(out, marks[row->judged.verdict]);
        text_add_markdown(out, cells[i]);
        if (i == COLUMN_VERDICT && row->reason[0]) {
            text_add(out, ": ");
            text_add_markdown(out, row->reason);
        }
    }
    text_add(out, " |\n");
}

void comparison_print_markdown(const struct comparison *comparison, FILE *file)
{
    struct text out = {0}, words = {0};
    text_add(&out, "## handoff compare: ");
    text_add_markdown(&out, comparison->new_report->scenario);
    text_add(&out, "\n\n> ");
    comparison_conclude(comparison, &words);
    text_add_markdown(&out, text_get(&words));
    text_add(&out, "\n\n");
    text_free(&words);
    words = (struct text){0};
    comparison_sides(comparison, &words);
    text_add_markdown(&out, text_get(&words));
    text_add(&out, "\n\n");
    if (comparison->row_count)
        text_add(&out, "| cell | gate | base | new | new/base (90 %) | verdict | sees | pairs |\n"
                       "|:--|:--|--:|--:|--:|:--|--:|--:|\n");
    for (size_t i = 0; i < comparison->row_count; i++)
        markdown_row_add(&out, comparison, &comparison->rows[i]);
    text_add(&out, "\n");
    for (size_t i = 0; i < comparison->left_count; i++) {
        const struct comparison_left *left = &comparison->left[i];
        text_add(&out, left->is_regression ? "- **regression:** " : "- not compared: ");
        text_add_markdown(&out, left->id);
        text_add(&out, ": ");
        text_add_markdown(&out, left->reason);
        text_add(&out, "\n");
    }
    text_add(&out, comparison->left_count ? "\n<sub>" : "<sub>");
    text_add_markdown(&out, comparison->judged_count ? legend : "");
    text_add(&out, comparison->judged_count ? "<br>" : "");
    text_free(&words);
    words = (struct text){0};
    comparison_conditions(comparison, &words);
    text_add_markdown(&out, text_get(&words));
    text_add(&out, "</sub>\n");
    fputs(text_get(&out), file);
    text_free(&out);
    text_free(&words);
}

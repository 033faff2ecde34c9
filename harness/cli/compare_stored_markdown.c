/* compare_stored_markdown.c: stored results beside one another for a CI job's summary. See
 * compare_stored.h.
 */
#include <stdio.h>

#include "harness/cli/compare_stored.h"

enum { COLUMNS = 5 };

static void print_item(const struct text *words)
{
    fputs("- ", stdout);
    cli_print_markdown(stdout, text_get(words));
    putchar('\n');
}

static void print_differences(const struct stored *stored)
{
    const struct beside *beside = stored->beside;
    for (size_t i = 0; i < beside->difference_count; i++) {
        const struct beside_difference *difference = &beside->differences[i];
        struct text words = {0};
        if (i == 0 || beside->differences[i - 1].weight != difference->weight)
            printf("\n%s\n\n", stored_weight_words(difference->weight));
        stored_add_difference(stored, difference, &words);
        print_item(&words);
        text_free(&words);
    }
}

/* Two results: both figures, their ratio, the verdict. More: the course and what is said of it. */
static void print_line(const struct stored *stored, const struct beside_row *row,
                       const struct beside_line *line)
{
    char title[FIGURE_BYTES], base[FIGURE_BYTES], later[FIGURE_BYTES], ratio[2 * FIGURE_BYTES];
    struct text course = {0}, words = {0};
    beside_line_title(line, title);
    if (stored->beside->count == 2) {
        text_addf(&course, "%s → %s", format_figure(&line->values[0].figure, line->unit, base),
                  format_figure(&line->values[1].figure, line->unit, later));
        text_add(&words, beside_verdict_words(line, line->values[1].stored.verdict));
    } else {
        stored_add_course(stored, line, &course);
        stored_add_line_words(stored, line, &words);
    }
    const size_t last = stored->beside->count - 1;
    beside_ratio_format(&line->values[last], ratio);
    const char *const cells[COLUMNS] = {row->label, title, text_get(&course), ratio,
                                        text_get(&words)};
    cli_print_markdown_row(stdout, cells, COLUMNS);
    text_free(&course);
    text_free(&words);
}

static void print_row(const struct stored *stored, const struct beside_row *row)
{
    struct text gaps = {0};
    for (size_t i = 0; i < row->line_count; i++)
        print_line(stored, row, &row->lines[i]);
    stored_add_gaps(stored, row, &gaps);
    if (gaps.used_bytes) {
        const char *const cells[COLUMNS] = {row->label, "", "", "", text_get(&gaps)};
        cli_print_markdown_row(stdout, cells, COLUMNS);
    }
    text_free(&gaps);
}

void stored_print_markdown(const struct stored *stored)
{
    const struct beside *beside = stored->beside;
    const char *const titles[COLUMNS] = {"cell", "figure", "as measured, in order of time",
                                         beside->count == 2 ? "new / base" : "last / first named",
                                         "what it shows"};
    struct text words = {0};
    char name[FIGURE_BYTES];
    printf("## Stored results beside one another\n\n");
    for (size_t i = 0; i < beside->count; i++) {
        text_addf(&words, "%s: ", stored_name(stored, i, name));
        stored_add_result(stored, i, &words);
        print_item(&words);
        text_free(&words);
    }
    print_differences(stored);
    if (stored->matched > 0) {
        putchar('\n');
        cli_print_markdown_head(stdout, titles, COLUMNS);
    }
    for (size_t i = 0; i < beside->row_count; i++)
        if (stored_row_results(stored, &beside->rows[i]) > 1)
            print_row(stored, &beside->rows[i]);
    putchar('\n');
    for (size_t i = 0; i < beside->count; i++) {
        stored_add_lone(stored, i, &words);
        if (words.used_bytes)
            print_item(&words);
        text_free(&words);
    }
    putchar('\n');
    stored_add_summary(stored, &words);
    cli_print_markdown(stdout, text_get(&words));
    putchar('\n');
    text_free(&words);
}

/* compare_stored_table.c: stored results beside one another on a terminal. See compare_stored.h. */
#include <stdio.h>
#include <string.h>

#include "harness/cli/compare_stored.h"
#include "harness/report/wrap.h"

enum { INDENT = 2 };

/* A stranger's sentence, wrapped, with `indent` blanks before every line. */
static void print_words(const struct text *words, size_t indent)
{
    struct text plain = {0};
    text_add_plain(&plain, text_get(words));
    printf("%*s", (int)indent, "");
    wrap_print(stdout, text_get(&plain), indent, indent + INDENT);
    text_free(&plain);
}

static void print_results(const struct stored *stored)
{
    char name[FIGURE_BYTES];
    for (size_t i = 0; i < stored->beside->count; i++) {
        struct text words = {0};
        text_addf(&words, "%s: ", stored_name(stored, i, name));
        stored_add_result(stored, i, &words);
        print_words(&words, 0);
        text_free(&words);
    }
}

static void print_differences(const struct stored *stored)
{
    const struct beside *beside = stored->beside;
    for (size_t i = 0; i < beside->difference_count; i++) {
        const struct beside_difference *difference = &beside->differences[i];
        struct text words = {0};
        if (i == 0 || beside->differences[i - 1].weight != difference->weight) {
            putchar('\n');
            wrap_print(stdout, stored_weight_words(difference->weight), 0, 0);
        }
        stored_add_difference(stored, difference, &words);
        print_words(&words, INDENT);
        text_free(&words);
    }
}

/* Text in a column of at least `width`. */
static void print_padded(const char *text, size_t width)
{
    const size_t used = text_width(text);
    printf("%s%*s", text, (int)(used < width ? width - used : 0), "");
}

/* The figures of two results in columns. */
static void print_pair(const struct beside_line *line)
{
    char title[FIGURE_BYTES], figure[FIGURE_BYTES], ratio[2 * FIGURE_BYTES];
    printf("%*s", INDENT, "");
    print_padded(beside_line_title(line, title), 22);
    for (size_t i = 0; i < 2; i++) {
        putchar(' ');
        print_padded(format_figure(&line->values[i].figure, line->unit, figure), 10);
    }
    putchar(' ');
    print_padded(beside_ratio_format(&line->values[1], ratio), 25);
    printf(" %s\n", beside_verdict_words(line, line->values[1].stored.verdict));
}

/* The figures of more than two results, one after the other, and what they do. */
static void print_course(const struct stored *stored, const struct beside_line *line)
{
    char title[FIGURE_BYTES];
    struct text words = {0};
    text_addf(&words, "%s ", beside_line_title(line, title));
    stored_add_course(stored, line, &words);
    print_words(&words, INDENT);
    text_free(&words);
    stored_add_line_words(stored, line, &words);
    if (words.used_bytes)
        print_words(&words, 2 * INDENT);
    text_free(&words);
}

static void print_row(const struct stored *stored, const struct beside_row *row)
{
    struct text words = {0};
    putchar('\n');
    text_addf(&words, "%s", row->label);
    print_words(&words, 0);
    text_free(&words);
    stored_add_gaps(stored, row, &words);
    if (words.used_bytes)
        print_words(&words, INDENT);
    text_free(&words);
    for (size_t i = 0; i < row->line_count; i++) {
        if (stored->beside->count == 2)
            print_pair(&row->lines[i]);
        else
            print_course(stored, &row->lines[i]);
    }
}

void stored_print_table(const struct stored *stored)
{
    const struct beside *beside = stored->beside;
    const char *block = NULL;
    struct text words = {0};
    print_results(stored);
    print_differences(stored);
    if (beside->count > 2) {
        char name[FIGURE_BYTES];
        printf("\nFigures in the order in which the results were measured:");
        for (size_t i = 0; i < beside->count; i++)
            printf("%s %s", i ? "," : "", stored_name(stored, beside->by_time[i], name));
        putchar('\n');
    }
    for (size_t i = 0; i < beside->row_count; i++) {
        if (stored_row_results(stored, &beside->rows[i]) < 2)
            continue;
        if (!block || strcmp(block, beside->rows[i].block) != 0) {
            block = beside->rows[i].block;
            text_addf(&words, "block %s", block);
            putchar('\n');
            print_words(&words, 0);
            text_free(&words);
        }
        print_row(stored, &beside->rows[i]);
    }
    for (size_t i = 0; i < beside->count; i++) {
        stored_add_lone(stored, i, &words);
        if (words.used_bytes) {
            putchar('\n');
            print_words(&words, 0);
        }
        text_free(&words);
    }
    stored_add_summary(stored, &words);
    putchar('\n');
    print_words(&words, 0);
    text_free(&words);
}

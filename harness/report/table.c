/* table.c: a result on a terminal. See table.h. */
#include "harness/report/table.h"

#include <string.h>

#include "harness/base/json.h"
#include "harness/report/columns.h"
#include "harness/report/conclusions.h"

#define TABLE_COLUMNS 120
#define INTEGRITY_WIDTH 11
#define LABEL_WIDTH_MAX 20
#define WRAP_COLUMNS 100

/* Where colours are allowed: bold headings, dim units, red for what is wrong. */
struct paint {
    const char *bold, *dim, *red, *off;
};
static struct paint paint_get(bool colour)
{
    static const struct paint on = {"\033[1m", "\033[2m", "\033[31m", "\033[0m"};
    static const struct paint off = {"", "", "", ""};
    return colour ? on : off;
}

/* Prints at most `width` columns of `text`, then spaces up to it. */
static void print_left(FILE *out, const char *text, size_t width)
{
    struct text cut = {0};
    size_t used = text_width(text);
    if (used > width) {
        size_t at = 0;
        for (size_t columns = 0; text[at] && columns + 2 < width; columns++) {
            size_t bytes = text_character_bytes(text + at);
            at += bytes ? bytes : 1;
        }
        text_add_bytes(&cut, text, at);
        text_add(&cut, "…");
        text = text_get(&cut);
        used = text_width(text);
    }
    fprintf(out, "%s%*s", text, used < width ? (int)(width - used) : 0, "");
    text_free(&cut);
}

static void print_right(FILE *out, const char *text, int width)
{
    int used = (int)text_width(text);
    fprintf(out, "%*s%s", width > used ? width - used : 0, "", text);
}

static int column_gap(size_t index)
{
    return column_opens_group(index) ? 2 : 1;
}

/* Two lines: the names of groups of columns above their first column, then the columns. */
static void print_header(FILE *out, const struct paint *paint, const struct report_block *block,
                         size_t label_width)
{
    const char *group = "";
    fprintf(out, "%s  %*s", paint->dim, (int)label_width, "");
    for (size_t i = 0; i < COLUMN_COUNT;) {
        int width = 0;
        group = report_columns[i].group;
        for (; i < COLUMN_COUNT && strcmp(report_columns[i].group, group) == 0; i++)
            width += report_columns[i].width + column_gap(i);
        print_right(out, group, width);
    }
    fprintf(out, "\n  ");
    struct text compared = {0};
    text_add_plain(&compared, block->compare);
    print_left(out, text_get(&compared), label_width);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        fprintf(out, "%*s", column_gap(i), "");
        print_right(out, report_columns[i].name, report_columns[i].width);
    }
    fprintf(out, "  bytes%s\n", paint->off);
    text_free(&compared);
}

/* What a row is called: what is compared, or all that varies, or the only cell's name. */
static const char *row_label(const struct report_cell *cell)
{
    return cell->short_label[0] ? cell->short_label : cell->label;
}

static void print_cell(FILE *out, const struct paint *paint, const struct report_cell *cell,
                       size_t label_width)
{
    struct text text = {0};
    fputs("  ", out);
    print_left(out, row_label(cell), label_width);
    if (cell->ok) {
        for (size_t i = 0; i < COLUMN_COUNT; i++) {
            char value[FIGURE_BYTES];
            struct figure figure = report_columns[i].get(cell);
            fprintf(out, "%*s", column_gap(i), "");
            print_right(out, format_figure(&figure, report_columns[i].unit, value),
                        report_columns[i].width);
        }
        report_integrity_text(cell, &text);
        bool wrong = report_integrity_errors(cell) > 0;
        fprintf(out, "  %s", wrong ? paint->red : "");
        size_t width = text_width(text_get(&text));
        print_left(out, text_get(&text), width < INTEGRITY_WIDTH ? width : INTEGRITY_WIDTH);
    } else {
        columns_add_status(cell, &text);
        bool failed = strcmp(cell->status, "failed") == 0;
        fprintf(out, "  %s", failed ? paint->red : paint->dim);
        size_t width = TABLE_COLUMNS - label_width - 5;
        print_left(out, text_get(&text),
                   text_width(text_get(&text)) < width ? text_width(text_get(&text)) : width);
    }
    fprintf(out, "%s\n", paint->off);
    text_free(&text);
}

/* "baseline  producer 1.4 %, consumer 0.1 %, machine 4.5 % of a CPU: nothing but the pacer". */
static void print_baseline(FILE *out, const struct paint *paint, const struct report_cell *cell,
                           size_t label_width)
{
    static const struct {
        const char *role, *name;
    } roles[] = {{"producer", "producer"}, {"consumer", "consumer"}, {"system", "machine"}};
    struct text text = {0};
    if (cell->ok) {
        for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
            char value[FIGURE_BYTES];
            struct figure figure = report_cpu_percent(cell, roles[i].role);
            text_addf(&text, "%s%s %s %%", i ? ", " : "", roles[i].name,
                      format_figure(&figure, UNIT_PERCENT, value));
        }
        text_add(&text, " of a CPU: nothing but the pacer");
    } else {
        columns_add_status(cell, &text);
    }
    fprintf(out, "%s  ", paint->dim);
    print_left(out, cell->label, label_width);
    size_t width = text_width(text_get(&text)), room = TABLE_COLUMNS - label_width - 5;
    fputs("  ", out);
    print_left(out, text_get(&text), width < room ? width : room);
    fprintf(out, "%s\n", paint->off);
    text_free(&text);
}

static void print_block(FILE *out, const struct paint *paint, const struct report_block *block)
{
    struct text name = {0};
    size_t label_width = 12;
    text_add_plain(&name, block->name);
    fprintf(out, "\n%s%s%s", paint->bold, text_get(&name), paint->off);
    size_t left = TABLE_COLUMNS - text_width(text_get(&name)) - 2;
    if (block->constants[0] && text_width(text_get(&name)) + 8 < TABLE_COLUMNS) {
        fprintf(out, "%s  ", paint->dim);
        size_t width = text_width(block->constants);
        print_left(out, block->constants, width < left ? width : left);
        fputs(paint->off, out);
    }
    fputc('\n', out);
    text_free(&name);
    for (size_t i = 0; i < block->cell_count; i++)
        if (text_width(row_label(&block->cells[i])) > label_width)
            label_width = text_width(row_label(&block->cells[i]));
    if (label_width > LABEL_WIDTH_MAX)
        label_width = LABEL_WIDTH_MAX;
    print_header(out, paint, block, label_width);
    for (size_t i = 0; i < block->group_count; i++) {
        const struct report_group *group = &block->groups[i];
        if (group->context[0]) {
            fprintf(out, "%s  ", paint->dim);
            size_t width = text_width(group->context);
            print_left(out, group->context, width < TABLE_COLUMNS - 2 ? width : TABLE_COLUMNS - 2);
            fprintf(out, "%s\n", paint->off);
        }
        for (size_t j = 0; j < group->cell_count; j++)
            print_cell(out, paint, &block->cells[group->cells[j]], label_width);
    }
    for (size_t i = 0; i < block->baseline_count; i++) {
        size_t width = text_width(block->baselines[i].label);
        print_baseline(out, paint, &block->baselines[i], width > label_width ? width : label_width);
    }
}

void report_table(FILE *out, const cJSON *result, bool colour)
{
    struct paint paint = paint_get(colour);
    struct report *report;
    struct err err;
    if (report_open(result, &report, &err) != ST_OK) {
        fprintf(out, "no table: %s\n", err.what);
        return;
    }
    for (size_t i = 0; i < report->block_count; i++)
        if (report->blocks[i].cell_count)
            print_block(out, &paint, &report->blocks[i]);
    report_free(report);
}

/* Prints words, wrapped, later lines indented as the first. `bullet` opens the first line. */
static void print_wrapped(FILE *out, const char *bullet, const char *text)
{
    size_t indent = text_width(bullet), column = indent;
    fputs(bullet, out);
    while (*text) {
        size_t bytes = strcspn(text, " ");
        struct text word = {0};
        text_add_bytes(&word, text, bytes);
        size_t width = text_width(text_get(&word));
        if (column > indent && column + 1 + width > WRAP_COLUMNS) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fputs(text_get(&word), out);
        column += width;
        text_free(&word);
        text += bytes;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

void report_conclusions(FILE *out, const cJSON *result, bool colour)
{
    struct paint paint = paint_get(colour);
    struct report *report;
    struct conclusions *conclusions;
    if (report_open(result, &report, NULL) != ST_OK)
        return; /* report_table has said why */
    if (conclusions_make(report, &conclusions, NULL) != ST_OK) {
        report_free(report);
        return;
    }
    for (size_t i = 0; i < conclusions->count; i++) {
        const struct conclusion *item = &conclusions->items[i];
        if (!item->lead.used_bytes)
            continue;
        fputc('\n', out);
        print_wrapped(out, "", text_get(&item->lead));
        for (size_t j = 0; j < item->point_count; j++)
            print_wrapped(out, "  - ", text_get(&item->points[j]));
        for (size_t j = 0; j < item->note_count; j++)
            print_wrapped(out, "  ", text_get(&item->notes[j]));
    }
    for (size_t i = 0; i < conclusions->advice_count; i++) {
        fprintf(out, "%s%s", i ? "" : "\n", paint.bold);
        print_wrapped(out, "=> ", text_get(&conclusions->advice[i]));
        fputs(paint.off, out);
    }
    conclusions_free(conclusions);
    report_free(report);
}

/* table.c: a result on a terminal. See table.h. */
#include "harness/report/table.h"

#include <string.h>

#include "harness/base/json.h"
#include "harness/report/claims.h"
#include "harness/report/conclusions.h"
#include "harness/report/table_layout.h"
#include "harness/report/two_hosts.h"
#include "harness/report/wrap.h"

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

/* Prints the words of `text` from column `column` on; later lines begin there, too. */
static void print_sentence(FILE *out, const char *text, size_t column)
{
    wrap_print(out, text, column, column);
}

/* Two lines: the names of groups of columns above them, then the columns. */
static void print_header(FILE *out, const struct paint *paint, const struct report_block *block,
                         const struct table_layout *layout)
{
    fprintf(out, "%s  %*s", paint->dim, (int)layout->label_width, "");
    for (size_t i = 0; i < COLUMN_COUNT;) {
        int width = 0;
        const char *group = report_columns[i].group;
        for (; i < COLUMN_COUNT && strcmp(report_columns[i].group, group) == 0; i++)
            if (layout->shown[i])
                width += layout->widths[i] + table_gap(i);
        if (width)
            print_right(out, group, width);
    }
    fprintf(out, "\n  ");
    struct text compared = {0};
    text_add_plain(&compared, block->compare);
    print_left(out, text_get(&compared), layout->label_width);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (!layout->shown[i])
            continue;
        fprintf(out, "%*s", table_gap(i), "");
        print_right(out, report_columns[i].name, layout->widths[i]);
    }
    fprintf(out, "  bytes%s\n", paint->off);
    text_free(&compared);
}

/* Why a cell has no figures, from column `column` on. */
static void print_status(FILE *out, const struct paint *paint, const struct report_cell *cell,
                         size_t column)
{
    struct text text = {0};
    columns_add_status(cell, &text);
    fprintf(out, "  %s", strcmp(cell->status, "failed") == 0 ? paint->red : paint->dim);
    print_sentence(out, text_get(&text), column);
    fputs(paint->off, out);
    text_free(&text);
}

static void print_figures(FILE *out, const struct paint *paint, const struct report_cell *cell,
                          const struct table_layout *layout)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        char value[FIGURE_BYTES];
        if (!layout->shown[i])
            continue;
        struct figure figure = report_columns[i].get(cell);
        fprintf(out, "%*s", table_gap(i), "");
        print_right(out, format_figure(&figure, report_columns[i].unit, value), layout->widths[i]);
    }
    struct text text = {0};
    report_integrity_text(cell, &text);
    fprintf(out, "  %s%s%s\n", report_integrity_errors(cell) > 0 ? paint->red : "", text_get(&text),
            paint->off);
    text_free(&text);
}

/* A label that is too wide for its column goes on below it. */
static void print_cell(FILE *out, const struct paint *paint, const struct report_cell *cell,
                       const struct table_layout *layout)
{
    const char *label = table_row_label(cell);
    for (bool first = true; first || *label; first = false) {
        struct text line = {0};
        size_t indent = first ? 0 : 2;
        size_t bytes = wrap_fitting(label, layout->label_width - indent);
        text_add_bytes(&line, label, bytes);
        label += bytes;
        label += strspn(label, " ");
        fprintf(out, "  %*s", (int)indent, "");
        if (first && !cell->ok && *label) { /* a reason wraps by itself: no label beside it */
            fprintf(out, "%s %s\n  %*s", text_get(&line), label, (int)layout->label_width, "");
            label = "";
        } else {
            print_left(out, text_get(&line),
                       first ? layout->label_width : text_width(text_get(&line)));
        }
        text_free(&line);
        if (!first)
            fputc('\n', out);
        else if (cell->ok)
            print_figures(out, paint, cell, layout);
        else
            print_status(out, paint, cell, layout->label_width + 4);
    }
}

/* "baseline  producer 1.4 %, consumer 0.1 %, machine 4.5 % of a CPU: nothing but the pacer". */
static void print_baseline(FILE *out, const struct paint *paint, const struct report_cell *cell,
                           size_t label_width)
{
    static const struct {
        const char *role, *name;
    } roles[] = {{"producer", "producer"}, {"consumer", "consumer"}, {"system", "machine"}};
    struct text text = {0};
    fprintf(out, "%s  ", paint->dim);
    print_left(out, cell->label, label_width);
    fputs(paint->off, out);
    if (cell->ok) {
        for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
            char value[FIGURE_BYTES];
            struct figure figure = report_cpu_percent(cell, roles[i].role);
            text_addf(&text, "%s%s %s %%", i ? ", " : "", roles[i].name,
                      format_figure(&figure, UNIT_PERCENT, value));
        }
        text_add(&text, " of a CPU: nothing but the pacer");
        fprintf(out, "  %s", paint->dim);
        print_sentence(out, text_get(&text), label_width + 4);
        fputs(paint->off, out);
    } else {
        print_status(out, paint, cell, label_width + 4);
    }
    text_free(&text);
}

static void print_two_hosts(FILE *out, const struct paint *paint, const struct report *report,
                            const struct report_block *block)
{
    struct text text = {0};
    two_hosts_add_sentence(&text, report, block);
    if (text.used_bytes) {
        fprintf(out, "%s  ", paint->dim);
        print_sentence(out, text_get(&text), 2);
        fputs(paint->off, out);
    }
    text_free(&text);
}

/* Returns its width in columns. */
static size_t print_name(FILE *out, const struct paint *paint, const struct report_block *block,
                         const char *after)
{
    struct text name = {0};
    text_add_plain(&name, block->name);
    const size_t width = text_width(text_get(&name));
    fprintf(out, "%s%s%s%s", paint->bold, text_get(&name), paint->off, after);
    text_free(&name);
    return width;
}

static void print_block(FILE *out, const struct paint *paint, const struct report *report,
                        const struct report_block *block)
{
    fputc('\n', out);
    const size_t name_width = print_name(out, paint, block, "  ");
    fputs(paint->dim, out);
    wrap_print(out, block->constants, name_width + 2, 2);
    fputs(paint->off, out);
    struct table_layout layout;
    table_layout_make(block, &layout);
    print_header(out, paint, block, &layout);
    for (size_t i = 0; i < block->group_count; i++) {
        const struct report_group *group = &block->groups[i];
        if (group->context[0]) {
            fprintf(out, "%s  ", paint->dim);
            print_sentence(out, group->context, 2);
            fputs(paint->off, out);
        }
        for (size_t j = 0; j < group->cell_count; j++)
            print_cell(out, paint, &block->cells[group->cells[j]], &layout);
    }
    print_two_hosts(out, paint, report, block);
    size_t width = layout.label_width;
    for (size_t i = 0; i < block->baseline_count; i++)
        if (text_width(block->baselines[i].label) > width)
            width = text_width(block->baselines[i].label);
    for (size_t i = 0; i < block->baseline_count; i++)
        print_baseline(out, paint, &block->baselines[i], width);
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
            print_block(out, &paint, report, &report->blocks[i]);
    report_free(report);
}

/* Prints words, wrapped, later lines indented as the first. `bullet` opens the first line. */
static void print_wrapped(FILE *out, const char *bullet, const char *text)
{
    fputs(bullet, out);
    print_sentence(out, text, text_width(bullet));
}

/* One paragraph per claim, and how many hold. */
static void print_claims(FILE *out, const struct paint *paint, const struct report *report)
{
    struct claims *claims;
    struct text line = {0};
    if (claims_make(report, &claims, NULL) != ST_OK)
        return;
    for (size_t i = 0; i < claims->count; i++) {
        fputs(i ? "" : "\n", out);
        claims_add_line(&line, &claims->rows[i]);
        print_wrapped(out, "- ", text_get(&line));
        text_free(&line);
    }
    claims_add_summary(&line, claims);
    if (line.used_bytes) {
        fputs(paint->bold, out);
        print_wrapped(out, "=> ", text_get(&line));
        fputs(paint->off, out);
    }
    text_free(&line);
    claims_free(claims);
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
        if (conclusions_opens_block(conclusions, i))
            (void)print_name(out, &paint, &report->blocks[item->block], "\n");
        print_wrapped(out, "", text_get(&item->lead));
        for (size_t j = 0; j < item->point_count; j++)
            print_wrapped(out, "  - ", text_get(&item->points[j]));
        for (size_t j = 0; j < item->note_count; j++)
            print_wrapped(out, "  ", text_get(&item->notes[j]));
    }
    for (size_t i = 0; i < conclusions->headline_count; i++) {
        fputc('\n', out);
        print_wrapped(out, "", text_get(&conclusions->headlines[i]));
    }
    for (size_t i = 0; i < conclusions->advice_count; i++) {
        fprintf(out, "%s%s", i ? "" : "\n", paint.bold);
        print_wrapped(out, "=> ", text_get(&conclusions->advice[i]));
        fputs(paint.off, out);
    }
    print_claims(out, &paint, report);
    conclusions_free(conclusions);
    report_free(report);
}

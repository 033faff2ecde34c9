/* table_layout.c: see table_layout.h. */
#include "harness/report/table_layout.h"

#include <string.h>

#include "harness/report/wrap.h"

#define LABEL_WIDTH_MIN 11 /* "poll 100 µs" */
#define LABEL_WIDTH_MAX 20
#define INDENT 2

const char *table_row_label(const struct report_cell *cell)
{
    return cell->short_label[0] ? cell->short_label : cell->label;
}

int table_gap(size_t column)
{
    return column_opens_group(column) ? 2 : 1;
}

/* The widest of the heading and the figures. */
static int width_of(const struct report_block *block, size_t column)
{
    size_t width = text_width(report_columns[column].name);
    for (size_t i = 0; i < block->cell_count; i++) {
        char value[FIGURE_BYTES];
        if (!block->cells[i].ok)
            continue;
        struct figure figure = report_columns[column].get(&block->cells[i]);
        size_t figures = text_width(format_figure(&figure, report_columns[column].unit, value));
        width = figures > width ? figures : width;
    }
    return (int)width;
}

/* The group's heading stands over its columns: the first of them makes room. */
static void widen_for_headings(struct table_layout *layout)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        int width = -table_gap(i);
        if (!column_opens_group(i))
            continue;
        size_t first = COLUMN_COUNT;
        for (size_t j = i; j < COLUMN_COUNT && (j == i || !column_opens_group(j)); j++) {
            if (!layout->shown[j])
                continue;
            first = first == COLUMN_COUNT ? j : first;
            width += layout->widths[j] + table_gap(j);
        }
        int heading = (int)text_width(report_columns[i].group);
        if (first != COLUMN_COUNT && width < heading)
            layout->widths[first] += heading - width;
    }
}

static size_t integrity_width(const struct report_block *block)
{
    size_t width = strlen("bytes");
    for (size_t i = 0; i < block->cell_count; i++) {
        struct text text = {0};
        if (block->cells[i].ok)
            report_integrity_text(&block->cells[i], &text);
        size_t needed = text_width(text_get(&text));
        width = needed > width ? needed : width;
        text_free(&text);
    }
    return width;
}

/* What is left for a row's label beside the figures. */
static long label_room(const struct table_layout *layout, size_t integrity)
{
    long room = WRAP_COLUMNS - INDENT - 2 - (long)integrity;
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        if (layout->shown[i])
            room -= layout->widths[i] + table_gap(i);
    return room;
}

static bool bytes_move(const struct report_block *block)
{
    for (size_t i = 0; i < block->cell_count; i++) {
        struct figure figure = report_throughput(&block->cells[i], "payload_bytes_per_s");
        if (figure.state == FIGURE_KNOWN && figure.value > 0)
            return true;
    }
    return false;
}

static void hide(struct table_layout *layout, const char *name)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        if (strcmp(report_columns[i].name, name) == 0)
            layout->shown[i] = false;
}

void table_layout_make(const struct report_block *block, struct table_layout *layout)
{
    size_t wanted = 12;
    for (size_t i = 0; i < block->cell_count; i++) {
        size_t width = text_width(table_row_label(&block->cells[i]));
        wanted = width > wanted ? width : wanted;
    }
    if (wanted > LABEL_WIDTH_MAX)
        wanted = LABEL_WIDTH_MAX;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        layout->shown[i] = true;
        layout->widths[i] = width_of(block, i);
    }
    widen_for_headings(layout);
    size_t integrity = integrity_width(block);
    if (!bytes_move(block) && label_room(layout, integrity) < (long)wanted)
        hide(layout, "GB/s");
    if (label_room(layout, integrity) < LABEL_WIDTH_MIN)
        hide(layout, "max");
    if (label_room(layout, integrity) < LABEL_WIDTH_MIN)
        hide(layout, "GB/s");
    long room = label_room(layout, integrity);
    room = room < LABEL_WIDTH_MIN ? LABEL_WIDTH_MIN : room;
    layout->label_width = room < (long)wanted ? (size_t)room : wanted;
}

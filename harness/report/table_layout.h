/* table_layout.h: which columns of a table a terminal shows, and how wide, so that a line fits
 * WRAP_COLUMNS. Called by table.c.
 */
#ifndef HANDOFF_REPORT_TABLE_LAYOUT_H
#define HANDOFF_REPORT_TABLE_LAYOUT_H

#include "harness/report/columns.h"

struct table_layout {
    bool shown[COLUMN_COUNT];
    int widths[COLUMN_COUNT]; /* without the gap before it: 1, or 2 where a group begins */
    size_t label_width;       /* labels that are wider take several lines */
};

/* As wide as the block's figures are. Where that leaves labels too little of a line, GB/s goes if
 * no bytes move, and labels wrap; where it leaves them less than 11 columns, the largest latency
 * goes, then GB/s. All of it is on the page, whose reader has the room. */
void table_layout_make(const struct report_block *block, struct table_layout *layout);

/* What a row is called: what is compared, or all that varies, or the only cell's name. */
const char *table_row_label(const struct report_cell *cell);

int table_gap(size_t column);

#endif

/* columns.h: the columns of a report's table: on a terminal, in Markdown and on the page. */
#ifndef HANDOFF_REPORT_COLUMNS_H
#define HANDOFF_REPORT_COLUMNS_H

#include "harness/report/model.h"

struct column {
    const char *group; /* heading above several columns, or "" */
    const char *name;
    enum figure_unit unit;
    struct figure (*get)(const struct report_cell *cell);
};

#define COLUMN_COUNT 11
extern const struct column report_columns[COLUMN_COUNT];

/* Whether column `index` is the first of its group. */
bool column_opens_group(size_t index);

/* What became of a cell that is not ok: "does not apply". */
const char *columns_status_words(const struct report_cell *cell);
/* The same with why and what would help: "not available here: … (hint)". */
void columns_add_status(const struct report_cell *cell, struct text *text);

#endif

/* comparison_parts.h: what the files of a comparison share. See comparison.h. */
#ifndef HANDOFF_REPORT_COMPARISON_PARTS_H
#define HANDOFF_REPORT_COMPARISON_PARTS_H

#include "harness/report/comparison.h"

/* Adds a row for every gate of one pair of cells. ST_NO_MEMORY. */
enum status comparison_add_pair(struct comparison *comparison, const struct report_cell *cell,
                                const struct report_cell *base, struct err *err);
/* Adds a cell that is not compared. ST_NO_MEMORY. */
enum status comparison_add_left(struct comparison *comparison, const char *id, bool is_regression,
                                const char *reason, struct err *err);

/* Which conditions all cells that are compared have the same, a bit for each. */
unsigned comparison_alike(const struct comparison *comparison);
/* Who base and new are: builds, or the value that is the base. */
void comparison_sides(const struct comparison *comparison, struct text *text);

/* new / base of the figure itself, whichever is better, with its 90 % interval; NAN without. */
struct comparison_ratio {
    double ratio, low90, high90;
};
struct comparison_ratio comparison_ratio(const struct comparison_row *row);
enum figure_unit comparison_unit(const struct gate *gate);
/* "latency.mean" where means were compared. */
const char *comparison_gate_name(const struct comparison_row *row);

#endif

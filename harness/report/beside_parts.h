/* beside_parts.h: what the files of the model of several results share. See beside.h. */
#ifndef HANDOFF_REPORT_BESIDE_PARTS_H
#define HANDOFF_REPORT_BESIDE_PARTS_H

#include "harness/report/beside.h"

/* beside_differences.c: fills beside->differences; rows must be there. ST_NO_MEMORY. */
enum status beside_differences_find(struct beside *beside, struct err *err);
void beside_differences_free(struct beside *beside);
/* Whether the results are of different machines. */
bool beside_machines_differ(const struct beside *beside);

/* beside_trend.c: fills beside->by_time. */
void beside_order(struct beside *beside);
/* run.started_utc, or "" where it is absent or no time. */
const char *beside_started(const struct report *report);
/* Fills line->trend from its figures; differences must be there. */
void beside_trend_find(const struct beside *beside, struct beside_line *line, double margin);

#endif

/* table.h: a result on a terminal. Called by `handoff run` when it ends, and by the tests. */
#ifndef HANDOFF_REPORT_TABLE_H
#define HANDOFF_REPORT_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include <cjson/cJSON.h>

/* Prints the cells, grouped by block, in WRAP_COLUMNS: p50 and p99 of latency, handoff and
 * response, the largest latency, frames/s, payload GB/s, CPU per role, integrity; table_layout.h
 * says what is left out where that is too wide. "—" where samples do not suffice, "∞" where frames
 * never finished. `colour` allows ANSI colours. A result that cannot be read prints one line saying
 * so. */
void report_table(FILE *out, const cJSON *result, bool colour);

/* Prints the conclusions and the advice, wrapped at WRAP_COLUMNS; nothing where nothing was
 * compared. */
void report_conclusions(FILE *out, const cJSON *result, bool colour);

#endif

/* export.h: what `handoff export` was asked for; shared by cmd_export.c and export_csv.c.
 */
#ifndef HANDOFF_CLI_EXPORT_H
#define HANDOFF_CLI_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "harness/measure/intervals.h"

#define EXPORT_CELLS_MAX 64

struct export_options {
    const char *result_path;
    const char *out; /* NULL: standard output */
    const char *cells[EXPORT_CELLS_MAX];
    size_t cell_count; /* 0: all */
    bool is_csv;
    bool all_intervals;
    enum interval interval;
    bool into_folder;
};

const char *export_cell_id(const cJSON *cell);
bool export_takes_cell(const struct export_options *options, const cJSON *cell);
bool export_takes_interval(const struct export_options *options, enum interval interval);

/* Writes the header and one row per cell, launch and interval. Check ferror(file) afterwards. */
void export_csv(const struct export_options *options, const cJSON *cells, FILE *file);

#endif

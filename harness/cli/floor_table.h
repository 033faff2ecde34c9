/* floor_table.h: the floors of a machine as a table of 100 columns. Called by cmd_floor.c.
 */
#ifndef HANDOFF_CLI_FLOOR_TABLE_H
#define HANDOFF_CLI_FLOOR_TABLE_H

#include "harness/base/err.h"
#include "harness/base/frame.h"
#include "harness/cli/format_option.h"
#include "harness/measure/floor.h"
#include "harness/run/floor_gpu.h"

/* To standard output, as a table for a terminal or in Markdown. `frames`: the geometries that the
 * sizes of the floor were of. */
void floor_table_print(enum cli_format format, const struct floor *floor,
                       const struct geometry *frames);

/* The GPU's part behind it; `gpu` NULL: the reason why there is none. */
void floor_table_print_gpu(enum cli_format format, const struct floor_gpu *gpu,
                           const struct geometry *frames, const struct err *why_not);

#endif

/* floor_table.h: the floors of a machine as a table of 100 columns. Called by cmd_floor.c.
 */
#ifndef HANDOFF_CLI_FLOOR_TABLE_H
#define HANDOFF_CLI_FLOOR_TABLE_H

#include "harness/base/err.h"
#include "harness/base/frame.h"
#include "harness/measure/floor.h"
#include "harness/run/floor_gpu.h"

/* To standard output. `frames`: the geometries that the sizes of the floor were of. */
void floor_table_print(const struct floor *floor, const struct geometry *frames);

/* The GPU's part behind it; `gpu` NULL: the reason why there is none. */
void floor_table_print_gpu(const struct floor_gpu *gpu, const struct geometry *frames,
                           const struct err *why_not);

#endif

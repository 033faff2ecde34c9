/* run_floor.h: the floor of a run: measured once, before its first launch, for the CPUs and frame
 * sizes that its cells use. Called by runner.c.
 */
#ifndef HANDOFF_RUN_RUN_FLOOR_H
#define HANDOFF_RUN_RUN_FLOOR_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "harness/measure/floor.h"
#include "harness/run/floor_gpu.h"
#include "harness/run/plan.h"

/* The pairs of CPUs and the payload sizes of the cells that will run: the most frequent ones where
 * there are more than a floor takes, and always the largest size; sizes ascend. Cells whose roles
 * are not pinned, or share a CPU, have no pair. */
void run_floor_config(const struct plan *plan, struct floor_config *config);

/* The same for the GPU: the first pair, and all sizes. */
struct floor_gpu_config run_floor_gpu_config(const struct floor_config *config);

/* The `floor` object of a result; `gpu` may be NULL. NULL when out of memory. */
cJSON *run_floor_json(const struct floor *floor, const struct floor_gpu *gpu);

/* Measures (`clock`: what the run chose), writes DIR/floor.json (whole or not at all) and appends
 * what could not be had to `warnings`: where cells use a GPU, that of the GPU too. With `resume` a
 * floor that DIR already holds is taken instead, with its warnings. *floor is the `floor` object of
 * the result, NULL when no cell will run; the caller deletes. Blocks for up to FLOOR_BUDGET_NS, and
 * as long as floor_gpu_measure. Errors: ST_NO_MEMORY, ST_SYSTEM when the file cannot be written. */
enum status run_floor_measure(const struct plan *plan, const struct clock_choice *clock,
                              const char *dir, bool resume, cJSON *warnings, cJSON **floor,
                              struct err *err);

#endif

/* baseline.h: the cells that a block's "cpu_baseline" adds. Used by scenario.c, filter.c and
 * probe.c; who looks for a cell's baseline asks cell_baseline_serves of cell.h.
 *
 * A baseline hands over nothing: the null transport, the producer that keeps its schedule and a
 * consumer that looks 20 times a second. What the machine is busy with beyond that, while a cell of
 * the same schedule, CPUs and surroundings runs, is what handing over costs.
 */
#ifndef HANDOFF_SCENARIO_BASELINE_H
#define HANDOFF_SCENARIO_BASELINE_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"
#include "harness/scenario/matrix.h"

/* Appends the baselines of a block's cells, which stand from list->cells[first] on: one for each
 * distinct schedule and surroundings among those that make sense, unless the list has it already.
 * `place` is the block's. ST_INVALID when none of them has a schedule, or the list is full. */
enum status baseline_add(struct cell_list *list, size_t first, const char *block_name,
                         const struct place *place, struct err *err);

/* True when `baseline` serves one of the runnable cells; kept (may be NULL) says which of them
 * count. */
bool baseline_is_needed(const struct cell *baseline, const struct cell *cells, size_t count,
                        const bool *kept);

#endif

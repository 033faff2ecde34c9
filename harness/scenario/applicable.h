/* applicable.h: whether a cell's values make sense together, on any machine. Called by matrix.c.
 */
#ifndef HANDOFF_SCENARIO_APPLICABLE_H
#define HANDOFF_SCENARIO_APPLICABLE_H

#include "harness/scenario/cell.h"

/* Sets runnable, reason and hint: ST_OK or ST_NOT_APPLICABLE. The first reason found is given. */
void applicable_judge(struct cell *cell);

/* The name of the cell's first wait that keeps its CPU while it waits, or NULL. With one fifo
 * priority and one CPU for both roles, such a cell would stand still. */
const char *applicable_cpu_keeper(const struct cell *cell);

/* What Python roles do not do, and what only they do (applicable_python.c). */
bool applicable_python_refuses(struct cell *cell);

/* The rules of the GPU's axes (applicable_gpu.c), after all others: true when one refuses. */
bool applicable_gpu_refuses(struct cell *cell);

/* Not applicable, with a reason in printf's way. */
void applicable_deny(struct cell *cell, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same verdict, from a caller who knows more. */
void applicable_refuse(struct cell *cell, enum status status, const char *reason, const char *hint);

#endif

/* steps.h: a run whose launches somebody else orders, one at a time.
 *
 * `handoff compare --base BINARY` must run the launches of two builds next to each other, and each
 * build must launch its own roles. So it starts both as `BINARY run SCENARIO --out DIR --steps`
 * and gives them orders in turn; between orders a run sleeps in read(). Whatever happens to the one
 * who orders, the run assembles its result and ends: the end of its standard input is the last
 * order. DIR is a usual run's folder, and --resume goes on with it.
 *
 * Lines on standard input and output; all else a run prints goes to standard error:
 *   ← "ready CELLS LAUNCHES"        the plan is made: counts of both (launches: the most of a cell)
 *   ← "cell INDEX LAUNCHES ID"      CELLS times, in the plan's order; LAUNCHES 0: cannot run here
 *   → "launch INDEX NUMBER"         cell, and its launch from 0
 *   ← "ok" or "failed REASON"       it is on disk either way
 *   → end of file
 *   ← end of file, after result.json is whole
 * `--frames-from DIR` takes frame counts, warm-up, seed and clock of each cell from the plan of
 * another run instead of a pilot: both sides of a comparison have the same.
 */
#ifndef HANDOFF_RUN_STEPS_H
#define HANDOFF_RUN_STEPS_H

#include <stdint.h>

#include "harness/base/err.h"

/* The run's side. Takes standard input and output for the orders: what else is printed goes to
 * standard error from now on, and no process that is started gets either. Once in a process, for
 * its life. */
enum status steps_open(struct err *err);
/* Says one line. Best effort: whether the other side has gone shows at the next order. */
void steps_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The next order. ST_OK with *cell and *launch, ST_INTERRUPTED at the end of the
 * orders or when `signal_fd` says so, ST_INVALID for a line that is none. Blocks. */
enum status steps_next(int signal_fd, uint32_t *cell, uint32_t *launch, struct err *err);
/* Answers it; `reason` NULL: it went well. Line breaks and other control characters in it become
 * blanks. */
void steps_answer(const char *reason);
/* "launch INDEX NUMBER", without the end of the line. */
enum status steps_parse(const char *line, uint32_t *cell, uint32_t *launch, struct err *err);

#endif

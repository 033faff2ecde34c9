/* dry_run.h: `handoff run --dry-run`: what would run, what cannot, and how long it would take.
 */
#ifndef HANDOFF_CLI_DRY_RUN_H
#define HANDOFF_CLI_DRY_RUN_H

#include <stdbool.h>
#include <stdio.h>

#include "harness/base/err.h"
#include "harness/scenario/scenario.h"

/* Prints the cells by block, in WRAP_COLUMNS where ids allow. Starts no role and measures nothing.
 * `floor`: the run would measure the floor first, and the time includes it. */
enum status dry_run_print(FILE *out, const struct scenario *scenario, bool floor, struct err *err);

#endif

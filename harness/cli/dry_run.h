/* dry_run.h: `handoff run --dry-run`: what would run, what cannot, and how long it would take.
 */
#ifndef HANDOFF_CLI_DRY_RUN_H
#define HANDOFF_CLI_DRY_RUN_H

#include <stdbool.h>

#include "harness/cli/format_option.h"
#include "harness/scenario/scenario.h"

/* Prints the cells on standard output: by block, in WRAP_COLUMNS where ids allow; or as one JSON
 * object (results/README.md) or a Markdown table. Starts no role and measures nothing. `floor`: the
 * run would measure the floor first, and the time includes it. ST_NO_MEMORY. */
enum status dry_run_print(const struct scenario *scenario, bool floor, enum cli_format format,
                          struct err *err);

#endif

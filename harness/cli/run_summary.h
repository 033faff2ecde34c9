/* run_summary.h: what `handoff run` prints when it is over. Called by cmd_run.c. */
#ifndef HANDOFF_CLI_RUN_SUMMARY_H
#define HANDOFF_CLI_RUN_SUMMARY_H

#include "harness/cli/format_option.h"
#include "harness/run/runner.h"

/* The run's exit code. */
int run_summary_exit_code(const struct runner_outcome *outcome);

/* "fit", or "not fit: …", of a result; borrowed from it. */
const char *run_summary_fitness(const cJSON *result);
/* One line on standard error where the machine was not fit to measure on; what else was found is in
 * the result and its report. */
void run_summary_print_fitness(const cJSON *result);

/* The cells and what they let one say, on standard output, as `format` asks: a table, one JSON
 * object (results/README.md), or the Markdown of `handoff report`. Then, on standard error, how
 * many cells there are of each kind and where the result is. ST_NO_MEMORY. */
enum status run_summary_print(const struct runner_outcome *outcome, const char *out_dir,
                              enum cli_format format, struct err *err);

#endif

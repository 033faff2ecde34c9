/* completion.h: what the generators of the shells' completion share. */
#ifndef HANDOFF_CLI_COMPLETION_H
#define HANDOFF_CLI_COMPLETION_H

#include "harness/cli/options.h"
#include "harness/scenario/axis_values.h"

/* Calls `take` for every option of a command, --help last. */
void completion_each_option(const struct cli_command *command,
                            void (*take)(FILE *file, const struct cli_command *command,
                                         const struct cli_option *option),
                            FILE *file);
/* "red green blue" */
void completion_print_words(FILE *file, const char *const *words);
/* The values of an axis, those that a number follows as "poll:". */
void completion_print_values(FILE *file, enum axis_index axis);

#endif

/* cli.h: what the commands of handoff share. Each command is one file, cmd_<name>.c.
 */
#ifndef HANDOFF_CLI_H
#define HANDOFF_CLI_H

#include <stdint.h>
#include <stdio.h>

#include "harness/base/err.h"

/* A command: argv[0] is its name. Prints data to stdout and chatter to stderr; an error comes back
 * in *err and main.c prints it. *exit_code is 0 on entry and is only looked at after ST_OK. */
typedef enum status (*cli_command)(int argc, char **argv, int *exit_code, struct err *err);

/* cmd_run.c; its table is in run_arguments.c. */
enum status cmd_run(int argc, char **argv, int *exit_code, struct err *err);

/* Prints what may hold a stranger's words: what a terminal would obey becomes '?'. */
void cli_print_plain(FILE *file, const char *text);

/* A whole number in [low, high] from an option's argument. */
enum status cli_parse_u64(const char *option, const char *text, uint64_t low, uint64_t high,
                          uint64_t *value, struct err *err);

/* Exit codes of the program. */
enum {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED = 1,    /* a regression or a failed cell */
    EXIT_CODE_USAGE = 2,     /* usage or a bad scenario */
    EXIT_CODE_ROLE_DIED = 3, /* a role process died */
    /* The work itself could not be done: a full disk, no memory, a file that cannot be read. Never
     * 1, so that a script does not take it for what was found. */
    EXIT_CODE_ERROR = 4,
    EXIT_CODE_UNAVAILABLE = 77,
    EXIT_CODE_INTERRUPTED = 130,
};

#endif

/* cmd_list.h: `handoff list`. Called by main.c. */
#ifndef HANDOFF_CLI_CMD_LIST_H
#define HANDOFF_CLI_CMD_LIST_H

#include "harness/base/err.h"

/* argv[0] is "list". Prints to stdout and sets *exit_code on ST_OK; ST_INVALID for bad arguments. */
enum status cmd_list(int argc, char **argv, int *exit_code, struct err *err);

#endif

/* list_json.h: `handoff list --json`. Called by cmd_list.c. */
#ifndef HANDOFF_CLI_LIST_JSON_H
#define HANDOFF_CLI_LIST_JSON_H

#include <stdio.h>

#include "harness/base/err.h"

/* Prints one JSON object: of the list named `only`, or of all (NULL). ST_INVALID for a list that does
 * not exist in this form, ST_NO_MEMORY. Asks every entry whether this machine can use it. */
enum status list_json_print(FILE *out, const char *only, struct err *err);

#endif

/* list_json.h: `handoff list --format json`, and Markdown, which is made from it. Called by
 * cmd_list.c. */
#ifndef HANDOFF_CLI_LIST_JSON_H
#define HANDOFF_CLI_LIST_JSON_H

#include "harness/cli/format_option.h"

/* Prints the list named `only`, or all (NULL), on standard output: as one JSON object, or as a
 * Markdown table for each. ST_NO_MEMORY. Asks every entry whether this machine can use it. */
enum status list_json_print(enum cli_format format, const char *only, struct err *err);

#endif

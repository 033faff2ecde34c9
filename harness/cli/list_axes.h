/* list_axes.h: `handoff list axes`: what a scenario can vary. Called by cmd_list.c and list_json.c.
 */
#ifndef HANDOFF_CLI_LIST_AXES_H
#define HANDOFF_CLI_LIST_AXES_H

#include <stdbool.h>

#include <cjson/cJSON.h>

/* Prints each axis with its default, its values and what of it this machine lacks, with the reason
 * and the remedy. Probes as a run would; starts no role. */
void list_axes_print(void);
/* The same as objects appended to `array`; false when out of memory. */
bool list_axes_json(cJSON *array);

#endif

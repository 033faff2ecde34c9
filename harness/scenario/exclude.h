/* exclude.h: a block's exclude rules, compiled for matching. Used by matrix.c alone.
 *
 * A rule matches a cell when every axis it names has one of the values it gives.
 */
#ifndef HANDOFF_SCENARIO_EXCLUDE_H
#define HANDOFF_SCENARIO_EXCLUDE_H

#include <stdbool.h>

#include "harness/scenario/matrix.h"

struct exclude;

/* Reads and checks the draft's rules (none is fine). The caller frees. */
enum status exclude_compile(const struct draft *draft, struct exclude **exclude, struct err *err);
/* True when a rule matches the cell whose axes have these texts; remembers which rules did. */
bool exclude_matches(struct exclude *exclude, char (*texts)[CELL_AXIS_BYTES]);
/* ST_INVALID for a rule that has matched no cell: it does not do what its author meant. */
enum status exclude_check_used(const struct exclude *exclude, const struct draft *draft,
                               struct err *err);
/* Safe on NULL. */
void exclude_free(struct exclude *exclude);

#endif

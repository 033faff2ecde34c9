/* block_axes.h: from what a block says of axes to its cells. Called by scenario.c.
 */
#ifndef HANDOFF_SCENARIO_BLOCK_AXES_H
#define HANDOFF_SCENARIO_BLOCK_AXES_H

#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/scenario/matrix.h"
#include "harness/scenario/place.h"

/* The members of a block that are about axes; NULL where it has none. It borrows everything. */
struct block_axes {
    const struct place *place; /* of the block */
    uint32_t block_index;
    const cJSON *const *file_base; /* AXIS_COUNT of them */
    const cJSON *base, *axes, *cells, *exclude, *compare;
};

/* Appends the block's cells: the product of base and axes less exclude; with `cells`, such a
 * product for each of its elements, whose values go over the block's. *compare is the compared
 * axis, "" for none; the caller frees it. ST_INVALID, with its place, for whatever does not fit. */
enum status block_axes_expand(const struct block_axes *block, struct cell_list *list,
                              char **compare, struct err *err);

#endif

/* matrix.h: from a block's axes and exclude rules to its cells. Called by scenario.c.
 */
#ifndef HANDOFF_SCENARIO_MATRIX_H
#define HANDOFF_SCENARIO_MATRIX_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/scenario/axes.h"
#include "harness/scenario/place.h"

/* A block whose members are read and checked, before expansion. It borrows from the file's JSON. */
struct draft {
    const struct place *place; /* of the block */
    uint32_t block_index;
    const cJSON *given[AXIS_COUNT]; /* a value, a list of values, or NULL: the default */
    const cJSON *exclude;           /* a list of rules, or NULL */
};

struct cell_list {
    struct cell *cells; /* the owner frees */
    size_t count;
    size_t capacity;
};

/* Appends the block's cells to the list: the product of its axes, less what its rules exclude.
 * ST_INVALID, before anything is allocated, when the list would grow past SCENARIO_CELLS_MAX; for a
 * bad rule, a rule that excludes nothing, or rules that leave nothing. */
enum status matrix_expand(const struct draft *draft, struct cell_list *list, struct err *err);

/* Room for `more` cells behind the last. ST_INVALID, at the block's place, when a scenario may not
 * have so many. */
enum status matrix_reserve(struct cell_list *list, size_t more, const struct place *place,
                           struct err *err);

/* Writes cell->id from its axes; for a baseline, with the name of its block behind them.
 * ST_INVALID, without a place, when it does not fit: a cut id might be another cell's. */
enum status matrix_write_id(struct cell *cell, const char *block_name, struct err *err);

/* Drops cells whose id an earlier one has. ST_INVALID, naming both blocks, when two cells of one id
 * differ in how much is measured. `blocks` is the place of the list of blocks. */
enum status matrix_unite(struct cell_list *list, const struct place *blocks, struct err *err);

/* Checks an exclude rule's or an `axes` member's list, or single value: not empty, each value valid
 * and given once. */
enum status matrix_check_values(const struct axis *axis, const cJSON *values,
                                const struct place *place, struct err *err);

#endif

/* block_axes.c: see block_axes.h. */
#include "harness/scenario/block_axes.h"

#include <stdio.h>
#include <string.h>

#include "harness/scenario/members.h"

/* Merges file base, block base, axes and an element of cells, the later ones over the earlier. */
static enum status merge(const struct block_axes *block, const cJSON *element,
                         const struct place *element_place, struct draft *draft, struct err *err)
{
    const cJSON *base[AXIS_COUNT] = {NULL};
    const cJSON *axes[AXIS_COUNT] = {NULL};
    const cJSON *over[AXIS_COUNT] = {NULL};
    struct place base_place = PLACE_KEY(block->place, "base");
    struct place axes_place = PLACE_KEY(block->place, "axes");
    enum status status = ST_OK;
    if (block->base)
        status = members_axes(block->base, &base_place, false, base, err);
    if (status == ST_OK && block->axes)
        status = members_axes(block->axes, &axes_place, true, axes, err);
    if (status == ST_OK && element)
        status = members_axes(element, element_place, true, over, err);
    for (size_t i = 0; status == ST_OK && i < AXIS_COUNT; i++) {
        const struct axis *axis = &axis_table[i];
        struct place at = PLACE_KEY(&axes_place, axis->name);
        if (base[i] && axes[i])
            return place_fail(&at, err, "keep one of them",
                              "the axis stands in the block's \"base\" too");
        draft->given[i] = over[i]   ? over[i]
                          : axes[i] ? axes[i]
                          : base[i] ? base[i]
                                    : block->file_base[i];
        if (!draft->given[i] && !axis->otherwise) {
            char hint[160];
            snprintf(hint, sizeof hint,
                     "add it to \"base\" or \"axes\"; `handoff list %s` shows what there is",
                     i == AXIS_INDEX_wait ? "waits" : "transports");
            return place_fail(element ? element_place : block->place, err, hint,
                              "no %s is given, and it has no default", axis->name);
        }
    }
    return status;
}

/* True when the cells from `first` on have two values of the axis. */
static bool cells_differ(const struct cell_list *list, size_t first, const struct axis *axis)
{
    char one[CELL_AXIS_BYTES], other[CELL_AXIS_BYTES];
    for (size_t i = first; i < list->count; i++) {
        axis->format(&list->cells[first], one, sizeof one);
        axis->format(&list->cells[i], other, sizeof other);
        if (strcmp(one, other) != 0)
            return true;
    }
    return false;
}

/* The compared axis, or NULL with *status ST_OK where the block compares nothing. */
static const struct axis *compared_axis(const struct block_axes *block, const struct place *place,
                                        enum status *status, struct err *err)
{
    *status = ST_OK;
    if (!block->compare)
        return NULL;
    if (!cJSON_IsString(block->compare)) {
        *status = place_fail(place, err, "name an axis: \"wait\"",
                             "must be the name of an axis, not %s", axis_kind_of(block->compare));
        return NULL;
    }
    const struct axis *axis = axis_find(block->compare->valuestring);
    if (axis)
        return axis;
    axis_unknown(block->compare->valuestring, err);
    *status = place_context(place, err);
    return NULL;
}

static enum status expand_product(const struct block_axes *block, const struct axis *compared,
                                  const struct place *compare_place, struct draft *draft,
                                  struct cell_list *list, struct err *err)
{
    enum status status = merge(block, NULL, NULL, draft, err);
    if (status != ST_OK)
        return status;
    const cJSON *given = compared ? draft->given[compared - axis_table] : NULL;
    if (compared && (!cJSON_IsArray(given) || !given->child->next))
        return place_fail(compare_place, err, "give the axis several values in \"axes\"",
                          "there is nothing to compare: the block has one value of %s",
                          compared->name);
    return matrix_expand(draft, list, err);
}

static enum status expand_cells(const struct block_axes *block, const struct axis *compared,
                                const struct place *compare_place, struct draft *draft,
                                struct cell_list *list, struct err *err)
{
    static const char hint[] =
        "write \"cells\": [{\"transport\": \"shm\", \"wait\": \"spin\"}, ...]";
    struct place place = PLACE_KEY(block->place, "cells");
    struct place exclude_place = PLACE_KEY(block->place, "exclude");
    size_t first = list->count, index = 0;
    if (!cJSON_IsArray(block->cells))
        return place_fail(&place, err, hint, "must be a list, not %s", axis_kind_of(block->cells));
    if (!block->cells->child)
        return place_fail(&place, err, hint, "the list is empty");
    if (block->exclude)
        return place_fail(&exclude_place, err, "leave the cell out of \"cells\"",
                          "a block that lists its cells has none to exclude");
    for (const cJSON *element = block->cells->child; element; element = element->next) {
        struct place at = PLACE_ITEM(&place, index++);
        struct draft one = {.place = &at, .block_index = draft->block_index};
        enum status status = merge(block, element, &at, &one, err);
        if (status == ST_OK)
            status = matrix_expand(&one, list, err);
        if (status != ST_OK)
            return status;
    }
    if (compared && !cells_differ(list, first, compared))
        return place_fail(compare_place, err, "give the axis several values among the cells",
                          "there is nothing to compare: the block has one value of %s",
                          compared->name);
    return ST_OK;
}

enum status block_axes_expand(const struct block_axes *block, struct cell_list *list,
                              char **compare, struct err *err)
{
    struct place compare_place = PLACE_KEY(block->place, "compare");
    struct draft draft = {
        .place = block->place, .block_index = block->block_index, .exclude = block->exclude};
    enum status status;
    const struct axis *compared = compared_axis(block, &compare_place, &status, err);
    if (status == ST_OK && block->cells)
        status = expand_cells(block, compared, &compare_place, &draft, list, err);
    else if (status == ST_OK)
        status = expand_product(block, compared, &compare_place, &draft, list, err);
    if (status != ST_OK)
        return status;
    *compare = strdup(compared ? compared->name : "");
    return *compare ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "out of memory");
}

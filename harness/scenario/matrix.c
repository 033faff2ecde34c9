/* matrix.c: see matrix.h. */
#include "harness/scenario/matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/scenario/applicable.h"
#include "harness/scenario/exclude.h"
#include "harness/scenario/scenario.h"

/* One walk over the product: the cell so far and its values as text. */
struct expansion {
    const struct draft *draft;
    struct exclude *exclude;
    struct cell_list *list;
    struct cell cell;
    char texts[AXIS_COUNT][CELL_AXIS_BYTES];
    struct err *err;
};

/* First value of an axis; the following ones are at ->next when it is a list. */
static const cJSON *first_value(const cJSON *given)
{
    return cJSON_IsArray(given) ? given->child : given;
}

static const cJSON *next_value(const cJSON *given, const cJSON *value)
{
    return cJSON_IsArray(given) ? value->next : NULL;
}

static size_t count_values(const cJSON *given)
{
    size_t count = 0;
    for (const cJSON *value = first_value(given); value; value = next_value(given, value))
        count++;
    return count;
}

enum status matrix_check_values(const struct axis *axis, const cJSON *values,
                                const struct place *place, struct err *err)
{
    struct cell scratch = {.id = ""};
    if (!cJSON_IsArray(values))
        return axis->parse(axis, values, &scratch, err) == ST_OK ? ST_OK
                                                                 : place_context(place, err);
    size_t count = count_values(values);
    if (count == 0)
        return place_fail(place, err, "give at least one value, or leave the axis out",
                          "the list is empty");
    if (count > SCENARIO_CELLS_MAX)
        return place_fail(place, err, "measure less at a time", "%zu values are more than %d",
                          count, SCENARIO_CELLS_MAX);
    char(*texts)[CELL_AXIS_BYTES] = calloc(count, sizeof *texts);
    if (!texts)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    enum status status = ST_OK;
    size_t index = 0;
    for (const cJSON *value = values->child; value && status == ST_OK; value = value->next) {
        struct place item = PLACE_ITEM(place, index);
        status = axis->parse(axis, value, &scratch, err);
        if (status != ST_OK) {
            status = place_context(&item, err);
            break;
        }
        axis->format(&scratch, texts[index], sizeof texts[index]);
        for (size_t i = 0; i < index && status == ST_OK; i++)
            if (strcmp(texts[i], texts[index]) == 0)
                status = place_fail(&item, err, "leave one of them out",
                                    "the same value as element %zu: %s", i, texts[i]);
        index++;
    }
    free(texts);
    return status;
}

/* The size of the product, or a number above SCENARIO_CELLS_MAX when it is larger than that. */
static size_t product(const struct draft *draft)
{
    size_t cells = 1;
    for (size_t i = 0; i < AXIS_COUNT; i++) {
        size_t values = draft->given[i] ? count_values(draft->given[i]) : 1;
        if (values > SCENARIO_CELLS_MAX || cells * values > SCENARIO_CELLS_MAX)
            return SCENARIO_CELLS_MAX + 1;
        cells *= values;
    }
    return cells;
}

enum status matrix_reserve(struct cell_list *list, size_t more, const struct place *place,
                           struct err *err)
{
    if (more > SCENARIO_CELLS_MAX - list->count)
        return place_fail(
            place, err, "split it, vary fewer axes at once, or leave values out",
            "the axes multiply to more than the %d cells a scenario may have, baselines included",
            SCENARIO_CELLS_MAX);
    if (list->count + more <= list->capacity)
        return ST_OK;
    size_t capacity = list->count + more + list->count / 2;
    struct cell *cells = realloc(list->cells, capacity * sizeof *cells);
    if (!cells)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    list->cells = cells;
    list->capacity = capacity;
    return ST_OK;
}

/* <transport>+<wait>, then /axis=value for each axis that is not at its default. */
static enum status write_id(struct cell *cell, char (*texts)[CELL_AXIS_BYTES],
                            const char *block_name, struct err *err)
{
    char *id = cell->id;
    size_t size = sizeof cell->id;
    size_t used =
        (size_t)snprintf(id, size, "%s+%s", texts[AXIS_INDEX_transport], texts[AXIS_INDEX_wait]);
    for (size_t i = 0; i < AXIS_COUNT && used < size; i++) {
        const struct axis *axis = &axis_table[i];
        if (!axis->otherwise || !axis->in_id || strcmp(texts[i], axis->otherwise) == 0)
            continue;
        used += (size_t)snprintf(id + used, size - used, "/%s=%s", axis->name, texts[i]);
    }
    if (cell->is_baseline && used < size)
        used += (size_t)snprintf(id + used, size - used, "/baseline=%s", block_name);
    if (used >= size)
        return err_set(err, ST_INVALID,
                       "leave axes at their defaults, or give rates with fewer digits",
                       "the id of a cell is longer than %zu characters: %s...", size - 1, id);
    for (char *c = id; *c; c++)
        if (*c == ',')
            *c = ':';
    return ST_OK;
}

enum status matrix_write_id(struct cell *cell, const char *block_name, struct err *err)
{
    char texts[AXIS_COUNT][CELL_AXIS_BYTES];
    for (size_t i = 0; i < AXIS_COUNT; i++)
        axis_table[i].format(cell, texts[i], sizeof texts[i]);
    return write_id(cell, texts, block_name, err);
}

static enum status expansion_emit(struct expansion *expansion)
{
    if (exclude_matches(expansion->exclude, expansion->texts))
        return ST_OK;
    if (write_id(&expansion->cell, expansion->texts, "", expansion->err) != ST_OK)
        return place_context(expansion->draft->place, expansion->err);
    expansion->cell.block_index = expansion->draft->block_index;
    struct cell *cell = &expansion->list->cells[expansion->list->count++];
    *cell = expansion->cell;
    applicable_judge(cell);
    return ST_OK;
}

/* Gives axis `index` each of its values in turn, and for each the axes behind it theirs. */
static enum status expansion_walk(struct expansion *expansion, size_t index)
{
    if (index == AXIS_COUNT)
        return expansion_emit(expansion);
    const struct axis *axis = &axis_table[index];
    const cJSON *given = expansion->draft->given[index];
    const cJSON *value = given ? first_value(given) : NULL;
    do {
        enum status status =
            value ? axis->parse(axis, value, &expansion->cell, expansion->err)
                  : axis_parse_text(axis, axis->otherwise, &expansion->cell, expansion->err);
        if (status != ST_OK)
            return place_context(expansion->draft->place, expansion->err);
        axis->format(&expansion->cell, expansion->texts[index], sizeof expansion->texts[index]);
        status = expansion_walk(expansion, index + 1);
        if (status != ST_OK)
            return status;
        value = value ? next_value(given, value) : NULL;
    } while (value);
    return ST_OK;
}

enum status matrix_expand(const struct draft *draft, struct cell_list *list, struct err *err)
{
    enum status status = matrix_reserve(list, product(draft), draft->place, err);
    if (status != ST_OK)
        return status;
    struct expansion *expansion = calloc(1, sizeof *expansion);
    if (!expansion)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    expansion->draft = draft;
    expansion->list = list;
    expansion->err = err;
    size_t before = list->count;
    status = exclude_compile(draft, &expansion->exclude, err);
    if (status == ST_OK)
        status = expansion_walk(expansion, 0);
    if (status == ST_OK)
        status = exclude_check_used(expansion->exclude, draft, err);
    if (status == ST_OK && list->count == before)
        status = place_fail(draft->place, err, "leave a rule out of \"exclude\"",
                            "its rules exclude every cell");
    exclude_free(expansion->exclude);
    free(expansion);
    return status;
}

/* ---- Ids are unique -------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    const struct cell *left = *(const struct cell *const *)a;
    const struct cell *right = *(const struct cell *const *)b;
    int order = strcmp(left->id, right->id);
    return order ? order : (left > right) - (left < right);
}

static enum status check_same(const struct cell *first, const struct cell *again,
                              const struct place *blocks, struct err *err)
{
    struct place place = PLACE_ITEM(blocks, again->block_index);
    for (size_t i = 0; i < AXIS_COUNT; i++) {
        char one[CELL_AXIS_BYTES];
        char other[CELL_AXIS_BYTES];
        axis_table[i].format(first, one, sizeof one);
        axis_table[i].format(again, other, sizeof other);
        if (strcmp(one, other) != 0)
            return place_fail(&place, err,
                              "a cell is measured once per scenario: give both blocks the same "
                              "value, or exclude the cell from one of them",
                              "cell %s has %s %s here and %s in blocks[%u]", again->id,
                              axis_table[i].name, other, one, first->block_index);
    }
    return ST_OK;
}

enum status matrix_unite(struct cell_list *list, const struct place *blocks, struct err *err)
{
    const struct cell **sorted = calloc(list->count, sizeof *sorted);
    if (!sorted)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    for (size_t i = 0; i < list->count; i++)
        sorted[i] = &list->cells[i];
    qsort(sorted, list->count, sizeof *sorted, compare_ids);
    enum status status = ST_OK;
    const struct cell *first = sorted[0];
    for (size_t i = 1; i < list->count && status == ST_OK; i++) {
        if (strcmp(first->id, sorted[i]->id) != 0) {
            first = sorted[i];
            continue;
        }
        status = check_same(first, sorted[i], blocks, err);
        if (status == ST_OK) /* its block index marks it until the list is closed up */
            list->cells[sorted[i] - list->cells].block_index = UINT32_MAX;
    }
    size_t kept = 0;
    for (size_t i = 0; i < list->count && status == ST_OK; i++)
        if (list->cells[i].block_index != UINT32_MAX)
            list->cells[kept++] = list->cells[i];
    if (status == ST_OK)
        list->count = kept;
    free(sorted);
    return status;
}

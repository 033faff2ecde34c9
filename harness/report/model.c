/* model.c: reading a result into blocks, groups and cells. See model.h. */
#include "harness/report/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"

/* Whether two cells have the same value on an axis. */
static bool axis_same(const struct report_cell *a, const struct report_cell *b, const char *axis)
{
    char value_a[REPORT_AXIS_BYTES], value_b[REPORT_AXIS_BYTES];
    return strcmp(report_axis(a, axis, value_a), report_axis(b, axis, value_b)) == 0;
}

/* Fills block->varying with the axes that have more than one value among its cells. */
static void block_find_varying(struct report_block *block)
{
    const cJSON *axis;
    const cJSON *axes = block->cell_count ? json_get(block->cells[0].json, "axes") : NULL;
    cJSON_ArrayForEach (axis, axes) {
        if (!axis->string || block->varying_count == REPORT_AXES_MAX)
            continue;
        for (size_t i = 1; i < block->cell_count; i++) {
            if (!axis_same(&block->cells[0], &block->cells[i], axis->string)) {
                block->varying[block->varying_count++] = axis->string;
                break;
            }
        }
    }
}

/* Numbers the values of the axes that vary: comparing all cells with all others by text takes
 * long. */
static void block_number_values(struct report_block *block)
{
    for (size_t axis = 0; axis < block->varying_count; axis++) {
        for (size_t i = 0; i < block->cell_count; i++) {
            size_t first = 0;
            while (first < i &&
                   (block->cells[first].values[axis] != first ||
                    !axis_same(&block->cells[first], &block->cells[i], block->varying[axis])))
                first++;
            block->cells[i].values[axis] = (unsigned)first;
        }
    }
}

/* Marks the axes whose value follows from the compared one: they tell no groups apart. */
static void block_find_bound(struct report_block *block)
{
    size_t compared = 0;
    while (compared < block->varying_count && strcmp(block->varying[compared], block->compare) != 0)
        compared++;
    for (size_t i = 0; block->compare[0] && i < block->varying_count; i++) {
        bool bound = true;
        for (size_t a = 0; bound && a < block->cell_count; a++) {
            const unsigned *of_a = block->cells[a].values;
            for (size_t b = a + 1; bound && b < block->cell_count; b++) {
                const unsigned *of_b = block->cells[b].values;
                bound = (compared < block->varying_count && of_a[compared] != of_b[compared]) ||
                        of_a[i] == of_b[i];
            }
        }
        block->bound[i] = bound;
    }
}

static bool cells_share_group(const struct report_block *block, const struct report_cell *a,
                              const struct report_cell *b)
{
    for (size_t i = 0; i < block->varying_count; i++)
        if (!block->bound[i] && a->values[i] != b->values[i])
            return false;
    return true;
}

/* Puts a cell into its group, a new one if need be. A block that compares nothing is one group. */
static bool group_add(struct report_block *block, size_t index)
{
    struct report_cell *cell = &block->cells[index];
    struct report_group *group = NULL;
    for (size_t i = 0; i < block->group_count && !group; i++)
        if (!block->compare[0] ||
            cells_share_group(block, &block->cells[block->groups[i].cells[0]], cell))
            group = &block->groups[i];
    if (!group) {
        group = &block->groups[block->group_count];
        group->cells = calloc(block->cell_count, sizeof *group->cells);
        group->context = block->compare[0] ? label_make(block, cell, LABEL_OTHERS) : calloc(1, 1);
        group->sentence = label_sentence(block, cell);
        block->group_count++;
        if (!group->cells || !group->context || !group->sentence)
            return false;
    }
    group->cells[group->cell_count++] = index;
    cell->group = (size_t)(group - block->groups);
    return true;
}

static bool baselines_finish(struct report_block *block)
{
    for (size_t i = 0; i < block->baseline_count; i++) {
        struct report_cell *cell = &block->baselines[i];
        cell->label = label_baseline(block, cell);
        cell->short_label = cell->label ? strdup(cell->label) : NULL;
        cell->name = cell->label ? strdup(cell->label) : NULL;
        if (!cell->label || !cell->short_label || !cell->name)
            return false;
    }
    return true;
}

/* Groups and labels, once all cells are there. */
static bool block_finish(struct report_block *block)
{
    block_find_varying(block);
    block_number_values(block);
    block_find_bound(block);
    block->constants = label_of_block(block);
    block->groups = calloc(block->cell_count + 1, sizeof *block->groups);
    if (!block->groups || !block->constants)
        return false;
    for (size_t i = 0; i < block->cell_count; i++) {
        struct report_cell *cell = &block->cells[i];
        cell->label = label_make(block, cell, LABEL_ALL);
        cell->short_label = label_make(block, cell, block->compare[0] ? LABEL_COMPARED : LABEL_ALL);
        cell->name = label_make(block, cell, block->compare[0] ? LABEL_NAME : LABEL_ALL);
        if (!cell->label || !cell->short_label || !cell->name || !group_add(block, i))
            return false;
        if (!cell->label[0]) { /* the only cell of its block */
            free(cell->label);
            cell->label = label_of_lone_cell(cell);
            if (!cell->label)
                return false;
        }
    }
    return baselines_finish(block);
}

/* The cells of block `index`, in the result's order. */
static bool block_collect(struct report_block *block, const cJSON *cells, size_t index,
                          size_t block_count)
{
    const cJSON *json;
    block->cells = calloc((size_t)cJSON_GetArraySize(cells) + 1, sizeof *block->cells);
    block->baselines = calloc((size_t)cJSON_GetArraySize(cells) + 1, sizeof *block->baselines);
    if (!block->cells || !block->baselines)
        return false;
    cJSON_ArrayForEach (json, cells) {
        int64_t of_block;
        if (!json_whole(json_get(json, "block"), 0, (int64_t)block_count - 1, &of_block) ||
            (size_t)of_block != index)
            continue;
        struct report_cell *cell = json_get_bool(json, "baseline", false)
                                       ? &block->baselines[block->baseline_count++]
                                       : &block->cells[block->cell_count++];
        cell->json = json;
        cell->id = json_get_string(json, "id", "");
        cell->status = json_get_string(json, "status", "");
        cell->ok = strcmp(cell->status, "ok") == 0;
    }
    return block_finish(block);
}

/* The result's frame must be what its schema says; the rest is read leniently. */
static enum status result_check(const cJSON *json, struct err *err)
{
    const char *hint = "give a result.json written by `handoff run`, or its folder";
    const cJSON *cell;
    int64_t version, block;
    if (!cJSON_IsObject(json) || strcmp(json_get_string(json, "schema", ""), "handoff-result") != 0)
        return err_set(err, ST_INVALID, hint, "schema: this is not a result of handoff");
    if (!json_whole(json_get(json, "schema_version"), 1, 1000000, &version))
        return err_set(err, ST_INVALID, hint, "schema_version: must be a whole number from 1");
    if (version > REPORT_SCHEMA_VERSION)
        return err_set(err, ST_INVALID, "use the version of handoff that wrote it, or a newer one",
                       "schema_version: %d is newer than this program reads (%d)", (int)version,
                       REPORT_SCHEMA_VERSION);
    const cJSON *blocks = json_get(json, "blocks");
    const cJSON *cells = json_get(json, "cells");
    if (!cJSON_IsArray(blocks) || !cJSON_IsArray(cells))
        return err_set(err, ST_INVALID, hint, "%s: must be a list",
                       cJSON_IsArray(blocks) ? "cells" : "blocks");
    int index = 0;
    cJSON_ArrayForEach (cell, cells) {
        if (!json_whole(json_get(cell, "block"), 0, cJSON_GetArraySize(blocks) - 1, &block))
            return err_set(err, ST_INVALID, hint, "cells[%d].block: must be the index of a block",
                           index);
        if (!json_get_string(cell, "id", "")[0])
            return err_set(err, ST_INVALID, hint, "cells[%d].id: must be text", index);
        index++;
    }
    return ST_OK;
}

/* The baseline of that id, in whatever block it stands: blocks share those that are alike. */
static const struct report_cell *baseline_find(const struct report *report, const char *id)
{
    for (size_t i = 0; id[0] && i < report->block_count; i++)
        for (size_t j = 0; j < report->blocks[i].baseline_count; j++)
            if (strcmp(report->blocks[i].baselines[j].id, id) == 0)
                return &report->blocks[i].baselines[j];
    return NULL;
}

static void baselines_link(struct report *report)
{
    for (size_t i = 0; i < report->block_count; i++) {
        for (size_t j = 0; j < report->blocks[i].cell_count; j++) {
            struct report_cell *cell = &report->blocks[i].cells[j];
            const cJSON *net = json_get(json_get(cell->json, "cpu"), "system_less_null");
            cell->baseline = baseline_find(report, json_get_string(net, "baseline", ""));
        }
    }
}

enum status report_open(const cJSON *json, struct report **report, struct err *err)
{
    enum status status = result_check(json, err);
    if (status != ST_OK)
        return status;
    const cJSON *blocks = json_get(json, "blocks");
    struct report *opened = calloc(1, sizeof *opened);
    if (!opened)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory reading the result");
    opened->json = json;
    opened->scenario = json_get_string(json_get(json, "scenario"), "name", "unnamed");
    opened->tick_ns = json_get_number(json_get(json_get(json, "run"), "clock"), "tick_ns", 0);
    size_t count = (size_t)cJSON_GetArraySize(blocks);
    opened->blocks = calloc(count + 1, sizeof *opened->blocks);
    if (!opened->blocks)
        goto undo_open;
    const cJSON *block_json;
    cJSON_ArrayForEach (block_json, blocks) {
        struct report_block *block = &opened->blocks[opened->block_count++];
        block->name = json_get_string(block_json, "name", "");
        block->description = json_get_string(block_json, "description", "");
        block->compare = json_get_string(block_json, "compare", "");
        if (!block_collect(block, json_get(json, "cells"), opened->block_count - 1, count))
            goto undo_open;
    }
    baselines_link(opened);
    *report = opened;
    return ST_OK;
undo_open:
    report_free(opened);
    return err_set(err, ST_NO_MEMORY, NULL, "out of memory reading the result");
}

const struct report_cell *report_any_cell(const struct report_block *block, size_t index)
{
    if (index < block->cell_count)
        return &block->cells[index];
    index -= block->cell_count;
    return index < block->baseline_count ? &block->baselines[index] : NULL;
}

static void cell_free(struct report_cell *cell)
{
    free(cell->label);
    free(cell->short_label);
    free(cell->name);
}

void report_free(struct report *report)
{
    if (!report)
        return;
    for (size_t i = 0; report->blocks && i < report->block_count; i++) {
        struct report_block *block = &report->blocks[i];
        for (size_t j = 0; j < block->cell_count; j++)
            cell_free(&block->cells[j]);
        for (size_t j = 0; j < block->baseline_count; j++)
            cell_free(&block->baselines[j]);
        for (size_t j = 0; j < block->group_count; j++) {
            free(block->groups[j].context);
            free(block->groups[j].sentence);
            free(block->groups[j].cells);
        }
        free(block->cells);
        free(block->baselines);
        free(block->groups);
        free(block->constants);
    }
    free(report->blocks);
    free(report);
}

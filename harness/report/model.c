/* model.c: reading a result into blocks, groups and cells. See model.h. */
#include "harness/report/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"

/* Steals a text's characters; NULL on failure. */
static char *text_take(struct text *text)
{
    if (!text->data)
        text_add(text, "");
    return text->failed ? NULL : text->data;
}

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

/* Marks the axes whose value follows from the compared one: they tell no groups apart. */
static void block_find_bound(struct report_block *block)
{
    for (size_t i = 0; block->compare[0] && i < block->varying_count; i++) {
        bool bound = true;
        for (size_t a = 0; bound && a < block->cell_count; a++)
            for (size_t b = a + 1; bound && b < block->cell_count; b++)
                bound = !axis_same(&block->cells[a], &block->cells[b], block->compare) ||
                        axis_same(&block->cells[a], &block->cells[b], block->varying[i]);
        block->bound[i] = bound;
    }
}

/* Appends an axis' value to "a · b", with `between` in between. */
static void label_join(struct text *text, const struct report_cell *cell, const char *axis,
                       const char *between)
{
    char value[REPORT_AXIS_BYTES];
    const char *pretty = report_axis_pretty(cell, axis, value);
    if (!pretty[0])
        return;
    if (text->used_bytes)
        text_add(text, between);
    if (strcmp(axis, "slots") == 0)
        text_addf(text, "%s slots", pretty);
    else
        text_add_plain(text, pretty);
}

static void label_add(struct text *text, const struct report_cell *cell, const char *axis)
{
    label_join(text, cell, axis, " · ");
}

/* Which of the axes that vary go into a label. */
enum label_axes { LABEL_ALL, LABEL_COMPARED, LABEL_OTHERS, LABEL_NAME };

/* They stand in the block's order, but the compared one and what follows from it come first. */
static char *label_make(const struct report_block *block, const struct report_cell *cell,
                        enum label_axes axes)
{
    struct text text = {0};
    for (size_t i = 0; axes != LABEL_OTHERS && i < block->varying_count; i++)
        if (strcmp(block->varying[i], block->compare) == 0)
            label_add(&text, cell, block->varying[i]);
    for (size_t i = 0; axes != LABEL_OTHERS && i < block->varying_count; i++)
        if (axes != LABEL_NAME && block->bound[i] && strcmp(block->varying[i], block->compare) != 0)
            label_join(&text, cell, block->varying[i], " + ");
    for (size_t i = 0; axes != LABEL_COMPARED && axes != LABEL_NAME && i < block->varying_count;
         i++)
        if (!block->bound[i])
            label_add(&text, cell, block->varying[i]);
    return text_take(&text);
}

static bool block_varies(const struct report_block *block, const char *axis)
{
    for (size_t i = 0; i < block->varying_count; i++)
        if (strcmp(block->varying[i], axis) == 0)
            return true;
    return false;
}

/* What all cells of the block share, of the axes that a heading should name. */
static char *constants_make(const struct report_block *block)
{
    static const char *const named[] = {"transport", "wait",   "frame", "pacing",
                                        "kernel",    "access", "fill",  "slots"};
    struct text text = {0};
    for (size_t i = 0; block->cell_count && i < sizeof named / sizeof named[0]; i++) {
        char value[REPORT_AXIS_BYTES];
        if (block_varies(block, named[i]) || !report_axis(&block->cells[0], named[i], value)[0])
            continue;
        if (strcmp(named[i], "kernel") == 0 || strcmp(named[i], "access") == 0 ||
            strcmp(named[i], "fill") == 0) {
            text_addf(&text, "%s%s ", text.used_bytes ? " · " : "", named[i]);
            text_add_plain(&text, value);
        } else {
            label_add(&text, &block->cells[0], named[i]);
        }
    }
    return text_take(&text);
}

/* "At 60 frames/s of 1920×1080×3 (6.22 MB), kernel checksum": the start of a sentence. */
static char *sentence_make(const struct report_block *block, const struct report_cell *cell)
{
    struct text text = {0};
    char value[REPORT_AXIS_BYTES], size[FIGURE_BYTES];
    const char *pacing = report_axis_pretty(cell, "pacing", value);
    if (report_axis_is(cell, "pacing", "rate:"))
        text_addf(&text, "At %s", pacing);
    else if (report_axis_is(cell, "pacing", "pingpong"))
        text_add(&text, "With one frame in flight");
    else if (report_axis_is(cell, "pacing", "max"))
        text_add(&text, "As fast as the slots allow");
    else
        text_add(&text, "In this run");
    const char *frame = report_axis_pretty(cell, "frame", value);
    double bytes = json_get_number(cell->json, "payload_bytes", 0);
    if (frame[0] && bytes > 0) {
        text_add(&text, report_axis_is(cell, "pacing", "rate:") ? " of " : " at ");
        text_add_plain(&text, frame);
        text_addf(&text, " (%s)", format_bytes(bytes, size));
    }
    for (size_t i = 0; i < block->varying_count; i++) {
        const char *axis = block->varying[i];
        if (block->bound[i] || strcmp(axis, "frame") == 0 || strcmp(axis, "pacing") == 0)
            continue;
        text_add(&text, ", ");
        text_add_plain(&text, axis);
        text_add(&text, " ");
        text_add_plain(&text, report_axis_pretty(cell, axis, value));
    }
    return text_take(&text);
}

static bool cells_share_group(const struct report_block *block, const struct report_cell *a,
                              const struct report_cell *b)
{
    for (size_t i = 0; i < block->varying_count; i++)
        if (!block->bound[i] && !axis_same(a, b, block->varying[i]))
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
        group->sentence = sentence_make(block, cell);
        block->group_count++;
        if (!group->cells || !group->context || !group->sentence)
            return false;
    }
    group->cells[group->cell_count++] = index;
    cell->group = (size_t)(group - block->groups);
    return true;
}

/* Groups and labels, once all cells are there. */
static bool block_finish(struct report_block *block)
{
    block_find_varying(block);
    block_find_bound(block);
    block->constants = constants_make(block);
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
            struct text label = {0};
            label_add(&label, cell, "transport");
            label_join(&label, cell, "wait", " + ");
            free(cell->label);
            cell->label = text_take(&label);
            if (!cell->label)
                return false;
        }
    }
    return true;
}

/* The cells of block `index`, in the result's order. */
static bool block_collect(struct report_block *block, const cJSON *cells, size_t index,
                          size_t block_count)
{
    const cJSON *json;
    block->cells = calloc((size_t)cJSON_GetArraySize(cells) + 1, sizeof *block->cells);
    if (!block->cells)
        return false;
    cJSON_ArrayForEach (json, cells) {
        int64_t of_block;
        if (!json_whole(json_get(json, "block"), 0, (int64_t)block_count - 1, &of_block) ||
            (size_t)of_block != index)
            continue;
        struct report_cell *cell = &block->cells[block->cell_count++];
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
    *report = opened;
    return ST_OK;
undo_open:
    report_free(opened);
    return err_set(err, ST_NO_MEMORY, NULL, "out of memory reading the result");
}

void report_free(struct report *report)
{
    if (!report)
        return;
    for (size_t i = 0; report->blocks && i < report->block_count; i++) {
        struct report_block *block = &report->blocks[i];
        for (size_t j = 0; j < block->cell_count; j++) {
            free(block->cells[j].label);
            free(block->cells[j].short_label);
            free(block->cells[j].name);
        }
        for (size_t j = 0; j < block->group_count; j++) {
            free(block->groups[j].context);
            free(block->groups[j].sentence);
            free(block->groups[j].cells);
        }
        free(block->cells);
        free(block->groups);
        free(block->constants);
    }
    free(report->blocks);
    free(report);
}

/* comparison_cells.c: which cells stand against each other: those of two builds, or the values of
 * an axis; and which have no partner. See comparison.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/columns.h"
#include "harness/report/comparison_parts.h"

/* ---- Two builds ------------------------------------------------------------------------------ */

static const struct report_cell *cell_find(const struct report *report, const char *id)
{
    for (size_t i = 0; i < report->block_count; i++)
        for (size_t j = 0; j < report->blocks[i].cell_count; j++)
            if (strcmp(report->blocks[i].cells[j].id, id) == 0)
                return &report->blocks[i].cells[j];
    return NULL;
}

static bool cell_ran(const struct report_cell *cell)
{
    return json_get_number(cell->json, "launches_ok", 0) > 0 && strcmp(cell->status, "failed") != 0;
}

/* Base ran and new does not: it failed, or it cannot run here any more. A run that was cut short
 * has not come to it, which is another matter. */
static bool cell_was_lost(const struct report_cell *base, const struct report_cell *cell)
{
    return cell_ran(base) && !cell_ran(cell) && strcmp(cell->status, "incomplete") != 0;
}

/* "failed on new (reason); on base it ran"; "" where both ran. */
static void pair_explain(const struct report_cell *base, const struct report_cell *cell,
                         char *reason, size_t size)
{
    const struct report_cell *sides[2] = {cell, base};
    static const char *const names[2] = {"new", "base"};
    size_t used = 0;
    reason[0] = '\0';
    const char *both = json_get_string(cell->json, "reason", "");
    if (strcmp(cell->status, base->status) == 0 && strcmp(cell->status, "incomplete") != 0 &&
        !cell_ran(cell) && both[0] &&
        strcmp(both, json_get_string(base->json, "reason", "")) == 0) {
        snprintf(reason, size, "%s on both: %.400s",
                 strcmp(cell->status, "failed") == 0 ? "failed" : "cannot run", both);
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (cell_ran(sides[i]) || used >= size)
            continue;
        const char *why = json_get_string(sides[i]->json, "reason", "");
        const bool failed = strcmp(sides[i]->status, "failed") == 0;
        const bool ended = strcmp(sides[i]->status, "incomplete") == 0;
        used += (size_t)snprintf(reason + used, size - used, "%s%s on %s%s%.240s", used ? "; " : "",
                                 failed  ? "failed"
                                 : ended ? "not one launch was run"
                                         : "cannot run",
                                 names[i], why[0] && !ended ? ": " : "", ended ? "" : why);
    }
}

enum status comparison_add_builds(struct comparison *comparison, struct err *err)
{
    const struct report *news = comparison->new_report, *bases = comparison->base_report;
    enum status status = ST_OK;
    char reason[COMPARISON_REASON_BYTES];
    for (size_t i = 0; i < news->block_count && status == ST_OK; i++) {
        for (size_t j = 0; j < news->blocks[i].cell_count && status == ST_OK; j++) {
            const struct report_cell *cell = &news->blocks[i].cells[j];
            const struct report_cell *base = cell_find(bases, cell->id);
            if (!base) {
                status =
                    comparison_add_left(comparison, cell->id, false, "base has no such cell", err);
                continue;
            }
            pair_explain(base, cell, reason, sizeof reason);
            status = reason[0] ? comparison_add_left(comparison, cell->id,
                                                     cell_was_lost(base, cell), reason, err)
                               : comparison_add_pair(comparison, cell, base, err);
        }
    }
    for (size_t i = 0; i < bases->block_count && status == ST_OK; i++)
        for (size_t j = 0; j < bases->blocks[i].cell_count && status == ST_OK; j++) {
            const struct report_cell *base = &bases->blocks[i].cells[j];
            if (!cell_find(news, base->id))
                status = comparison_add_left(comparison, base->id, cell_ran(base),
                                             "new has no such cell", err);
        }
    return status;
}

/* ---- The values of an axis ------------------------------------------------------------------- */

/* Rounds of an interleaved run do not overlap: launch k of two of its cells is less than a round
 * apart. */
static bool cells_interleaved(const struct report *report, const struct report_cell *a,
                              const struct report_cell *b)
{
    const double round = cJSON_GetArraySize(json_get(report->json, "cells"));
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(a->json, "launches")) {
        const cJSON *other = gate_launch_find(b->json, json_get_number(launch, "launch", -2));
        if (other && !(fabs(json_get_number(launch, "order", NAN) -
                            json_get_number(other, "order", NAN)) < round))
            return false;
    }
    return true;
}

/* One cell of a group against the group's baseline, or why not. */
static enum status axis_add_cell(struct comparison *comparison, const struct report_cell *cell,
                                 const struct report_cell *base, struct err *err)
{
    char reason[COMPARISON_REASON_BYTES];
    const char *why = NULL;
    if (!cell_ran(cell)) {
        snprintf(reason, sizeof reason, "%s: %.400s", columns_status_words(cell),
                 json_get_string(cell->json, "reason", ""));
        why = reason;
    } else if (!base) {
        why = "no cell with the baseline's value differs in nothing else";
    } else if (!cell_ran(base)) {
        why = "the cell with the baseline's value did not run";
    } else if (json_get_number(cell->json, "frames", 0) !=
                   json_get_number(base->json, "frames", -1) ||
               json_get_number(cell->json, "warmup_frames", 0) !=
                   json_get_number(base->json, "warmup_frames", -1)) {
        why = "its launches had other frame counts than the baseline's: run it by --scenario";
    } else if (!cells_interleaved(comparison->new_report, cell, base)) {
        why = "its launches were not interleaved with the baseline's";
    }
    return why ? comparison_add_left(comparison, cell->id, false, why, err)
               : comparison_add_pair(comparison, cell, base, err);
}

static enum status axis_add_group(struct comparison *comparison, const struct report_block *block,
                                  const struct report_group *group, const char *axis,
                                  const char *against, struct err *err)
{
    const struct report_cell *base = NULL;
    char value[REPORT_AXIS_BYTES];
    enum status status = ST_OK;
    for (size_t i = 0; i < group->cell_count && !base; i++)
        if (strcmp(report_axis(&block->cells[group->cells[i]], axis, value), against) == 0)
            base = &block->cells[group->cells[i]];
    for (size_t i = 0; i < group->cell_count && status == ST_OK; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (strcmp(report_axis(cell, axis, value), against) != 0)
            status = axis_add_cell(comparison, cell, base, err);
    }
    return status;
}

static bool block_varies_in(const struct report_block *block, const char *axis)
{
    for (size_t i = 0; i < block->varying_count; i++)
        if (strcmp(block->varying[i], axis) == 0)
            return strcmp(block->compare, axis) == 0;
    return false;
}

static bool block_has_value(const struct report_block *block, const char *axis, const char *wanted)
{
    char value[REPORT_AXIS_BYTES];
    for (size_t i = 0; i < block->cell_count; i++)
        if (strcmp(report_axis(&block->cells[i], axis, value), wanted) == 0)
            return true;
    return false;
}

enum status comparison_add_axis(struct comparison *comparison, const char *axis,
                                const char *against, struct err *err)
{
    const struct report *report = comparison->new_report;
    struct text base_name = {0};
    char value[REPORT_AXIS_BYTES], first[REPORT_AXIS_BYTES] = "";
    bool found = false, several = false;
    enum status status = ST_OK;
    comparison->axis = axis;
    for (size_t i = 0; i < report->block_count && status == ST_OK; i++) {
        const struct report_block *block = &report->blocks[i];
        if (!block_varies_in(block, axis) || (against && !block_has_value(block, axis, against)))
            continue;
        const char *base = against ? against : report_axis(&block->cells[0], axis, value);
        several = several || (found && strcmp(first, base) != 0);
        if (!found)
            snprintf(first, sizeof first, "%s", base);
        found = true;
        for (size_t j = 0; j < block->group_count && status == ST_OK; j++)
            status = axis_add_group(comparison, block, &block->groups[j], axis, base, err);
    }
    if (status == ST_OK && !found)
        return err_set(err, ST_INVALID, "`--dry-run` of `handoff run` lists the cells",
                       against ? "no block has the value %s=%s beside others"
                               : "no block has several values of %s%s",
                       axis, against ? against : "");
    text_add_plain(&base_name, axis);
    text_add(&base_name, several ? ": each block's first value" : " ");
    text_add_plain(&base_name, several ? "" : first);
    free(comparison->base_name);
    comparison->base_name = base_name.failed ? NULL : base_name.data;
    if (status == ST_OK && !comparison->base_name)
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for the comparison");
    return status;
}

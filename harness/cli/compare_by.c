/* compare_by.c: `handoff compare --by`: the values of one axis within one run, made now or stored.
 * See compare.h. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/compare.h"
#include "harness/report/comparison.h"
#include "harness/run/result.h"
#include "harness/run/runner.h"
#include "harness/scenario/suggest.h"

/* An axis that is part of what a cell is. */
static enum status by_check_axis(const char *axis, struct err *err)
{
    char shown[SUGGEST_SHOWN_BYTES], hint[160];
    struct suggest suggest = SUGGEST_START(axis);
    for (size_t i = 0; i < cell_axis_count(); i++) {
        if (!cell_axis_in_id(i))
            continue;
        if (strcmp(cell_axis_name(i), axis) == 0)
            return ST_OK;
        suggest_offer(&suggest, cell_axis_name(i));
    }
    return err_set(err, ST_INVALID,
                   suggest_hint(&suggest, "`handoff list axes` shows all", hint, sizeof hint),
                   "--by: unknown axis \"%s\"", suggest_show(axis, shown, sizeof shown));
}

/* Whether the cells of a block have several values of the axis. */
static bool by_block_varies(const struct scenario *scenario, size_t block, const char *axis)
{
    char first[CELL_AXIS_BYTES] = "", value[CELL_AXIS_BYTES];
    bool any = false;
    size_t index = 0;
    while (strcmp(cell_axis_name(index), axis) != 0)
        index++;
    for (size_t i = 0; i < scenario->cell_count; i++) {
        const struct cell *cell = &scenario->cells[i];
        if (cell->block_index != block || cell->is_baseline)
            continue;
        if (!any)
            cell_axis_format(cell, index, first, sizeof first);
        else if (strcmp(cell_axis_format(cell, index, value, sizeof value), first) != 0)
            return true;
        any = true;
    }
    return false;
}

/* The blocks compare this axis, whatever they were written for: then the pilot gives all of its
 * values the same counts. */
static enum status by_set_axis(struct scenario *scenario, const char *axis, struct err *err)
{
    bool any = false;
    for (size_t i = 0; i < scenario->block_count; i++) {
        if (!by_block_varies(scenario, i, axis))
            continue;
        char *copy = strdup(axis);
        if (!copy)
            return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
        free(scenario->blocks[i].compare);
        scenario->blocks[i].compare = copy;
        any = true;
    }
    return any ? ST_OK
               : err_set(err, ST_INVALID, "`handoff run FILE --dry-run` lists the cells",
                         "%s: no block has several values of %s", scenario->path, axis);
}

/* The same for the blocks of a stored result. */
static bool by_set_axis_json(cJSON *result, const char *axis)
{
    cJSON *block;
    cJSON_ArrayForEach (block, json_get(result, "blocks")) {
        if (cJSON_IsObject(block)) {
            cJSON_DeleteItemFromObjectCaseSensitive(block, "compare");
            if (!json_add_string(block, "compare", axis))
                return false;
        }
    }
    return true;
}

static enum status by_run(const struct compare_arguments *arguments, const char *out,
                          struct scenario *scenario, cJSON **result, bool *interrupted,
                          struct err *err)
{
    const struct runner_options options = {
        .scenario = scenario,
        .out_dir = out,
        .seed = arguments->seed,
        .resume = arguments->resume,
        .no_floor = true,
        .quiet = arguments->quiet,
        .command = arguments->command,
        .command_count = arguments->command_count,
    };
    struct runner_outcome outcome;
    enum status status = by_set_axis(scenario, arguments->by, err);
    if (status == ST_OK)
        status = runner_run(&options, &outcome, err);
    if (status == ST_OK) {
        *result = outcome.result;
        *interrupted = outcome.interrupted;
    }
    return status;
}

static enum status by_answer(const struct compare_arguments *arguments, const cJSON *result,
                             const char *path, const char *out_dir, bool interrupted,
                             int *exit_code, struct err *err)
{
    struct report *report = NULL;
    struct comparison *comparison = NULL;
    enum status status = report_open(result, &report, err);
    if (status == ST_OK)
        status = comparison_new(report, report, &comparison, err);
    if (status == ST_OK)
        status = comparison_add_axis(comparison, arguments->by, arguments->against, err);
    if (status == ST_OK)
        status = comparison_judge(comparison, err);
    if (status == ST_OK) {
        comparison->interrupted = interrupted;
        const struct compare_side side = {"", path, report};
        status = compare_finish(arguments, comparison, &side, &side, out_dir, exit_code, err);
    }
    comparison_free(comparison);
    report_free(report);
    return status;
}

enum status compare_by(const struct compare_arguments *arguments, int *exit_code, struct err *err)
{
    char out[PATH_MAX], path[PATH_MAX + 16];
    struct scenario *scenario = NULL;
    cJSON *result = NULL;
    bool interrupted = false;
    const bool stored = arguments->result_count > 0;
    enum status status = by_check_axis(arguments->by, err);
    if (status == ST_OK)
        status = stored ? result_load(arguments->results[0], &result, err)
                        : run_choice_load(&arguments->choice, &scenario, err);
    /* A file that cannot be read is a wrong argument; 1 is for what is slower. */
    if (stored && status == ST_SYSTEM)
        status = err->status = ST_INVALID;
    if (status == ST_OK && !stored) {
        run_choice_default_out(scenario, out, sizeof out);
        if (arguments->out)
            snprintf(out, sizeof out, "%s", arguments->out);
        status = by_run(arguments, out, scenario, &result, &interrupted, err);
    }
    if (status == ST_OK && !by_set_axis_json(result, arguments->by))
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    if (status == ST_OK) {
        snprintf(path, sizeof path, "%s%s", stored ? arguments->results[0] : out,
                 stored ? "" : "/result.json");
        status = by_answer(arguments, result, path, stored ? arguments->out : out, interrupted,
                           exit_code, err);
    }
    cJSON_Delete(result);
    scenario_free(scenario);
    return status;
}

/* result.c: result.json from the launches of a run, and back. See result.h for the contract. */
#include "harness/run/result.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/run/result_floor.h"
#include "harness/run/result_parts.h"

static const char *result_text(const char *text)
{
    return text ? text : "";
}

static bool result_add_tool(cJSON *json, const struct result_context *context)
{
    cJSON *tool = result_add_object(json, "tool");
    return tool && json_add_string(tool, "version", result_text(context->tool_version)) &&
           json_add_string(tool, "commit", result_text(context->tool_commit)) &&
           json_add_string(tool, "compiler", result_text(context->tool_compiler)) &&
           json_add_string(tool, "build_type", result_text(context->tool_build_type));
}

static bool result_add_scenario(cJSON *json, const struct result_context *context)
{
    const struct scenario *scenario = context->scenario;
    cJSON *member = result_add_object(json, "scenario");
    bool ok = member && json_add_string(member, "name", result_text(scenario->name)) &&
              json_add_string(member, "description", result_text(scenario->description)) &&
              json_add_string(member, "path", result_text(scenario->path));
    cJSON *gates_json = ok && scenario->gate_count ? result_add_array(member, "gates") : NULL;
    ok = ok && (gates_json || scenario->gate_count == 0);
    for (size_t i = 0; ok && i < scenario->gate_count; i++)
        ok = json_append(gates_json, cJSON_CreateString(scenario->gates[i]->name));
    return ok;
}

static bool result_add_command(cJSON *run, const struct result_context *context)
{
    cJSON *command = result_add_array(run, "command");
    bool ok = command != NULL;
    for (size_t i = 0; ok && i < context->command_count; i++)
        ok = json_append(command, cJSON_CreateString(context->command[i]));
    return ok;
}

/* A figure that there may not be. */
static bool result_add_measured(cJSON *json, const char *name, bool measured, double value)
{
    return measured ? json_add_double(json, name, value) : json_add(json, name, cJSON_CreateNull());
}

static bool result_add_clock(cJSON *run, const struct clock_choice *choice)
{
    const struct clock_candidate *chosen = clock_chosen(choice);
    const bool converted = chosen->kind == CLOCK_KIND_COUNTER;
    cJSON *clock = result_add_object(run, "clock");
    bool ok = clock && json_add_string(clock, "name", chosen->name) &&
              json_add_double(clock, "read_ns", chosen->quality.read_ns) &&
              json_add_double(clock, "tick_ns", chosen->quality.tick_ns) &&
              result_add_measured(clock, "conversion_error_ppm", converted,
                                  choice->conversion_error_ppm) &&
              result_add_measured(clock, "cpus_agree_ns", converted, choice->cpus_agree_ns);
    cJSON *candidates = ok ? result_add_array(clock, "candidates") : NULL;
    ok = candidates != NULL;
    for (size_t i = 0; ok && i < choice->candidate_count; i++) {
        const struct clock_candidate *candidate = &choice->candidates[i];
        cJSON *member = cJSON_CreateObject();
        ok =
            json_append(candidates, member) && json_add_string(member, "name", candidate->name) &&
            json_add_bool(member, "usable", candidate->usable) &&
            json_add_string(member, "reason", candidate->reason) &&
            result_add_measured(member, "read_ns", candidate->measured,
                                candidate->quality.read_ns) &&
            result_add_measured(member, "tick_ns", candidate->measured, candidate->quality.tick_ns);
    }
    return ok;
}

/* "complete" is added last, when the cells are known. */
static bool result_add_run(cJSON *json, const struct result_context *context)
{
    cJSON *run = result_add_object(json, "run");
    bool ok = run && json_add_string(run, "started_utc", result_text(context->started_utc)) &&
              json_add_string(run, "ended_utc", result_text(context->ended_utc)) &&
              json_add_u64(run, "seed", context->seed) &&
              json_add_bool(run, "interrupted", context->interrupted) &&
              json_add_u64(run, "wall_ns", context->wall_ns) && result_add_command(run, context);
    return ok && result_add_clock(run, context->clock);
}

static bool result_add_environment(cJSON *json, const struct result_context *context)
{
    const cJSON *const sides[2] = {context->environment_before, context->environment_after};
    static const char *const names[2] = {"before", "after"};
    cJSON *environment = result_add_object(json, "environment");
    bool ok = environment != NULL;
    for (int i = 0; ok && i < 2; i++)
        ok = json_add(environment, names[i],
                      sides[i] ? cJSON_Duplicate(sides[i], 1) : cJSON_CreateObject());
    return ok;
}

static bool result_add_warnings(cJSON *json, const struct result_context *context)
{
    cJSON *warnings = result_add_array(json, "warnings");
    bool ok = warnings != NULL;
    for (size_t i = 0; ok && i < context->warning_count; i++)
        ok = json_append(warnings, cJSON_CreateString(context->warnings[i]));
    return ok;
}

static bool result_add_claim(cJSON *block, const struct claim *claim)
{
    cJSON *json = claim ? result_add_object(block, "claim") : NULL;
    return !claim ||
           (json && json_add_string(json, "id", claim->id) &&
            json_add_string(json, "says", claim->says) &&
            json_add_string(json, "where", claim->where) &&
            json_add_string(json, "figure", claim->figure) &&
            json_add_u64(json, "low_ns", claim->low_ns) &&
            json_add_u64(json, "high_ns", claim->high_ns) &&
            json_add_string(json, "known", claim->known) &&
            (!claim->machine[0] || json_add_string(json, "machine", claim->machine)) &&
            (claim->moved_bytes == 0 || json_add_u64(json, "moved_bytes", claim->moved_bytes)));
}

static bool result_add_blocks(cJSON *json, const struct scenario *scenario)
{
    cJSON *blocks = result_add_array(json, "blocks");
    bool ok = blocks != NULL;
    for (size_t i = 0; ok && i < scenario->block_count; i++) {
        const struct block *block = &scenario->blocks[i];
        cJSON *member = cJSON_CreateObject();
        ok = json_append(blocks, member) && json_add_string(member, "name", block->name) &&
             json_add_string(member, "description", result_text(block->description)) &&
             json_add_string(member, "compare", result_text(block->compare)) &&
             result_add_claim(member, block->claim);
    }
    return ok;
}

static void result_count_cell(const cJSON *cell, struct result_summary *summary)
{
    const char *status = json_get_string(cell, "status", "");
    if (strcmp(status, "ok") == 0)
        summary->cells_ok++;
    else if (strcmp(status, "failed") == 0)
        summary->cells_failed++;
    else if (strcmp(status, "incomplete") == 0)
        summary->cells_incomplete++;
    else
        summary->cells_not_run++;
}

static enum status result_add_cells(cJSON *json, const struct result_context *context,
                                    const char *dir, struct result_summary *summary,
                                    struct err *err)
{
    cJSON *cells = result_add_array(json, "cells");
    if (!cells)
        return err_set(err, ST_NO_MEMORY, NULL, "writing a result: out of memory");
    for (size_t i = 0; i < context->cell_count; i++) {
        cJSON *cell = NULL;
        enum status status = result_cell_json(&context->cells[i], dir, &cell, err);
        if (status != ST_OK)
            return status;
        result_count_cell(cell, summary);
        bool ok = result_floor_add(context->floor, &context->cells[i], cell);
        if (!json_append(cells, cell) || !ok)
            return err_set(err, ST_NO_MEMORY, NULL, "writing a result: out of memory");
    }
    return ST_OK;
}

static enum status result_to_json(const struct result_context *context, const char *dir,
                                  struct result_summary *summary, cJSON *json, struct err *err)
{
    bool ok =
        json_add_string(json, "schema", "handoff-result") &&
        json_add_u64(json, "schema_version", RESULT_SCHEMA_VERSION) &&
        result_add_tool(json, context) && result_add_scenario(json, context) &&
        result_add_run(json, context) && result_add_environment(json, context) &&
        (!context->peer || json_add(json, "peer", cJSON_Duplicate(context->peer, 1))) &&
        (!context->floor || json_add(json, "floor", cJSON_Duplicate(context->floor, 1))) &&
        (!context->fitness || json_add(json, "fitness", cJSON_Duplicate(context->fitness, 1))) &&
        result_add_warnings(json, context) && result_add_blocks(json, context->scenario);
    if (!ok)
        return err_set(err, ST_NO_MEMORY, NULL, "writing a result: out of memory");
    enum status status = result_add_cells(json, context, dir, summary, err);
    if (status != ST_OK)
        return status;
    bool complete = !context->interrupted && summary->cells_incomplete == 0;
    if (!json_add_bool(json_get(json, "run"), "complete", complete))
        return err_set(err, ST_NO_MEMORY, NULL, "writing a result: out of memory");
    return ST_OK;
}

enum status result_assemble(const struct result_context *context, const char *dir,
                            struct result_summary *summary, cJSON **json, struct err *err)
{
    struct result_summary found = {0};
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/result.json", dir) >= (int)sizeof path)
        return err_set(err, ST_INVALID, "use a shorter path with --out", "%s: the path is too long",
                       dir);
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return err_set_errno(err, errno, "choose a folder that can be written with --out",
                             "%s: cannot be created", dir);
    cJSON *made = cJSON_CreateObject();
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "writing a result: out of memory");
    enum status status = result_to_json(context, dir, &found, made, err);
    if (status == ST_OK)
        status = json_write_file(path, made, true, err);
    cJSON_Delete(made);
    /* What was written is read back rather than handed on: its numbers were written as text. */
    if (status == ST_OK && json)
        status = result_load(path, json, err);
    if (status == ST_OK && summary)
        *summary = found;
    return status;
}

/* Of a folder: has it none yet, or is it no run's? `path` is the result's own, and is cut. */
static void result_explain_absent(char *path, struct err *err)
{
    char hint[sizeof err->hint], plan[PATH_MAX + 16];
    *strrchr(path, '/') = '\0';
    snprintf(plan, sizeof plan, "%s/plan.json", path);
    if (access(plan, F_OK) == 0)
        snprintf(hint, sizeof hint,
                 "a run is under way there, or was killed: `handoff run SCENARIO --out DIR "
                 "--resume` goes on with it");
    else
        snprintf(hint, sizeof hint, "give the result.json of a run, or the run's folder");
    err_set_errno(err, ENOENT, hint, "%s/result.json: cannot be opened", path);
}

enum status result_load(const char *path, cJSON **json, struct err *err)
{
    char inside[PATH_MAX];
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        if (snprintf(inside, sizeof inside, "%s/result.json", path) >= (int)sizeof inside)
            return err_set(err, ST_INVALID, NULL, "%s: the path is too long", path);
        path = inside;
    }
    cJSON *read = NULL;
    enum status status = json_read_file(path, RESULT_BYTES_MAX, &read, err);
    if (status == ST_SYSTEM && err && err->sys_errno == ENOENT && path == inside)
        result_explain_absent(inside, err);
    if (status != ST_OK)
        return status;
    double version = json_get_number(read, "schema_version", 0);
    if (strcmp(json_get_string(read, "schema", ""), "handoff-result") != 0 ||
        !cJSON_IsArray(json_get(read, "cells")))
        status = err_set(err, ST_INVALID, "give the result.json of a run, or the run's folder",
                         "%s: is not a result of handoff", path);
    else if (version < 1 || version > RESULT_SCHEMA_VERSION)
        status = err_set(err, ST_INVALID, "use a newer handoff to read it",
                         "%s: is of schema version %g; this handoff knows up to %d", path, version,
                         RESULT_SCHEMA_VERSION);
    if (status == ST_OK)
        *json = read;
    else
        cJSON_Delete(read);
    return status;
}

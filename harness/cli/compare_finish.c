/* compare_finish.c: how both forms that gate end: the answer is printed, kept as compare.json, and
 * becomes the exit code. See compare.h. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/folder.h"
#include "harness/base/json.h"
#include "harness/cli/compare.h"
#include "harness/report/comparison.h"
#include "harness/run/build_info.h"

#define COMPARE_SCHEMA_VERSION 1

static int compare_exit_code(const struct comparison *comparison)
{
    if (comparison->regressions > 0)
        return EXIT_CODE_FAILED;
    if (comparison->interrupted)
        return EXIT_CODE_INTERRUPTED;
    return comparison->judged_count == 0 ? EXIT_CODE_UNAVAILABLE : EXIT_CODE_OK;
}

/* Where a side's launches are and which build made them. */
static bool add_side(cJSON *json, const char *name, const struct compare_side *side)
{
    cJSON *member = cJSON_CreateObject();
    const cJSON *tool = json_get(side->report->json, "tool");
    return json_add(json, name, member) && json_add_string(member, "program", side->program) &&
           json_add_string(member, "result", side->result) &&
           json_add_string(member, "version", json_get_string(tool, "version", "")) &&
           json_add_string(member, "commit", json_get_string(tool, "commit", "")) &&
           json_add_string(member, "compiler", json_get_string(tool, "compiler", "")) &&
           json_add_string(member, "build_type", json_get_string(tool, "build_type", ""));
}

/* What is of the command goes in front of what is of the comparison. */
static cJSON *compare_json(const struct compare_arguments *arguments,
                           const struct comparison *comparison, const struct compare_side *base,
                           const struct compare_side *new_side)
{
    const struct build_info info = build_info();
    cJSON *json = cJSON_CreateObject(), *command = cJSON_CreateArray();
    cJSON *rest = comparison_json(comparison);
    bool ok = rest && json_add_string(json, "schema", "handoff-compare") &&
              json_add_u64(json, "schema_version", COMPARE_SCHEMA_VERSION) &&
              json_add_string(json, "kind", comparison->axis ? "axis" : "builds") &&
              json_add_string(json, "axis", comparison->axis ? comparison->axis : "") &&
              json_add_string(json, "version", info.version) &&
              json_add_string(json, "commit", info.commit) && add_side(json, "base", base) &&
              add_side(json, "new", new_side);
    ok = json_add(json, "command", command) && ok;
    for (size_t i = 0; ok && i < arguments->command_count; i++)
        ok = json_append(command, cJSON_CreateString(arguments->command[i]));
    for (cJSON *item; ok && (item = rest->child);) {
        cJSON_DetachItemViaPointer(rest, item);
        ok = cJSON_AddItemToObject(json, item->string, item);
    }
    cJSON_Delete(rest);
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

enum status compare_finish(const struct compare_arguments *arguments,
                           const struct comparison *comparison, const struct compare_side *base,
                           const struct compare_side *new_side, const char *out_dir, int *exit_code,
                           struct err *err)
{
    char path[PATH_MAX];
    cJSON *json = compare_json(arguments, comparison, base, new_side);
    enum status status =
        json ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "out of memory for compare.json");
    if (status == ST_OK && out_dir)
        status = folder_make(out_dir, err);
    if (status == ST_OK && out_dir) {
        if (snprintf(path, sizeof path, "%s/compare.json", out_dir) >= (int)sizeof path)
            status =
                err_set(err, ST_INVALID, "use a shorter path with --out", "the path is too long");
        else
            status = json_write_file(path, json, true, err);
    }
    if (status == ST_OK && arguments->format == CLI_FORMAT_JSON)
        status = cli_print_json(stdout, json, err);
    else if (status == ST_OK && arguments->format == CLI_FORMAT_MARKDOWN)
        comparison_print_markdown(comparison, stdout);
    else if (status == ST_OK)
        comparison_print_table(comparison, stdout);
    cJSON_Delete(json);
    if (status != ST_OK)
        return status;
    fflush(stdout);
    if (out_dir)
        fprintf(stderr, "comparison: %s\n", path);
    *exit_code = compare_exit_code(comparison);
    return ST_OK;
}

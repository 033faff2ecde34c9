/* export_json.c: what the exports that are JSON share. See export.h.
 */
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"
#include "harness/report/stamp_clock.h"

bool export_add_text(cJSON *object, const char *name, const char *text)
{
    struct text plain = {0};
    text_add_plain(&plain, text);
    bool ok = !plain.failed && json_add_string(object, name, text_get(&plain));
    text_free(&plain);
    return ok;
}

enum status export_print(cJSON *root, struct text *out, struct err *err)
{
    char *printed = root ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (!printed)
        return err_set(err, ST_NO_MEMORY, NULL, "export: out of memory");
    text_add(out, printed);
    text_add(out, "\n");
    cJSON_free(printed);
    return ST_OK;
}

/* "title: text", unless there is none. */
static void condition_add(struct text *text, const char *title, const char *value)
{
    if (!value[0])
        return;
    text_addf(text, "%s%s: ", text->used_bytes ? "\n" : "", title);
    text_add_plain(text, value);
}

void export_conditions(const cJSON *result, const cJSON *cell, struct text *text)
{
    const cJSON *before = json_get(json_get(result, "environment"), "before");
    const cJSON *run = json_get(result, "run"), *tool = json_get(result, "tool");
    double launches = json_get_number(cell, "launches_ok", 0);
    double frames = json_get_number(cell, "frames", 0);
    text_addf(text, "%.0f launch%s of %.0f frames", launches, launches == 1 ? "" : "es", frames);
    condition_add(text, "processor", json_get_string(json_get(before, "cpu"), "model", ""));
    condition_add(text, "kernel", json_get_string(json_get(before, "kernel"), "release", ""));
    condition_add(text, "clock", stamp_clock_of_cell(result, cell));
    condition_add(text, "handoff", json_get_string(tool, "version", ""));
    condition_add(text, "commit", json_get_string(tool, "commit", ""));
    condition_add(text, "measured", json_get_string(run, "started_utc", ""));
}

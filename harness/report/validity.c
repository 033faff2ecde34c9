/* validity.c: reading and checking a validity file. See validity.h. */
#include "harness/report/validity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"

#define SENTENCE_BYTES_MAX 4000
#define WORD_BYTES_MAX 400
#define PATH_BYTES 4096

static const char *const file_hint = "give the validity.json that scripts/validity wrote";

/* One text at "experiments[2].title". */
static enum status text_check(const cJSON *json, size_t bytes_max, const char *place,
                              struct err *err)
{
    if (!cJSON_IsString(json))
        return err_set(err, ST_INVALID, file_hint, "%s: must be text", place);
    if (strlen(json->valuestring) > bytes_max)
        return err_set(err, ST_INVALID, file_hint, "%s: longer than %zu bytes", place, bytes_max);
    return ST_OK;
}

/* A list of `columns` texts, or of up to VALIDITY_COLUMNS_MAX when that is 0. */
static enum status texts_check(const cJSON *json, int columns, const char *place, struct err *err)
{
    const cJSON *item;
    char at[96];
    int count = cJSON_GetArraySize(json), index = 0;
    if (!cJSON_IsArray(json) || count == 0 || count > VALIDITY_COLUMNS_MAX)
        return err_set(err, ST_INVALID, file_hint, "%s: must be a list of 1 to %d texts", place,
                       VALIDITY_COLUMNS_MAX);
    if (columns && count != columns)
        return err_set(err, ST_INVALID, file_hint, "%s: has %d texts where there are %d columns",
                       place, count, columns);
    cJSON_ArrayForEach (item, json) {
        snprintf(at, sizeof at, "%.64s[%d]", place, index++);
        enum status status = text_check(item, WORD_BYTES_MAX, at, err);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

static enum status rows_check(const cJSON *experiment, int index, struct err *err)
{
    const cJSON *row, *rows = json_get(experiment, "rows");
    int columns = cJSON_GetArraySize(json_get(experiment, "columns")), number = 0;
    char at[64];
    if (!cJSON_IsArray(rows) || cJSON_GetArraySize(rows) > VALIDITY_ROWS_MAX)
        return err_set(err, ST_INVALID, file_hint,
                       "experiments[%d].rows: must be a list of at most %d rows", index,
                       VALIDITY_ROWS_MAX);
    cJSON_ArrayForEach (row, rows) {
        snprintf(at, sizeof at, "experiments[%d].rows[%d]", index, number++);
        enum status status = texts_check(row, columns, at, err);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

static enum status experiment_check(const cJSON *experiment, int index, struct err *err)
{
    static const char *const sentences[] = {"title", "expectation", "finding"};
    char at[64];
    enum status status = ST_OK;
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0] && status == ST_OK; i++) {
        snprintf(at, sizeof at, "experiments[%d].%s", index, sentences[i]);
        status = text_check(json_get(experiment, sentences[i]), SENTENCE_BYTES_MAX, at, err);
    }
    snprintf(at, sizeof at, "experiments[%d].columns", index);
    if (status == ST_OK)
        status = texts_check(json_get(experiment, "columns"), 0, at, err);
    if (status == ST_OK)
        status = rows_check(experiment, index, err);
    const cJSON *passed = json_get(experiment, "passed");
    if (status == ST_OK && !cJSON_IsBool(passed) && !cJSON_IsNull(passed))
        status = err_set(err, ST_INVALID, file_hint,
                         "experiments[%d].passed: must be true, false or null", index);
    return status;
}

static enum status file_check(const cJSON *json, struct err *err)
{
    const cJSON *experiment, *experiments = json_get(json, "experiments");
    int64_t version;
    int index = 0, count = cJSON_GetArraySize(experiments);
    if (!cJSON_IsObject(json) ||
        strcmp(json_get_string(json, "schema", ""), "handoff-validity") != 0)
        return err_set(err, ST_INVALID, file_hint, "schema: this is not a validity file");
    if (!json_whole(json_get(json, "schema_version"), 1, 1000000, &version))
        return err_set(err, ST_INVALID, file_hint, "schema_version: must be a whole number from 1");
    if (version > VALIDITY_SCHEMA_VERSION)
        return err_set(err, ST_INVALID, "use the version of handoff that wrote it, or a newer one",
                       "schema_version: %d is newer than this program reads (%d)", (int)version,
                       VALIDITY_SCHEMA_VERSION);
    enum status status = text_check(json_get(json, "tool"), WORD_BYTES_MAX, "tool", err);
    if (status == ST_OK)
        status = text_check(json_get(json, "utc"), WORD_BYTES_MAX, "utc", err);
    if (status == ST_OK &&
        (!cJSON_IsArray(experiments) || count == 0 || count > VALIDITY_EXPERIMENTS_MAX))
        status =
            err_set(err, ST_INVALID, file_hint,
                    "experiments: must be a list of 1 to %d experiments", VALIDITY_EXPERIMENTS_MAX);
    if (status != ST_OK)
        return status;
    cJSON_ArrayForEach (experiment, experiments) {
        status = experiment_check(experiment, index++, err);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

/* One without experiments: all that the others are made of. NULL when out of memory. */
static struct validity *validity_new(const char *name, const char *problem)
{
    struct validity *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->name = strdup(name);
    made->problem = strdup(problem);
    made->tool = made->utc = "";
    if (made->name && made->problem)
        return made;
    validity_free(made);
    return NULL;
}

enum status validity_open(cJSON *json, const char *name, struct validity **validity,
                          struct err *err)
{
    const cJSON *experiment;
    enum status status = file_check(json, err);
    struct validity *made = status == ST_OK ? validity_new(name, "") : NULL;
    if (!made) {
        cJSON_Delete(json);
        return status != ST_OK ? err_context(err, "%s", name)
                               : err_set(err, ST_NO_MEMORY, NULL, "%s: out of memory", name);
    }
    made->json = json;
    made->tool = json_get_string(json, "tool", "");
    made->utc = json_get_string(json, "utc", "");
    cJSON_ArrayForEach (experiment, json_get(json, "experiments")) {
        const cJSON *passed = json_get(experiment, "passed");
        made->passed += cJSON_IsTrue(passed) != 0;
        made->failed += cJSON_IsFalse(passed) != 0;
        made->telling += cJSON_IsNull(passed) != 0;
    }
    *validity = made;
    return ST_OK;
}

enum status validity_read(const char *path, struct validity **validity, struct err *err)
{
    cJSON *json;
    enum status status = json_read_file(path, VALIDITY_FILE_BYTES_MAX, &json, err);
    return status == ST_OK ? validity_open(json, path, validity, err) : status;
}

enum status validity_find(const char *folder, struct validity **validity, struct err *err)
{
    char path[PATH_BYTES];
    struct err problem;
    *validity = NULL;
    if ((size_t)snprintf(path, sizeof path, "%s/validity.json", folder) >= sizeof path ||
        access(path, F_OK) != 0)
        return ST_OK;
    if (validity_read(path, validity, &problem) == ST_OK)
        return ST_OK;
    *validity = validity_new("validity.json", problem.what);
    return *validity ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "%s: out of memory", path);
}

void validity_free(struct validity *validity)
{
    if (!validity)
        return;
    cJSON_Delete(validity->json);
    free(validity->problem);
    free(validity->name);
    free(validity);
}

void validity_add_verdict(struct text *text, const struct validity *validity)
{
    size_t judging = validity->passed + validity->failed;
    if (judging == 0)
        text_add(text, "No experiment of the file judges: what follows only tells how the suite "
                       "behaved.");
    else if (validity->failed)
        text_addf(text,
                  "Not without reserve: %zu of %zu experiment%s did not come out as expected.",
                  validity->failed, judging, judging == 1 ? "" : "s");
    else if (judging == 1)
        text_add(text, "The one experiment that judges came out as expected.");
    else
        text_addf(text,
                  "Yes, as far as it was tried: all %zu experiments that judge came out as "
                  "expected.",
                  judging);
    if (judging && validity->telling)
        text_addf(text, " %zu more only tell%s a figure about the suite itself.", validity->telling,
                  validity->telling == 1 ? "s" : "");
}

void validity_add_origin(struct text *text, const struct validity *validity, const cJSON *tool,
                         bool *differs)
{
    struct text same = {0};
    const char *commit = json_get_string(tool, "commit", "");
    text_addf(&same, "handoff %s%s%s", json_get_string(tool, "version", ""), commit[0] ? " " : "",
              commit);
    size_t bytes = same.used_bytes;
    *differs = strncmp(validity->tool, text_get(&same), bytes) != 0 ||
               (validity->tool[bytes] != '\0' && validity->tool[bytes] != ' ');
    text_add(text, "The experiments ran with ");
    text_add_plain(text, validity->tool);
    text_add(text, " at ");
    text_add_plain(text, validity->utc);
    text_add(text, "; the file does not say on which machine.");
    if (*differs) {
        text_add(text, " The result is of another build, ");
        text_add_plain(text, text_get(&same));
        text_add(text, ": run scripts/validity again with that one.");
    }
    text_free(&same);
}

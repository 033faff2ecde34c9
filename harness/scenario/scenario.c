/* scenario.c: from a scenario file to checked blocks and their cells. See scenario.h for the
 * contract and scenarios/README.md for the format. */
#include "harness/scenario/scenario.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/scenario/baseline.h"
#include "harness/scenario/block_axes.h"
#include "harness/scenario/gates.h"
#include "harness/scenario/matrix.h"
#include "harness/scenario/members.h"
#include "harness/scenario/schema.h"

#define LAUNCH_SECONDS_DEFAULT 1.0
#define LAUNCH_SECONDS_MIN 0.01
#define LAUNCH_SECONDS_MAX 3600.0

/* What is read of one block, in the order of scenario_block_keys. */
enum block_member {
    BLOCK_NAME,
    BLOCK_DESCRIPTION,
    BLOCK_COMPARE,
    BLOCK_LAUNCH_SECONDS,
    BLOCK_BASE,
    BLOCK_AXES,
    BLOCK_CELLS,
    BLOCK_EXCLUDE,
    BLOCK_CPU_BASELINE,
    BLOCK_CLAIM,
    BLOCK_MEMBERS
};
const char *const scenario_block_keys[BLOCK_MEMBERS + 1] = {
    "name",  "description", "compare",      "launch_seconds", "base", "axes",
    "cells", "exclude",     "cpu_baseline", "claim",          NULL};

enum file_member {
    FILE_NAME,
    FILE_DESCRIPTION,
    FILE_GATES,
    FILE_BASE,
    FILE_BLOCKS,
    FILE_SCHEMA, /* for editors */
    FILE_MEMBERS
};
const char *const scenario_file_keys[FILE_MEMBERS + 1] = {"name",   "description", "gates", "base",
                                                          "blocks", "$schema",     NULL};

static enum status read_description(const cJSON *json, const struct place *above, char **text,
                                    struct err *err)
{
    struct place place = PLACE_KEY(above, "description");
    if (json)
        return members_text(json, &place, text, err);
    *text = strdup("");
    return *text ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "out of memory");
}

/* Which schema an editor is to use is its business. */
static enum status check_schema(const cJSON *json, const struct place *above, struct err *err)
{
    struct place place = PLACE_KEY(above, "$schema");
    if (!json || cJSON_IsString(json))
        return ST_OK;
    return place_fail(&place, err, "write \"./schema.json\", or leave it out",
                      "must be text, not %s", axis_kind_of(json));
}

static enum status read_launch_seconds(const cJSON *json, const struct place *above,
                                       double *seconds, struct err *err)
{
    struct place place = PLACE_KEY(above, "launch_seconds");
    if (!json) {
        *seconds = LAUNCH_SECONDS_DEFAULT;
        return ST_OK;
    }
    if (!cJSON_IsNumber(json) || !(json->valuedouble >= LAUNCH_SECONDS_MIN) ||
        !(json->valuedouble <= LAUNCH_SECONDS_MAX))
        return place_fail(&place, err, "it is how long one launch should last, in seconds",
                          "must be a number from %g to %.0f", LAUNCH_SECONDS_MIN,
                          LAUNCH_SECONDS_MAX);
    *seconds = json->valuedouble;
    return ST_OK;
}

static enum status read_cpu_baseline(const cJSON *json, const struct place *above,
                                     bool *cpu_baseline, struct err *err)
{
    struct place place = PLACE_KEY(above, "cpu_baseline");
    if (json && !cJSON_IsBool(json))
        return place_fail(&place, err, "true adds cells that say what the schedule alone costs",
                          "must be true or false, not %s", axis_kind_of(json));
    *cpu_baseline = cJSON_IsTrue(json);
    return ST_OK;
}

/* A claim is quoted by its id, so no two blocks may have one of the same. */
static enum status read_claim(const cJSON *json, const struct place *above,
                              const struct scenario *scenario, uint32_t index, struct err *err)
{
    struct place place = PLACE_KEY(above, "claim");
    struct place id_place = PLACE_KEY(&place, "id");
    struct block *blocks = scenario->blocks;
    if (!json)
        return ST_OK;
    enum status status = claim_read(json, &place, &blocks[index].claim, err);
    for (uint32_t i = 0; i < index && status == ST_OK; i++)
        if (blocks[i].claim && strcmp(blocks[i].claim->id, blocks[index].claim->id) == 0)
            status = place_fail(&id_place, err, "give each claim an id of its own",
                                "the claim of blocks[%u] is \"%s\" too", i, blocks[i].claim->id);
    return status;
}

/* What a block says of itself, beside its axes. */
static enum status read_block_words(const cJSON *const *members, const struct place *place,
                                    uint32_t index, struct scenario *scenario, struct err *err)
{
    struct block *block = &scenario->blocks[index];
    if (!members[BLOCK_NAME])
        return place_fail(place, err, "add a \"name\"; the report shows it",
                          "the block has no name");
    struct place name_place = PLACE_KEY(place, "name");
    enum status status = members_name(members[BLOCK_NAME], &name_place, &block->name, err);
    for (uint32_t i = 0; i < index && status == ST_OK; i++)
        if (strcmp(scenario->blocks[i].name, block->name) == 0)
            status = place_fail(&name_place, err, "give each block a name of its own",
                                "blocks[%u] is named \"%s\" too", i, block->name);
    if (status == ST_OK)
        status = read_description(members[BLOCK_DESCRIPTION], place, &block->description, err);
    if (status == ST_OK)
        status =
            read_launch_seconds(members[BLOCK_LAUNCH_SECONDS], place, &block->launch_seconds, err);
    if (status == ST_OK)
        status = read_cpu_baseline(members[BLOCK_CPU_BASELINE], place, &block->cpu_baseline, err);
    if (status == ST_OK)
        status = read_claim(members[BLOCK_CLAIM], place, scenario, index, err);
    return status;
}

static enum status read_block(const cJSON *json, const struct place *place, uint32_t index,
                              const cJSON *const *file_base, struct scenario *scenario,
                              struct cell_list *list, struct err *err)
{
    const cJSON *members[BLOCK_MEMBERS];
    struct block *block = &scenario->blocks[index];
    size_t first = list->count;
    enum status status =
        members_sort(json, place, scenario_block_keys, BLOCK_MEMBERS, members, err);
    if (status == ST_OK)
        status = read_block_words(members, place, index, scenario, err);
    if (status == ST_OK) {
        const struct block_axes axes = {.place = place,
                                        .block_index = index,
                                        .file_base = file_base,
                                        .base = members[BLOCK_BASE],
                                        .axes = members[BLOCK_AXES],
                                        .cells = members[BLOCK_CELLS],
                                        .exclude = members[BLOCK_EXCLUDE],
                                        .compare = members[BLOCK_COMPARE]};
        status = block_axes_expand(&axes, list, &block->compare, err);
    }
    if (status == ST_OK && block->cpu_baseline)
        status = baseline_add(list, first, block->name, place, err);
    return status;
}

/* The number of blocks, at least one. Each makes a cell, so there cannot be more than of those. */
static enum status count_blocks(const cJSON *blocks, const struct place *file, size_t *count,
                                struct err *err)
{
    static const char hint[] =
        "write \"blocks\": [{\"name\": \"one\", \"axes\": {\"transport\": [\"shm\", \"unix\"], "
        "...}}]";
    struct place place = PLACE_KEY(file, "blocks");
    if (!blocks)
        return place_fail(file, err, hint, "the scenario has no \"blocks\"");
    if (!cJSON_IsArray(blocks))
        return place_fail(&place, err, hint, "must be a list, not %s", axis_kind_of(blocks));
    size_t found = 0;
    for (const cJSON *block = blocks->child; block; block = block->next)
        found++;
    if (found == 0)
        return place_fail(&place, err, hint, "the list is empty: there is nothing to measure");
    if (found > SCENARIO_CELLS_MAX)
        return place_fail(&place, err, "split the scenario", "%zu blocks are more than %d", found,
                          SCENARIO_CELLS_MAX);
    *count = found;
    return ST_OK;
}

static enum status read_blocks(const cJSON *const *members, const struct place *file,
                               struct scenario *scenario, struct cell_list *list, struct err *err)
{
    const cJSON *base[AXIS_COUNT] = {NULL};
    struct place base_place = PLACE_KEY(file, "base");
    struct place place = PLACE_KEY(file, "blocks");
    enum status status = ST_OK;
    if (members[FILE_BASE])
        status = members_axes(members[FILE_BASE], &base_place, false, base, err);
    if (status == ST_OK)
        status = count_blocks(members[FILE_BLOCKS], file, &scenario->block_count, err);
    if (status != ST_OK)
        return status;
    scenario->blocks = calloc(scenario->block_count, sizeof *scenario->blocks);
    if (!scenario->blocks) {
        scenario->block_count = 0;
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    }
    uint32_t index = 0;
    for (const cJSON *json = members[FILE_BLOCKS]->child; json && status == ST_OK;
         json = json->next) {
        struct place at = PLACE_ITEM(&place, index);
        status = read_block(json, &at, index++, base, scenario, list, err);
    }
    return status == ST_OK ? matrix_unite(list, &place, err) : status;
}

/* The file's stem, with what cannot stand in a name replaced. */
static char *name_from_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = strdup(slash ? slash + 1 : path);
    if (!name)
        return NULL;
    char *dot = strrchr(name, '.');
    if (dot && dot != name)
        *dot = '\0';
    if (strlen(name) > MEMBERS_NAME_BYTES_MAX)
        name[MEMBERS_NAME_BYTES_MAX] = '\0';
    for (char *c = name; *c; c++)
        if (!isascii((unsigned char)*c) || (!isalnum((unsigned char)*c) && !strchr("_.-", *c)))
            *c = '_';
    if (!isalnum((unsigned char)*name)) {
        free(name);
        return strdup("scenario");
    }
    return name;
}

static enum status build(const char *path, const cJSON *json, struct scenario **built,
                         struct err *err)
{
    const cJSON *members[FILE_MEMBERS];
    struct place file = PLACE_FILE(path);
    struct place name_place = PLACE_KEY(&file, "name");
    struct place gates_place = PLACE_KEY(&file, "gates");
    struct cell_list list = {NULL, 0, 0};
    struct scenario *scenario = calloc(1, sizeof *scenario);
    if (!scenario || !(scenario->path = strdup(path))) {
        free(scenario);
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    }
    enum status status = members_sort(json, &file, scenario_file_keys, FILE_MEMBERS, members, err);
    if (status == ST_OK)
        status = check_schema(members[FILE_SCHEMA], &file, err);
    if (status == ST_OK && members[FILE_NAME])
        status = members_name(members[FILE_NAME], &name_place, &scenario->name, err);
    else if (status == ST_OK && !(scenario->name = name_from_path(path)))
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    if (status == ST_OK)
        status = read_description(members[FILE_DESCRIPTION], &file, &scenario->description, err);
    if (status == ST_OK)
        status = gates_read(members[FILE_GATES], &gates_place, scenario->gates,
                            &scenario->gate_count, err);
    if (status == ST_OK)
        status = read_blocks(members, &file, scenario, &list, err);
    scenario->cells = list.cells;
    scenario->cell_count = list.count;
    if (status != ST_OK) {
        scenario_free(scenario);
        return status;
    }
    *built = scenario;
    return ST_OK;
}

enum status scenario_parse(const char *path, const char *text, size_t bytes,
                           struct scenario **scenario, struct err *err)
{
    cJSON *json = NULL;
    enum status status = json_parse(path, text, bytes, &json, err);
    if (status != ST_OK)
        return status;
    status = build(path, json, scenario, err);
    cJSON_Delete(json);
    return status;
}

enum status scenario_load(const char *path, struct scenario **scenario, struct err *err)
{
    cJSON *json = NULL;
    struct scenario *built = NULL;
    enum status status = json_read_file(path, SCENARIO_FILE_BYTES_MAX, &json, err);
    if (status != ST_OK)
        return status;
    status = build(path, json, &built, err);
    cJSON_Delete(json);
    if (status == ST_OK)
        status = scenario_probe(built, err);
    if (status != ST_OK) {
        scenario_free(built);
        return status;
    }
    *scenario = built;
    return ST_OK;
}

void scenario_free(struct scenario *scenario)
{
    if (!scenario)
        return;
    for (size_t i = 0; i < scenario->block_count; i++) {
        free(scenario->blocks[i].name);
        free(scenario->blocks[i].description);
        free(scenario->blocks[i].compare);
        claim_free(scenario->blocks[i].claim);
    }
    free(scenario->blocks);
    free(scenario->cells);
    free(scenario->detector);
    free(scenario->name);
    free(scenario->description);
    free(scenario->path);
    free(scenario);
}

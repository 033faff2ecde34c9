/* members.c: see members.h. */
#include "harness/scenario/members.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/scenario/matrix.h"
#include "harness/scenario/suggest.h"

#define KEYS_MAX 16

/* An axis or a block's key in the wrong object is the commonest slip: say where it belongs. */
static enum status fail_unknown_key(const char *key, const struct place *place,
                                    const char *const *keys, size_t count, struct err *err)
{
    static const char *const of_blocks[] = {"axes",           "exclude",      "compare",
                                            "launch_seconds", "cpu_baseline", "claim"};
    struct suggest suggest = SUGGEST_START(key);
    char known[160] = "";
    for (size_t i = 0, used = 0; i < count; i++) {
        suggest_offer(&suggest, keys[i]);
        int more = snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", keys[i]);
        used += more > 0 && (size_t)more < sizeof known - used ? (size_t)more : 0;
    }
    char shown[SUGGEST_SHOWN_BYTES];
    suggest_show(key, shown, sizeof shown);
    char hint[300];
    bool of_block = false;
    for (size_t i = 0; i < sizeof of_blocks / sizeof of_blocks[0]; i++)
        of_block = of_block || strcmp(key, of_blocks[i]) == 0;
    if (axis_find(key))
        snprintf(hint, sizeof hint, "%s is an axis: put it into \"base\" or a block's \"axes\"",
                 shown);
    else if (of_block)
        snprintf(hint, sizeof hint, "it belongs in a block: \"blocks\": [{\"%s\": ...}]", shown);
    else if (suggest.nearest)
        snprintf(hint, sizeof hint, "did you mean \"%s\"? Keys here: %s", suggest.nearest, known);
    else
        snprintf(hint, sizeof hint, "keys here: %s", known);
    return place_fail(place, err, hint, "unknown key \"%s\"", shown);
}

enum status members_sort(const cJSON *object, const struct place *place, const char *const *keys,
                         size_t count, const cJSON **members, struct err *err)
{
    assert(count <= KEYS_MAX);
    for (size_t i = 0; i < count; i++)
        members[i] = NULL;
    if (!cJSON_IsObject(object))
        return place_fail(place, err, "write it as {\"key\": value, ...}",
                          "must be an object, not %s", axis_kind_of(object));
    for (const cJSON *member = object->child; member; member = member->next) {
        struct place at = PLACE_KEY(place, member->string);
        size_t i = 0;
        while (i < count && strcmp(keys[i], member->string) != 0)
            i++;
        if (i == count)
            return fail_unknown_key(member->string, &at, keys, count, err);
        if (members[i])
            return place_fail(&at, err, "keep one of them", "the key stands twice");
        members[i] = member;
    }
    return ST_OK;
}

static enum status copy_text(const cJSON *json, const struct place *place, size_t bytes_max,
                             char **text, struct err *err)
{
    if (!cJSON_IsString(json))
        return place_fail(place, err, "write it in quotes", "must be text, not %s",
                          axis_kind_of(json));
    size_t bytes = strlen(json->valuestring);
    if (bytes > bytes_max)
        return place_fail(place, err, "shorten it", "%zu bytes of text are more than %zu", bytes,
                          bytes_max);
    for (const char *c = json->valuestring; *c; c++)
        if (iscntrl((unsigned char)*c))
            return place_fail(place, err, "write it on one line, without tabs",
                              "the text holds a control character (code %d)", *c);
    char *copy = strdup(json->valuestring);
    if (!copy)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    *text = copy;
    return ST_OK;
}

enum status members_text(const cJSON *json, const struct place *place, char **text, struct err *err)
{
    return copy_text(json, place, MEMBERS_TEXT_BYTES_MAX, text, err);
}

static bool name_is_plain(const char *name)
{
    if (!isascii((unsigned char)*name) || !isalnum((unsigned char)*name))
        return false;
    for (; *name; name++)
        if (!isascii((unsigned char)*name) ||
            (!isalnum((unsigned char)*name) && !strchr("_.-", *name)))
            return false;
    return true;
}

enum status members_name(const cJSON *json, const struct place *place, char **text, struct err *err)
{
    char *copy = NULL;
    enum status status = copy_text(json, place, MEMBERS_NAME_BYTES_MAX, &copy, err);
    if (status != ST_OK)
        return status;
    if (!name_is_plain(copy)) {
        char shown[SUGGEST_SHOWN_BYTES];
        status = place_fail(place, err,
                            "use letters, digits, \"_\", \".\" and \"-\", a letter or digit first",
                            "\"%s\" cannot be a name: files are called after it",
                            suggest_show(copy, shown, sizeof shown));
        free(copy);
        return status;
    }
    *text = copy;
    return ST_OK;
}

static enum status check_axis(const struct axis *axis, const cJSON *value, bool lists,
                              const struct place *at, struct err *err)
{
    char hint[200];
    if (cJSON_IsArray(value) && !lists)
        return place_fail(at, err, "put the list into a block's \"axes\"",
                          "base gives one value to an axis, not a list");
    if (cJSON_IsArray(value) && !axis->in_id) {
        snprintf(hint, sizeof hint, "write \"%s\": %s", axis->name,
                 axis->otherwise[0] == 'a' ? "\"auto\" or a number" : "a number");
        return place_fail(at, err, hint,
                          "%s cannot be varied: it is how much is measured, not what", axis->name);
    }
    return matrix_check_values(axis, value, at, err);
}

enum status members_axes(const cJSON *object, const struct place *place, bool lists,
                         const cJSON **given, struct err *err)
{
    if (!cJSON_IsObject(object))
        return place_fail(place, err, "write it as {\"transport\": \"shm\", ...}",
                          "must be an object, not %s", axis_kind_of(object));
    bool seen[AXIS_COUNT] = {false};
    for (const cJSON *member = object->child; member; member = member->next) {
        struct place at = PLACE_KEY(place, member->string);
        const struct axis *axis = axis_find(member->string);
        if (!axis) {
            axis_unknown(member->string, err);
            return place_context(&at, err);
        }
        size_t index = (size_t)(axis - axis_table);
        if (seen[index])
            return place_fail(&at, err, "keep one of them", "the axis stands twice");
        seen[index] = true;
        enum status status = check_axis(axis, member, lists, &at, err);
        if (status != ST_OK)
            return status;
        given[index] = member;
    }
    return ST_OK;
}

/* exclude.c: see exclude.h. */
#include "harness/scenario/exclude.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"

/* One value of one axis of a rule. Those of one axis stand next to each other. */
struct rule_value {
    size_t axis_index;
    char text[CELL_AXIS_BYTES];
};

struct rule {
    size_t first; /* into exclude->values */
    size_t count;
    bool used;
};

struct exclude {
    struct rule *rules;
    size_t rule_count;
    struct rule_value *values;
    size_t value_count;
};

static size_t count_children(const cJSON *json)
{
    size_t count = 0;
    for (const cJSON *child = json ? json->child : NULL; child; child = child->next)
        count++;
    return count;
}

static void add_value(struct exclude *exclude, const struct axis *axis, const cJSON *value)
{
    struct cell scratch = {.id = ""};
    if (axis->parse(axis, value, &scratch, NULL) != ST_OK)
        return; /* cannot be: matrix_check_values has read it */
    struct rule_value *slot = &exclude->values[exclude->value_count++];
    slot->axis_index = (size_t)(axis - axis_table);
    axis->format(&scratch, slot->text, sizeof slot->text);
}

static enum status check_rule(const cJSON *rule, const struct place *place, struct err *err)
{
    if (!cJSON_IsObject(rule))
        return place_fail(place, err, "a rule is an object: {\"transport\": \"unix\"}",
                          "a rule cannot be %s", axis_kind_of(rule));
    if (!rule->child)
        return place_fail(place, err, "name at least one axis, or leave the rule out",
                          "the rule is empty: it would exclude every cell");
    bool seen[AXIS_COUNT] = {false};
    for (const cJSON *member = rule->child; member; member = member->next) {
        struct place at = PLACE_KEY(place, member->string);
        const struct axis *axis = axis_find(member->string);
        if (!axis) {
            axis_unknown(member->string, err);
            return place_context(&at, err);
        }
        if (seen[axis - axis_table])
            return place_fail(&at, err, "join the values in one list", "the axis stands twice");
        seen[axis - axis_table] = true;
        enum status status = matrix_check_values(axis, member, &at, err);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

/* Checks all rules and counts their values. */
static enum status check_rules(const struct draft *draft, const struct place *list,
                               size_t *value_count, struct err *err)
{
    if (!cJSON_IsArray(draft->exclude))
        return place_fail(list, err, "write [{\"transport\": \"unix\", \"wait\": \"futex\"}]",
                          "exclude is a list of rules, not %s", axis_kind_of(draft->exclude));
    if (!draft->exclude->child)
        return place_fail(list, err, "leave \"exclude\" out", "the list of rules is empty");
    size_t index = 0;
    for (const cJSON *rule = draft->exclude->child; rule; rule = rule->next) {
        struct place at = PLACE_ITEM(list, index++);
        enum status status = check_rule(rule, &at, err);
        if (status != ST_OK)
            return status;
        for (const cJSON *member = rule->child; member; member = member->next)
            *value_count += cJSON_IsArray(member) ? count_children(member) : 1;
    }
    return ST_OK;
}

enum status exclude_compile(const struct draft *draft, struct exclude **exclude, struct err *err)
{
    struct place list = PLACE_KEY(draft->place, "exclude");
    size_t value_count = 0;
    if (draft->exclude) {
        enum status status = check_rules(draft, &list, &value_count, err);
        if (status != ST_OK)
            return status;
    }
    struct exclude *compiled = calloc(1, sizeof *compiled);
    if (!compiled)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    compiled->rules = calloc(count_children(draft->exclude) + 1, sizeof *compiled->rules);
    compiled->values = calloc(value_count + 1, sizeof *compiled->values);
    if (!compiled->rules || !compiled->values) {
        exclude_free(compiled);
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    }
    const cJSON *rule = draft->exclude ? draft->exclude->child : NULL;
    for (; rule; rule = rule->next) {
        struct rule *slot = &compiled->rules[compiled->rule_count++];
        slot->first = compiled->value_count;
        for (const cJSON *member = rule->child; member; member = member->next) {
            const struct axis *axis = axis_find(member->string);
            const cJSON *value = cJSON_IsArray(member) ? member->child : member;
            for (; value; value = cJSON_IsArray(member) ? value->next : NULL)
                add_value(compiled, axis, value);
        }
        slot->count = compiled->value_count - slot->first;
    }
    *exclude = compiled;
    return ST_OK;
}

static bool rule_matches(const struct rule *rule, const struct rule_value *values,
                         char (*texts)[CELL_AXIS_BYTES])
{
    size_t end = rule->first + rule->count;
    for (size_t i = rule->first; i < end;) {
        size_t axis_index = values[i].axis_index;
        bool one = false;
        for (; i < end && values[i].axis_index == axis_index; i++)
            one = one || strcmp(values[i].text, texts[axis_index]) == 0;
        if (!one)
            return false;
    }
    return true;
}

bool exclude_matches(struct exclude *exclude, char (*texts)[CELL_AXIS_BYTES])
{
    bool matches = false;
    /* No early end: that another rule matches too does not make this one unused. */
    for (size_t i = 0; i < exclude->rule_count; i++)
        if (rule_matches(&exclude->rules[i], exclude->values, texts))
            matches = exclude->rules[i].used = true;
    return matches;
}

enum status exclude_check_used(const struct exclude *exclude, const struct draft *draft,
                               struct err *err)
{
    struct place list = PLACE_KEY(draft->place, "exclude");
    for (size_t i = 0; i < exclude->rule_count; i++) {
        struct place at = PLACE_ITEM(&list, i);
        if (!exclude->rules[i].used)
            return place_fail(&at, err,
                              "compare its values with those in \"axes\" and \"base\", or leave it "
                              "out",
                              "the rule excludes nothing: no cell of the block matches it");
    }
    return ST_OK;
}

void exclude_free(struct exclude *exclude)
{
    if (!exclude)
        return;
    free(exclude->rules);
    free(exclude->values);
    free(exclude);
}

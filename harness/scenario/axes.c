/* axes.c: the table of axes, made from axes.def. See axes.h. */
#include "harness/scenario/axes.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "harness/scenario/suggest.h"

const struct axis axis_table[AXIS_COUNT] = {
#define AXIS(key, text, shown, means, looks) \
    {.name = #key,                           \
     .otherwise = (text),                    \
     .in_id = (shown),                       \
     .about = (means),                       \
     .expected = (looks),                    \
     .parse = axis_parse_##key,              \
     .format = axis_format_##key},
#include "harness/scenario/axes.def"
#undef AXIS
};

const struct axis *axis_find(const char *name)
{
    for (size_t i = 0; i < AXIS_COUNT; i++)
        if (strcmp(axis_table[i].name, name) == 0)
            return &axis_table[i];
    return NULL;
}

enum status axis_unknown(const char *name, struct err *err)
{
    struct suggest suggest = SUGGEST_START(name);
    char hint[128], shown[SUGGEST_SHOWN_BYTES];
    for (size_t i = 0; i < AXIS_COUNT; i++)
        suggest_offer(&suggest, axis_table[i].name);
    return err_set(err, ST_INVALID,
                   suggest_hint(&suggest, "`handoff list axes` shows all", hint, sizeof hint),
                   "unknown axis \"%s\"", suggest_show(name, shown, sizeof shown));
}

enum status axis_parse_text(const struct axis *axis, const char *text, struct cell *cell,
                            struct err *err)
{
    /* A value that is all digits is the number a scenario would have; anything else is text. A node
     * of our own on the stack: cJSON only reads it. */
    cJSON value = {.type = cJSON_String, .valuestring = (char *)(uintptr_t)text};
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && digits < 10 && text[digits] == '\0') {
        value = (cJSON){.type = cJSON_Number};
        if (sscanf(text, "%lf", &value.valuedouble) == 1)
            value.valueint = (int)value.valuedouble;
    }
    return axis->parse(axis, &value, cell, err);
}

const char *axis_kind_of(const cJSON *value)
{
    switch (value->type & 0xff) {
    case cJSON_False:
    case cJSON_True:
        return "true or false";
    case cJSON_NULL:
        return "null";
    case cJSON_Number:
        return "a number";
    case cJSON_String:
        return "text";
    case cJSON_Array:
        return "a list";
    case cJSON_Object:
        return "an object";
    default:
        return "not a JSON value";
    }
}

enum status axis_fail_expected(const struct axis *axis, const cJSON *value, struct err *err)
{
    char shown[SUGGEST_SHOWN_BYTES];
    char hint[200];
    snprintf(hint, sizeof hint, "%s is %s", axis->name, axis->expected);
    if (cJSON_IsString(value))
        return err_set(err, ST_INVALID, hint, "%s cannot be \"%s\"", axis->name,
                       suggest_show(value->valuestring, shown, sizeof shown));
    if (cJSON_IsNumber(value))
        return err_set(err, ST_INVALID, hint, "%s cannot be %.15g", axis->name, value->valuedouble);
    return err_set(err, ST_INVALID, hint, "%s cannot be %s", axis->name, axis_kind_of(value));
}

/* What cell.h offers of the table. */
size_t cell_axis_count(void)
{
    return AXIS_COUNT;
}

const char *cell_axis_name(size_t index)
{
    return axis_table[index].name;
}

bool cell_axis_in_id(size_t index)
{
    return axis_table[index].in_id;
}

const char *cell_axis_format(const struct cell *cell, size_t index, char *text, size_t size)
{
    axis_table[index].format(cell, text, size);
    return text;
}

cJSON *cell_axis_json(const struct cell *cell, size_t index)
{
    char text[CELL_AXIS_BYTES];
    cell_axis_format(cell, index, text, sizeof text);
    int64_t number;
    if (text[strspn(text, "0123456789")] == '\0' && sscanf(text, "%" SCNd64, &number) == 1)
        return cJSON_CreateNumber((double)number);
    return cJSON_CreateString(text);
}

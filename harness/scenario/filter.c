/* filter.c: `--only AXIS=VALUE[,VALUE…]`: scenario_filter of scenario.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/scenario/axes.h"
#include "harness/scenario/baseline.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/suggest.h"

#define VALUES_SHOWN_BYTES 300

/* A cell's value of the filter's axis, in the form in which it is typed: without commas. An axis of
 * NULL is the name of the cell's block. */
static const char *value_of(const struct scenario *scenario, const struct cell *cell,
                            const struct axis *axis, char *text, size_t size)
{
    if (!axis) {
        snprintf(text, size, "%s", scenario->blocks[cell->block_index].name);
        return text;
    }
    axis->format(cell, text, size);
    for (char *c = text; *c; c++)
        if (*c == ',')
            *c = ':';
    return text;
}

static bool value_matches(const char *wanted, const char *value)
{
    size_t length = strlen(wanted);
    return strncmp(wanted, value, length) == 0 &&
           (value[length] == '\0' || (value[length] == ':' && !strchr(wanted, ':')));
}

/* Brings a typed value into the form that value_of gives: "rate:30.0" into "rate:30". What does not
 * parse stays as it is and then matches by name, or not at all. */
static void normalise(const struct axis *axis, char *text, size_t size)
{
    struct cell scratch = {.id = ""};
    if (!axis || axis_parse_text(axis, text, &scratch, NULL) != ST_OK)
        return;
    axis->format(&scratch, text, size);
    for (char *c = text; *c; c++)
        if (*c == ',')
            *c = ':';
}

/* The different values that the cells have, for the hint. */
static void list_values(const struct scenario *scenario, const struct axis *axis, char *list,
                        size_t size)
{
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < scenario->cell_count; i++) {
        char value[CELL_AXIS_BYTES];
        char earlier[CELL_AXIS_BYTES];
        if (scenario->cells[i].is_baseline)
            continue;
        value_of(scenario, &scenario->cells[i], axis, value, sizeof value);
        bool known = false;
        for (size_t j = 0; j < i && !known; j++)
            known = !scenario->cells[j].is_baseline &&
                    strcmp(value, value_of(scenario, &scenario->cells[j], axis, earlier,
                                           sizeof earlier)) == 0;
        if (known)
            continue;
        int more = snprintf(list + used, size - used, "%s%s", used ? ", " : "", value);
        if (more < 0 || (size_t)more >= size - used)
            break;
        used += (size_t)more;
    }
}

/* Clears kept[i] of the cells that have none of the values. Each value must occur in some cell. */
static enum status apply(const struct scenario *scenario, const struct scenario_filter *filter,
                         bool *kept, struct err *err)
{
    const struct axis *axis = axis_find(filter->axis);
    if (!axis && strcmp(filter->axis, "block") != 0) {
        axis_unknown(filter->axis, err);
        return err_context(err, "--only");
    }
    bool *passes = calloc(scenario->cell_count, sizeof *passes);
    if (!passes)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    const char *next = filter->values;
    enum status status = ST_OK;
    do {
        size_t length = strcspn(next, ",");
        char wanted[CELL_AXIS_BYTES + 1];
        snprintf(wanted, sizeof wanted, "%.*s",
                 (int)(length < sizeof wanted ? length : sizeof wanted - 1), next);
        normalise(axis, wanted, sizeof wanted);
        bool occurs = false;
        for (size_t i = 0; i < scenario->cell_count; i++) {
            char value[CELL_AXIS_BYTES + 1];
            value_of(scenario, &scenario->cells[i], axis, value, sizeof value);
            if (*wanted && !scenario->cells[i].is_baseline && value_matches(wanted, value))
                occurs = passes[i] = true;
        }
        if (!occurs) {
            char shown[SUGGEST_SHOWN_BYTES];
            char values[VALUES_SHOWN_BYTES];
            char hint[sizeof values + 40];
            list_values(scenario, axis, values, sizeof values);
            snprintf(hint, sizeof hint, "its cells have: %s", values);
            status =
                err_set(err, ST_INVALID, hint, "--only %s: no cell of %s has \"%s\"", filter->axis,
                        scenario->name, suggest_show(wanted, shown, sizeof shown));
        }
        next += length;
    } while (status == ST_OK && *next++ == ',');
    for (size_t i = 0; i < scenario->cell_count; i++)
        kept[i] = kept[i] && passes[i];
    free(passes);
    return status;
}

/* A baseline goes with the cells it serves, whatever its own values are. */
static void keep_baselines(const struct scenario *scenario, bool *kept)
{
    for (size_t i = 0; i < scenario->cell_count; i++)
        if (scenario->cells[i].is_baseline)
            kept[i] = baseline_is_needed(&scenario->cells[i], scenario->cells, scenario->cell_count,
                                         kept);
}

enum status scenario_filter(struct scenario *scenario, const struct scenario_filter *filters,
                            size_t filter_count, struct err *err)
{
    bool *kept = malloc(scenario->cell_count * sizeof *kept);
    if (!kept)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    memset(kept, true, scenario->cell_count * sizeof *kept);
    enum status status = ST_OK;
    for (size_t i = 0; i < filter_count && status == ST_OK; i++)
        status = apply(scenario, &filters[i], kept, err);
    size_t left = 0;
    for (size_t i = 0; i < scenario->cell_count; i++)
        left += kept[i] && !scenario->cells[i].is_baseline;
    if (status == ST_OK && left == 0)
        status = err_set(err, ST_INVALID,
                         "loosen one of them; `--dry-run` without --only lists all cells",
                         "--only: no cell of %s passes all of them", scenario->name);
    if (status == ST_OK) {
        keep_baselines(scenario, kept);
        size_t to = 0;
        for (size_t i = 0; i < scenario->cell_count; i++)
            if (kept[i])
                scenario->cells[to++] = scenario->cells[i];
        scenario->cell_count = to;
    }
    free(kept);
    return status;
}

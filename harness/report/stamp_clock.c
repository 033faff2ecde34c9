/* stamp_clock.c: see stamp_clock.h. */
#include "harness/report/stamp_clock.h"

#include <stddef.h>

#include "harness/base/json.h"

static const char *clock_of_launches(const cJSON *cell)
{
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
        const char *name = json_get_string(launch, "clock", "");
        if (name[0])
            return name;
    }
    return NULL;
}

const char *stamp_clock_of_cell(const cJSON *result, const cJSON *cell)
{
    const char *own = clock_of_launches(cell);
    return own ? own : json_get_string(json_get(json_get(result, "run"), "clock"), "name", "");
}

const char *stamp_clock_other(const cJSON *result)
{
    const cJSON *cell;
    cJSON_ArrayForEach (cell, json_get(result, "cells")) {
        const char *name = clock_of_launches(cell);
        if (name)
            return name;
    }
    return NULL;
}

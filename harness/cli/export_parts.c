/* export_parts.c: which cells, intervals and launches an export has, and what they are called. See
 * export.h.
 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"

const char *export_cell_id(const cJSON *cell)
{
    return json_get_string(cell, "id", "");
}

bool export_takes_cell(const struct export_options *options, const cJSON *cell)
{
    for (size_t i = 0; i < options->cell_count; i++)
        if (strcmp(options->cells[i], export_cell_id(cell)) == 0)
            return true;
    return options->cell_count == 0;
}

bool export_takes_interval(const struct export_options *options, enum interval interval)
{
    return options->all_intervals || options->interval == interval;
}

struct export_walk export_walk_start(const cJSON *result)
{
    const cJSON *cells = json_get(result, "cells");
    return (struct export_walk){.cell = cells ? cells->child : NULL};
}

bool export_next_part(const struct export_options *options, struct export_walk *walk,
                      struct export_part *part)
{
    for (; walk->cell; walk->cell = walk->cell->next, walk->interval = 0) {
        if (!export_takes_cell(options, walk->cell))
            continue;
        const cJSON *intervals = json_get(walk->cell, "intervals");
        while (walk->interval < INTERVAL_COUNT) {
            enum interval at = (enum interval)walk->interval++;
            const cJSON *json = json_get(intervals, interval_name(at));
            if (!json || !export_takes_interval(options, at))
                continue;
            *part = (struct export_part){walk->cell, at, json};
            return true;
        }
    }
    return false;
}

bool export_is_queue_depth(const struct export_part *part)
{
    const char *pacing = json_get_string(json_get(part->cell, "axes"), "pacing", "");
    return strcmp(pacing, "max") == 0 &&
           (part->interval == INTERVAL_latency || part->interval == INTERVAL_age);
}

void export_part_name(const struct export_part *part, struct text *name)
{
    text_add_plain(name, export_cell_id(part->cell));
    if (part->interval != INTERVAL_latency)
        text_addf(name, "/interval=%s", interval_name(part->interval));
}

bool export_launch_is_ok(const cJSON *launch)
{
    return strcmp(json_get_string(launch, "status", ""), "ok") == 0;
}

const cJSON *export_launch_interval(const cJSON *launch, enum interval interval)
{
    return json_get(json_get(launch, "intervals"), interval_name(interval));
}

bool export_number(const cJSON *object, const char *name, double *value)
{
    double number = json_get_number(object, name, NAN);
    if (!isfinite(number))
        return false;
    *value = number;
    return true;
}

int64_t export_time_s(const char *utc, int64_t otherwise)
{
    struct tm parts = {0};
    const char *end = strptime(utc, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (!end || *end || strlen(utc) != 20)
        return otherwise;
    return (int64_t)timegm(&parts);
}

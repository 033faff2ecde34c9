/* timeline.c: reading the launches' timelines. See timeline.h and results/README.md. */
#include "harness/report/timeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"

#define NUMBER_MAX 1e15 /* more nanoseconds than any launch lasts */

/* NAN for what is no count or time. */
static double number_of(const cJSON *json)
{
    return cJSON_IsNumber(json) && json->valuedouble >= 0 && json->valuedouble <= NUMBER_MAX
               ? json->valuedouble
               : NAN;
}

/* A time of 0 has no place on a logarithmic axis: a nanosecond is what the clock can tell. */
static double time_of(const cJSON *json)
{
    return fmax(number_of(json), isnan(number_of(json)) ? NAN : 1);
}

static void hiccups_read(const cJSON *json, double span_ns, struct timeline_launch *launch)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, json_get(json, "hiccups")) {
        const double at_ns = number_of(cJSON_GetArrayItem(item, 0));
        const double value_ns = time_of(cJSON_GetArrayItem(item, 1));
        if (isnan(at_ns) || isnan(value_ns) || launch->hiccups_kept == TIMELINE_HICCUPS_MAX)
            continue;
        launch->hiccups[launch->hiccups_kept].at = fmin(at_ns / span_ns, 1);
        launch->hiccups[launch->hiccups_kept++].value_ns = value_ns;
    }
}

/* False when there is nothing to draw in it. */
static bool launch_read(const cJSON *json, struct timeline_launch *launch)
{
    const cJSON *p50 = json_get(json, "p50_ns"), *max = json_get(json, "max_ns");
    const double bucket_ns = json_get_number(json, "bucket_ns", 0);
    bool any = false;
    memset(launch, 0, sizeof *launch);
    if (!cJSON_IsArray(p50) || !cJSON_IsArray(max) || !(bucket_ns >= 1))
        return false;
    for (p50 = p50->child, max = max->child;
         p50 && max && launch->bucket_count < TIMELINE_BUCKETS_MAX;
         p50 = p50->next, max = max->next) {
        const double low = time_of(p50), high = time_of(max);
        const bool known = high >= low; /* false for NAN, too */
        launch->p50_ns[launch->bucket_count] = known ? low : NAN;
        launch->max_ns[launch->bucket_count++] = known ? high : NAN;
        any = any || known;
    }
    if (any)
        hiccups_read(json, bucket_ns * (double)launch->bucket_count, launch);
    return any;
}

static void launch_count(struct timeline *timeline, const cJSON *json,
                         const struct timeline_launch *launch)
{
    const cJSON *count;
    cJSON_ArrayForEach (count, json_get(json, "frames"))
        timeline->frames += isnan(number_of(count)) ? 0 : number_of(count);
    const double hiccups = fmax(0, json_get_number(json, "hiccup_count", 0));
    timeline->hiccup_count += hiccups;
    timeline->hiccup_frames += fmax(0, json_get_number(json, "hiccup_frames", 0));
    timeline->launches_with_hiccups += hiccups >= 1;
    for (size_t i = 0; i < launch->bucket_count; i++) { /* fmin and fmax pass over NAN */
        timeline->low_ns = fmin(timeline->low_ns, launch->p50_ns[i]);
        timeline->high_ns = fmax(timeline->high_ns, launch->max_ns[i]);
    }
    for (size_t i = 0; i < launch->hiccups_kept; i++)
        timeline->high_ns = fmax(timeline->high_ns, launch->hiccups[i].value_ns);
}

bool timeline_read(const struct report_cell *cell, struct timeline *timeline)
{
    struct timeline made = {.low_ns = INFINITY};
    const cJSON *launch;
    made.launches = calloc(TIMELINE_LAUNCHES_MAX, sizeof *made.launches);
    if (!made.launches)
        return false;
    cJSON_ArrayForEach (launch, json_get(cell->json, "launches")) {
        const cJSON *json = json_get(launch, "timeline");
        const char *interval =
            strcmp(json_get_string(json, "interval", ""), "response") == 0 ? "response" : "latency";
        struct timeline_launch read;
        if (strcmp(json_get_string(launch, "status", ""), "ok") != 0 ||
            (made.interval && strcmp(interval, made.interval) != 0) || !launch_read(json, &read))
            continue;
        made.interval = interval;
        launch_count(&made, json, &read);
        if (made.count < TIMELINE_LAUNCHES_MAX)
            made.launches[made.count++] = read;
        else
            made.left_out++;
    }
    if (made.count == 0) {
        timeline_free(&made);
        return false;
    }
    *timeline = made;
    return true;
}

void timeline_free(struct timeline *timeline)
{
    free(timeline->launches);
    memset(timeline, 0, sizeof *timeline);
}

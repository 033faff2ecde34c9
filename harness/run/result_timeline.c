/* result_timeline.c: how a launch went over its time, in its row. Called by result_launch.c.
 *
 * Arrays of plain numbers, one for each figure: a launch of any length takes a few lines.
 */
#include "harness/base/json.h"
#include "harness/run/result_parts.h"

static cJSON *number_make(uint64_t value)
{
    return cJSON_CreateNumber((double)value);
}

static bool counts_add(cJSON *json, const char *name, const uint32_t *counts, uint32_t count)
{
    cJSON *array = result_add_array(json, name);
    bool ok = array != NULL;
    for (uint32_t i = 0; ok && i < count; i++)
        ok = json_append(array, number_make(counts[i]));
    return ok;
}

/* Times, null where no frame finished. */
static bool times_add(cJSON *json, const char *name, const struct fold_timeline *timeline,
                      const uint64_t *times_ns)
{
    cJSON *array = result_add_array(json, name);
    bool ok = array != NULL;
    for (uint32_t i = 0; ok && i < timeline->bucket_count; i++)
        ok =
            json_append(array, timeline->frames[i] ? number_make(times_ns[i]) : cJSON_CreateNull());
    return ok;
}

static bool hiccups_add(cJSON *json, const struct fold_timeline *timeline)
{
    cJSON *array = result_add_array(json, "hiccups");
    bool ok = array != NULL;
    for (uint32_t i = 0; ok && i < timeline->hiccups_kept; i++) {
        const struct fold_hiccup *hiccup = &timeline->hiccups[i];
        cJSON *item = cJSON_CreateArray();
        ok = json_append(array, item) && json_append(item, number_make(hiccup->offset_ns)) &&
             json_append(item, number_make(hiccup->value_ns)) &&
             json_append(item, number_make(hiccup->frames));
    }
    return ok;
}

bool result_add_timeline(cJSON *row, const struct fold_timeline *timeline)
{
    uint64_t unfinished = 0;
    if (timeline->bucket_count == 0)
        return true;
    for (uint32_t i = 0; i < timeline->bucket_count; i++)
        unfinished += timeline->unfinished[i];
    cJSON *json = result_add_object(row, "timeline");
    return json && json_add_string(json, "interval", interval_name(timeline->interval)) &&
           json_add_u64(json, "bucket_ns", timeline->bucket_ns) &&
           counts_add(json, "frames", timeline->frames, timeline->bucket_count) &&
           times_add(json, "p50_ns", timeline, timeline->p50_ns) &&
           times_add(json, "max_ns", timeline, timeline->max_ns) &&
           (!unfinished ||
            counts_add(json, "unfinished", timeline->unfinished, timeline->bucket_count)) &&
           json_add_u64(json, "hiccup_above_ns", timeline->hiccup_above_ns) &&
           json_add_u64(json, "hiccup_count", timeline->hiccup_count) &&
           json_add_u64(json, "hiccup_frames", timeline->hiccup_frames) &&
           hiccups_add(json, timeline);
}

/* gates.c: see gates.h. */
#include "harness/scenario/gates.h"

#include <stdio.h>
#include <string.h>

#include "harness/scenario/axes.h"
#include "harness/scenario/suggest.h"

static const char gates_hint[] =
    "names of figures, such as [\"latency.p50\", \"frames_per_s\", \"cpu_percent.consumer\"]";

static enum status gates_fail_name(const char *name, const struct place *place, struct err *err)
{
    char hint[200], shown[SUGGEST_SHOWN_BYTES];
    struct suggest suggest = SUGGEST_START(name);
    for (size_t i = 0; i < gate_count; i++)
        suggest_offer(&suggest, gates[i].name);
    return place_fail(
        place, err,
        suggest_hint(&suggest,
                     "an interval with .mean, .p50, .p90 or .p99 (`handoff help intervals`), "
                     "frames_per_s, or cpu_percent.producer, .consumer or .system",
                     hint, sizeof hint),
        "unknown gate \"%s\"", suggest_show(name, shown, sizeof shown));
}

enum status gates_read(const cJSON *json, const struct place *place,
                       const struct gate *found[COMPARE_METRICS_MAX], size_t *count,
                       struct err *err)
{
    const struct gate *read[COMPARE_METRICS_MAX];
    size_t used = 0;
    if (json && !cJSON_IsArray(json))
        return place_fail(place, err, gates_hint, "must be a list, not %s", axis_kind_of(json));
    if (json && !json->child)
        return place_fail(place, err, "leave it out: then latency.p50 and frames_per_s gate",
                          "the list is empty");
    for (const cJSON *item = json ? json->child : NULL; item; item = item->next) {
        const struct place at = PLACE_ITEM(place, used);
        if (used == COMPARE_METRICS_MAX)
            return place_fail(
                &at, err, "every gate makes each of them see less: keep what must not get worse",
                "more than %d gates", COMPARE_METRICS_MAX);
        if (!cJSON_IsString(item))
            return place_fail(&at, err, gates_hint, "must be a name, not %s", axis_kind_of(item));
        read[used] = gate_find(item->valuestring);
        if (!read[used])
            return gates_fail_name(item->valuestring, &at, err);
        for (size_t i = 0; i < used; i++)
            if (read[i] == read[used])
                return place_fail(&at, err, "name it once", "\"%s\" stands there twice",
                                  read[i]->name);
        used++;
    }
    if (used > 0)
        memcpy(found, read, used * sizeof read[0]);
    *count = used;
    return ST_OK;
}

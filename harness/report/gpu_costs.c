/* gpu_costs.c: see gpu_costs.h. */
#include "harness/report/gpu_costs.h"

#include <math.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/format.h"

#define GPU_COSTS_NS_MAX 1e13 /* hours: no time that a launch took */

/* The least and the most of a member over the roles of all launches. */
struct extent {
    double least_ns, most_ns;
    size_t count;
};

static void extent_widen(struct extent *extent, const cJSON *role, const char *member)
{
    const double ns = json_get_number(role, member, 0);
    if (!(ns > 0 && ns < GPU_COSTS_NS_MAX))
        return;
    extent->least_ns = extent->count ? fmin(extent->least_ns, ns) : ns;
    extent->most_ns = fmax(extent->most_ns, ns);
    extent->count++;
}

static struct extent extent_of(const struct report_block *block, const char *member)
{
    struct extent extent = {0};
    for (size_t i = 0; i < block->cell_count; i++) {
        const cJSON *launch;
        if (!block->cells[i].ok)
            continue;
        cJSON_ArrayForEach (launch, json_get(block->cells[i].json, "launches")) {
            const cJSON *gpu = json_get(launch, "gpu");
            extent_widen(&extent, json_get(gpu, "producer"), member);
            extent_widen(&extent, json_get(gpu, "consumer"), member);
        }
    }
    return extent;
}

/* "198–224 ms". */
static void extent_say(struct text *out, const struct extent *extent)
{
    char text[3 * FIGURE_BYTES];
    const struct figure figure = {.state = FIGURE_KNOWN,
                                  .value = extent->least_ns,
                                  .low = extent->least_ns,
                                  .high = extent->most_ns,
                                  .spread = SPREAD_RANGE,
                                  .launches = 2};
    const bool one = extent->most_ns < extent->least_ns * 1.005;
    text_add(out, one ? format_ns(extent->most_ns, text)
                      : format_range(&figure, UNIT_NS, text, sizeof text));
}

void gpu_costs_add_sentence(struct text *out, const struct report_block *block)
{
    const struct extent context = extent_of(block, "context_ns");
    const struct extent registration = extent_of(block, "registration_ns");
    const struct extent error = extent_of(block, "clock_error_ns");
    char text[FIGURE_BYTES];
    if (context.count) {
        text_add(out, "Before the first frame, and in no figure: a role's CUDA context took ");
        extent_say(out, &context);
        if (registration.count) {
            text_add(out, ", registering its host memory ");
            extent_say(out, &registration);
        }
        text_add(out, ".");
    }
    if (error.count)
        text_addf(out,
                  "%sStamps of the GPU may be off by up to %s on the roles' clock, and so may what "
                  "lies between one of them and one of a role: access, age, and with order event "
                  "latency.",
                  context.count ? " " : "", format_ns(error.most_ns, text));
}

/* two_hosts.c: see two_hosts.h. */
#include "harness/report/two_hosts.h"

#include <math.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/format.h"

/* What the clocks may have been apart, at most, over the launches of the block; 0 when unknown. */
static double two_hosts_uncertainty_ns(const struct report_block *block)
{
    double most_ns = 0;
    for (size_t i = 0; i < block->cell_count; i++) {
        const cJSON *launch;
        cJSON_ArrayForEach (launch, json_get(block->cells[i].json, "launches"))
            most_ns = fmax(most_ns, json_get_number(json_get(launch, "peer"), "uncertainty_ns", 0));
    }
    return most_ns;
}

/* Why the latency of a cell is not told; NULL where it is. */
static const char *two_hosts_withheld(const struct report_cell *cell)
{
    const cJSON *launch, *one;
    cJSON_ArrayForEach (launch, json_get(cell->json, "launches"))
        cJSON_ArrayForEach (one, json_get(json_get(launch, "peer"), "withheld"))
            if (strcmp(json_get_string(one, "interval", ""), "latency") == 0)
                return json_get_string(one, "reason", "");
    return NULL;
}

static void two_hosts_add_round_trips(struct text *out, const struct report_block *block)
{
    size_t count = 0;
    for (size_t i = 0; i < block->cell_count; i++) {
        const struct figure trip = report_quantile(&block->cells[i], "round_trip", "p50");
        char value[FIGURE_BYTES];
        if (!block->cells[i].ok || trip.state == FIGURE_ABSENT)
            continue;
        text_addf(out, "%s%s %s", count++ ? ", " : " Round trips by the producer's clock (p50): ",
                  block->cells[i].label, format_figure(&trip, UNIT_NS, value));
    }
    text_add(out, count ? "." : "");
}

static void two_hosts_add_withheld(struct text *out, const struct report_block *block)
{
    const char *reason = NULL;
    size_t count = 0;
    for (size_t i = 0; i < block->cell_count; i++) {
        const char *of_cell = block->cells[i].ok ? two_hosts_withheld(&block->cells[i]) : NULL;
        reason = reason ? reason : of_cell;
        count += of_cell != NULL;
    }
    if (count == 1)
        text_addf(out, " One-way times of one cell are not told: %s.", reason);
    else if (count > 1)
        text_addf(out, " One-way times of %zu cells are not told; the first: %s.", count, reason);
}

void two_hosts_add_sentence(struct text *out, const struct report *report,
                            const struct report_block *block)
{
    const cJSON *peer = json_get(report->json, "peer");
    const double uncertainty_ns = two_hosts_uncertainty_ns(block);
    char value[FIGURE_BYTES];
    if (!peer || uncertainty_ns <= 0)
        return;
    text_addf(out,
              "Across two hosts: the producers ran here, the consumers on %s. The two clocks agree "
              "to within %s.",
              json_get_string(peer, "host", "another"), format_ns(uncertainty_ns, value));
    two_hosts_add_round_trips(out, block);
    two_hosts_add_withheld(out, block);
}

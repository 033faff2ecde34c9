/* claim.h: what somebody says a block's workload costs, for a report that sets it beside what was
 * measured. Read by scenario.c, written into results by run/result.c.
 */
#ifndef HANDOFF_SCENARIO_CLAIM_H
#define HANDOFF_SCENARIO_CLAIM_H

#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/scenario/place.h"

struct claim {
    char *id;                 /* a name: "poll-1ms"; once per scenario */
    char *says;               /* the claim in its own words */
    char *where;              /* who says it, and where */
    char *figure;             /* "<interval>.<mean|p50|p90|p99>", of an interval there is; or
                               * "period.mean": the time per frame, one by its throughput */
    uint64_t low_ns, high_ns; /* what it says the figure is, low_ns <= high_ns */
    char *known;              /* what is known about it; "" when absent */
    char *machine;            /* the machine it speaks of, "Jetson"; "" for any */
    uint64_t moved_bytes;     /* read and written in that time, as it says; 0 when it does not */
};

/* Reads a block's "claim"; `place` is its own. ST_INVALID for a missing, unknown or bad member. The
 * caller frees *claim with claim_free, which is safe on NULL. */
enum status claim_read(const cJSON *json, const struct place *place, struct claim **claim,
                       struct err *err);
void claim_free(struct claim *claim);

#endif

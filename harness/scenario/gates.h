/* gates.h: the "gates" of a scenario: by which figures a comparison of two builds may fail. Called
 * by scenario.c; the names are those of harness/measure/gate.h.
 */
#ifndef HANDOFF_SCENARIO_GATES_H
#define HANDOFF_SCENARIO_GATES_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/measure/compare.h"
#include "harness/measure/gate.h"
#include "harness/scenario/place.h"

/* Reads a list of 1 to COMPARE_METRICS_MAX names, each once. `json` may be NULL: no gates are
 * declared, and *count is 0. ST_INVALID with the place and the nearest name. */
enum status gates_read(const cJSON *json, const struct place *place,
                       const struct gate *found[COMPARE_METRICS_MAX], size_t *count,
                       struct err *err);

#endif

/* run_gaps.h: how much of the CPUs that a run uses others take away, just before its first launch.
 * Called by runner.c and by `handoff doctor`. What is measured: measure/gaps.h.
 */
#ifndef HANDOFF_RUN_RUN_GAPS_H
#define HANDOFF_RUN_RUN_GAPS_H

#include <cjson/cJSON.h>

#include "harness/run/plan.h"

/* The CPUs that launches of the plan are pinned to; where none is, the first that this process may
 * use. Each once, ascending, GAPS_CPUS_MAX at most; returns how many. */
size_t run_gaps_pick(const struct plan *plan, int *cpus);

/* A tenth of what the launches will take, from a fifth of a second to a whole one. */
uint64_t run_gaps_window_ns(const struct plan *plan, const struct scenario *scenario);

/* Measures them and adds `gaps` to an environment. Blocks for the window. Where it cannot be had,
 * nothing is added; ST_NO_MEMORY is the only error. */
enum status run_gaps_measure_into(const struct plan *plan, const struct scenario *scenario,
                                  cJSON *environment, struct err *err);
/* The same for CPUs of one's own. */
enum status run_gaps_measure_cpus(const int *cpus, size_t count, uint64_t window_ns,
                                  cJSON *environment, struct err *err);

#endif

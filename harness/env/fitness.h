/* fitness.h: whether this machine is fit to measure on, as findings with their remedy.
 *
 * One list serves `handoff doctor`, the warnings of a run, its result and the first page of its
 * report. A finding is read off an environment (env_collect, or an older result's), never off the
 * machine; what is not known finds nothing and is listed as not known.
 */
#ifndef HANDOFF_ENV_FITNESS_H
#define HANDOFF_ENV_FITNESS_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"

enum fitness_level {
    FITNESS_GOOD,    /* looked at, and fine */
    FITNESS_UNKNOWN, /* this system does not say */
    FITNESS_NOTE,    /* belongs beside the figures: what cannot be changed, or moves little */
    FITNESS_WARNING, /* moves figures: fix it before believing small differences */
    FITNESS_UNFIT,   /* figures mislead: the report says so on its first page */
};
const char *fitness_level_name(enum fitness_level level); /* "good", "unknown", "note" … */

/* Appends to `findings` one object per check, in the checks' order:
 *   {"id": "governor", "level": "warning", "found": "schedutil on CPUs 0-5",
 *    "effect": "a wait that sleeps is charged for slow clocks too",
 *    "fix": "sudo cpupower frequency-set -g performance"}     // "fix" "" where nothing helps
 * ST_NO_MEMORY. */
enum status fitness_find(const cJSON *environment, cJSON *findings, struct err *err);
/* The same for what changed between the start and the end of a run: throttling, steal, clocks. */
enum status fitness_find_changes(const cJSON *before, const cJSON *after, cJSON *findings,
                                 struct err *err);
/* The worst level among findings. */
enum fitness_level fitness_worst(const cJSON *findings);

#endif

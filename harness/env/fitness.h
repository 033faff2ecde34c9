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
#define FITNESS_LEVELS 5
const char *fitness_level_name(enum fitness_level level); /* "good", "unknown", "note" … */
/* That of a finding; FITNESS_UNKNOWN for what is none. */
enum fitness_level fitness_level_of(const cJSON *finding);

/* Appends to `findings` one object per check, in the checks' order:
 *   {"id": "governor", "level": "warning", "found": "schedutil on CPUs 0-5",
 *    "effect": "a wait that sleeps is charged for slow clocks too",
 *    "fix": "sudo cpupower frequency-set -g performance"}     // "fix" "" where nothing helps
 * A fix is a command, or words with commands in backticks. Where there is no GPU, nothing is said of
 * one. The texts hold what the environment says: escape them like any string of a result.
 * ST_NO_MEMORY. */
enum status fitness_find(const cJSON *environment, cJSON *findings, struct err *err);
/* The same for what changed between the start and the end of a run: throttling, steal, clocks.
 * Only what did change is appended. */
enum status fitness_find_changes(const cJSON *before, const cJSON *after, cJSON *findings,
                                 struct err *err);
/* The worst level among findings. */
enum fitness_level fitness_worst(const cJSON *findings);

/* ---- For readers ----------------------------------------------------------------------------- */

/* "found: effect; fix: …" in one line; returns text. */
char *fitness_sentence(const cJSON *finding, char *text, size_t size);
/* Appends the sentence of each finding from FITNESS_WARNING on to the strings `warnings`. False
 * when out of memory. */
bool fitness_add_warnings(const cJSON *findings, cJSON *warnings);
/* "fit", "fit, with 2 warnings: 2 CPUs; virtual machine" or "not fit: one CPU"; returns text. */
char *fitness_verdict(const cJSON *findings, char *text, size_t size);

/* ---- In a result ----------------------------------------------------------------------------- */

/* The member `fitness` of a result:
 *   {"worst": "warning", "verdict": "fit, with 1 warning: 2 CPUs",
 *    "before": [every check before the first launch],
 *    "after": [what was worse after the last, and what changed between them]}
 * `after` may be NULL. The caller deletes *fitness. ST_NO_MEMORY. */
enum status fitness_make(const cJSON *before, const cJSON *after, cJSON **fitness, struct err *err);
/* That of a result, or made from its environment where it is older; the caller deletes. Every
 * getter is to tolerate anything in it. ST_NO_MEMORY. */
enum status fitness_of_result(const cJSON *result, cJSON **fitness, struct err *err);

#endif

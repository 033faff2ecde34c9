/* paired.h: two builds of handoff, launch by launch next to each other.
 *
 * Each is a stepped run (steps.h) in a process of its own, which launches its own roles: the base
 * makes the plan with its pilot, the new one takes its counts. Round by round, every cell that runs
 * on both is launched once on each side, the first drawn at random; the other side sleeps
 * meanwhile. Called by cli/compare_paired.c.
 */
#ifndef HANDOFF_RUN_PAIRED_H
#define HANDOFF_RUN_PAIRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

enum paired_which { PAIRED_BASE, PAIRED_NEW, PAIRED_SIDES };
const char *paired_name(enum paired_which which); /* "base", "new": also its folder's name */

struct paired_options {
    const char *programs[PAIRED_SIDES]; /* paired_find_program */
    /* The scenario and its choice of cells, as arguments of `run`; NULL-terminated. */
    const char *const *arguments;
    const char *out_dir; /* made if missing; results go to its folders base and new */
    uint64_t seed;
    bool resume; /* pairs of which both launches are there are not run again */
    bool quiet;
};

struct paired_outcome {
    size_t pairs_run;
    bool interrupted;
};

/* Where a program that somebody named is, absolute: a file, or the `handoff` in a build folder.
 * NULL: this program. `path` has PATH_MAX bytes. ST_INVALID when it cannot be executed. */
enum status paired_find_program(const char *named, char *path, struct err *err);

/* Runs everything. ST_OK, also when cells failed on a side or somebody interrupted, and both
 * folders hold a result.json then. ST_INVALID when a program does not take part: it is none, knows
 * no --steps, or refuses the scenario; ST_ROLE_DIED when one ended in the middle: what it measured
 * is in its folder for --resume, and the other's result is whole. Whatever happens to this process,
 * the two end by themselves. Blocks SIGINT, SIGTERM and SIGHUP for its time and takes them as the
 * wish to stop. */
enum status paired_run(const struct paired_options *options, struct paired_outcome *outcome,
                       struct err *err);

#endif

/* runner.h: a whole run: pilot, interleaved launches, results on disk. Called by cli/cmd_run.c.
 */
#ifndef HANDOFF_RUN_RUNNER_H
#define HANDOFF_RUN_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/measure/clock_choice.h"
#include "harness/run/result.h"
#include "harness/scenario/scenario.h"

struct peer_options;

struct runner_options {
    const struct scenario *scenario; /* filtered */
    const char *out_dir;             /* made if missing */
    uint64_t seed;
    enum clock_request clock;
    bool resume;
    bool quiet;
    bool silent; /* nothing on standard error of a launch that failed: the caller tells it */
    bool steps;  /* launches are ordered on standard input: steps.h */
    /* counts, seed and clock are those of the run in this folder; or NULL */
    const char *frames_from;
    bool no_floor; /* the result then has no `floor` */
    /* The consumers run on another host, where `handoff serve` does; NULL: here. No floor is
     * measured then: it would be of one host. */
    const struct peer_options *peer;
    const char *const *command; /* argv, for the result */
    size_t command_count;
};

struct runner_outcome {
    struct result_summary summary;
    bool interrupted;
    bool role_died; /* a launch failed because a role process died */
    cJSON *result;  /* what result.json holds; the caller deletes */
};

/* Runs everything. ST_OK also when cells failed or the user interrupted: *outcome tells, and
 * DIR/result.json holds what is complete. Errors are those that leave no result: a folder that
 * cannot be written, a plan that does not fit. Blocks SIGINT, SIGTERM and SIGHUP for its time and
 * takes them as the wish to stop. */
enum status runner_run(const struct runner_options *options, struct runner_outcome *outcome,
                       struct err *err);

#endif

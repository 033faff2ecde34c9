/* launch_fixture.h: one launch of a small cell, through session.h, for the tests of what stands
 * around it: daemons, clocks, surroundings. Include after cmocka.h.
 */
#ifndef HANDOFF_TESTS_LAUNCH_FIXTURE_H
#define HANDOFF_TESTS_LAUNCH_FIXTURE_H

#include "harness/measure/fold.h"
#include "harness/run/guard.h"
#include "harness/run/session.h"
#include "tests/support/random_input.h"

/* Shared memory, futex, 64x48x3 at 1 kHz; a test changes what it is about. */
static inline struct cell launch_cell(void)
{
    return (struct cell){
        .id = "test",
        .transport = transport_find("shm"),
        .access = access_find("host"),
        .wait = wait_find("futex"),
        .kernel = kernel_find("checksum"),
        .geometry = {64, 48, 3},
        .pacing = PACING_RATE,
        .rate_hz = 1000,
        .slots = 4,
        .depth = 1,
        .policy = POLICY_BLOCK,
        .launches = 1,
    };
}

/* So many frames of `cell` after two of warm-up, with a seed of their own; roles are not pinned. */
static inline struct session_request launch_request(const struct cell *cell, uint32_t frames,
                                                    struct guard *guard)
{
    return (struct session_request){
        .cell = cell,
        .frames = frames,
        .warmup = 2,
        .seed = random_below((uint64_t)1 << 53),
        .cpus = {-1, -1},
        .guard = guard,
        .signal_fd = -1,
    };
}

/* Runs it; `fold` NULL: what was measured is of no interest. The test fails where the runner does,
 * not where the launch does: see the outcome. */
static inline struct launch_outcome launch_run(const struct session_request *request,
                                               struct fold *fold)
{
    struct fold *used = fold ? fold : fold_new();
    struct launch_outcome outcome;
    struct err err = {.what = ""};
    if (session_run(request, used, &outcome, &err) != ST_OK)
        fail_msg("the runner failed: %s", err.what);
    if (!fold)
        fold_free(used);
    return outcome;
}

#endif

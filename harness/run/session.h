/* session.h: one launch of one cell in fresh processes, from exec to reaped.
 *
 * Called by the runner for each launch and each pilot. Whatever happens to a role, the session ends
 * within a second of it and leaves no process, segment or descriptor behind.
 */
#ifndef HANDOFF_RUN_SESSION_H
#define HANDOFF_RUN_SESSION_H

#include "harness/measure/fold.h"
#include "harness/run/guard.h"
#include "harness/run/placement.h"
#include "harness/run/result.h"
#include "harness/scenario/cell.h"

struct peer;

struct session_request {
    const struct cell *cell;
    uint32_t launch;
    uint32_t order;
    uint32_t frames;
    uint32_t warmup;
    uint64_t seed;
    struct placement_cpus cpus;
    uint64_t expected_ns; /* what the frames should take, for the deadline; 0 = unknown */
    /* What they may take at most; 0: generously more than expected. */
    uint64_t limit_ns;
    /* The run's clocks: the chosen one stamps, or CLOCK_MONOTONIC where a role is in Python, which
     * cannot read another. NULL: not measured, and taken to be good to a
     * microsecond. */
    const struct clock_choice *clock;
    struct guard *guard;
    int signal_fd; /* a signalfd for the signals that mean "stop", or -1 */
    /* The consumer is on this other host (peer.h); NULL: here. How often it was lost is counted in
     * it, and when that was PEER_LOST_MAX times in a row, launches fail without being tried. */
    struct peer *peer;
};

/* Runs the launch. ST_OK: *outcome says how it went (also when a role died or frames were torn) and
 * `fold` holds what was measured. ST_INTERRUPTED: the user asked to stop; nothing was measured.
 * Other errors are the runner's own (no descriptors, no memory). Blocks for as long as it takes. */
enum status session_run(const struct session_request *request, struct fold *fold,
                        struct launch_outcome *outcome, struct err *err);

#endif

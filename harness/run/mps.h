/* mps.h: NVIDIA's multi-process service, for launches whose two roles share the GPU through it
 * (gpu_sharing mps).
 *
 * Without it the contexts of two processes take turns on the GPU; as clients of one MPS daemon they
 * run at once. A user's own daemon is never touched nor joined: the guard process (guard.h), which
 * outlives a killed runner, runs one with pipe and log directories of its own, and takes it away
 * again. The session starts it before a launch that needs it, keeps it while launches of the kind
 * follow each other, and stops it after one that went wrong, because a client that was killed in
 * the middle of its work may leave the server unable to serve the next.
 *
 * The runner itself never touches CUDA: which daemon a role joins is in its environment.
 */
#ifndef HANDOFF_RUN_MPS_H
#define HANDOFF_RUN_MPS_H

#include <stdbool.h>

#include "harness/base/err.h"
#include "harness/run/daemon.h"

struct guard;

/* Room for a directory. */
#define MPS_PATH_BYTES DAEMON_PATH_BYTES
#define MPS_PIPE_VARIABLE "CUDA_MPS_PIPE_DIRECTORY"
/* A user's limit on what part of the GPU a client gets: taken away, since no axis says it. */
#define MPS_SHARE_VARIABLE "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"
/* For roles that must not join any daemon: CUDA finds none there, and nobody can put one there. */
#define MPS_NO_PIPE_DIRECTORY "/proc/self/handoff-without-mps"

/* The guard's daemon as the runner knows it; part of struct guard. */
struct mps {
    bool running;
    char pipe_directory[MPS_PATH_BYTES]; /* valid while it runs */
};

/* Makes sure that the guard's daemon runs and answers: starts it, or looks whether it still lives
 * and starts another if not. Blocks until it answers, ten seconds at most. ST_UNAVAILABLE, with
 * what happened and the last line of its log, where there is none or it does not come up; ST_SYSTEM
 * where the guard is gone. guard->mps says where it is. */
enum status mps_start(struct guard *guard, struct err *err);

/* Ends the daemon and its server, and removes its directories, also where the guard has died. Blocks
 * for some seconds at worst. Does nothing when none runs. No role that joined it may run. */
void mps_stop(struct guard *guard);

/* "CUDA_MPS_PIPE_DIRECTORY=…" for process_start_with: the guard's daemon with `shared`, else none.
 * Writes into `text` of `size` bytes, at least MPS_PATH_BYTES + 32, and returns it. */
const char *mps_environment(const struct guard *guard, bool shared, char *text, int size);

#endif

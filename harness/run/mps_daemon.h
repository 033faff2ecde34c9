/* mps_daemon.h: the MPS control daemon as a child of the guard process: started, asked, ended, and
 * nothing of it left. Called by guard.c, and by mps.c, which is what the runner sees, where the
 * guard has died.
 */
#ifndef HANDOFF_RUN_MPS_DAEMON_H
#define HANDOFF_RUN_MPS_DAEMON_H

#include <stdint.h>
#include <sys/types.h>

#include "harness/base/err.h"
#include "harness/run/mps.h"

/* How long the daemon may take to answer, and to end before it is killed. */
#define MPS_DAEMON_READY_NS 10000000000u
#define MPS_DAEMON_STOP_NS 2000000000u

struct mps_daemon {
    pid_t pid;                 /* 0: none */
    char root[MPS_PATH_BYTES]; /* "": no directories */
    char pipe_directory[MPS_PATH_BYTES];
    char log_directory[MPS_PATH_BYTES];
};

/* Nothing when one runs. Else makes its directories, starts `nvidia-cuda-mps-control -f` as found
 * on PATH in a process group of its own, and waits until it answers, for ready_ns at most. From the
 * first call on, this process becomes the parent of what its descendants leave behind
 * (PR_SET_CHILD_SUBREAPER), so that the daemon's server can be ended with it. ST_UNAVAILABLE with
 * what happened; nothing is left then. */
enum status mps_daemon_start(struct mps_daemon *daemon, uint64_t ready_ns, struct err *err);

/* Asks the daemon to quit; after MPS_DAEMON_STOP_NS it is killed, with its process group and every
 * other child of this process. Removes the directories. Safe on a zeroed one. */
void mps_daemon_stop(struct mps_daemon *daemon);

/* In the runner, in place of a guard that has died: ends whatever has the directory in its
 * environment, which nobody else has, and removes the directories. Blocks for MPS_DAEMON_STOP_NS and
 * as long as killing takes. */
void mps_daemon_stand_in(const char *pipe_directory);

#endif

/* guard.h: a small process that outlives a killed runner just long enough to clean up after it.
 *
 * The roles ask the kernel to die with the runner (PR_SET_PDEATHSIG), but helpers that are not
 * ours, and programs that change credentials, do not; the guard kills whatever it was asked to
 * watch when the runner's end of its socket closes, however the runner ended. It stands in a
 * process group of its own, so that Ctrl-C does not reach it. Helpers that are not ours are its
 * children: the MPS daemon (mps.h) and RouDi (roudi.h). It also fixes the CPUs' clocks and writes
 * back what they were (clocks.h).
 */
#ifndef HANDOFF_RUN_GUARD_H
#define HANDOFF_RUN_GUARD_H

#include <poll.h>

#include "harness/base/channel.h"
#include "harness/base/err.h"
#include "harness/run/mps.h"
#include "harness/run/process.h"
#include "harness/run/roudi.h"

/* Started by the runner before the first role; closed after the last. */
struct guard {
    struct process process;
    bool running;
    struct mps mps;     /* see mps.h */
    struct roudi roudi; /* see roudi.h */
};

/* Starts it, and does not wait for it; guard_stop ends it. ST_SYSTEM or ST_NO_MEMORY where there is
 * no process to be had. */
enum status guard_start(struct guard *guard, struct err *err);
/* Where the guard has ended that was started (somebody killed it, or memory ran out), starts
 * another one. Between two launches: nothing is watched, and no daemon of the guard is in use. */
enum status guard_renew(struct guard *guard, struct err *err);
/* What tells that the guard has ended while a daemon of its own runs, which ends with it; fd -1:
 * none runs. */
struct pollfd guard_daemon_pollfd(const struct guard *guard);
/* Says that the guard has ended, and how; `daemon` is what ended with it, "RouDi with it", or "".
 * ST_SYSTEM. */
enum status guard_gone(struct guard *guard, const char *daemon, struct err *err);
/* From now on, kill this process if the runner dies. Does nothing where the kernel has no pidfds:
 * PR_SET_PDEATHSIG is then the only net. ST_SYSTEM where the guard is gone. */
enum status guard_watch(struct guard *guard, const struct process *process, struct err *err);
/* Forgets all watched processes: they have been reaped. */
enum status guard_forget(struct guard *guard, struct err *err);
/* Sends a question, which it frees (NULL: ST_NO_MEMORY), and takes the answer, which the caller
 * clears after ST_OK. Blocks for answer_ns at most. ST_SYSTEM where the guard is gone or does not
 * answer, which ends it. For mps.c and roudi.c. */
enum status guard_ask(struct guard *guard, cJSON *question, uint64_t answer_ns,
                      struct channel_message *answer, struct err *err);
/* The same with a descriptor, of which the guard gets one of its own; -1: none. For clocks.c. */
enum status guard_ask_with(struct guard *guard, cJSON *question, int with_fd, uint64_t answer_ns,
                           struct channel_message *answer, struct err *err);
/* Closes its socket and waits until it has gone. Safe on one that was not started. */
void guard_stop(struct guard *guard);

/* The guard's own life: `handoff --role guard`. Returns when the runner is gone. */
enum status guard_main(int control_fd, struct err *err);

#endif

/* session_parts.h: the inside of session*.c: one launch while it goes on.
 *
 * session.c has its phases, session_events.c the event loop between them, session_outcome.c what is
 * said of it in the end.
 */
#ifndef HANDOFF_RUN_SESSION_PARTS_H
#define HANDOFF_RUN_SESSION_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/channel.h"
#include "harness/base/shm.h"
#include "harness/run/process.h"
#include "harness/run/role.h"
#include "harness/run/session.h"

enum session_phase { SESSION_STARTED, SESSION_READY, SESSION_FINISHED };

struct session_role {
    const char *name;
    struct process process;
    struct shm_map trace;
    enum session_phase phase;
    struct role_report report;
    bool ended;         /* the process is gone */
    bool complained;    /* it sent an error */
    struct err failure; /* what it sent */
};

enum { PRODUCER, CONSUMER, ROLES };

struct session {
    const struct session_request *request;
    struct session_role roles[ROLES];
    bool interrupted;
    uint64_t complained_ns; /* when the first complaint came, or 0 */
};

/* Runs the event loop until both roles have reached `phase`. ST_ROLE_DIED: one of them cannot any
 * more; ST_TIMEOUT; ST_INTERRUPTED. */
enum status session_await(struct session *session, enum session_phase phase, uint64_t deadline_ns);

/* Lets a role that just died be reaped, so that the reason says how, not that we killed it. */
void session_reap_ended(struct session *session);

/* Makes the outcome a failure with what an error says. */
void session_fail(struct launch_outcome *outcome, const struct err *failure, enum status status);

/* Puts the reason of a launch that broke off with `status` (session_await's) into the outcome. */
void session_explain(struct session *session, enum status status, struct launch_outcome *outcome);

/* A role that crashes while it cleans up, or does not get to an end, has something wrong with it,
 * so the launch failed however good its figures look. */
void session_check_ends(const struct session *session, struct launch_outcome *outcome);

/* Joins what the roles report with what the runner knows. */
void session_fill_outcome(const struct session *session, struct launch_outcome *outcome);

/* Folds both traces; what is wrong with them makes the launch a failure. `outcome` says whether it
 * ended in order. */
void session_fold(const struct session *session, struct fold *fold, struct launch_outcome *outcome);

#endif

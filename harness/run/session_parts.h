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
#include "harness/run/load.h"
#include "harness/run/peer.h"
#include "harness/run/process.h"
#include "harness/run/role.h"
#include "harness/run/session.h"

enum session_phase {
    SESSION_STARTED,
    SESSION_READY,
    SESSION_WORKING, /* loads only: they have begun */
    SESSION_FINISHED,
};

/* A process of the launch: one of the two roles of the cell, or a load beside them. */
struct session_role {
    const char *name; /* as process_start takes it */
    char label[32];   /* in messages: "producer", "load on CPU 1" */
    bool is_load;
    enum language language; /* a Python role is another program (python_role.h) */
    int cpu;                /* -1: not pinned */
    struct process process;
    struct shm_map trace; /* none for a load */
    enum session_phase phase;
    struct role_report report;
    struct load_report load_report;
    bool ended;         /* the process is gone */
    bool complained;    /* it sent an error */
    struct err failure; /* what it sent */
};

enum { PRODUCER, CONSUMER, ROLES };
#define SESSION_PROCESSES_MAX (ROLES + LAUNCH_LOADS_MAX)

struct session {
    const struct session_request *request;
    struct session_role roles[SESSION_PROCESSES_MAX]; /* producer, consumer, loads */
    int role_count;
    enum session_phase loads_due; /* what the loads were told to get to */
    bool interrupted;
    bool guard_lost;           /* with a daemon that the roles need */
    int idle_latency_fd;       /* -1: not held */
    struct clocks_held clocks; /* what is owed to clocks_restore */
    uint64_t complained_ns;    /* when the first complaint came, or 0 */
    /* Across two hosts: */
    uint64_t lead_ns;        /* before the start, until "go" is there as well */
    bool peer_lost;          /* what failed is the connection to the other one */
    struct peer_clock clock; /* of both, as far as they were compared */
};

/* Runs the event loop until both roles, or all loads, have reached `phase`. ST_ROLE_DIED: a process
 * of either kind is gone or in trouble; ST_TIMEOUT; ST_INTERRUPTED. */
enum status session_await(struct session *session, bool loads, enum session_phase phase,
                          uint64_t deadline_ns);

/* Reads what a role that was told to exit still says, until it is gone or deadline_ns. */
void session_hear_out(struct session *session, struct session_role *role, uint64_t deadline_ns);

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

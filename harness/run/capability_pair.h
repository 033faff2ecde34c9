/* capability_pair.h: two processes that try a row, from their start to what is believed of it.
 * Private to capability*.c.
 */
#ifndef HANDOFF_RUN_CAPABILITY_PAIR_H
#define HANDOFF_RUN_CAPABILITY_PAIR_H

#include "harness/run/capability.h"
#include "harness/run/capability_trial.h"
#include "harness/run/process.h"

struct capability_pair_side {
    struct process process;
    bool used;          /* `describe` has one side only */
    bool opened;        /* the row's own time runs once both have */
    bool finished;      /* it has said how it went */
    bool closed;        /* its control socket is at its end */
    bool ended;         /* the process has ended and is reaped */
    struct err failure; /* finished: ST_OK in `status`, or why not */
    char step[160];
    char verified[320];
    cJSON *described; /* `describe`: owned */
};

struct capability_pair {
    const char *row_key;
    bool negative;
    const struct capability_limits *limits;
    struct capability_pair_side sides[CAPABILITY_SIDES];
    uint64_t began_ns;
    uint64_t deadline_ns; /* of what is going on; later ones replace it */
    uint64_t outcome_ns;  /* when nothing more was to be expected; 0: not yet */
    bool late;            /* that was because the deadline passed */
    bool blaming;         /* one side failed or died: the other has a little time to say more */
};

/* Where the contexts of a pair belong: a daemon's directory, or one that is none. */
struct capability_place {
    const char *mps_pipe_dir;
};

/* Starts both sides and tells them what to do. `row_key` must stay. On an error nothing is left.
 * The caller calls capability_pair_end whatever comes after success. */
enum status capability_pair_start(struct capability_pair *pair, const char *row_key, bool negative,
                                  const struct capability_limits *limits,
                                  const struct capability_place *place, struct err *err);

/* Waits for anything to happen to any of the pairs, at most until one of their deadlines, and
 * notes it. */
void capability_pairs_poll(struct capability_pair *const *pairs, size_t count);

/* True once the outcome is known and both processes have ended, or have been killed for taking too
 * long. */
bool capability_pair_is_over(struct capability_pair *pair);

/* What is to be believed. Call once it is over. */
void capability_pair_judge(const struct capability_pair *pair, struct capability_answer *answer);

/* Kills what is left, and frees. */
void capability_pair_end(struct capability_pair *pair);

#endif

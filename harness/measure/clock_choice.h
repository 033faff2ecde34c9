/* clock_choice.h: which clock a run uses: the cheapest one that is right on all CPUs.
 *
 * Called once by the runner, before anything is measured; by the floor and
 * tests/support/bench_self.c to show what each clock costs.
 */
#ifndef HANDOFF_MEASURE_CLOCK_CHOICE_H
#define HANDOFF_MEASURE_CLOCK_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/measure/clock.h"
#include "harness/measure/clock_counter.h"

/* A counter has to be this much cheaper than CLOCK_MONOTONIC, which is everybody's clock and wins a
 * tie. */
#define CLOCK_WORTH_IT 0.95

/* What the user asked for. */
enum clock_request {
    CLOCK_REQUEST_AUTO,
    CLOCK_REQUEST_MONOTONIC, /* the counter is not even looked at */
    CLOCK_REQUEST_COUNTER,   /* although it may cost more; an error where it is not right */
};
/* False when it is none of "auto", "monotonic" and "counter". */
bool clock_request_from_name(const char *name, enum clock_request *request);

/* One clock that was looked at. */
struct clock_candidate {
    enum clock_kind kind;
    const char *name;
    bool usable;
    char reason[CLOCK_REASON_BYTES]; /* why not, or "" */
    bool measured;                   /* one that is not usable is not measured */
    struct clock_quality quality;
};

struct clock_choice {
    struct clock_candidate candidates[2];
    size_t candidate_count;
    size_t chosen; /* which of them; clock_chosen */
    /* Of a counter; 0 for CLOCK_MONOTONIC: */
    double conversion_error_ppm; /* of its speed against CLOCK_MONOTONIC's */
    double cpus_agree_ns;        /* how far apart two CPUs may show it, at most */
};

static inline const struct clock_candidate *clock_chosen(const struct clock_choice *choice)
{
    return &choice->candidates[choice->chosen];
}

/* CLOCK_MONOTONIC, which is always looked at and measured. */
static inline const struct clock_candidate *clock_monotonic(const struct clock_choice *choice)
{
    return &choice->candidates[0];
}

/* By how much two stamps of a candidate, taken in order on two CPUs, may lie the wrong way: the
 * clock's error. */
int64_t clock_tolerance_ns(const struct clock_choice *choice,
                           const struct clock_candidate *candidate);

/* Looks, measures and makes the winner this process's clock. Blocks for some 100 ms, 2 s at most;
 * no other thread may read the clock meanwhile. ST_UNAVAILABLE when a counter was asked for that is
 * not right here: the error says why. */
enum status clock_choose(enum clock_request request, struct clock_choice *choice, struct err *err);

/* The rule: which of the two wins, by their costs of one reading. */
enum clock_kind clock_winner(enum clock_request request, bool counter_usable, double counter_ns,
                             double monotonic_ns);

#endif

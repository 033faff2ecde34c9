/* clock_choice.c: see clock_choice.h. */
#include "harness/measure/clock_choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_SPEED_LOOKS 3

bool clock_request_from_name(const char *name, enum clock_request *request)
{
    static const char *const names[] = {[CLOCK_REQUEST_AUTO] = "auto",
                                        [CLOCK_REQUEST_MONOTONIC] = "monotonic",
                                        [CLOCK_REQUEST_COUNTER] = "counter"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        *request = (enum clock_request)i;
        return true;
    }
    return false;
}

enum clock_kind clock_winner(enum clock_request request, bool counter_usable, double counter_ns,
                             double monotonic_ns)
{
    if (!counter_usable || request == CLOCK_REQUEST_MONOTONIC)
        return CLOCK_KIND_MONOTONIC;
    return request == CLOCK_REQUEST_COUNTER || counter_ns <= CLOCK_WORTH_IT * monotonic_ns
               ? CLOCK_KIND_COUNTER
               : CLOCK_KIND_MONOTONIC;
}

/* Everything about the counter, the quick questions first: false with the first reason against it.
 * Otherwise *conversion is ready for a base. */
static bool clock_counter_examine(struct clock_choice *choice, struct clock_conversion *conversion,
                                  char reason[CLOCK_REASON_BYTES])
{
    struct clock_trust trust;
    clock_trust_look(&trust);
    if (!clock_trust_judge(&trust, reason))
        return false;
    /* A machine that is busy for a moment gets more looks, since the figures of runs on different
     * clocks differ by some nanoseconds per stamp. */
    struct clock_speed speed;
    bool steady = false;
    for (int look = 0; look < CLOCK_SPEED_LOOKS && !steady; look++) {
        struct clock_pair pairs[CLOCK_SPEED_PAIRS];
        clock_speed_look(pairs);
        steady = clock_speed_judge(pairs, CLOCK_SPEED_PAIRS, &speed, reason);
    }
    if (!steady)
        return false;
    reason[0] = 0;
    struct clock_agreement agreement;
    struct err err;
    if (clock_agreement_look(clock_counter_read, &agreement, &err) != ST_OK) {
        snprintf(reason, CLOCK_REASON_BYTES, "%.*s", CLOCK_REASON_BYTES - 1, err.what);
        return false;
    }
    bool agree =
        clock_agreement_judge(&agreement, speed.ns_per_tick, &choice->cpus_agree_ns, reason);
    free(agreement.exchanges);
    choice->conversion_error_ppm = speed.error_ppm;
    *conversion = (struct clock_conversion){
        .kind = CLOCK_KIND_COUNTER,
        .mult = (uint64_t)(speed.ns_per_tick * (double)(UINT64_C(1) << CLOCK_SHIFT) + 0.5),
    };
    return agree;
}

/* Makes it this process's clock, with a base of now. */
static void clock_use(const struct clock_conversion *conversion)
{
    struct clock_conversion used = *conversion;
    if (used.kind == CLOCK_KIND_COUNTER) {
        const struct clock_pair pair = clock_pair_take();
        used.counter = pair.counter;
        used.ns = pair.ns;
    }
    clock_current = used;
}

/* Both costs, in turns, since a busy machine slows whatever runs at the moment; the best of
 * several, since an interruption never makes a reading cheaper. */
static void clock_measure_all(struct clock_choice *choice, const struct clock_conversion *counter)
{
    enum { TURNS = 5 };
    const struct clock_conversion monotonic = {.kind = CLOCK_KIND_MONOTONIC};
    for (int turn = 0; turn < TURNS; turn++)
        for (size_t i = 0; i < choice->candidate_count; i++) {
            struct clock_candidate *candidate = &choice->candidates[i];
            if (!candidate->usable)
                continue;
            clock_use(candidate->kind == CLOCK_KIND_COUNTER ? counter : &monotonic);
            struct clock_quality quality = clock_measure();
            if (!candidate->measured || quality.read_ns < candidate->quality.read_ns)
                candidate->quality.read_ns = quality.read_ns;
            if (!candidate->measured || quality.tick_ns < candidate->quality.tick_ns)
                candidate->quality.tick_ns = quality.tick_ns;
            candidate->measured = true;
        }
    clock_current = monotonic;
}

enum status clock_choose(enum clock_request request, struct clock_choice *choice, struct err *err)
{
    struct clock_choice made = {.candidate_count = 1};
    struct clock_candidate *monotonic = &made.candidates[0], *counter = &made.candidates[1];
    struct clock_conversion conversion = {.kind = CLOCK_KIND_MONOTONIC};
    const char *counter_name = clock_kind_name(CLOCK_KIND_COUNTER);
    clock_current = conversion;
    *monotonic = (struct clock_candidate){
        .kind = CLOCK_KIND_MONOTONIC,
        .name = clock_kind_name(CLOCK_KIND_MONOTONIC),
        .usable = true,
    };
    if (request != CLOCK_REQUEST_MONOTONIC) {
        made.candidate_count = 2;
        *counter = (struct clock_candidate){.kind = CLOCK_KIND_COUNTER,
                                            .name = counter_name ? counter_name : "counter"};
        counter->usable = clock_counter_examine(&made, &conversion, counter->reason);
        if (request == CLOCK_REQUEST_COUNTER && !counter->usable)
            return err_set(err, ST_UNAVAILABLE,
                           "--clock monotonic is right everywhere; --clock auto takes it here",
                           "--clock counter: %s is not a clock here: %s", counter->name,
                           counter->reason);
    }
    clock_measure_all(&made, &conversion);
    if (clock_winner(request, counter->usable, counter->quality.read_ns,
                     monotonic->quality.read_ns) == CLOCK_KIND_COUNTER) {
        made.chosen = 1;
        clock_use(&conversion);
    } else {
        made.conversion_error_ppm = made.cpus_agree_ns = 0;
    }
    *choice = made;
    return ST_OK;
}

int64_t clock_tolerance_ns(const struct clock_choice *choice,
                           const struct clock_candidate *candidate)
{
    /* Two readings of one clock in order can differ by a tick the wrong way on another CPU, and a
     * stamp is taken up to one reading before or after what it stamps. A counter's CPUs may be
     * apart; its conversion adds a nanosecond of rounding and nothing else: both stamps of an
     * interval have the same one, so what it is off by (conversion_error_ppm) stretches an interval
     * and turns none negative. */
    const struct clock_quality *quality = &candidate->quality;
    const double apart_ns = candidate->kind == CLOCK_KIND_COUNTER ? choice->cpus_agree_ns : 0;
    return (int64_t)(2.0 * quality->read_ns + quality->tick_ns + apart_ns) + 1;
}

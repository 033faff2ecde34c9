/* peer_clock.h: how the clocks of two hosts stand to each other, estimated by asking.
 *
 * Each host stamps by its own CLOCK_MONOTONIC; the two began at different times and run apart by
 * parts per million. A question that left here at `sent`, was seen there between `seen` and
 * `answered` (by the clock there), and whose answer was here at `received`, bounds the offset
 * between the two: not more than seen - sent, not less than answered - received. Half the distance
 * of the bounds is what its middle may be off, however different the two ways took; the least of
 * many exchanges is taken. This is done before a launch and after it.
 */
#ifndef HANDOFF_RUN_PEER_CLOCK_H
#define HANDOFF_RUN_PEER_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exchanges of one estimate, fewer on a slow way: at least the least, and for as long as this. */
#define PEER_CLOCK_EXCHANGES_MAX 20
#define PEER_CLOCK_EXCHANGES_MIN 8
#define PEER_CLOCK_EXCHANGES_NS 200000000u

/* One question and its answer, each by the clock of where it was. */
struct peer_clock_exchange {
    uint64_t sent_ns;     /* here */
    uint64_t seen_ns;     /* there */
    uint64_t answered_ns; /* there */
    uint64_t received_ns; /* here */
};

/* What a series of exchanges says. */
struct peer_clock_reading {
    uint64_t at_ns;          /* by the clock here */
    int64_t offset_ns;       /* their clock less ours */
    uint64_t uncertainty_ns; /* the offset was not further off than this */
    uint64_t trip_min_ns;    /* a round trip on the network, without the time there */
    uint64_t trip_median_ns;
    uint32_t count; /* 0: nothing is known */
};

/* Of at least one exchange, at most PEER_CLOCK_EXCHANGES_MAX; false when one of them cannot be
 * (received before it was sent, a longer stay there than between the two here). */
bool peer_clock_read(const struct peer_clock_exchange *exchanges, size_t count,
                     struct peer_clock_reading *reading);

/* The clocks over a launch; `after` has count 0 where it broke off. */
struct peer_clock {
    struct peer_clock_reading before;
    struct peer_clock_reading after;
};

/* Whether anything is known of how far they are apart: both readings are there. After one alone,
 * they may have run apart by anything since. */
bool peer_clock_is_known(const struct peer_clock *clock);

/* What stamps of both may be apart: the larger of the two uncertainties, and what the offset has
 * moved in between. Half of what a time can be where that is not known: larger than any. */
uint64_t peer_clock_uncertainty_ns(const struct peer_clock *clock);

/* One of their stamps on our clock, with the offset as it was then, between the two readings; 0
 * stays 0. */
uint64_t peer_clock_to_ours_ns(const struct peer_clock *clock, uint64_t theirs_ns);

/* One of our times on their clock, by the first reading. */
uint64_t peer_clock_to_theirs_ns(const struct peer_clock *clock, uint64_t ours_ns);

#endif

/* peer_clock.c: see peer_clock.h. */
#include "harness/run/peer_clock.h"

#include <stdlib.h>

/* A clock that has run for 73 years is none, and with later times the sums below would run over. */
#define PEER_CLOCK_NS_MAX ((uint64_t)INT64_MAX / 4)

static int peer_clock_compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

bool peer_clock_read(const struct peer_clock_exchange *exchanges, size_t count,
                     struct peer_clock_reading *reading)
{
    uint64_t trips_ns[PEER_CLOCK_EXCHANGES_MAX];
    struct peer_clock_reading best = {.trip_min_ns = UINT64_MAX};
    if (count == 0 || count > PEER_CLOCK_EXCHANGES_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct peer_clock_exchange *one = &exchanges[i];
        const uint64_t here_ns = one->received_ns - one->sent_ns;
        const uint64_t there_ns = one->answered_ns - one->seen_ns;
        if (one->received_ns < one->sent_ns || one->answered_ns < one->seen_ns ||
            there_ns > here_ns || one->answered_ns > PEER_CLOCK_NS_MAX)
            return false;
        trips_ns[i] = here_ns - there_ns;
        if (trips_ns[i] >= best.trip_min_ns)
            continue;
        /* Wrapping around is fine: the offset is the difference of two clocks, whatever they
         * show. */
        const int64_t high_ns = (int64_t)(one->seen_ns - one->sent_ns);
        best.trip_min_ns = trips_ns[i];
        best.offset_ns = high_ns - (int64_t)(trips_ns[i] / 2);
        best.at_ns = one->sent_ns + here_ns / 2;
    }
    qsort(trips_ns, count, sizeof trips_ns[0], peer_clock_compare);
    best.trip_median_ns = trips_ns[count / 2];
    best.uncertainty_ns = best.trip_min_ns / 2 + 1;
    best.count = (uint32_t)count;
    *reading = best;
    return true;
}

bool peer_clock_is_known(const struct peer_clock *clock)
{
    return clock->before.count > 0 && clock->after.count > 0;
}

uint64_t peer_clock_uncertainty_ns(const struct peer_clock *clock)
{
    const struct peer_clock_reading *before = &clock->before, *after = &clock->after;
    if (!peer_clock_is_known(clock))
        return INT64_MAX;
    const uint64_t moved_ns = after->offset_ns > before->offset_ns
                                  ? (uint64_t)after->offset_ns - (uint64_t)before->offset_ns
                                  : (uint64_t)before->offset_ns - (uint64_t)after->offset_ns;
    return moved_ns + (after->uncertainty_ns > before->uncertainty_ns ? after->uncertainty_ns
                                                                      : before->uncertainty_ns);
}

uint64_t peer_clock_to_ours_ns(const struct peer_clock *clock, uint64_t theirs_ns)
{
    const struct peer_clock_reading *before = &clock->before, *after = &clock->after;
    const uint64_t ours_ns = theirs_ns - (uint64_t)before->offset_ns;
    if (theirs_ns == 0)
        return 0;
    if (after->count == 0 || after->at_ns <= before->at_ns || ours_ns <= before->at_ns)
        return ours_ns;
    const double part = ours_ns >= after->at_ns ? 1.0
                                                : (double)(ours_ns - before->at_ns) /
                                                      (double)(after->at_ns - before->at_ns);
    const double moved_ns = (double)(after->offset_ns - before->offset_ns);
    return ours_ns - (uint64_t)(int64_t)(part * moved_ns);
}

uint64_t peer_clock_to_theirs_ns(const struct peer_clock *clock, uint64_t ours_ns)
{
    return ours_ns + (uint64_t)clock->before.offset_ns;
}

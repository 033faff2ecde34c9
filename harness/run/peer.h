/* peer.h: the other host of a measurement across two: `handoff run --peer`.
 *
 * The producer runs here and the consumer there, where `handoff serve` starts it. A session
 * (session.h) stays as it is, but for who takes the consumer's place at its control socket: role
 * `peer` (peer_role.c), a process here that connects to the serving host for this launch and
 * relays. It compares the clocks before and after, and writes what the consumer stamped into the
 * launch's trace, on our clock.
 */
#ifndef HANDOFF_RUN_PEER_H
#define HANDOFF_RUN_PEER_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "harness/run/peer_clock.h"
#include "harness/run/peer_link.h"
#include "harness/scenario/scenario.h"

/* Launches in a row that may lose the serving host before the rest are not tried. */
#define PEER_LOST_MAX 3
/* One-way times are told where what the clocks may be apart is at most this part of them. */
#define PEER_AGREE_PART 0.05

struct peer_options {
    char text[PEER_HOST_BYTES + 8]; /* as the user wrote it */
    struct peer_address address;
    struct peer_key key;
    uint64_t timeout_ns;         /* of silence */
    uint8_t run[PEER_RUN_BYTES]; /* which run this is; the serving host takes one at a time */
};

/* A run's serving host. */
struct peer {
    struct peer_options options;
    cJSON *description;     /* owned: what it says of itself: version, commit, environment */
    unsigned lost_in_a_row; /* launches */
};

/* Connects and proves, within the timeout; the token of the connection is link->session.token.
 * ST_PEER_GONE when nobody answers, or not as one who knows the key; ST_INVALID for another version
 * of the protocol; ST_UNAVAILABLE when it is busy. */
enum status peer_connect(const struct peer_options *options, enum peer_purpose purpose,
                         struct peer_link *link, struct err *err);

/* Reserves the serving host for this run and asks what it is. The caller closes. */
enum status peer_open(const struct peer_options *options, struct peer *peer, struct err *err);
/* Says that the run is over, if it can. Safe on NULL. */
void peer_close(struct peer *peer);

/* The run's "peer" member of a result; NULL when out of memory. */
cJSON *peer_result_json(const struct peer *peer);

/* Makes those cells "not applicable" that cannot be measured across two hosts, with the reason. */
void peer_judge_cells(struct scenario *scenario);

/* What a launch is recorded with: the clocks, and what could not be told for their sake. */
#define PEER_WITHHELD_MAX 8
struct peer_launch {
    bool used;               /* across two hosts */
    struct peer_clock clock; /* before.count 0: it did not come to that */
    struct {
        const char *interval; /* its name */
        uint64_t p50_ns;
    } withheld[PEER_WITHHELD_MAX];
    unsigned withheld_count;
};

/* Whether a time as long as this can be told, with what the clocks may be apart. */
bool peer_can_tell(const struct peer_launch *launch, uint64_t time_ns);

/* For the processes of a launch. A connection's options as a member of the stub's setup, and
 * back. */
cJSON *peer_options_to_json(const struct peer_options *options);
enum status peer_options_from_json(const cJSON *json, struct peer_options *options,
                                   struct err *err);
/* The clocks as a message of type "peer", and back. */
cJSON *peer_clock_to_json(const struct peer_clock *clock);
enum status peer_clock_from_json(const cJSON *json, struct peer_clock *clock, struct err *err);

/* The stub's life: `handoff --role peer`. */
enum status peer_role_main(int control_fd, struct err *err);

/* The serving side of one connection: `handoff --role serving`, started by serve.c. */
enum status peer_server_main(int control_fd, struct err *err);

#endif

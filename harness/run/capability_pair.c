/* capability_pair.c: see capability_pair.h. */
#include "harness/run/capability_pair.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/measure/clock.h"

/* After one side failed: the other may be the cause, and its death takes a moment to show. */
#define PAIR_BLAME_NS 300000000u
/* Where the kernel has no pidfds, an end is looked for this often. */
#define PAIR_LOOK_NS 5000000u

static const char *const pair_side_names[CAPABILITY_SIDES] = {"maker", "user"};
/* In a sentence about the row's memory, event or word. */
static const char *const pair_side_words[CAPABILITY_SIDES] = {"the process that made it",
                                                              "the process that was handed it"};

/* ---- Start ----------------------------------------------------------------------------------- */

static enum status pair_send(struct capability_pair *pair, int side, uint64_t seed,
                             const struct capability_place *place, int peer_fd, struct err *err)
{
    cJSON *json = cJSON_CreateObject();
    bool ok = json_add_string(json, "type", "try") && json_add_string(json, "row", pair->row_key) &&
              json_add_string(json, "side", pair_side_names[side]) &&
              json_add_u64_text(json, "seed", seed) &&
              json_add_u64(json, "frame_id", seed % 1000000000u) &&
              json_add_string(json, "mps_pipe_dir", place->mps_pipe_dir);
    enum status status =
        ok ? channel_send(pair->sides[side].process.control_fd, json, &peer_fd, 1, err)
           : err_set(err, ST_NO_MEMORY, NULL, "out of memory for a message");
    cJSON_Delete(json);
    /* One that is gone already is found by its end. */
    return status == ST_PEER_GONE ? ST_OK : status;
}

enum status capability_pair_start(struct capability_pair *pair, const char *row_key, bool negative,
                                  const struct capability_limits *limits,
                                  const struct capability_place *place, struct err *err)
{
    const bool alone = strcmp(row_key, CAPABILITY_DESCRIBE) == 0;
    uint64_t seed;
    int peers[2];
    *pair = (struct capability_pair){
        .row_key = row_key,
        .negative = negative,
        .limits = limits,
        .began_ns = clock_now_ns(),
        .deadline_ns = clock_now_ns() + limits->starting_ns,
    };
    for (int i = 0; i < CAPABILITY_SIDES; i++)
        pair->sides[i] = (struct capability_pair_side){.process = PROCESS_NONE, .ended = true};
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return err_set_errno(err, errno, NULL, "cannot get a random number");
    enum status status = channel_pair(peers, err);
    if (status != ST_OK)
        return status;
    for (int i = 0; i < (alone ? 1 : CAPABILITY_SIDES) && status == ST_OK; i++) {
        struct capability_pair_side *side = &pair->sides[i];
        status = process_start("capability", PROCESS_DIES_WITH_US, &side->process, err);
        if (status != ST_OK)
            break;
        side->used = true;
        side->ended = false;
        status = pair_send(pair, i, seed, place, peers[i], err);
    }
    close(peers[0]);
    close(peers[1]);
    if (status != ST_OK)
        capability_pair_end(pair);
    return status;
}

/* ---- What happens ---------------------------------------------------------------------------- */

static void pair_note_finished(struct capability_pair_side *side, cJSON *json)
{
    side->finished = true;
    side->failure.status = status_from_name(json_get_string(json, "status", ""));
    snprintf(side->failure.what, sizeof side->failure.what, "%s",
             json_get_string(json, "what", "failed without saying why"));
    snprintf(side->failure.hint, sizeof side->failure.hint, "%s",
             json_get_string(json, "hint", ""));
    snprintf(side->verified, sizeof side->verified, "%s", json_get_string(json, "verified", ""));
    side->described = cJSON_DetachItemFromObjectCaseSensitive(json, "described");
}

/* A status of its own making, for a side that does not keep to the protocol. */
static void pair_note_broken(struct capability_pair_side *side, const struct err *failure)
{
    if (side->finished)
        return;
    side->finished = true;
    side->failure = *failure;
}

static bool pair_has_opened(const struct capability_pair *pair)
{
    for (int i = 0; i < CAPABILITY_SIDES; i++)
        if (pair->sides[i].used && !pair->sides[i].opened)
            return false;
    return true;
}

static void pair_handle(struct capability_pair *pair, struct capability_pair_side *side,
                        struct channel_message *message)
{
    const char *type = json_get_string(message->json, "type", "");
    struct err failure;
    if (side->finished)
        return;
    if (strcmp(type, "step") == 0) {
        snprintf(side->step, sizeof side->step, "%s", json_get_string(message->json, "what", ""));
    } else if (strcmp(type, "opened") == 0 && !side->opened) {
        side->opened = true;
        side->step[0] = '\0';
        if (pair_has_opened(pair))
            pair->deadline_ns = clock_now_ns() + (pair->negative ? pair->limits->negative_ns
                                                                 : pair->limits->trying_ns);
    } else if (strcmp(type, "finished") == 0) {
        pair_note_finished(side, message->json);
    } else {
        err_set(&failure, ST_CORRUPT, "do both ends run the same version of handoff?",
                "it sent \"%s\" where that has no place", type);
        pair_note_broken(side, &failure);
    }
}

/* False when there was nothing to read. */
static bool pair_read(struct capability_pair *pair, struct capability_pair_side *side)
{
    struct channel_message message = {0};
    struct err failure;
    enum status status = channel_receive(side->process.control_fd, 0, &message, &failure);
    if (status == ST_TIMEOUT)
        return false;
    if (status == ST_PEER_GONE)
        side->closed = true;
    else if (status == ST_OK)
        pair_handle(pair, side, &message);
    else
        pair_note_broken(side, &failure);
    channel_message_clear(&message);
    return true;
}

/* The outcome is known: from here on, the processes have their time to end. */
static void pair_set_outcome(struct capability_pair *pair, uint64_t now_ns, uint64_t ending_ns)
{
    if (pair->outcome_ns)
        return;
    pair->outcome_ns = now_ns;
    pair->deadline_ns = now_ns + ending_ns;
}

/* After anything happened, or time passed. */
static void pair_advance(struct capability_pair *pair, uint64_t now_ns)
{
    bool all_finished = true, all_over = true, failed = false;
    for (int i = 0; i < CAPABILITY_SIDES; i++) {
        struct capability_pair_side *side = &pair->sides[i];
        if (!side->used)
            continue;
        if (!side->ended && process_has_ended(&side->process))
            side->ended = true;
        /* A dead one's last words may still be in the socket. */
        while (side->ended && !side->closed && !side->finished && pair_read(pair, side))
            continue;
        all_finished &= side->finished;
        all_over &= side->finished || side->ended;
        failed |= side->finished ? side->failure.status != ST_OK : side->ended;
    }
    if (pair->outcome_ns)
        return;
    if (all_finished || all_over) {
        pair_set_outcome(pair, now_ns, pair->limits->ending_ns);
    } else if (failed && !pair->blaming) {
        pair->blaming = true;
        const uint64_t until_ns = now_ns + PAIR_BLAME_NS;
        pair->deadline_ns = until_ns < pair->deadline_ns ? until_ns : pair->deadline_ns;
    } else if (now_ns >= pair->deadline_ns) {
        pair->late = !pair->blaming;
        pair_set_outcome(pair, now_ns, 0);
    }
}

void capability_pairs_poll(struct capability_pair *const *pairs, size_t count)
{
    enum { PAIRS_MAX = 16 };
    struct pollfd fds[2 * CAPABILITY_SIDES * PAIRS_MAX];
    struct capability_pair_side *sides[CAPABILITY_SIDES * PAIRS_MAX];
    struct capability_pair *owners[CAPABILITY_SIDES * PAIRS_MAX];
    nfds_t watched = 0;
    uint64_t now_ns = clock_now_ns(), until_ns = now_ns + 1000000000u;
    for (size_t i = 0; i < count && i < PAIRS_MAX; i++) {
        until_ns = pairs[i]->deadline_ns < until_ns ? pairs[i]->deadline_ns : until_ns;
        for (int j = 0; j < CAPABILITY_SIDES; j++) {
            struct capability_pair_side *side = &pairs[i]->sides[j];
            if (side->ended)
                continue;
            if (side->process.pidfd < 0 && now_ns + PAIR_LOOK_NS < until_ns)
                until_ns = now_ns + PAIR_LOOK_NS;
            fds[2 * watched] = (struct pollfd){.fd = side->closed ? -1 : side->process.control_fd,
                                               .events = POLLIN};
            fds[2 * watched + 1] = (struct pollfd){.fd = side->process.pidfd, .events = POLLIN};
            owners[watched] = pairs[i];
            sides[watched++] = side;
        }
    }
    const uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    const struct timespec left = {.tv_sec = (time_t)(left_ns / 1000000000u),
                                  .tv_nsec = (long)(left_ns % 1000000000u)};
    if (ppoll(fds, 2 * watched, &left, NULL) > 0)
        for (nfds_t i = 0; i < watched; i++)
            if (fds[2 * i].revents)
                (void)pair_read(owners[i], sides[i]);
    now_ns = clock_now_ns();
    for (size_t i = 0; i < count; i++)
        pair_advance(pairs[i], now_ns);
}

bool capability_pair_is_over(struct capability_pair *pair)
{
    bool all_ended = true;
    for (int i = 0; i < CAPABILITY_SIDES; i++)
        all_ended &= pair->sides[i].ended;
    return pair->outcome_ns && (all_ended || clock_now_ns() >= pair->deadline_ns);
}

/* ---- The verdict ----------------------------------------------------------------------------- */

static void pair_blame(const struct capability_pair *pair, int i, struct err *why)
{
    const struct capability_pair_side *side = &pair->sides[i];
    const bool alone = !pair->sides[CAPABILITY_USER].used;
    const char *who = alone ? "the process that asked the GPU" : pair_side_words[i];
    char how[160];
    if (side->finished) {
        *why = side->failure;
        return;
    }
    if (side->ended)
        err_set(why, ST_ROLE_DIED, NULL, "%s %s%s%s%s", who,
                process_end_format(&side->process, how, sizeof how), side->step[0] ? " (at: " : "",
                side->step, side->step[0] ? ")" : "");
    else
        err_set(why, ST_TIMEOUT, NULL, "%s did not come back within %.3g s%s%s%s", who,
                (double)(pair->outcome_ns - pair->began_ns) / 1e9, side->step[0] ? " (at: " : "",
                side->step, side->step[0] ? ")" : "");
}

/* How telling a side's end is: the higher, the nearer to the cause. A death is nearer than an
 * error, an error than a hang, and one that lost or awaited the other side is the furthest from
 * it. */
static int pair_rank(const struct capability_pair_side *side)
{
    if (!side->used || (side->finished && side->failure.status == ST_OK))
        return 0;
    if (side->finished)
        return side->failure.status == ST_PEER_GONE ? 1 : 3;
    if (side->ended)
        return 4;
    return strcmp(side->step, CAPABILITY_WAITS) == 0 ? 1 : 2;
}

void capability_pair_judge(const struct capability_pair *pair, struct capability_answer *answer)
{
    const struct capability_pair_side *maker = &pair->sides[CAPABILITY_MAKER];
    const struct capability_pair_side *user = &pair->sides[CAPABILITY_USER];
    const int maker_rank = pair_rank(maker), user_rank = pair_rank(user);
    *answer = (struct capability_answer){.took_ns = pair->outcome_ns - pair->began_ns};
    if (maker_rank == 0 && user_rank == 0) {
        answer->outcome = CAPABILITY_WORKS;
        const bool both =
            maker->verified[0] && user->verified[0] && strcmp(maker->verified, user->verified) != 0;
        snprintf(answer->verified, sizeof answer->verified, "%s%s%s", maker->verified,
                 both ? "; " : "", both || !maker->verified[0] ? user->verified : "");
        return;
    }
    answer->outcome = CAPABILITY_DOES_NOT;
    /* Of two that hang, the user is where the row is tried. */
    const int blamed = maker_rank > user_rank ? CAPABILITY_MAKER : CAPABILITY_USER;
    answer->had_context = pair->sides[blamed].opened;
    pair_blame(pair, blamed, &answer->why);
}

void capability_pair_end(struct capability_pair *pair)
{
    for (int i = 0; i < CAPABILITY_SIDES; i++) {
        process_end(&pair->sides[i].process, 0);
        cJSON_Delete(pair->sides[i].described);
        pair->sides[i].described = NULL;
        pair->sides[i].ended = true;
    }
}

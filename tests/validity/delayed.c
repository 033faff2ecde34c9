/* delayed.c: transport shm with a delay of known length in one of its verbs.
 *
 * For the validity experiments: what goes in must come out, in each interval it belongs to and in
 * no other. Only handoff-validity has it (registry.c beside). The environment, which roles inherit,
 * says where and how much:
 *
 *   HANDOFF_DELAY="<place>:<ns>"          in every frame; <place> is
 *       reserve   after a slot was found       publish   in commit, before the consumer can know
 *       commit    in commit, after that        acquire   after a frame was found
 *       release   after the slot was given back
 *   HANDOFF_STALL="<place>:<ns>:<count>"  once, in the count-th call (from 0) that succeeds
 *
 * The delay is made with the system's clock, by looking at it, and by no means of the suite's.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transports/transport.h"

extern const struct transport transport_shm;

enum place { PLACE_RESERVE, PLACE_PUBLISH, PLACE_COMMIT, PLACE_ACQUIRE, PLACE_RELEASE, PLACES };
static const char *const place_names[PLACES] = {"reserve", "publish", "commit", "acquire",
                                                "release"};

struct endpoint {
    struct endpoint *inner; /* of transport shm */
    uint64_t delay_ns[PLACES];
    uint64_t stall_ns[PLACES];
    uint64_t stall_count[PLACES];
    uint64_t calls[PLACES];
    bool has_slot; /* reserve has returned it and paid for it already */
};

static uint64_t system_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void delay(struct endpoint *endpoint, enum place place)
{
    uint64_t ns = endpoint->delay_ns[place];
    if (endpoint->stall_ns[place] && endpoint->calls[place]++ == endpoint->stall_count[place])
        ns += endpoint->stall_ns[place];
    if (ns == 0)
        return;
    uint64_t until_ns = system_now_ns() + ns;
    while (system_now_ns() < until_ns)
        continue;
}

/* "<place>:<number>[:<number>]" of an environment variable. */
static bool parse(const char *name, enum place *place, uint64_t numbers[2], int count)
{
    const char *text = getenv(name);
    if (!text || !*text)
        return false;
    char word[16] = "";
    unsigned long long first = 0, second = 0;
    int got = sscanf(text, "%15[a-z]:%llu:%llu", word, &first, &second);
    for (int i = 0; got == count + 1 && i < PLACES; i++)
        if (strcmp(place_names[i], word) == 0) {
            *place = (enum place)i;
            numbers[0] = first;
            numbers[1] = second;
            return true;
        }
    fprintf(stderr, "delayed: %s cannot be \"%s\"\n", name, text);
    exit(2);
}

static struct endpoint *delayed_wrap(struct endpoint *inner)
{
    struct endpoint *made = calloc(1, sizeof *made);
    if (!made)
        abort();
    enum place place;
    uint64_t numbers[2];
    made->inner = inner;
    if (parse("HANDOFF_DELAY", &place, numbers, 1))
        made->delay_ns[place] = numbers[0];
    if (parse("HANDOFF_STALL", &place, numbers, 2)) {
        made->stall_ns[place] = numbers[0];
        made->stall_count[place] = numbers[1];
    }
    return made;
}

static enum status delayed_probe(struct err *err)
{
    return transport_shm.probe(err);
}

static enum status delayed_create(const struct transport_config *config, struct endpoint **endpoint,
                                  struct transport_address *address, struct err *err)
{
    struct endpoint *inner;
    enum status status = transport_shm.create(config, &inner, address, err);
    if (status == ST_OK)
        *endpoint = delayed_wrap(inner);
    return status;
}

static enum status delayed_attach(const struct transport_config *config,
                                  struct transport_address *address, struct endpoint **endpoint,
                                  struct err *err)
{
    struct endpoint *inner;
    enum status status = transport_shm.attach(config, address, &inner, err);
    if (status == ST_OK)
        *endpoint = delayed_wrap(inner);
    return status;
}

static enum status delayed_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    enum status status = transport_shm.reserve(endpoint->inner, frame, err);
    if (status == ST_OK && !endpoint->has_slot) {
        endpoint->has_slot = true;
        delay(endpoint, PLACE_RESERVE);
    }
    return status;
}

static enum status delayed_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    delay(endpoint, PLACE_PUBLISH);
    enum status status = transport_shm.commit(endpoint->inner, frame, err);
    endpoint->has_slot = false;
    delay(endpoint, PLACE_COMMIT);
    return status;
}

static enum status delayed_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    enum status status = transport_shm.acquire(endpoint->inner, frame, err);
    if (status == ST_OK)
        delay(endpoint, PLACE_ACQUIRE);
    return status;
}

static enum status delayed_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    enum status status = transport_shm.release(endpoint->inner, frame, err);
    delay(endpoint, PLACE_RELEASE);
    return status;
}

static void delayed_wait_source(struct endpoint *endpoint, enum direction direction,
                                struct wait_source *source)
{
    transport_shm.wait_source(endpoint->inner, direction, source);
}

static void delayed_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    transport_shm.counters(endpoint->inner, counters);
}

static void delayed_hang_up(struct endpoint *endpoint)
{
    transport_shm.hang_up(endpoint->inner);
}

static void delayed_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    transport_shm.destroy(endpoint->inner);
    free(endpoint);
}

const struct transport transport_delayed = {
    .name = "delayed",
    .summary = "shm with a known delay, for the validity experiments",
    .flags = 0,
    .sources = SOURCE_WORD,
    .policies = POLICY_BLOCK | POLICY_LATEST,
    .slots_min = 1,
    .slots_max = 1024,
    .probe = delayed_probe,
    .create = delayed_create,
    .attach = delayed_attach,
    .reserve = delayed_reserve,
    .commit = delayed_commit,
    .acquire = delayed_acquire,
    .release = delayed_release,
    .wait_source = delayed_wait_source,
    .counters = delayed_counters,
    .hang_up = delayed_hang_up,
    .destroy = delayed_destroy,
};

/* ring_threads.c: the shared-memory ring and mailbox between two threads: ring_threads POLICY WAIT.
 *
 * Between processes, or through two mappings of one segment, the thread sanitizer sees two
 * different addresses and no race. Here both sides use the same bytes, through ring.h and mailbox.h
 * exactly as transport shm does, so that a build with HANDOFF_SANITIZE=thread checks every byte of
 * every slot against the memory orders of the ring. In other builds the test still checks the
 * bytes.
 *
 * The word's value for `idle` is taken with relaxed order here (the roles use acquire), so that
 * nothing but the ring itself orders the bytes. The strategies have no fences, which that sanitizer
 * does not know (see futex.c). A wait that this machine lacks is skipped.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/wait/wait.h"
#include "transports/mailbox.h"
#include "transports/ring.h"

#define FRAMES 6000
#define WORDS 64
#define SLOTS_MAX 16

struct shared {
    struct ring_control control;
    uint64_t slots[SLOTS_MAX][WORDS];
    struct transport_config config;
    const struct wait_strategy *wait;
    int fds[2]; /* what `create` made for head and tail */
    uint64_t seed;
    uint64_t received;
    uint64_t skipped;
    uint64_t wrong;
};

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

/* Cheap, and not the same for any two frames; plain accesses, on purpose. */
static void slot_write(struct shared *shared, uint32_t slot, uint64_t number)
{
    for (uint64_t i = 0; i < WORDS; i++)
        shared->slots[slot][i] = mix(shared->seed + number * WORDS + i);
}

static bool slot_holds(const struct shared *shared, uint32_t slot, uint64_t number)
{
    bool whole = true;
    for (uint64_t i = 0; i < WORDS; i++)
        whole &= shared->slots[slot][i] == mix(shared->seed + number * WORDS + i);
    return whole;
}

static void fail(const char *what, enum status status)
{
    fprintf(stderr, "ring_threads: %s: %s\n", what, status_name(status));
    exit(1);
}

static uint64_t deadline_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec + 60) * 1000000000u;
}

#define WAIT_US 20 /* for strategies that take a time */

/* The wait of one bell, opened for one thread. */
static struct wait_state open_wait(const struct shared *shared, int fd)
{
    struct err err = {0};
    struct wait_state state;
    const struct wait_config config = {
        .parameter_us = shared->wait->parameter == WAIT_PARAMETER_US ? WAIT_US : 0, .fd = fd};
    enum status status = shared->wait->open(&config, &state, &err);
    if (status != ST_OK)
        fail(err.what, status);
    return state;
}

/* One thread's two waits: it idles on one bell and notifies on the other. */
struct waits {
    struct doorbell *mine, *theirs;
    struct wait_state idle, notify;
};

static struct waits open_waits(struct shared *shared, bool producer)
{
    return (struct waits){
        .mine = producer ? &shared->control.tail : &shared->control.head,
        .theirs = producer ? &shared->control.head : &shared->control.tail,
        .idle = open_wait(shared, shared->fds[producer ? 1 : 0]),
        .notify = open_wait(shared, shared->fds[producer ? 0 : 1]),
    };
}

static void close_waits(struct shared *shared, struct waits *waits)
{
    shared->wait->close(&waits->idle);
    shared->wait->close(&waits->notify);
}

/* Idles with the value taken before the try; ends the test if nothing comes for a minute. */
static void idle(struct shared *shared, struct waits *waits, uint32_t seen)
{
    struct wait_source source = {.kind = SOURCE_WORD, .bell = waits->mine, .fd = -1};
    enum status status = shared->wait->idle(&waits->idle, &source, seen, deadline_ns());
    if (status != ST_OK)
        fail("idle", status);
}

static void notify(struct shared *shared, struct waits *waits)
{
    struct wait_source source = {.kind = SOURCE_WORD, .bell = waits->theirs, .fd = -1};
    shared->wait->notify(&waits->notify, &source);
}

static void *produce_block(void *argument)
{
    struct shared *shared = argument;
    struct waits waits = open_waits(shared, true);
    struct ring_producer ring;
    struct err err = {0};
    ring_producer_init(&ring, &shared->control, &shared->config);
    for (uint64_t i = 0; i < FRAMES; i++) {
        for (;;) {
            uint32_t seen = atomic_load_explicit(&shared->control.tail.word, memory_order_relaxed);
            enum status status = ring_reserve(&ring, &err);
            if (status == ST_OK)
                break;
            if (status != ST_AGAIN)
                fail(err.what, status);
            idle(shared, &waits, seen);
        }
        slot_write(shared, ring.slot, ring.committed);
        ring_commit(&ring, &err);
        notify(shared, &waits);
    }
    ring_producer_hang_up(&ring);
    notify(shared, &waits);
    close_waits(shared, &waits);
    return NULL;
}

static void consume_block(struct shared *shared)
{
    struct waits waits = open_waits(shared, false);
    struct ring_consumer ring;
    struct err err = {0};
    ring_consumer_init(&ring, &shared->control, &shared->config);
    for (;;) {
        uint32_t slot = 0;
        uint64_t sequence = 0;
        uint32_t seen = atomic_load_explicit(&shared->control.head.word, memory_order_relaxed);
        enum status status = ring_acquire(&ring, &slot, &sequence, &err);
        if (status == ST_PEER_GONE)
            break;
        if (status == ST_AGAIN) {
            idle(shared, &waits, seen);
            continue;
        }
        if (status != ST_OK)
            fail(err.what, status);
        shared->wrong +=
            !slot_holds(shared, slot, shared->config.first_sequence + shared->received);
        shared->received++;
        ring_release(&ring, sequence, &err);
        notify(shared, &waits);
    }
    close_waits(shared, &waits);
}

static void *produce_latest(void *argument)
{
    struct shared *shared = argument;
    struct waits waits = open_waits(shared, true);
    struct mailbox_producer *box = malloc(sizeof *box);
    struct err err = {0};
    mailbox_producer_init(box, &shared->control, &shared->config);
    for (uint64_t i = 0; i < FRAMES; i++) {
        uint32_t slot = 0;
        enum status status = mailbox_reserve(box, &slot, &err);
        if (status != ST_OK)
            fail(err.what, status);
        slot_write(shared, slot, box->committed);
        status = mailbox_commit(box, &err);
        if (status != ST_OK)
            fail(err.what, status);
        notify(shared, &waits);
    }
    mailbox_producer_hang_up(box);
    notify(shared, &waits);
    shared->skipped = box->skipped;
    free(box);
    close_waits(shared, &waits);
    return NULL;
}

static void consume_latest(struct shared *shared)
{
    struct waits waits = open_waits(shared, false);
    struct mailbox_consumer *box = malloc(sizeof *box);
    struct err err = {0};
    uint64_t last = shared->config.first_sequence - 1;
    mailbox_consumer_init(box, &shared->control, &shared->config);
    for (;;) {
        uint32_t slot = 0;
        uint64_t sequence = 0;
        uint32_t seen = atomic_load_explicit(&shared->control.head.word, memory_order_relaxed);
        enum status status = mailbox_acquire(box, &slot, &sequence, &err);
        if (status == ST_PEER_GONE)
            break;
        if (status == ST_AGAIN) {
            idle(shared, &waits, seen);
            continue;
        }
        if (status != ST_OK)
            fail(err.what, status);
        shared->wrong += !slot_holds(shared, slot, sequence) || (int64_t)(sequence - last) <= 0;
        last = sequence;
        shared->received++;
        status = mailbox_release(box, slot, sequence, &err);
        if (status != ST_OK)
            fail(err.what, status);
    }
    free(box);
    close_waits(shared, &waits);
}

static void create_waits(struct shared *shared)
{
    struct doorbell *bells[2] = {&shared->control.head, &shared->control.tail};
    for (int bell = 0; bell < 2; bell++) {
        struct err err = {0};
        enum status status = wait_create(shared->wait, bells[bell], &shared->fds[bell], &err);
        if (status != ST_OK)
            fail(err.what, status);
    }
}

int main(int argc, char **argv)
{
    static struct shared shared;
    bool latest = argc > 1 && strcmp(argv[1], "latest") == 0;
    shared.wait = argc > 2 ? wait_find(argv[2]) : NULL;
    if (!shared.wait || !(latest || strcmp(argv[1], "block") == 0)) {
        fprintf(stderr, "usage: %s block|latest WAIT [SEED]\n", argv[0]);
        return 2;
    }
    struct err err = {0};
    if (shared.wait->probe(&err) != ST_OK) {
        printf("skipped: wait %s: %s\n", shared.wait->name, err.what);
        return 77;
    }
    shared.seed = argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)time(NULL) * 1000003u;
    printf("seed %" PRIu64 "\n", shared.seed);
    static const uint32_t slots[] = {3, 1, 2, 5, 16};
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        shared.config = (struct transport_config){
            .slots = latest && slots[i] < 3 ? 4 : slots[i],
            .max_held = 1,
            .policy = latest ? POLICY_LATEST : POLICY_BLOCK,
            .first_sequence = (1ull << 31) - FRAMES / 2, /* the word wraps around on the way */
        };
        shared.received = shared.skipped = shared.wrong = 0;
        (latest ? mailbox_control_init : ring_control_init)(&shared.control, &shared.config);
        create_waits(&shared);
        pthread_t producer;
        if (pthread_create(&producer, NULL, latest ? produce_latest : produce_block, &shared) != 0)
            fail("pthread_create", ST_SYSTEM);
        (latest ? consume_latest : consume_block)(&shared);
        pthread_join(producer, NULL);
        for (int bell = 0; bell < 2; bell++)
            if (shared.fds[bell] >= 0)
                close(shared.fds[bell]);
        if (shared.wrong || shared.received + shared.skipped != FRAMES) {
            fprintf(stderr, "%" PRIu64 " received, %" PRIu64 " skipped of %d; %" PRIu64 " wrong\n",
                    shared.received, shared.skipped, FRAMES, shared.wrong);
            return 1;
        }
        printf("%u slots: %" PRIu64 " received, %" PRIu64 " skipped\n", shared.config.slots,
               shared.received, shared.skipped);
    }
    return 0;
}

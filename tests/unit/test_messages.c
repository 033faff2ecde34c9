/* test_messages.c: the common part of transports over message libraries, with a link that the test
 * plays itself: misuse, sizes, credits, goodbyes, and whatever a library may answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <string.h>

#include "transports/messages.h"

#define PAYLOAD_BYTES 100
#define SLOTS 4
#define HELD 2
#define QUEUE 16

/* What the link was asked to send, what it will bring, and how it will answer. */
struct fake {
    /* The answers; ST_OK also means "do it". */
    enum status send_frame, send_goodbye, take, send_credit;
    unsigned refusals; /* goodbyes to answer with ST_AGAIN first */
    /* Asked of it. */
    uint64_t frames_sent;
    const uint8_t *last_payload;
    uint32_t last_slot;
    unsigned goodbyes, goodbye_tries;
    uint32_t credits_sent[QUEUE];
    unsigned credit_count, credit_tries;
    uint32_t taken_slot;
    int dropped[QUEUE];
    unsigned drop_count;
    unsigned closed;
    /* To bring. */
    uint32_t credits[QUEUE];
    unsigned credits_left, next_credit;
    size_t sizes[QUEUE]; /* payload bytes of each frame; SIZE_MAX: a goodbye */
    unsigned frames_left, next_frame;
};
static struct fake fake;

static enum status fake_send_frame(void *self, const struct frame *frame, uint32_t slot,
                                   uint64_t *copied_bytes, struct err *err)
{
    assert_ptr_equal(self, &fake);
    if (fake.send_frame != ST_OK)
        return fake.send_frame;
    fake.frames_sent++;
    fake.last_payload = frame->payload;
    fake.last_slot = slot;
    *copied_bytes += frame->payload_bytes;
    return ST_OK;
}

static enum status fake_send_goodbye(void *self, struct err *err)
{
    fake.goodbye_tries++;
    if (fake.refusals > 0) {
        fake.refusals--;
        return ST_AGAIN;
    }
    fake.goodbyes += fake.send_goodbye == ST_OK;
    return fake.send_goodbye;
}

static enum status fake_take_credit(void *self, uint32_t *credit, struct err *err)
{
    if (fake.take != ST_OK)
        return err_set(err, fake.take, NULL, "the link said so");
    if (fake.credits_left == 0)
        return ST_AGAIN;
    fake.credits_left--;
    *credit = fake.credits[fake.next_credit++];
    return ST_OK;
}

static enum status fake_take_frame(void *self, uint32_t slot, struct frame *frame, bool *goodbye,
                                   uint64_t *copied_bytes, struct err *err)
{
    static uint8_t bytes[HELD][FRAME_HEADER_BYTES + 8 + 2 * PAYLOAD_BYTES];
    if (fake.take != ST_OK)
        return err_set(err, fake.take, NULL, "the link said so");
    if (fake.frames_left == 0)
        return ST_AGAIN;
    assert_true(slot < HELD);
    fake.frames_left--;
    fake.taken_slot = slot;
    frame->payload_bytes = fake.sizes[fake.next_frame++];
    *goodbye = frame->payload_bytes == SIZE_MAX;
    frame->header = bytes[slot];
    frame->payload = bytes[slot] + FRAME_HEADER_BYTES;
    *copied_bytes += *goodbye ? 0 : frame->payload_bytes;
    return ST_OK;
}

static void fake_drop(void *self, uint32_t slot)
{
    fake.dropped[fake.drop_count++ % QUEUE] = (int)slot;
}

static enum status fake_send_credit(void *self, uint32_t credit, struct err *err)
{
    fake.credit_tries++;
    if (fake.refusals > 0) {
        fake.refusals--;
        return ST_AGAIN;
    }
    if (fake.send_credit != ST_OK)
        return err_set(err, fake.send_credit, NULL, "the link said so");
    fake.credits_sent[fake.credit_count++ % QUEUE] = credit;
    return ST_OK;
}

static void fake_wait_source(void *self, enum direction direction, struct wait_source *source)
{
    *source = (struct wait_source){.kind = SOURCE_FD, .fd = 7, .events = POLLIN};
}

static void fake_close(void *self)
{
    fake.closed++;
}

static const struct message_link fake_link = {
    .send_frame = fake_send_frame,
    .send_goodbye = fake_send_goodbye,
    .take_credit = fake_take_credit,
    .take_frame = fake_take_frame,
    .drop = fake_drop,
    .send_credit = fake_send_credit,
    .wait_source = fake_wait_source,
    .close = fake_close,
};
static const struct transport borrows = {
    .name = "fake",
    .flags = TRANSPORT_SENDS_SOURCE | TRANSPORT_BORROWS_SOURCE | TRANSPORT_MOVES_BYTES,
};
static const struct transport copies = {
    .name = "fake",
    .flags = TRANSPORT_SENDS_SOURCE | TRANSPORT_MOVES_BYTES,
};
static const struct transport_config plain = {
    .payload_bytes = PAYLOAD_BYTES,
    .slots = SLOTS,
    .max_held = HELD,
    .policy = POLICY_BLOCK,
};

static struct endpoint *open_side(const struct transport *transport, bool producing,
                                  const struct transport_config *config)
{
    struct endpoint *endpoint = NULL;
    struct err err = {0};
    memset(&fake, 0, sizeof fake);
    assert_int_equal(
        messages_open(transport, &fake_link, config, producing, &fake, &endpoint, &err), ST_OK);
    return endpoint;
}

static void send_one(struct endpoint *endpoint)
{
    struct frame frame;
    struct err err = {0};
    assert_int_equal(messages_reserve(endpoint, &frame, &err), ST_OK);
    assert_int_equal(messages_commit(endpoint, &frame, &err), ST_OK);
}

static void bring_credit(uint32_t credit)
{
    fake.credits[0] = credit;
    fake.next_credit = 0;
    fake.credits_left = 1;
}

static void bring_frame(size_t payload_bytes)
{
    fake.sizes[0] = payload_bytes;
    fake.next_frame = 0;
    fake.frames_left = 1;
}

/* ---- Producer ---- */

static void producer_is_told_of_misuse(void **state)
{
    struct endpoint *producer = open_side(&borrows, true, &plain);
    struct frame frame = {.payload_bytes = PAYLOAD_BYTES}, again;
    struct err err = {0};
    assert_int_equal(messages_commit(producer, &frame, &err), ST_INVALID);
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_OK);
    assert_int_equal(messages_reserve(producer, &again, &err), ST_OK);
    assert_memory_equal(&frame, &again, sizeof frame);
    again.payload_bytes--;
    assert_int_equal(messages_commit(producer, &again, &err), ST_INVALID);
    assert_int_equal(messages_commit(producer, &frame, &err), ST_OK);
    assert_int_equal(messages_commit(producer, &frame, &err), ST_INVALID);
    assert_int_equal(fake.frames_sent, 1);
    messages_hang_up(producer);
    messages_hang_up(producer);
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_INVALID);
    assert_int_equal(messages_commit(producer, &frame, &err), ST_INVALID);
    messages_destroy(producer);
    assert_int_equal(fake.goodbyes, 1);
    assert_int_equal(fake.closed, 1);
    messages_destroy(NULL);
}

static void slots_and_credits_limit(void **state)
{
    struct endpoint *producer = open_side(&borrows, true, &plain);
    struct frame frame;
    struct err err = {0};
    uint8_t *headers[SLOTS];
    for (int i = 0; i < SLOTS; i++) {
        assert_int_equal(messages_reserve(producer, &frame, &err), ST_OK);
        assert_int_equal(frame.slot, i);
        headers[i] = frame.header;
        for (int k = 0; k < i; k++)
            assert_ptr_not_equal(headers[k], frame.header);
        assert_int_equal((uintptr_t)frame.payload % 4096, 0);
        assert_int_equal(messages_commit(producer, &frame, &err), ST_OK);
        assert_int_equal(fake.last_slot, i);
    }
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_AGAIN);
    bring_credit(2);
    send_one(producer);
    send_one(producer);
    assert_int_equal(fake.last_slot, 1);
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_AGAIN);
    /* More frames than are under way were released: somebody lies. */
    bring_credit(SLOTS + 1);
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_CORRUPT);
    bring_credit(UINT32_MAX);
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_CORRUPT);
    bring_credit(SLOTS);
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_OK);
    struct transport_counters counters;
    messages_counters(producer, &counters);
    assert_int_equal(counters.copied_bytes, 6 * PAYLOAD_BYTES);
    messages_destroy(producer);
}

static void ping_pong_has_one_frame_under_way(void **state)
{
    struct transport_config config = plain;
    config.max_in_flight = 1;
    config.first_sequence = ((uint64_t)1 << 32) - 2;
    struct endpoint *producer = open_side(&borrows, true, &config);
    struct frame frame;
    struct err err = {0};
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(messages_reserve(producer, &frame, &err), ST_OK);
        assert_int_equal(frame.sequence, config.first_sequence + i);
        assert_int_equal(frame.slot, (config.first_sequence + i) % SLOTS);
        assert_int_equal(messages_commit(producer, &frame, &err), ST_OK);
        assert_int_equal(messages_reserve(producer, &frame, &err), ST_AGAIN);
        bring_credit(1);
    }
    messages_destroy(producer);
}

/* What is sent at once need not stay, so one slot does; the frame's place is the sender's
 * affair. */
static void staging_is_as_large_as_it_must_be(void **state)
{
    struct endpoint *producer = open_side(&copies, true, &plain);
    struct frame first, second;
    struct err err = {0};
    uint8_t elsewhere[PAYLOAD_BYTES];
    assert_int_equal(messages_reserve(producer, &first, &err), ST_OK);
    uint8_t *staged = first.payload;
    first.payload = elsewhere;
    assert_int_equal(messages_commit(producer, &first, &err), ST_OK);
    assert_ptr_equal(fake.last_payload, elsewhere);
    assert_int_equal(messages_reserve(producer, &second, &err), ST_OK);
    assert_ptr_equal(second.payload, staged);
    messages_destroy(producer);

    struct transport_config empty = plain;
    empty.payload_bytes = 0;
    producer = open_side(&borrows, true, &empty);
    assert_int_equal(messages_reserve(producer, &first, &err), ST_OK);
    assert_null(first.payload);
    messages_destroy(producer);
}

static void commit_passes_on_what_the_link_says(void **state)
{
    struct endpoint *producer = open_side(&borrows, true, &plain);
    struct frame frame;
    struct err err = {0};
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_OK);
    fake.send_frame = ST_AGAIN;
    assert_int_equal(messages_commit(producer, &frame, &err), ST_AGAIN);
    fake.send_frame = ST_SYSTEM;
    assert_int_equal(messages_commit(producer, &frame, &err), ST_SYSTEM);
    fake.send_frame = ST_OK;
    assert_int_equal(messages_commit(producer, &frame, &err), ST_OK);
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_OK);
    fake.send_frame = ST_PEER_GONE;
    assert_int_equal(messages_commit(producer, &frame, &err), ST_PEER_GONE);
    /* Once gone, always gone; and nobody is left to say goodbye to. */
    fake.send_frame = ST_OK;
    assert_int_equal(messages_commit(producer, &frame, &err), ST_PEER_GONE);
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_PEER_GONE);
    messages_destroy(producer);
    assert_int_equal(fake.goodbye_tries, 0);
    assert_int_equal(fake.closed, 1);
}

static void reserve_passes_on_what_the_link_says(void **state)
{
    const enum status answers[] = {ST_SYSTEM, ST_CORRUPT, ST_PEER_GONE};
    for (int i = 0; i < 3; i++) {
        struct endpoint *producer = open_side(&borrows, true, &plain);
        struct frame frame;
        struct err err = {0};
        for (int k = 0; k < SLOTS; k++)
            send_one(producer);
        fake.take = answers[i];
        assert_int_equal(messages_reserve(producer, &frame, &err), answers[i]);
        fake.take = ST_OK;
        assert_int_equal(messages_reserve(producer, &frame, &err),
                         answers[i] == ST_PEER_GONE ? ST_PEER_GONE : ST_AGAIN);
        messages_destroy(producer);
    }
}

/* Credits before the goodbye count; after it there is nobody. */
static void consumers_goodbye_is_heard(void **state)
{
    struct endpoint *producer = open_side(&borrows, true, &plain);
    struct frame frame;
    struct err err = {0};
    for (int k = 0; k < SLOTS; k++)
        send_one(producer);
    fake.credits[0] = 1;
    fake.credits[1] = MESSAGE_CREDIT_GOODBYE;
    fake.credits_left = 2;
    send_one(producer);
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_PEER_GONE);
    assert_int_equal(messages_reserve(producer, &frame, &err), ST_PEER_GONE);
    messages_destroy(producer);
    assert_int_equal(fake.goodbye_tries, 0);
}

/* hang_up tries once; wait and destroy go on, but not for ever. */
static void producers_goodbye_is_tried_again(void **state)
{
    struct endpoint *producer = open_side(&borrows, true, &plain);
    struct wait_source source;
    fake.refusals = 2;
    messages_hang_up(producer);
    assert_int_equal(fake.goodbye_tries, 1);
    messages_wait_source(producer, DIRECTION_WRITE, &source);
    assert_int_equal(source.fd, 7);
    assert_int_equal(fake.goodbyes, 0);
    messages_wait_source(producer, DIRECTION_WRITE, &source);
    assert_int_equal(fake.goodbyes, 1);
    messages_wait_source(producer, DIRECTION_WRITE, &source);
    messages_destroy(producer);
    assert_int_equal(fake.goodbyes, 1);

    producer = open_side(&borrows, true, &plain);
    fake.refusals = 3;
    messages_destroy(producer);
    assert_int_equal(fake.goodbyes, 1);
    assert_int_equal(fake.closed, 1);

    producer = open_side(&borrows, true, &plain);
    fake.refusals = UINT32_MAX;
    messages_destroy(producer);
    assert_int_equal(fake.goodbyes, 0);
    assert_int_equal(fake.closed, 1);

    producer = open_side(&borrows, true, &plain);
    fake.send_goodbye = ST_SYSTEM;
    messages_destroy(producer);
    assert_int_equal(fake.goodbye_tries, 1);
}

/* ---- Consumer ---- */

static void consumer_is_told_of_misuse(void **state)
{
    struct endpoint *consumer = open_side(&borrows, false, &plain);
    struct frame held[HELD] = {0}, none = {0};
    struct err err = {0};
    assert_int_equal(messages_release(consumer, &none, &err), ST_INVALID);
    assert_int_equal(messages_acquire(consumer, &none, &err), ST_AGAIN);
    for (int i = 0; i < HELD; i++) {
        bring_frame(PAYLOAD_BYTES);
        assert_int_equal(messages_acquire(consumer, &held[i], &err), ST_OK);
        assert_int_equal(held[i].sequence, i);
        assert_int_equal(held[i].slot, i);
        assert_int_equal(held[i].payload_bytes, PAYLOAD_BYTES);
    }
    bring_frame(PAYLOAD_BYTES);
    assert_int_equal(messages_acquire(consumer, &none, &err), ST_INVALID);
    assert_int_equal(messages_release(consumer, &held[1], &err), ST_INVALID);
    assert_int_equal(fake.drop_count, 0);
    assert_int_equal(messages_release(consumer, &held[0], &err), ST_OK);
    assert_int_equal(messages_release(consumer, &held[0], &err), ST_INVALID);
    assert_int_equal(fake.drop_count, 1);
    assert_int_equal(fake.dropped[0], 0);
    assert_int_equal(messages_acquire(consumer, &held[0], &err), ST_OK);
    assert_int_equal(fake.taken_slot, 0);
    struct transport_counters counters;
    messages_counters(consumer, &counters);
    assert_int_equal(counters.copied_bytes, 3 * PAYLOAD_BYTES);
    /* What is still held is dropped before the link is closed. */
    messages_destroy(consumer);
    assert_int_equal(fake.drop_count, 3);
    assert_int_equal(fake.dropped[1], 1);
    assert_int_equal(fake.dropped[2], 0);
    assert_int_equal(fake.credits_sent[fake.credit_count - 1], MESSAGE_CREDIT_GOODBYE);
}

static void frames_have_exactly_their_size(void **state)
{
    const size_t wrong[] = {0, 1, PAYLOAD_BYTES - 1, PAYLOAD_BYTES + 1, 2 * PAYLOAD_BYTES};
    struct endpoint *consumer = open_side(&borrows, false, &plain);
    struct frame frame = {0};
    struct err err = {0};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bring_frame(wrong[i]);
        assert_int_equal(messages_acquire(consumer, &frame, &err), ST_CORRUPT);
        assert_int_equal(fake.drop_count, i + 1);
        assert_null(frame.header);
    }
    bring_frame(PAYLOAD_BYTES);
    assert_int_equal(messages_acquire(consumer, &frame, &err), ST_OK);
    messages_destroy(consumer);

    struct transport_config empty = plain;
    empty.payload_bytes = 0;
    consumer = open_side(&borrows, false, &empty);
    bring_frame(1);
    assert_int_equal(messages_acquire(consumer, &frame, &err), ST_CORRUPT);
    bring_frame(0);
    assert_int_equal(messages_acquire(consumer, &frame, &err), ST_OK);
    assert_null(frame.payload);
    messages_destroy(consumer);
}

static void acquire_passes_on_what_the_link_says(void **state)
{
    const enum status answers[] = {ST_SYSTEM, ST_CORRUPT, ST_PEER_GONE};
    for (int i = 0; i < 3; i++) {
        struct endpoint *consumer = open_side(&borrows, false, &plain);
        struct frame frame = {0};
        struct err err = {0};
        fake.take = answers[i];
        assert_int_equal(messages_acquire(consumer, &frame, &err), answers[i]);
        fake.take = ST_OK;
        bring_frame(PAYLOAD_BYTES);
        assert_int_equal(messages_acquire(consumer, &frame, &err),
                         answers[i] == ST_PEER_GONE ? ST_PEER_GONE : ST_OK);
        messages_destroy(consumer);
    }
}

static void producers_goodbye_is_heard_after_its_frames(void **state)
{
    struct endpoint *consumer = open_side(&borrows, false, &plain);
    struct frame frame = {0};
    struct err err = {0};
    fake.sizes[0] = PAYLOAD_BYTES;
    fake.sizes[1] = SIZE_MAX;
    fake.frames_left = 2;
    assert_int_equal(messages_acquire(consumer, &frame, &err), ST_OK);
    struct frame none = {0};
    assert_int_equal(messages_acquire(consumer, &none, &err), ST_PEER_GONE);
    assert_int_equal(messages_acquire(consumer, &none, &err), ST_PEER_GONE);
    /* A frame held may still be released, and nobody is told. */
    assert_int_equal(messages_release(consumer, &frame, &err), ST_OK);
    messages_destroy(consumer);
    assert_int_equal(fake.credit_tries, 0);
}

/* Several releases share a message only where the way back was full. */
static void credits_are_folded_when_they_must(void **state)
{
    struct endpoint *consumer = open_side(&borrows, false, &plain);
    struct frame frame = {0};
    struct err err = {0};
    for (int i = 0; i < 3; i++) {
        bring_frame(PAYLOAD_BYTES);
        assert_int_equal(messages_acquire(consumer, &frame, &err), ST_OK);
        assert_int_equal(messages_release(consumer, &frame, &err), ST_OK);
        assert_int_equal(fake.credits_sent[i], 1);
    }
    for (int i = 0; i < 3; i++) {
        bring_frame(PAYLOAD_BYTES);
        fake.refusals = 2; /* by acquire, by release */
        assert_int_equal(messages_acquire(consumer, &frame, &err), ST_OK);
        assert_int_equal(messages_release(consumer, &frame, &err), ST_OK);
    }
    assert_int_equal(fake.credit_count, 3);
    fake.refusals = 0;
    assert_int_equal(messages_acquire(consumer, &frame, &err), ST_AGAIN);
    assert_int_equal(fake.credit_count, 4);
    assert_int_equal(fake.credits_sent[3], 3);
    /* What is owed at the end is sent before the goodbye. */
    bring_frame(PAYLOAD_BYTES);
    assert_int_equal(messages_acquire(consumer, &frame, &err), ST_OK);
    fake.refusals = 1;
    assert_int_equal(messages_release(consumer, &frame, &err), ST_OK);
    messages_hang_up(consumer);
    messages_hang_up(consumer);
    assert_int_equal(fake.credit_count, 6);
    assert_int_equal(fake.credits_sent[4], 1);
    assert_int_equal(fake.credits_sent[5], MESSAGE_CREDIT_GOODBYE);
    messages_destroy(consumer);
    assert_int_equal(fake.credit_count, 6);
}

static void a_credit_that_fails_is_told(void **state)
{
    struct endpoint *consumer = open_side(&borrows, false, &plain);
    struct frame frame = {0}, none = {0};
    struct err err = {0};
    bring_frame(PAYLOAD_BYTES);
    assert_int_equal(messages_acquire(consumer, &frame, &err), ST_OK);
    fake.send_credit = ST_SYSTEM;
    assert_int_equal(messages_release(consumer, &frame, &err), ST_SYSTEM);
    assert_int_equal(messages_release(consumer, &frame, &err), ST_INVALID);
    /* The same when it was kept for later. */
    fake.send_credit = ST_OK;
    bring_frame(PAYLOAD_BYTES);
    memset(&frame, 0, sizeof frame);
    assert_int_equal(messages_acquire(consumer, &frame, &err), ST_OK);
    fake.refusals = 1;
    assert_int_equal(messages_release(consumer, &frame, &err), ST_OK);
    fake.send_credit = ST_SYSTEM;
    assert_int_equal(messages_acquire(consumer, &none, &err), ST_SYSTEM);
    /* A producer that has gone needs none; what it sent is still there. */
    fake.send_credit = ST_OK;
    fake.sizes[0] = fake.sizes[1] = PAYLOAD_BYTES;
    fake.next_frame = 0;
    fake.frames_left = 2;
    memset(&frame, 0, sizeof frame);
    assert_int_equal(messages_acquire(consumer, &frame, &err), ST_OK);
    fake.send_credit = ST_PEER_GONE;
    assert_int_equal(messages_release(consumer, &frame, &err), ST_OK);
    assert_int_equal(messages_acquire(consumer, &none, &err), ST_OK);
    messages_destroy(consumer);
}

static void consumers_goodbye_is_tried_again(void **state)
{
    struct endpoint *consumer = open_side(&borrows, false, &plain);
    struct wait_source source;
    fake.refusals = 1;
    messages_hang_up(consumer);
    assert_int_equal(fake.credit_count, 0);
    messages_wait_source(consumer, DIRECTION_READ, &source);
    assert_int_equal(fake.credit_count, 1);
    assert_int_equal(fake.credits_sent[0], MESSAGE_CREDIT_GOODBYE);
    messages_destroy(consumer);
    assert_int_equal(fake.credit_count, 1);
}

/* ---- Both ---- */

static void addresses_are_checked(void **state)
{
    struct transport_config config = plain;
    struct messages_address head = messages_address_of(42, &config);
    struct transport_address address = {.byte_count = sizeof head + 8};
    struct err err = {0};
    const uint32_t all = sizeof head + 8;
    memcpy(address.bytes, &head, sizeof head);
    assert_int_equal(messages_address_check(&copies, 42, &config, &address, all, 0, &err), ST_OK);
    assert_int_equal(messages_address_check(&copies, 42, &config, &address, 0, 0, &err), ST_OK);
    assert_int_equal(messages_address_check(&copies, 43, &config, &address, 0, 0, &err),
                     ST_CORRUPT);
    assert_int_equal(messages_address_check(&copies, 42, &config, &address, all - 1, 0, &err),
                     ST_CORRUPT);
    assert_int_equal(messages_address_check(&copies, 42, &config, &address, all, 1, &err),
                     ST_CORRUPT);
    for (size_t i = 0; i < sizeof head; i++) {
        address.bytes[i] ^= 1;
        assert_int_equal(messages_address_check(&copies, 42, &config, &address, all, 0, &err),
                         ST_CORRUPT);
        address.bytes[i] ^= 1;
    }
    const uint32_t counts[] = {0, sizeof head - 1, TRANSPORT_ADDRESS_BYTES + 1, UINT32_MAX};
    for (int i = 0; i < 4; i++) {
        address.byte_count = counts[i];
        assert_int_equal(messages_address_check(&copies, 42, &config, &address, 0, 0, &err),
                         ST_CORRUPT);
    }
    address.byte_count = all;
    address.fd_count = 1;
    address.fds[0] = -1;
    assert_int_equal(messages_address_check(&copies, 42, &config, &address, all, 1, &err),
                     ST_CORRUPT);
    address.fds[0] = 0;
    assert_int_equal(messages_address_check(&copies, 42, &config, &address, all, 1, &err), ST_OK);
}

/* An endpoint that cannot be made closes the link that it was given. */
static void a_failure_to_open_closes_the_link(void **state)
{
    struct transport_config config = plain;
    config.payload_bytes = SIZE_MAX / 64;
    config.slots = 16;
    struct endpoint *endpoint = NULL;
    struct err err = {0};
    memset(&fake, 0, sizeof fake);
    assert_int_not_equal(messages_open(&borrows, &fake_link, &config, true, &fake, &endpoint, &err),
                         ST_OK);
    assert_null(endpoint);
    assert_true(err.what[0] != 0);
    assert_int_equal(fake.closed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(producer_is_told_of_misuse),
        cmocka_unit_test(slots_and_credits_limit),
        cmocka_unit_test(ping_pong_has_one_frame_under_way),
        cmocka_unit_test(staging_is_as_large_as_it_must_be),
        cmocka_unit_test(commit_passes_on_what_the_link_says),
        cmocka_unit_test(reserve_passes_on_what_the_link_says),
        cmocka_unit_test(consumers_goodbye_is_heard),
        cmocka_unit_test(producers_goodbye_is_tried_again),
        cmocka_unit_test(consumer_is_told_of_misuse),
        cmocka_unit_test(frames_have_exactly_their_size),
        cmocka_unit_test(acquire_passes_on_what_the_link_says),
        cmocka_unit_test(producers_goodbye_is_heard_after_its_frames),
        cmocka_unit_test(credits_are_folded_when_they_must),
        cmocka_unit_test(a_credit_that_fails_is_told),
        cmocka_unit_test(consumers_goodbye_is_tried_again),
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(a_failure_to_open_closes_the_link),
    };
    return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}

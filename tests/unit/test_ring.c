/* test_ring.c: the ring and the mailbox against a control page that somebody overwrote, and the
 * arithmetic of their 31-bit words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/random_input.h"
#include "transports/mailbox.h"
#include "transports/ring.h"

static void words_count_modulo(void **unused)
{
    for (int i = 0; i < 100000; i++) {
        uint64_t known = random_u64() >> random_below(40);
        uint64_t ahead = random_below(2) ? random_below(2000) : random_below(1ull << 31);
        assert_int_equal(ring_count(known, ring_word(known + ahead)), known + ahead);
        assert_int_equal(ring_count(known, ring_word(known + ahead) | DOORBELL_CLOSED),
                         known + ahead);
        assert_int_equal(ring_word(known) & DOORBELL_CLOSED, 0);
    }
}

static struct transport_config config_random(enum policy policy)
{
    struct transport_config config = {.policy = policy, .first_sequence = random_u64()};
    config.max_held = (uint32_t)(1 + random_below(4));
    config.slots = (uint32_t)(config.max_held + 2 + random_below(6));
    return config;
}

/* Whatever the words hold, the consumer gets a slot that exists, or an error; never more frames
 * than there are slots, and never a slot that it holds already. */
static void consumer_distrusts_the_words(void **unused)
{
    struct ring_control control;
    struct ring_consumer ring;
    struct mailbox_consumer *box = malloc(sizeof *box);
    unsigned corrupt = 0;
    for (int i = 0; i < 20000; i++) {
        enum policy policy = i & 1 ? POLICY_LATEST : POLICY_BLOCK;
        struct transport_config config = config_random(policy);
        struct err err = {0};
        if (policy == POLICY_BLOCK) {
            ring_control_init(&control, &config);
            ring_consumer_init(&ring, &control, &config);
        } else {
            mailbox_control_init(&control, &config);
            mailbox_consumer_init(box, &control, &config);
        }
        for (int k = 0; k < 12; k++) {
            uint32_t near = ring_word(config.first_sequence + random_below(20));
            uint32_t detail =
                (uint32_t)random_below(config.slots + 3) | (uint32_t)(random_u64() << 31);
            atomic_store(&control.head.detail, detail);
            atomic_store(&control.head.word, random_below(2) ? near : (uint32_t)random_u64());
            uint32_t slot = UINT32_MAX;
            uint64_t sequence = 0;
            enum status status = policy == POLICY_BLOCK
                                     ? ring_acquire(&ring, &slot, &sequence, &err)
                                     : mailbox_acquire(box, &slot, &sequence, &err);
            if (status == ST_OK)
                assert_true(slot < config.slots);
            else
                assert_int_equal(slot, UINT32_MAX);
            if (policy == POLICY_BLOCK)
                assert_true(ring.committed - ring.released <= config.slots);
            else
                for (uint32_t a = 0; a < config.max_held; a++)
                    for (uint32_t b = 0; b < a; b++)
                        assert_int_not_equal(box->own[a], box->own[b]);
            corrupt += status == ST_CORRUPT;
            if (status == ST_OK && random_below(2))
                policy == POLICY_BLOCK
                    ? ring_release(&ring, ring.released, &err)
                    : mailbox_release(box, box->own[box->first], box->sequences[box->first], &err);
        }
    }
    assert_true(corrupt > 1000);
    free(box);
}

static void producer_distrusts_the_words(void **unused)
{
    struct ring_control control;
    struct ring_producer ring;
    struct mailbox_producer *box = malloc(sizeof *box);
    unsigned corrupt = 0;
    for (int i = 0; i < 20000; i++) {
        enum policy policy = i & 1 ? POLICY_LATEST : POLICY_BLOCK;
        struct transport_config config = config_random(policy);
        struct err err = {0};
        if (policy == POLICY_BLOCK) {
            ring_control_init(&control, &config);
            ring_producer_init(&ring, &control, &config);
        } else {
            mailbox_control_init(&control, &config);
            mailbox_producer_init(box, &control, &config);
        }
        for (int k = 0; k < 20; k++) {
            uint32_t near = ring_word(config.first_sequence + random_below(20));
            atomic_store(&control.tail.word, random_below(2) ? near : (uint32_t)random_u64() & ~1u);
            atomic_store(&control.head.detail,
                         (uint32_t)random_below(config.slots + 3) | (uint32_t)(random_u64() << 31));
            uint32_t slot = 0;
            enum status status = policy == POLICY_BLOCK ? ring_reserve(&ring, &err)
                                                        : mailbox_reserve(box, &slot, &err);
            if (status == ST_OK) {
                assert_true((policy == POLICY_BLOCK ? ring.slot : slot) < config.slots);
                status =
                    policy == POLICY_BLOCK ? ring_commit(&ring, &err) : mailbox_commit(box, &err);
            }
            if (policy == POLICY_BLOCK)
                assert_true(ring.committed - ring.released <= config.slots);
            corrupt += status == ST_CORRUPT;
        }
    }
    assert_true(corrupt > 1000);
    free(box);
}

/* Every slot has one owner at any time: the producer, the mailbox or the consumer. */
static void mailbox_slots_have_one_owner(void **unused)
{
    struct ring_control control;
    struct mailbox_producer *producer = malloc(sizeof *producer);
    struct mailbox_consumer *consumer = malloc(sizeof *consumer);
    for (int i = 0; i < 300; i++) {
        struct transport_config config = config_random(POLICY_LATEST);
        mailbox_control_init(&control, &config);
        mailbox_producer_init(producer, &control, &config);
        mailbox_consumer_init(consumer, &control, &config);
        for (int k = 0; k < 200; k++) {
            uint32_t slot = 0;
            uint64_t sequence = 0;
            uint64_t choice = random_below(3);
            if (choice == 0) {
                assert_int_equal(mailbox_reserve(producer, &slot, NULL), ST_OK);
                assert_int_equal(mailbox_commit(producer, NULL), ST_OK);
            } else if (choice == 1) {
                mailbox_acquire(consumer, &slot, &sequence, NULL);
            } else if (consumer->held) {
                assert_int_equal(mailbox_release(consumer, consumer->own[consumer->first],
                                                 consumer->sequences[consumer->first], NULL),
                                 ST_OK);
            }
            unsigned owners[16] = {0};
            for (uint32_t a = 0; a < producer->own_count; a++)
                owners[producer->own[a]]++;
            for (uint32_t a = 0; a < consumer->max_held; a++)
                owners[consumer->own[a]]++;
            owners[atomic_load(&control.head.detail) & ~MAILBOX_FRESH]++;
            for (uint32_t a = 0; a < config.slots; a++)
                assert_int_equal(owners[a], 1);
        }
    }
    free(producer);
    free(consumer);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_count_modulo),
        cmocka_unit_test(consumer_distrusts_the_words),
        cmocka_unit_test(producer_distrusts_the_words),
        cmocka_unit_test(mailbox_slots_have_one_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

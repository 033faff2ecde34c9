/* test_dds.c: what transport dds promises beyond the contract: the types are those of the IDL, a
 * stranger without the tag is not seen, the user's own configuration decides nothing, a frame too
 * long is refused, and the library's threads come with create and go with destroy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "transports/dds_party.h"
#include "transports/dds_types.h"
#include "transports/messages.h"
#ifdef HANDOFF_IDLC
#include "dds_frame.h"
#endif

#define PAYLOAD_BYTES 1000
/* What must not be found is looked for so long; what must be, as long as it takes. */
#define STRANGER_MS 250
#define FRIEND_MS 5000

extern const struct transport transport_dds;

#ifdef HANDOFF_IDLC
static void check_type(const dds_topic_descriptor_t *ours, const dds_topic_descriptor_t *theirs,
                       size_t op_words)
{
    assert_string_equal(ours->m_typename, theirs->m_typename);
    assert_int_equal(ours->m_size, theirs->m_size);
    assert_int_equal(ours->m_align, theirs->m_align);
    assert_int_equal(ours->m_flagset, theirs->m_flagset);
    assert_int_equal(ours->m_nkeys, theirs->m_nkeys);
    assert_int_equal(ours->m_nops, theirs->m_nops);
    assert_memory_equal(ours->m_ops, theirs->m_ops, op_words * sizeof ours->m_ops[0]);
}
static void test_types(void **state)
{
    check_type(&dds_frame_descriptor, &handoff_Frame_desc, 6);
    check_type(&dds_credit_descriptor, &handoff_Credit_desc, 3);
    assert_int_equal(offsetof(struct dds_frame, payload), offsetof(handoff_Frame, payload));
}
#else
static void test_types(void **state)
{
    skip(); /* idlc is not installed */
}
#endif

static struct transport_config edge_config(size_t payload_bytes)
{
    return (struct transport_config){
        .payload_bytes = payload_bytes, .slots = 4, .max_held = 1, .policy = POLICY_BLOCK};
}

static struct dds_frame frame_room;
static struct dds_credit credit_room;
static const struct dds_frame frame_hello;
static const struct dds_credit credit_hello = {UINT32_MAX};

static const struct dds_party_topics producer_topics = {
    .written = "frames",
    .written_type = &dds_frame_descriptor,
    .written_depth = 2,
    .hello = &frame_hello,
    .read = "credits",
    .read_type = &dds_credit_descriptor,
    .read_depth = 2,
    .heard = &credit_room,
};
static const struct dds_party_topics consumer_topics = {
    .written = "credits",
    .written_type = &dds_credit_descriptor,
    .written_depth = 2,
    .hello = &credit_hello,
    .read = "frames",
    .read_type = &dds_frame_descriptor,
    .read_depth = 2,
    .heard = &frame_room,
};

static void test_stranger(void **state)
{
    struct err err = {0};
    struct dds_party producer = {0}, stranger = {0}, consumer = {0};
    struct dds_party_place place = {.host = "127.0.0.1", .tag = {1, 2, 3}};
    assert_int_equal(dds_party_listen(&producer, &producer_topics, &place, &err), ST_OK);
    struct dds_party_place guessed = place;
    guessed.tag[DDS_PARTY_TAG_BYTES - 1] ^= 1;
    assert_int_equal(dds_party_join(&stranger, &consumer_topics, &guessed, STRANGER_MS, &err),
                     ST_TIMEOUT);
    assert_false(dds_party_is_matched(&producer));
    assert_int_equal(dds_party_join(&consumer, &consumer_topics, &place, FRIEND_MS, &err), ST_OK);
    assert_true(dds_party_is_matched(&producer));
    dds_party_close(&consumer);
    dds_party_close(&producer);
    dds_party_close(&producer);
}

/* Waits, as the library does, until `verb` has something else to say than ST_AGAIN. */
static enum status due(enum status (*verb)(struct endpoint *, struct frame *, struct err *),
                       struct endpoint *endpoint, struct frame *frame, enum direction direction,
                       struct err *err)
{
    enum status status;
    while ((status = verb(endpoint, frame, err)) == ST_AGAIN) {
        struct wait_source source;
        transport_dds.wait_source(endpoint, direction, &source);
        assert_int_not_equal(source.native_wait(source.native_self, FRIEND_MS), ST_SYSTEM);
    }
    return status;
}

/* The producer's frames have PAYLOAD_BYTES; what acquire says of the first, with `expected_bytes`
 * of them expected. */
static enum status first_frame(size_t expected_bytes, const struct transport_listen *listen)
{
    struct err err = {0};
    struct endpoint *producer, *consumer;
    struct transport_address address;
    struct transport_config config = edge_config(PAYLOAD_BYTES);
    config.listen = listen;
    assert_int_equal(transport_dds.create(&config, &producer, &address, &err), ST_OK);
    config.payload_bytes = expected_bytes;
    struct messages_address base;
    memcpy(&base, address.bytes, sizeof base);
    base.payload_bytes = expected_bytes;
    memcpy(address.bytes, &base, sizeof base);
    assert_int_equal(transport_dds.attach(&config, &address, &consumer, &err), ST_OK);
    struct frame sent = {0}, taken = {0};
    assert_int_equal(due(transport_dds.reserve, producer, &sent, DIRECTION_WRITE, &err), ST_OK);
    memset(sent.header, 7, FRAME_HEADER_BYTES);
    memset(sent.payload, 9, PAYLOAD_BYTES);
    assert_int_equal(due(transport_dds.commit, producer, &sent, DIRECTION_WRITE, &err), ST_OK);
    const enum status status = due(transport_dds.acquire, consumer, &taken, DIRECTION_READ, &err);
    if (status == ST_OK)
        assert_int_equal(taken.payload[PAYLOAD_BYTES - 1], 9);
    transport_dds.destroy(consumer);
    transport_dds.destroy(producer);
    return status;
}

static void test_frame_too_long(void **state)
{
    assert_int_equal(first_frame(PAYLOAD_BYTES, NULL), ST_OK);
    assert_int_equal(first_frame(PAYLOAD_BYTES - 1, NULL), ST_CORRUPT);
    assert_int_equal(first_frame(PAYLOAD_BYTES + 1, NULL), ST_CORRUPT);
    assert_int_equal(first_frame(1, NULL), ST_CORRUPT);
}

static void test_listen(void **state)
{
    const struct transport_listen listen = {.host = "127.0.0.1", .token = {42}};
    assert_int_equal(first_frame(PAYLOAD_BYTES, &listen), ST_OK);
    static const struct {
        struct transport_listen listen;
        enum status status;
    } wrong[] = {{{.host = "::1"}, ST_INVALID},
                 {{.host = "localhost"}, ST_INVALID},
                 {{.host = "198.51.100.77"}, ST_SYSTEM}}; /* TEST-NET: no host has it */
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct err err = {0};
        struct endpoint *endpoint = NULL;
        struct transport_address address = {0};
        struct transport_config config = edge_config(PAYLOAD_BYTES);
        config.listen = &wrong[i].listen;
        assert_int_equal(transport_dds.create(&config, &endpoint, &address, &err), wrong[i].status);
        assert_null(endpoint);
        assert_non_null(strstr(err.what, wrong[i].listen.host)); /* and not on stderr */
        assert_true(err.hint[0]);
    }
}

static void test_users_configuration(void **state)
{
    setenv("CYCLONEDDS_URI",
           "<Domain Id='any'><General><Interfaces><NetworkInterface name='none'/></Interfaces>"
           "</General><Discovery><Tag>theirs</Tag></Discovery></Domain>",
           1);
    assert_int_equal(first_frame(PAYLOAD_BYTES, NULL), ST_OK);
    unsetenv("CYCLONEDDS_URI");
}

static unsigned threads_count(void)
{
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    unsigned count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 2;
}

/* The axis library_threads is about threads that are born in create and attach. */
static void test_threads(void **state)
{
    struct err err = {0};
    struct endpoint *producer, *consumer;
    struct transport_address address;
    const struct transport_config config = edge_config(PAYLOAD_BYTES);
    const unsigned before = threads_count();
    assert_int_equal(transport_dds.create(&config, &producer, &address, &err), ST_OK);
    assert_int_equal(transport_dds.attach(&config, &address, &consumer, &err), ST_OK);
    const unsigned opened = threads_count();
    assert_true(opened > before);
    for (int i = 0; i < 20; i++) {
        struct frame sent = {0}, taken = {0};
        assert_int_equal(due(transport_dds.reserve, producer, &sent, DIRECTION_WRITE, &err), ST_OK);
        memset(sent.header, 7, FRAME_HEADER_BYTES);
        assert_int_equal(due(transport_dds.commit, producer, &sent, DIRECTION_WRITE, &err), ST_OK);
        assert_int_equal(due(transport_dds.acquire, consumer, &taken, DIRECTION_READ, &err), ST_OK);
        assert_int_equal(transport_dds.release(consumer, &taken, &err), ST_OK);
    }
    assert_int_equal(threads_count(), opened);
    transport_dds.destroy(consumer);
    transport_dds.destroy(producer);
    assert_int_equal(threads_count(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_stranger),
        cmocka_unit_test(test_frame_too_long),
        cmocka_unit_test(test_listen),
        cmocka_unit_test(test_users_configuration),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

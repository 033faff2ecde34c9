/* test_peer.c: two hosts that prove a key to each other, messages that cannot be changed, and
 * clocks that are apart by a known amount. Both sides are in this process, on the two ends of a
 * connection.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/peer.h"
#include "harness/run/peer_clock.h"
#include "harness/run/peer_key.h"
#include "harness/run/peer_link.h"
#include "tests/support/random_input.h"

#define SECOND_NS 1000000000u

static bool have_mac(void)
{
    struct err err;
    return mac_probe(&err) == ST_OK;
}

/* ---- the handshake --------------------------------------------------------------------------- */

/* Both sides after their hellos, with one key. */
struct sides {
    struct peer_handshake client, server;
    uint8_t run[PEER_RUN_BYTES];
};

static void exchange_hellos(struct peer_handshake *client, struct peer_handshake *server)
{
    struct err err;
    uint8_t hello[PEER_HELLO_BYTES];
    assert_int_equal(peer_nonce_make(client->client_nonce, &err), ST_OK);
    peer_hello_write(client->client_nonce, hello);
    assert_int_equal(peer_hello_read(hello, server->client_nonce, &err), ST_OK);
    assert_int_equal(peer_nonce_make(server->server_nonce, &err), ST_OK);
    peer_hello_write(server->server_nonce, hello);
    assert_int_equal(peer_hello_read(hello, client->server_nonce, &err), ST_OK);
}

static struct sides make_sides(void)
{
    struct sides sides = {.run = "sixteen letters"};
    for (size_t i = 0; i < sizeof sides.client.key.bytes; i++)
        sides.client.key.bytes[i] = sides.server.key.bytes[i] = (uint8_t)random_u64();
    exchange_hellos(&sides.client, &sides.server);
    return sides;
}

static enum status read_proof(const struct sides *sides, const uint8_t *proof)
{
    struct err err;
    enum peer_purpose purpose;
    uint8_t run[PEER_RUN_BYTES];
    return peer_proof_read(&sides->server, proof, &purpose, run, &err);
}

static void test_those_who_know_the_key_come_together(void **state)
{
    if (!have_mac())
        skip();
    struct sides sides = make_sides();
    struct err err;
    uint8_t proof[PEER_PROOF_BYTES], answer[PEER_ANSWER_BYTES], run[PEER_RUN_BYTES];
    enum peer_purpose purpose;
    enum peer_answer answered;
    assert_int_equal(peer_proof_write(&sides.client, PEER_LAUNCH, sides.run, proof, &err), ST_OK);
    assert_int_equal(peer_proof_read(&sides.server, proof, &purpose, run, &err), ST_OK);
    assert_int_equal(purpose, PEER_LAUNCH);
    assert_memory_equal(run, sides.run, sizeof run);
    for (int i = 0; i < 2; i++) {
        const enum peer_answer said = i ? PEER_BUSY : PEER_WELCOME;
        assert_int_equal(peer_answer_write(&sides.server, said, answer, &err), ST_OK);
        assert_int_equal(peer_answer_read(&sides.client, answer, &answered, &err), ST_OK);
        assert_int_equal(answered, said);
    }
    struct peer_session ours, theirs;
    assert_int_equal(peer_session_make(&sides.client, &ours, &err), ST_OK);
    assert_int_equal(peer_session_make(&sides.server, &theirs, &err), ST_OK);
    assert_memory_equal(&ours, &theirs, sizeof ours);
    assert_memory_not_equal(ours.to_client, ours.to_server, MAC_BYTES);
    assert_memory_not_equal(ours.to_client, ours.token, MAC_BYTES);
    assert_memory_not_equal(ours.token, sides.client.key.bytes, MAC_BYTES);
}

static void test_any_other_key_and_any_changed_bit_is_refused(void **state)
{
    if (!have_mac())
        skip();
    struct sides sides = make_sides();
    struct err err;
    uint8_t proof[PEER_PROOF_BYTES], answer[PEER_ANSWER_BYTES];
    enum peer_answer answered;
    assert_int_equal(peer_proof_write(&sides.client, PEER_LAUNCH, sides.run, proof, &err), ST_OK);
    assert_int_equal(peer_answer_write(&sides.server, PEER_WELCOME, answer, &err), ST_OK);
    for (size_t bit = 0; bit < 8 * sizeof proof; bit++) {
        proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(read_proof(&sides, proof), ST_CORRUPT);
        proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof answer; bit++) {
        answer[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(peer_answer_read(&sides.client, answer, &answered, &err), ST_CORRUPT);
        answer[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(read_proof(&sides, proof), ST_OK);
    sides.server.key.bytes[random_below(32)] ^= (uint8_t)(1 + random_below(255));
    assert_int_equal(read_proof(&sides, proof), ST_CORRUPT);
}

static void test_nothing_can_be_played_again(void **state)
{
    if (!have_mac())
        skip();
    struct sides sides = make_sides();
    struct err err;
    uint8_t proof[PEER_PROOF_BYTES], answer[PEER_ANSWER_BYTES];
    enum peer_answer answered;
    assert_int_equal(peer_proof_write(&sides.client, PEER_LAUNCH, sides.run, proof, &err), ST_OK);
    assert_int_equal(peer_answer_write(&sides.server, PEER_WELCOME, answer, &err), ST_OK);
    /* To the same server, whose next nonce is another; the eavesdropper repeats the client's. */
    struct sides later = sides;
    assert_int_equal(peer_nonce_make(later.server.server_nonce, &err), ST_OK);
    assert_int_equal(read_proof(&later, proof), ST_CORRUPT);
    /* To the client, which has a nonce of its own as well. */
    later = sides;
    assert_int_equal(peer_nonce_make(later.client.client_nonce, &err), ST_OK);
    assert_int_equal(peer_answer_read(&later.client, answer, &answered, &err), ST_CORRUPT);
    /* Back to who made it: whoever knows no key lets both sides talk to themselves. */
    uint8_t reflected[PEER_ANSWER_BYTES] = {proof[0]};
    memcpy(reflected + 1, proof + 1 + PEER_RUN_BYTES, MAC_BYTES);
    assert_int_equal(peer_answer_read(&sides.client, reflected, &answered, &err), ST_CORRUPT);
}

static void test_hellos_of_others_are_refused(void **state)
{
    struct err err;
    uint8_t hello[PEER_HELLO_BYTES], nonce[PEER_NONCE_BYTES] = {0};
    peer_hello_write(nonce, hello);
    assert_int_equal(peer_hello_read(hello, nonce, &err), ST_OK);
    hello[8]++;
    assert_int_equal(peer_hello_read(hello, nonce, &err), ST_INVALID);
    assert_non_null(strstr(err.what, "version"));
    assert_non_null(strstr(err.hint, "same version"));
    for (int i = 0; i < 1000; i++) {
        for (size_t j = 0; j < sizeof hello; j++)
            hello[j] = (uint8_t)random_u64();
        assert_int_equal(peer_hello_read(hello, nonce, &err), ST_CORRUPT);
    }
}

/* ---- messages -------------------------------------------------------------------------------- */

struct pair {
    struct peer_link client, server;
    int raw; /* a second descriptor of the client's socket, to write what no client writes */
};

static struct pair make_pair(uint64_t timeout_ns)
{
    struct pair pair;
    struct peer_session session;
    struct err err;
    int fds[2];
    for (size_t i = 0; i < sizeof session; i++)
        ((uint8_t *)&session)[i] = (uint8_t)random_u64();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    pair.raw = dup(fds[0]);
    assert_int_equal(
        peer_link_open(&pair.client, fds[0], false, "the server", &session, timeout_ns, &err),
        ST_OK);
    assert_int_equal(
        peer_link_open(&pair.server, fds[1], true, "the client", &session, timeout_ns, &err),
        ST_OK);
    return pair;
}

static void free_pair(struct pair *pair)
{
    peer_link_close(&pair->client);
    peer_link_close(&pair->server);
    close(pair->raw);
}

static enum status receive(struct peer_link *link, struct peer_message *message)
{
    struct err err;
    return peer_link_receive(link, clock_monotonic_ns() + SECOND_NS, message, &err);
}

static void test_messages_arrive_as_they_were_sent(void **state)
{
    if (!have_mac())
        skip();
    struct pair pair = make_pair(5 * (uint64_t)SECOND_NS);
    struct err err;
    uint8_t bytes[3000];
    for (uint32_t i = 0; i < 300; i++) {
        struct peer_message message = {0};
        struct peer_link *from = i % 3 ? &pair.client : &pair.server;
        struct peer_link *to = i % 3 ? &pair.server : &pair.client;
        const uint32_t size = random_below(sizeof bytes);
        for (uint32_t j = 0; j < size; j++)
            bytes[j] = (uint8_t)random_u64();
        assert_int_equal(peer_link_send(from, PEER_KIND_TRACE, bytes, size, &err), ST_OK);
        assert_int_equal(receive(to, &message), ST_OK);
        assert_int_equal(message.kind, PEER_KIND_TRACE);
        assert_int_equal(message.size_bytes, size);
        assert_memory_equal(message.bytes, bytes, size);
        peer_message_clear(&message);
    }
    cJSON *json = cJSON_CreateObject(), *got = NULL;
    json_add_string(json, "type", "go");
    assert_int_equal(peer_link_send_json(&pair.client, json, &err), ST_OK);
    assert_int_equal(
        peer_link_receive_json(&pair.server, "go", clock_monotonic_ns() + SECOND_NS, &got, &err),
        ST_OK);
    cJSON_Delete(got);
    const struct err failure = {.status = ST_TIMEOUT, .what = "no frame came", .hint = "wait"};
    assert_int_equal(peer_link_send_json(&pair.server, peer_error_json(&failure), &err), ST_OK);
    assert_int_equal(
        peer_link_receive_json(&pair.client, "ready", clock_monotonic_ns() + SECOND_NS, &got, &err),
        ST_TIMEOUT);
    assert_string_equal(err.what, "on the server: no frame came");
    free_pair(&pair);
}

/* What the other host says is shown on this one's terminal: it must not move its cursor. */
static void test_no_control_character_comes_in(void **state)
{
    if (!have_mac())
        skip();
    static const char text[] = "{\"type\":\"error\",\"status\":\"timeout\",\"what\":\"\\u001b[2J"
                               "caf\303\251\\u009b1m\\u007f\\r\\n.\",\"hint\":\"\302\233A\"}";
    struct pair pair = make_pair(5 * (uint64_t)SECOND_NS);
    struct err err;
    cJSON *got = NULL;
    assert_int_equal(
        peer_link_send(&pair.server, PEER_KIND_JSON, text, (uint32_t)strlen(text), &err), ST_OK);
    assert_int_equal(
        peer_link_receive_json(&pair.client, "ready", clock_monotonic_ns() + SECOND_NS, &got, &err),
        ST_TIMEOUT);
    assert_string_equal(err.what, "on the server: ?[2Jcaf\303\251??1m?? .");
    assert_string_equal(err.hint, "??A");
    static const char nested[] = "{\"type\":\"x\",\"a\\u001b\":[1,{\"b\":\"\\u0007\"}]}";
    struct peer_message message = {0};
    assert_int_equal(
        peer_link_send(&pair.client, PEER_KIND_JSON, nested, (uint32_t)strlen(nested), &err),
        ST_OK);
    assert_int_equal(receive(&pair.server, &message), ST_OK);
    const cJSON *inner = cJSON_GetArrayItem(json_get(message.json, "a?"), 1);
    assert_string_equal(json_get_string(inner, "b", ""), "?");
    peer_message_clear(&message);
    free_pair(&pair);
}

/* A message of the client's, as it stands on the wire. */
static uint32_t capture(struct pair *pair, const char *text, uint8_t *wire)
{
    struct err err;
    const uint32_t size = (uint32_t)strlen(text);
    assert_int_equal(peer_link_send(&pair->client, PEER_KIND_TRACE, text, size, &err), ST_OK);
    const uint32_t bytes = PEER_MESSAGE_BYTES(size);
    assert_int_equal(recv(pair->server.fd, wire, bytes, 0), bytes);
    return bytes;
}

static void inject(struct pair *pair, const void *bytes, size_t count)
{
    assert_int_equal(send(pair->raw, bytes, count, 0), count);
}

static void test_a_changed_bit_breaks_the_link(void **state)
{
    if (!have_mac())
        skip();
    /* Not one of the length, which tells how much is to come. */
    for (size_t bit = 32; bit < 8 * PEER_MESSAGE_BYTES(4); bit++) {
        struct pair pair = make_pair(SECOND_NS);
        struct peer_message message = {0};
        uint8_t wire[64];
        const uint32_t bytes = capture(&pair, "abcd", wire);
        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        inject(&pair, wire, bytes);
        assert_int_equal(receive(&pair.server, &message), ST_CORRUPT);
        free_pair(&pair);
    }
}

static void test_repeated_missing_and_moved_messages_break_the_link(void **state)
{
    if (!have_mac())
        skip();
    struct peer_message message = {0};
    uint8_t first[64], second[64];
    for (int way = 0; way < 4; way++) {
        struct pair pair = make_pair(SECOND_NS);
        const uint32_t bytes = capture(&pair, "one", first);
        assert_int_equal(capture(&pair, "two", second), bytes);
        if (way == 0) { /* repeated */
            inject(&pair, first, bytes);
            inject(&pair, first, bytes);
            assert_int_equal(receive(&pair.server, &message), ST_OK);
        } else if (way == 1) { /* the first is missing; so begin those that are moved */
            inject(&pair, second, bytes);
            inject(&pair, first, bytes);
        } else if (way == 2) { /* sent back to where it came from */
            assert_int_equal(send(pair.server.fd, first, bytes, 0), bytes);
            assert_int_equal(receive(&pair.client, &message), ST_CORRUPT);
            free_pair(&pair);
            continue;
        } else { /* in order: nothing is wrong with them */
            inject(&pair, first, bytes);
            inject(&pair, second, bytes);
            assert_int_equal(receive(&pair.server, &message), ST_OK);
            assert_int_equal(receive(&pair.server, &message), ST_OK);
            free_pair(&pair);
            continue;
        }
        assert_int_equal(receive(&pair.server, &message), ST_CORRUPT);
        free_pair(&pair);
    }
}

static void test_lengths_that_none_has_are_refused_at_once(void **state)
{
    if (!have_mac())
        skip();
    const uint32_t lengths[] = {0, 2 + PEER_BYTES_MAX, 1u << 30, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct pair pair = make_pair(SECOND_NS);
        struct peer_message message = {0};
        uint8_t head[PEER_HEAD_BYTES] = {0, 0, 0, 0, 'J'};
        peer_put_u32(head, lengths[i]);
        inject(&pair, head, sizeof head);
        const uint64_t begin_ns = clock_monotonic_ns();
        assert_int_equal(receive(&pair.server, &message), ST_CORRUPT);
        assert_true(clock_monotonic_ns() - begin_ns < SECOND_NS / 2);
        free_pair(&pair);
    }
    uint8_t head[PEER_HEAD_BYTES];
    peer_put_u32(head, 1 + PEER_BYTES_MAX);
    assert_int_equal(peer_message_size(head), PEER_MESSAGE_BYTES(PEER_BYTES_MAX));
}

static void test_garbage_never_passes(void **state)
{
    if (!have_mac())
        skip();
    for (int round = 0; round < 200; round++) {
        struct pair pair = make_pair(SECOND_NS / 50);
        struct peer_message message = {0};
        uint8_t garbage[200];
        const size_t count = 1 + random_below(sizeof garbage);
        for (size_t i = 0; i < count; i++)
            garbage[i] = (uint8_t)random_u64();
        if (round % 2) /* of a length that could be */
            peer_put_u32(garbage, 1 + (uint32_t)random_below(40));
        inject(&pair, garbage, count);
        shutdown(pair.raw, SHUT_WR);
        const enum status status = receive(&pair.server, &message);
        assert_true(status == ST_CORRUPT || status == ST_PEER_GONE);
        free_pair(&pair);
    }
}

static void test_a_cut_or_silent_connection_is_noticed(void **state)
{
    if (!have_mac())
        skip();
    struct pair pair = make_pair(SECOND_NS / 10);
    struct peer_message message = {0};
    struct err err;
    uint8_t wire[64];
    uint64_t begin_ns = clock_monotonic_ns();
    assert_int_equal(receive(&pair.server, &message), ST_PEER_GONE); /* it says nothing */
    const uint64_t took_ns = clock_monotonic_ns() - begin_ns;
    assert_true(took_ns >= SECOND_NS / 11 && took_ns < SECOND_NS / 2);
    free_pair(&pair);
    pair = make_pair(SECOND_NS / 10);
    const uint32_t bytes = capture(&pair, "cut", wire);
    inject(&pair, wire, bytes - 1); /* the end is missing */
    shutdown(pair.raw, SHUT_WR);
    assert_int_equal(receive(&pair.server, &message), ST_PEER_GONE);
    free_pair(&pair);
    /* Who has nothing to say is alive as long as it waits. */
    pair = make_pair(SECOND_NS / 10);
    for (int i = 0; i < 6; i++) {
        const uint64_t until_ns = clock_monotonic_ns() + SECOND_NS / 20;
        assert_int_equal(peer_link_receive(&pair.client, until_ns - SECOND_NS / 40, &message, &err),
                         ST_TIMEOUT);
        assert_int_equal(peer_link_receive(&pair.server, until_ns, &message, &err), ST_TIMEOUT);
    }
    free_pair(&pair);
}

/* ---- clocks ---------------------------------------------------------------------------------- */

static void test_the_clocks_offset_is_within_its_uncertainty(void **state)
{
    for (int round = 0; round < 2000; round++) {
        const int64_t offset_ns = (int64_t)(random_u64() % 2000000000000000u) - 1000000000000000;
        struct peer_clock_exchange exchanges[PEER_CLOCK_EXCHANGES_MAX];
        const size_t count = 1 + random_below(PEER_CLOCK_EXCHANGES_MAX);
        uint64_t now_ns = 2000000000000000u, least_ns = UINT64_MAX;
        for (size_t i = 0; i < count; i++) {
            /* Both ways take whatever they like. */
            const uint64_t there_ns = random_below(1000000), back_ns = random_below(1000000);
            const uint64_t stay_ns = random_below(100000);
            exchanges[i].sent_ns = now_ns;
            exchanges[i].seen_ns = now_ns + there_ns + (uint64_t)offset_ns;
            exchanges[i].answered_ns = exchanges[i].seen_ns + stay_ns;
            exchanges[i].received_ns = now_ns + there_ns + stay_ns + back_ns;
            now_ns = exchanges[i].received_ns + random_below(1000);
            least_ns = there_ns + back_ns < least_ns ? there_ns + back_ns : least_ns;
        }
        struct peer_clock_reading reading;
        assert_true(peer_clock_read(exchanges, count, &reading));
        const int64_t off_ns = reading.offset_ns - offset_ns;
        assert_true((uint64_t)llabs(off_ns) <= reading.uncertainty_ns);
        assert_int_equal(reading.trip_min_ns, least_ns);
        assert_true(reading.uncertainty_ns <= least_ns / 2 + 1);
        const struct peer_clock clock = {.before = reading};
        assert_int_equal(peer_clock_to_ours_ns(&clock, peer_clock_to_theirs_ns(&clock, now_ns)),
                         now_ns);
    }
    const struct peer_clock_exchange impossible[] = {
        {100, 50, 60, 90},      /* came back before it went */
        {100, 60, 50, 200},     /* answered before it was seen */
        {100, 1000, 1500, 200}, /* stayed longer than it was away */
        {100, 0, UINT64_MAX, 200},
        {100, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 10, 200}}; /* after 292 years */
    struct peer_clock_reading reading;
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++)
        assert_false(peer_clock_read(&impossible[i], 1, &reading));
    assert_false(peer_clock_read(impossible, 0, &reading));
}

/* The other clock runs faster: stamps are mapped as of when they were taken. */
static void test_clocks_that_run_apart_are_followed(void **state)
{
    const struct peer_clock clock = {
        .before = {.at_ns = 1000000000, .offset_ns = -400000000, .uncertainty_ns = 700, .count = 8},
        .after = {.at_ns = 3000000000, .offset_ns = -399900000, .uncertainty_ns = 900, .count = 8}};
    assert_int_equal(peer_clock_uncertainty_ns(&clock), 100900);
    assert_int_equal(peer_clock_to_ours_ns(&clock, 600000000), 1000000000);
    assert_int_equal(peer_clock_to_ours_ns(&clock, 2600100000), 3000000000);
    const uint64_t middle_ns = peer_clock_to_ours_ns(&clock, 1600050000);
    assert_true(middle_ns > 1999999000 && middle_ns < 2000001000);
    assert_int_equal(peer_clock_to_ours_ns(&clock, 500000000), 900000000);
    assert_int_equal(peer_clock_to_ours_ns(&clock, 3600100000), 4000000000);
    assert_int_equal(peer_clock_to_ours_ns(&clock, 0), 0);
    /* What was in order stays in order. */
    uint64_t last_ns = 0;
    for (uint64_t theirs_ns = 590000000; theirs_ns < 2700000000;
         theirs_ns += random_below(100000)) {
        const uint64_t ours_ns = peer_clock_to_ours_ns(&clock, theirs_ns);
        assert_true(ours_ns >= last_ns);
        last_ns = ours_ns;
    }
}

/* A launch that was cut has been compared once: what the clocks did since is anybody's guess, and
 * no time between them is told. */
static void test_one_reading_tells_no_time(void **state)
{
    const struct peer_clock_reading reading = {
        .at_ns = SECOND_NS, .offset_ns = 5, .uncertainty_ns = 50, .count = 8};
    struct peer_launch launch = {.used = true, .clock = {.before = reading}};
    assert_false(peer_can_tell(&launch, SECOND_NS));
    launch.clock.after = reading;
    assert_true(peer_can_tell(&launch, 1000));
    assert_false(peer_can_tell(&launch, 999));
    assert_false(peer_can_tell(&launch, 0));
    launch.clock.before.count = 0;
    assert_false(peer_can_tell(&launch, SECOND_NS));
}

/* ---- words ----------------------------------------------------------------------------------- */

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *host;
        int port;
    } right[] = {{"laptop", "laptop", PEER_PORT_DEFAULT},
                 {"192.0.2.7:9000", "192.0.2.7", 9000},
                 {"::1", "::1", PEER_PORT_DEFAULT},
                 {"[::1]", "::1", PEER_PORT_DEFAULT},
                 {"[2001:db8::7]:65535", "2001:db8::7", 65535}};
    static const char *const wrong[] = {"",       ":9000",   "host:",      "host:x",
                                        "host:0", "host:-1", "host:65536", "[::1",
                                        "[::1]9", "[]:1",    "host:9 "};
    struct peer_address address;
    struct err err;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_int_equal(peer_address_parse(right[i].text, false, &address, &err), ST_OK);
        assert_string_equal(address.host, right[i].host);
        assert_int_equal(address.port, right[i].port);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(peer_address_parse(wrong[i], false, &address, &err), ST_INVALID);
    assert_int_equal(peer_address_parse("127.0.0.1:0", true, &address, &err), ST_OK);
}

static enum status key_from_file(const char *bytes, size_t count, int mode, struct peer_key *key,
                                 struct err *err)
{
    char path[] = "/tmp/handoff-key-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), count);
    fchmod(fd, (mode_t)mode);
    close(fd);
    const enum status status = peer_key_read(path, key, err);
    unlink(path);
    return status;
}

static void test_keys(void **state)
{
    static const char text[] = "0123456789abcdef";
    struct peer_key key, same, other;
    struct err err = {0};
    if (!have_mac()) {
        assert_int_equal(peer_key_read(NULL, &key, &err), ST_UNAVAILABLE);
        assert_non_null(strstr(err.hint, "libssl-dev"));
        return;
    }
    assert_int_equal(key_from_file(text, 16, 0600, &key, &err), ST_OK);
    assert_int_equal(key_from_file("0123456789abcdef\n", 17, 0400, &same, &err), ST_OK);
    assert_memory_equal(&key, &same, sizeof key);
    setenv("HANDOFF_KEY", text, 1);
    assert_int_equal(peer_key_read(NULL, &same, &err), ST_OK);
    assert_memory_equal(&key, &same, sizeof key);
    assert_null(getenv("HANDOFF_KEY"));
    assert_int_equal(key_from_file("0123456789abcdeg", 16, 0600, &other, &err), ST_OK);
    assert_memory_not_equal(&key, &other, sizeof key);
    /* Too short, the newline does not count; open to others; none. */
    assert_int_equal(key_from_file("0123456789abcde\n", 16, 0600, &key, &err), ST_INVALID);
    assert_non_null(strstr(err.what, "15 bytes"));
    assert_null(strstr(err.what, "789abcd"));
    assert_int_equal(key_from_file(text, 16, 0640, &key, &err), ST_INVALID);
    assert_non_null(strstr(err.hint, "chmod 600"));
    assert_int_equal(key_from_file(text, 16, 0604, &key, &err), ST_INVALID);
    assert_int_equal(peer_key_read("/nonexistent/key", &key, &err), ST_INVALID);
    assert_int_equal(peer_key_read("/tmp", &key, &err), ST_INVALID);
    assert_int_equal(peer_key_read(NULL, &key, &err), ST_INVALID);
    assert_non_null(strstr(err.hint, "--key-file"));
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_who_know_the_key_come_together),
        cmocka_unit_test(test_any_other_key_and_any_changed_bit_is_refused),
        cmocka_unit_test(test_nothing_can_be_played_again),
        cmocka_unit_test(test_hellos_of_others_are_refused),
        cmocka_unit_test(test_messages_arrive_as_they_were_sent),
        cmocka_unit_test(test_no_control_character_comes_in),
        cmocka_unit_test(test_a_changed_bit_breaks_the_link),
        cmocka_unit_test(test_repeated_missing_and_moved_messages_break_the_link),
        cmocka_unit_test(test_lengths_that_none_has_are_refused_at_once),
        cmocka_unit_test(test_garbage_never_passes),
        cmocka_unit_test(test_a_cut_or_silent_connection_is_noticed),
        cmocka_unit_test(test_the_clocks_offset_is_within_its_uncertainty),
        cmocka_unit_test(test_clocks_that_run_apart_are_followed),
        cmocka_unit_test(test_one_reading_tells_no_time),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_tcp: who is let in at an edge between two hosts, and who is not; that nothing listens on one
 * host; and that the last frames of a producer that goes arrive. The rest of transport tcp is for
 * the conformance suite.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transports/messages.h"
#include "transports/tcp_socket.h"

extern const struct transport transport_tcp;
extern const struct transport transport_unix;

#define PAYLOAD_BYTES 5000
#define PATIENCE_MS 3000

/* One edge between two hosts, which are both this one. */
struct bench {
    struct transport_listen listen;
    struct transport_config config;
    struct endpoint *producer;
    struct endpoint *consumer;
    struct transport_address address;
    struct tcp_place place; /* where it listens */
};

static unsigned descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static struct transport_config config_of(size_t payload_bytes)
{
    return (struct transport_config){
        .payload_bytes = payload_bytes, .slots = 4, .max_held = 1, .policy = POLICY_BLOCK};
}

static void bench_open(struct bench *bench, const char *host)
{
    struct err err = {0};
    memset(bench, 0, sizeof *bench);
    snprintf(bench->listen.host, sizeof bench->listen.host, "%s", host);
    for (size_t i = 0; i < TRANSPORT_TOKEN_BYTES; i++)
        bench->listen.token[i] = (uint8_t)(i * 7 + 1);
    bench->config = config_of(PAYLOAD_BYTES);
    bench->config.listen = &bench->listen;
    enum status status =
        transport_tcp.create(&bench->config, &bench->producer, &bench->address, &err);
    if (status != ST_OK)
        fail_msg("%s", err.what);
    assert_int_equal(bench->address.fd_count, 0);
    /* tcp.c's struct tcp_detail begins with the place. */
    memcpy(&bench->place, bench->address.bytes + sizeof(struct messages_address),
           sizeof bench->place);
}

static void bench_close(struct bench *bench)
{
    transport_tcp.destroy(bench->consumer);
    transport_tcp.destroy(bench->producer);
}

static bool waits(struct endpoint *endpoint, enum direction direction, int timeout_ms)
{
    struct wait_source source;
    transport_tcp.wait_source(endpoint, direction, &source);
    struct pollfd ready = {.fd = source.fd, .events = source.events};
    return poll(&ready, 1, timeout_ms) > 0;
}

static enum status reserve(struct bench *bench)
{
    struct frame frame;
    struct err err = {0};
    return transport_tcp.reserve(bench->producer, &frame, &err);
}

/* The right consumer comes, and is let in whoever else is there; a frame crosses. */
static void bench_right_one_comes(struct bench *bench)
{
    struct transport_address address = bench->address;
    struct frame out = {0}, in = {0};
    struct err err = {0};
    struct transport_config config = config_of(PAYLOAD_BYTES);
    if (transport_tcp.attach(&config, &address, &bench->consumer, &err) != ST_OK)
        fail_msg("%s", err.what);
    enum status status;
    const int64_t until_ms = tcp_now_ms() + PATIENCE_MS;
    while ((status = transport_tcp.reserve(bench->producer, &out, &err)) == ST_AGAIN)
        assert_true(waits(bench->producer, DIRECTION_WRITE, PATIENCE_MS) &&
                    tcp_now_ms() < until_ms);
    assert_int_equal(status, ST_OK);
    memset(out.header, 7, FRAME_HEADER_BYTES);
    memset(out.payload, 42, PAYLOAD_BYTES);
    assert_int_equal(transport_tcp.commit(bench->producer, &out, &err), ST_OK);
    while ((status = transport_tcp.acquire(bench->consumer, &in, &err)) == ST_AGAIN)
        assert_true(waits(bench->consumer, DIRECTION_READ, PATIENCE_MS));
    assert_int_equal(status, ST_OK);
    assert_memory_equal(in.header, out.header, FRAME_HEADER_BYTES);
    assert_memory_equal(in.payload, out.payload, PAYLOAD_BYTES);
    assert_int_equal(transport_tcp.release(bench->consumer, &in, &err), ST_OK);
}

static int stranger(const struct bench *bench)
{
    struct err err = {0};
    int fd = -1;
    if (tcp_connect(&bench->place, &fd, &err) != ST_OK)
        fail_msg("%s", err.what);
    return fd;
}

static void says(int fd, const void *bytes, size_t count)
{
    assert_int_equal(send(fd, bytes, count, MSG_NOSIGNAL), count);
}

/* The connection has ended, and nothing ever came. */
static void got_nothing(int fd)
{
    char byte;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_true(poll(&ready, 1, PATIENCE_MS) > 0);
    const ssize_t count = recv(fd, &byte, 1, MSG_DONTWAIT);
    assert_true(count == 0 || (count < 0 && errno == ECONNRESET));
    close(fd);
}

/* Still there, and nothing came. */
static void is_left_waiting(int fd)
{
    char byte;
    assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

/* The producer hears who has called. */
static void producer_hears(struct bench *bench)
{
    assert_true(waits(bench->producer, DIRECTION_WRITE, PATIENCE_MS));
    assert_int_equal(reserve(bench), ST_AGAIN);
}

static void the_right_token_is_let_in(void **state)
{
    const char *hosts[] = {"127.0.0.1", "::1"};
    struct tcp_place six = tcp_place_loopback(6);
    int fd = -1;
    const bool has_six = tcp_listen(&six, &fd, NULL) == ST_OK;
    if (has_six)
        close(fd);
    else
        print_message("no IPv6 on this machine's loopback: not tried\n");
    for (int i = 0; i < 1 + has_six; i++) {
        struct bench bench;
        struct err err = {0};
        const unsigned before = descriptors();
        bench_open(&bench, hosts[i]);
        assert_int_equal(reserve(&bench), ST_AGAIN);
        assert_false(waits(bench.producer, DIRECTION_WRITE, 0));
        bench_right_one_comes(&bench);
        /* The door is closed behind it. */
        assert_int_equal(tcp_connect(&bench.place, &fd, &err), ST_SYSTEM);
        assert_int_equal(err.sys_errno, ECONNREFUSED);
        assert_true(err.hint[0]);
        bench_close(&bench);
        assert_int_equal(descriptors(), before);
    }
}

/* A cut must not last for ever: both sides have the kernel look for it. */
static void both_sides_notice_a_cut(void **state)
{
    struct bench bench;
    bench_open(&bench, "127.0.0.1");
    bench_right_one_comes(&bench);
    struct endpoint *ends[] = {bench.producer, bench.consumer};
    for (int i = 0; i < 2; i++) {
        struct wait_source source;
        int cut_ms = 0, asks = 0, nodelay = 0;
        socklen_t bytes = sizeof(int);
        transport_tcp.wait_source(ends[i], DIRECTION_READ, &source);
        getsockopt(source.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &cut_ms, &bytes);
        getsockopt(source.fd, SOL_SOCKET, SO_KEEPALIVE, &asks, &bytes);
        getsockopt(source.fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &bytes);
        assert_int_equal(cut_ms, TCP_CUT_MS);
        assert_true(asks && nodelay);
    }
    bench_close(&bench);
}

static void a_wrong_token_gets_nothing(void **state)
{
    struct bench bench;
    bench_open(&bench, "127.0.0.1");
    /* One bit is enough, wherever it is; so is a token of zeros. */
    for (int i = 0; i < TRANSPORT_TOKEN_BYTES + 1; i++) {
        uint8_t token[TRANSPORT_TOKEN_BYTES] = {0};
        if (i < TRANSPORT_TOKEN_BYTES) {
            memcpy(token, bench.listen.token, sizeof token);
            token[i] ^= (uint8_t)(1u << (i & 7));
        }
        const int fd = stranger(&bench);
        says(fd, token, sizeof token);
        producer_hears(&bench);
        got_nothing(fd);
    }
    bench_right_one_comes(&bench);
    bench_close(&bench);
}

static void garbage_gets_nothing(void **state)
{
    static const char *texts[] = {"GET / HTTP/1.1\r\nHost: camera\r\nAccept: */*\r\n\r\n",
                                  "SSH-2.0-OpenSSH_9.2 and something more, for the length\r\n"};
    struct bench bench;
    bench_open(&bench, "127.0.0.1");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const int fd = stranger(&bench);
        says(fd, texts[i], strlen(texts[i]));
        producer_hears(&bench);
        got_nothing(fd);
    }
    /* One that says too little and goes. */
    const int fd = stranger(&bench);
    says(fd, "x", 1);
    producer_hears(&bench);
    close(fd);
    producer_hears(&bench);
    bench_right_one_comes(&bench);
    bench_close(&bench);
}

static void a_token_may_come_in_parts(void **state)
{
    struct bench bench;
    bench_open(&bench, "127.0.0.1");
    const int fd = stranger(&bench);
    for (int i = 0; i < TRANSPORT_TOKEN_BYTES; i += 8) {
        is_left_waiting(fd);
        says(fd, bench.listen.token + i, 8);
        assert_true(waits(bench.producer, DIRECTION_WRITE, PATIENCE_MS));
        assert_int_equal(reserve(&bench), i + 8 < TRANSPORT_TOKEN_BYTES ? ST_AGAIN : ST_OK);
    }
    close(fd);
    bench_close(&bench);
}

static void half_a_token_is_not_enough(void **state)
{
    struct bench bench;
    bench_open(&bench, "127.0.0.1");
    const int slow = stranger(&bench);
    says(slow, bench.listen.token, TRANSPORT_TOKEN_BYTES / 2);
    producer_hears(&bench);
    /* A wrong half is not told from a right one: no guessing byte by byte. */
    const int wrong = stranger(&bench);
    says(wrong, "................", 16);
    producer_hears(&bench);
    assert_false(waits(bench.producer, DIRECTION_WRITE, 20));
    is_left_waiting(slow);
    is_left_waiting(wrong);
    bench_right_one_comes(&bench);
    got_nothing(slow);
    got_nothing(wrong);
    bench_close(&bench);
}

static void idle_callers_keep_nobody_out(void **state)
{
    enum { SILENT = 150, TALKERS = 40 };
    int silent[SILENT], talkers[TALKERS];
    struct bench bench;
    const unsigned before = descriptors();
    bench_open(&bench, "127.0.0.1");
    for (int i = 0; i < SILENT; i++)
        silent[i] = stranger(&bench);
    for (int i = 0; i < TALKERS; i++) {
        talkers[i] = stranger(&bench);
        says(talkers[i], bench.listen.token, TRANSPORT_TOKEN_BYTES - 1);
    }
    bench_right_one_comes(&bench);
    for (int i = 0; i < TALKERS; i++)
        got_nothing(talkers[i]);
    for (int i = 0; i < SILENT; i++)
        close(silent[i]);
    bench_close(&bench);
    assert_int_equal(descriptors(), before);
}

/* Of callers that have begun the newest are kept, and no more. */
static void callers_are_kept_in_turn(void **state)
{
    enum { TALKERS = 12, KEPT = 8 };
    int talkers[TALKERS];
    struct bench bench;
    bench_open(&bench, "127.0.0.1");
    for (int i = 0; i < TALKERS; i++) {
        talkers[i] = stranger(&bench);
        says(talkers[i], bench.listen.token, 1);
        producer_hears(&bench);
    }
    for (int i = 0; i < TALKERS - KEPT; i++)
        got_nothing(talkers[i]);
    for (int i = TALKERS - KEPT; i < TALKERS; i++) {
        is_left_waiting(talkers[i]);
        close(talkers[i]);
    }
    bench_right_one_comes(&bench);
    bench_close(&bench);
}

static void gigabytes_are_not_listened_to(void **state)
{
    static uint8_t much[1 << 16];
    struct bench bench;
    size_t sent_bytes = 0;
    bench_open(&bench, "127.0.0.1");
    const int fd = stranger(&bench);
    for (;;) {
        const ssize_t count = send(fd, much, sizeof much, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && (errno == EPIPE || errno == ECONNRESET))
            break;
        sent_bytes += count > 0 ? (size_t)count : 0;
        assert_true(sent_bytes < (size_t)64 << 20);
        if (waits(bench.producer, DIRECTION_WRITE, 1))
            assert_int_equal(reserve(&bench), ST_AGAIN);
    }
    close(fd);
    bench_right_one_comes(&bench);
    bench_close(&bench);
}

static void hosts_that_cannot_be(void **state)
{
    static const struct {
        const char *host;
        enum status status;
    } hosts[] = {
        {"", ST_INVALID},           {"localhost", ST_INVALID}, {"127.1", ST_INVALID},
        {"0.0.0.0", ST_INVALID},    {"::", ST_INVALID},        {"fe80::1", ST_INVALID},
        {"127.0.0.1 ", ST_INVALID}, {"192.0.2.77", ST_SYSTEM},
    };
    const unsigned before = descriptors();
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0] + 1; i++) {
        struct transport_listen listen = {{0}, {0}};
        struct endpoint *endpoint = NULL;
        struct transport_address address = {0};
        struct err err = {0};
        enum status wanted = ST_INVALID;
        if (i < sizeof hosts / sizeof hosts[0]) {
            snprintf(listen.host, sizeof listen.host, "%s", hosts[i].host);
            wanted = hosts[i].status;
        } else { /* without an end */
            memset(listen.host, '1', sizeof listen.host);
        }
        struct transport_config config = config_of(PAYLOAD_BYTES);
        config.listen = &listen;
        assert_int_equal(transport_tcp.create(&config, &endpoint, &address, &err), wanted);
        assert_true(!endpoint && err.what[0] && err.hint[0]);
    }
    assert_int_equal(descriptors(), before);
    /* Who cannot cross hosts says so. */
    struct transport_listen listen = {.host = "127.0.0.1"};
    struct transport_config config = config_of(PAYLOAD_BYTES);
    struct endpoint *endpoint = NULL;
    struct transport_address address = {0};
    struct err err = {0};
    config.listen = &listen;
    assert_int_equal(transport_unix.create(&config, &endpoint, &address, &err), ST_NOT_APPLICABLE);
}

/* An address that lies is refused before anything is connected to. */
static void hostile_addresses_call_nobody(void **state)
{
    /* Where tcp.c's struct tcp_detail has what. */
    enum { FAMILY = 32, PORT = 36, CROSSES = 56, PORT_HERE = 60 };
    static const struct {
        uint32_t offset, value;
    } lies[] = {{FAMILY, 0},     {FAMILY, 5},
                {FAMILY, 2},     {PORT, 0},
                {PORT, 1 << 16}, {PORT, UINT32_MAX},
                {CROSSES, 2},    {CROSSES, UINT32_MAX},
                {CROSSES, 0},    {0, 0},
                {8, 1},          {24, 5}};
    struct bench bench;
    bench_open(&bench, "127.0.0.1");
    const struct transport_config config = config_of(PAYLOAD_BYTES);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0] + 2; i++) {
        struct transport_address address = bench.address;
        struct endpoint *endpoint = NULL;
        struct err err = {0};
        if (i < sizeof lies / sizeof lies[0])
            memcpy(address.bytes + lies[i].offset, &lies[i].value, sizeof lies[i].value);
        else if (i == sizeof lies / sizeof lies[0])
            address.byte_count--;
        else {
            address.fds[0] = dup(0);
            address.fd_count = 1;
        }
        assert_int_equal(transport_tcp.attach(&config, &address, &endpoint, &err), ST_CORRUPT);
        assert_true(!endpoint && err.what[0]);
    }
    assert_int_equal(reserve(&bench), ST_AGAIN);
    assert_false(waits(bench.producer, DIRECTION_WRITE, 20));
    /* Where nobody listens, attach says so at once. */
    struct transport_address address = bench.address;
    struct endpoint *endpoint = NULL;
    struct err err = {0};
    bench_close(&bench);
    assert_int_equal(transport_tcp.attach(&config, &address, &endpoint, &err), ST_SYSTEM);
    assert_true(!endpoint && err.sys_errno == ECONNREFUSED && err.hint[0]);
}

/* Nobody ever comes, or only strangers: nothing is left, and hang_up closes the door. */
static void a_producer_alone_may_go(void **state)
{
    const unsigned before = descriptors();
    struct bench bench;
    bench_open(&bench, "127.0.0.1");
    const int fd = stranger(&bench);
    says(fd, "half", 4);
    producer_hears(&bench);
    transport_tcp.hang_up(bench.producer);
    got_nothing(fd);
    assert_int_equal(reserve(&bench), ST_INVALID);
    bench_close(&bench);
    assert_int_equal(descriptors(), before);
}

static void on_one_host_nothing_listens(void **state)
{
    const struct transport_config config = config_of(PAYLOAD_BYTES);
    struct endpoint *producer = NULL;
    struct transport_address address = {0};
    struct tcp_place place;
    struct err err = {0};
    int fd = -1;
    assert_int_equal(transport_tcp.create(&config, &producer, &address, &err), ST_OK);
    assert_int_equal(address.fd_count, 1);
    assert_true(tcp_place_of_peer(address.fds[0], &place));
    assert_int_equal(tcp_connect(&place, &fd, &err), ST_SYSTEM);
    assert_int_equal(err.sys_errno, ECONNREFUSED);
    transport_address_close(&address);
    transport_tcp.destroy(producer);
}

/* A connection of somebody else is not the one that the address says. */
static void another_connection_is_refused(void **state)
{
    const struct transport_config config = config_of(PAYLOAD_BYTES);
    struct endpoint *producers[2] = {NULL}, *consumer = NULL;
    struct transport_address addresses[2];
    struct err err = {0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(transport_tcp.create(&config, &producers[i], &addresses[i], &err), ST_OK);
    const int fd = addresses[0].fds[0];
    addresses[0].fds[0] = addresses[1].fds[0];
    addresses[1].fds[0] = fd;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(transport_tcp.attach(&config, &addresses[i], &consumer, &err), ST_CORRUPT);
        transport_tcp.destroy(producers[i]);
    }
}

/* More than the consumer's side has room for, less than the producer's. */
#define LAST_BYTES ((size_t)600000)

/* Commits as many frames as there may be, and goes without waiting for anything. */
static void *producer_sends_and_goes(void *argument)
{
    struct endpoint *producer = argument;
    enum status status = ST_OK;
    for (uint64_t sent = 0; sent < 4 && status == ST_OK; sent++) {
        struct frame frame = {0};
        struct err err = {0};
        status = transport_tcp.reserve(producer, &frame, &err);
        while (status == ST_OK &&
               (status = transport_tcp.commit(producer, &frame, &err)) == ST_AGAIN) {
            waits(producer, DIRECTION_WRITE, PATIENCE_MS);
            status = ST_OK;
        }
    }
    transport_tcp.destroy(producer);
    return NULL;
}

static void the_last_frames_arrive(void **state)
{
    const struct transport_config config = config_of(LAST_BYTES);
    struct endpoint *producer = NULL, *consumer = NULL;
    struct transport_address address = {0};
    struct err err = {0};
    uint64_t received = 0;
    enum status status = ST_OK;
    pthread_t thread;
    assert_int_equal(transport_tcp.create(&config, &producer, &address, &err), ST_OK);
    assert_int_equal(transport_tcp.attach(&config, &address, &consumer, &err), ST_OK);
    struct wait_source source;
    int room_bytes = 1 << 16;
    transport_tcp.wait_source(consumer, DIRECTION_READ, &source);
    setsockopt(source.fd, SOL_SOCKET, SO_RCVBUF, &room_bytes, sizeof room_bytes);
    assert_int_equal(pthread_create(&thread, NULL, producer_sends_and_goes, producer), 0);
    /* Each release sends a credit to a producer that may have gone. */
    while (status == ST_OK) {
        struct frame frame = {0};
        while ((status = transport_tcp.acquire(consumer, &frame, &err)) == ST_AGAIN)
            assert_true(waits(consumer, DIRECTION_READ, PATIENCE_MS));
        if (status != ST_OK)
            break;
        received++;
        status = transport_tcp.release(consumer, &frame, &err);
        usleep(20000);
    }
    assert_int_equal(status, ST_PEER_GONE);
    assert_int_equal(received, 4);
    assert_int_equal(pthread_join(thread, NULL), 0);
    transport_tcp.destroy(consumer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_token_is_let_in),
        cmocka_unit_test(both_sides_notice_a_cut),
        cmocka_unit_test(a_wrong_token_gets_nothing),
        cmocka_unit_test(garbage_gets_nothing),
        cmocka_unit_test(a_token_may_come_in_parts),
        cmocka_unit_test(half_a_token_is_not_enough),
        cmocka_unit_test(idle_callers_keep_nobody_out),
        cmocka_unit_test(callers_are_kept_in_turn),
        cmocka_unit_test(gigabytes_are_not_listened_to),
        cmocka_unit_test(hosts_that_cannot_be),
        cmocka_unit_test(hostile_addresses_call_nobody),
        cmocka_unit_test(a_producer_alone_may_go),
        cmocka_unit_test(on_one_host_nothing_listens),
        cmocka_unit_test(another_connection_is_refused),
        cmocka_unit_test(the_last_frames_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

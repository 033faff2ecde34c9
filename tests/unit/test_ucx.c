/* test_ucx.c: what transport ucx promises beyond the contract: a large frame is the consumer's
 * affair once it was committed, `native` sleeps and wakes, an address that was damaged on the way
 * never reaches UCX, and UCX's library leaves the process's signals alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "transports/messages.h"

#define SMALL_BYTES 200
#define LARGE_BYTES 300000
#define SLOTS 4
#define TRIES 200000

static const struct transport *ucx;

struct edge {
    struct endpoint *producer;
    struct endpoint *consumer;
};

static struct transport_config config_of(size_t payload_bytes)
{
    return (struct transport_config){
        .payload_bytes = payload_bytes, .slots = SLOTS, .max_held = 1, .policy = POLICY_BLOCK};
}

static void edge_open(struct edge *edge, size_t payload_bytes)
{
    const struct transport_config config = config_of(payload_bytes);
    struct transport_address address;
    struct err err = {.what = ""};
    assert_int_equal(ucx->create(&config, &edge->producer, &address, &err), ST_OK);
    assert_int_equal(ucx->attach(&config, &address, &edge->consumer, &err), ST_OK);
}

static void edge_close(struct edge *edge)
{
    ucx->destroy(edge->producer);
    ucx->destroy(edge->consumer);
}

static enum status edge_commit(struct edge *edge, uint8_t value)
{
    struct frame frame;
    struct err err;
    enum status status = ucx->reserve(edge->producer, &frame, &err);
    if (status != ST_OK)
        return status;
    memset(frame.header, value, FRAME_HEADER_BYTES);
    memset(frame.payload, value, frame.payload_bytes);
    return ucx->commit(edge->producer, &frame, &err);
}

/* Acquires and releases one frame. */
static enum status edge_take(struct edge *edge, uint8_t value)
{
    struct frame frame = {0};
    struct err err;
    const enum status status = ucx->acquire(edge->consumer, &frame, &err);
    if (status != ST_OK)
        return status;
    assert_int_equal(frame.header[0], value);
    assert_int_equal(frame.payload[0], value);
    assert_int_equal(frame.payload[frame.payload_bytes - 1], value);
    assert_int_equal(ucx->release(edge->consumer, &frame, &err), ST_OK);
    return ST_OK;
}

/* Both sides in turn, until one frame has gone all the way. */
static void edge_pass(struct edge *edge, uint8_t value)
{
    bool sent = false, taken = false;
    for (int i = 0; i < TRIES && !(sent && taken); i++) {
        sent = sent || edge_commit(edge, value) == ST_OK;
        taken = taken || edge_take(edge, value) == ST_OK;
    }
    assert_true(sent && taken);
}

/* While a producer sleeps until its next frame, nobody moves anything along for it. */
static void consumer_needs_nobody(void **state)
{
    static const size_t payloads[] = {SMALL_BYTES, LARGE_BYTES};
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        struct edge edge;
        struct transport_counters sent, taken;
        edge_open(&edge, payloads[i]);
        for (uint8_t value = 1; value <= 2 * SLOTS; value++)
            edge_pass(&edge, value);
        ucx->counters(edge.producer, &sent);
        ucx->counters(edge.consumer, &taken);
        if (payloads[i] == LARGE_BYTES && sent.copied_bytes > 0) {
            print_message("UCX cannot read another process's memory here\n");
            edge_close(&edge);
            continue;
        }
        /* Copied once: by the sender into shared memory, or by the receiver out of the source. */
        assert_int_equal(sent.copied_bytes + taken.copied_bytes, 2 * SLOTS * payloads[i]);
        for (uint8_t value = 0; value < SLOTS; value++)
            assert_int_equal(edge_commit(&edge, value), ST_OK);
        for (uint8_t value = 0; value < SLOTS; value++) {
            enum status status = ST_AGAIN;
            for (int k = 0; k < TRIES && status == ST_AGAIN; k++)
                status = edge_take(&edge, value);
            assert_int_equal(status, ST_OK);
        }
        edge_close(&edge);
    }
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum status consumer_sleeps(struct edge *edge, int timeout_ms)
{
    struct wait_source source;
    ucx->wait_source(edge->consumer, DIRECTION_READ, &source);
    assert_int_equal(source.kind, SOURCE_NATIVE);
    return source.native_wait(source.native_self, timeout_ms);
}

static void native_sleeps_and_wakes(void **state)
{
    struct edge edge;
    edge_open(&edge, SMALL_BYTES);
    for (uint8_t value = 0; value < 20; value++) {
        edge_pass(&edge, value);
        /* What is over may wake once more, but then it sleeps. */
        int woken = 0;
        while (consumer_sleeps(&edge, 2) == ST_OK)
            assert_true(++woken < 10);
        /* News in between are not slept on, with the worker armed or not. */
        assert_int_equal(edge_commit(&edge, value), ST_OK);
        const uint64_t began_ms = now_ms();
        struct wait_source source = {0};
        assert_int_equal(consumer_sleeps(&edge, 5000), ST_OK);
        assert_true(now_ms() - began_ms < 4000);
        ucx->wait_source(edge.consumer, DIRECTION_READ, &source);
        assert_int_equal(edge_take(&edge, value), ST_OK);
    }
    edge_close(&edge);
}

/* As a role takes them: asks what to wait on after a try in vain, and then waits. */
static void role_takes(struct edge *edge, uint8_t value)
{
    const uint64_t began_ms = now_ms();
    while (edge_take(edge, value) == ST_AGAIN)
        assert_int_equal(consumer_sleeps(edge, 5000), ST_OK);
    assert_true(now_ms() - began_ms < 4000);
}

/* Frames that were announced while the one before was held are fetched when there is room for them,
 * of which UCX has no news: a frame that is here is not slept on. */
static void native_knows_what_is_here(void **state)
{
    static const size_t payloads[] = {SMALL_BYTES, LARGE_BYTES};
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        struct edge edge;
        struct transport_counters sent;
        edge_open(&edge, payloads[i]);
        edge_pass(&edge, 1);
        ucx->counters(edge.producer, &sent);
        bool alone = payloads[i] == SMALL_BYTES || sent.copied_bytes == 0;
        for (uint8_t round = 0; round < 4 && alone; round++) {
            for (uint8_t value = 0; value < SLOTS; value++)
                assert_int_equal(edge_commit(&edge, value), ST_OK);
            for (uint8_t value = 0; value < SLOTS; value++)
                role_takes(&edge, value);
            edge_pass(&edge, 1);
        }
        edge_close(&edge);
    }
}

static void damaged_address(void **state)
{
    const struct transport_config config = config_of(SMALL_BYTES);
    const size_t head_bytes = sizeof(struct messages_address);
    for (size_t at = head_bytes;; at += 7) {
        struct endpoint *producer, *consumer = NULL;
        struct transport_address address;
        struct err err = {.what = ""};
        assert_int_equal(ucx->create(&config, &producer, &address, &err), ST_OK);
        const bool inside = at < address.byte_count;
        if (inside) {
            address.bytes[at] ^= (uint8_t)(1u << at % 8);
            assert_int_equal(ucx->attach(&config, &address, &consumer, &err), ST_CORRUPT);
            assert_null(consumer);
        }
        transport_address_close(&address);
        ucx->destroy(producer);
        if (!inside)
            return;
    }
}

/* Signals that are handled by UCX's library; asked before cmocka takes some for itself. */
static unsigned signals_of_ucx(void)
{
    unsigned count = 0;
    for (int number = 1; number < SIGRTMIN; number++) {
        struct sigaction action;
        Dl_info place = {0};
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
            action.sa_handler != SIG_IGN &&
            dladdr(*(void **)(void *)&action.sa_sigaction, &place) && place.dli_fname)
            count += strstr(place.dli_fname, "libuc") != NULL;
    }
    return count;
}

static unsigned signals_taken;

static void signals_are_ours(void **state)
{
    assert_int_equal(signals_taken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consumer_needs_nobody),     cmocka_unit_test(native_sleeps_and_wakes),
        cmocka_unit_test(native_knows_what_is_here), cmocka_unit_test(damaged_address),
        cmocka_unit_test(signals_are_ours),
    };
    struct err err = {.what = ""};
    signals_taken = signals_of_ucx();
    ucx = transport_find("ucx");
    if (ucx->probe(&err) != ST_OK) {
        print_message("not run: %s\n", err.what);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

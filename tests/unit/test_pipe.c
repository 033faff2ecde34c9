/* test_pipe: what only transport pipe has to mind: SIGPIPE, ends that block, ends the wrong way
 * round; and credits that stream.c must not believe. The rest is for the conformance suite.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transports/transport.h"

extern const struct transport transport_pipe;

static const struct transport_config config = {
    .payload_bytes = 5000, .slots = 4, .max_held = 1, .policy = POLICY_BLOCK};

static void edge_create(struct endpoint **producer, struct transport_address *address)
{
    struct err err = {0};
    if (transport_pipe.create(&config, producer, address, &err) != ST_OK)
        fail_msg("%s", err.what);
    assert_int_equal(address->fd_count, 2);
}

/* Sends until the transport says that the consumer is gone. */
static void producer_sends_to_nobody(void)
{
    struct endpoint *producer = NULL;
    struct transport_address address = {0};
    struct frame frame = {0};
    struct err err = {0};
    edge_create(&producer, &address);
    transport_address_close(&address);
    assert_int_equal(transport_pipe.reserve(producer, &frame, &err), ST_OK);
    assert_int_equal(transport_pipe.commit(producer, &frame, &err), ST_PEER_GONE);
    assert_int_equal(transport_pipe.reserve(producer, &frame, &err), ST_PEER_GONE);
    transport_pipe.destroy(producer);
}

static volatile sig_atomic_t caught;
static void catches(int number)
{
    caught++;
}

/* Whoever has not said what SIGPIPE does is not killed by it; whoever has is not overruled. */
static void a_consumer_that_went_kills_nobody(void **state)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    assert_int_equal(sigaction(SIGPIPE, &action, NULL), 0);
    producer_sends_to_nobody();
    action.sa_handler = catches;
    assert_int_equal(sigaction(SIGPIPE, &action, NULL), 0);
    producer_sends_to_nobody();
    assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
    assert_ptr_equal(action.sa_handler, catches);
    assert_int_equal(caught, 1);
}

/* The kernel keeps O_NONBLOCK with the open end, which both processes have: somebody may have taken
 * it away before attach. */
static void an_end_that_blocks_is_cured(void **state)
{
    struct endpoint *producer = NULL, *consumer = NULL;
    struct transport_address address = {0};
    struct frame frame = {0};
    struct err err = {0};
    edge_create(&producer, &address);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fcntl(address.fds[i], F_SETFL, 0), 0);
    alarm(20);
    assert_int_equal(transport_pipe.attach(&config, &address, &consumer, &err), ST_OK);
    assert_int_equal(transport_pipe.acquire(consumer, &frame, &err), ST_AGAIN);
    alarm(0);
    transport_pipe.destroy(consumer);
    transport_pipe.destroy(producer);
}

/* The right pipes, by the wrong ends. */
static void the_wrong_end_is_refused(void **state)
{
    static const int modes[2][2] = {{O_WRONLY, O_RDWR}, {O_RDONLY, O_RDWR}};
    for (int i = 0; i < 4; i++) {
        struct endpoint *producer = NULL, *consumer = NULL;
        struct transport_address address = {0};
        struct err err = {0};
        char path[64];
        edge_create(&producer, &address);
        snprintf(path, sizeof path, "/proc/self/fd/%d", address.fds[i / 2]);
        const int fd = open(path, modes[i / 2][i % 2] | O_CLOEXEC | O_NONBLOCK);
        assert_true(fd >= 0);
        close(address.fds[i / 2]);
        address.fds[i / 2] = fd;
        assert_int_equal(transport_pipe.attach(&config, &address, &consumer, &err), ST_CORRUPT);
        assert_true(!consumer && err.what[0]);
        transport_pipe.destroy(producer);
    }
}

/* What comes back is a count of frames released: more of them than were sent are nobody's.
 * (stream.c counts for all kinds of streams; with pipes the test holds the consumer's end in its
 * hand.) */
static void credits_for_frames_never_sent_are_refused(void **state)
{
    struct endpoint *producer = NULL;
    struct transport_address address = {0};
    struct frame frame = {0};
    struct err err = {0};
    edge_create(&producer, &address);
    for (uint32_t i = 0; i < config.slots; i++) {
        assert_int_equal(transport_pipe.reserve(producer, &frame, &err), ST_OK);
        assert_int_equal(transport_pipe.commit(producer, &frame, &err), ST_OK);
    }
    assert_int_equal(transport_pipe.reserve(producer, &frame, &err), ST_AGAIN);
    assert_int_equal(write(address.fds[1], "\1", 1), 1);
    assert_int_equal(transport_pipe.reserve(producer, &frame, &err), ST_OK);
    assert_int_equal(transport_pipe.commit(producer, &frame, &err), ST_OK);
    assert_int_equal(write(address.fds[1], "\2\3", 2), 2);
    assert_int_equal(transport_pipe.reserve(producer, &frame, &err), ST_CORRUPT);
    assert_non_null(strstr(err.what, "more frames than were sent"));
    transport_address_close(&address);
    transport_pipe.destroy(producer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credits_for_frames_never_sent_are_refused),
        cmocka_unit_test(a_consumer_that_went_kills_nobody),
        cmocka_unit_test(an_end_that_blocks_is_cured),
        cmocka_unit_test(the_wrong_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

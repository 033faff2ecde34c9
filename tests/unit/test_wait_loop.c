/* test_wait_loop.c: a role that hangs up wakes the other one, in whichever wait that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/run/wait_loop.h"
#include "tests/support/wait_fixture.h"

#define PAYLOAD_BYTES 256
#define SLOTS 2
/* A loop that nobody woke gives up after this; a busy machine takes nobody's CPU for so long. */
#define NEVER_NS (5000ull * MILLISECOND_NS)

extern const struct transport transport_shm;

/* Both ends of an edge. */
struct ends {
    struct wait_pair pair;
    struct endpoint *endpoints[2]; /* producer, consumer */
    struct wait_loop loops[2];
};

static void ends_open_pair(struct ends *ends, const struct wait_strategy *producer,
                           const struct wait_strategy *consumer)
{
    const struct transport_config config = {
        .payload_bytes = PAYLOAD_BYTES, .slots = SLOTS, .max_held = 1, .policy = POLICY_BLOCK};
    const uint32_t us[] = {producer->parameter == WAIT_PARAMETER_US ? WAIT_TEST_US : 0,
                           consumer->parameter == WAIT_PARAMETER_US ? WAIT_TEST_US : 0};
    struct transport_address address = {0};
    struct err err = {0};
    *ends = (struct ends){.pair.directions = {{producer, us[0], -1}, {consumer, us[1], -1}}};
    assert_int_equal(transport_shm.create(&config, &ends->endpoints[0], &address, &err), ST_OK);
    assert_int_equal(transport_shm.attach(&config, &address, &ends->endpoints[1], &err), ST_OK);
    assert_int_equal(wait_pair_create(&ends->pair, &transport_shm, ends->endpoints[0], &err),
                     ST_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wait_loop_open(&ends->loops[i], &transport_shm, ends->endpoints[i],
                                        &ends->pair, i == 0 ? DIRECTION_WRITE : DIRECTION_READ,
                                        &err),
                         ST_OK);
        ends->loops[i].deadline_ns = clock_now_ns() + NEVER_NS;
    }
    transport_address_close(&address);
}

/* One strategy for both directions. */
static void ends_open(struct ends *ends, const struct wait_strategy *wait)
{
    ends_open_pair(ends, wait, wait);
}

static void ends_close(struct ends *ends)
{
    for (int i = 0; i < 2; i++) {
        wait_loop_hang_up(&ends->loops[i]);
        wait_loop_close(&ends->loops[i]);
        transport_shm.destroy(ends->endpoints[i]);
    }
    wait_pair_close(&ends->pair);
}

/* What the waiting side of the edge comes to. */
struct waiter {
    struct wait_loop *loop;
    bool produces; /* fills all slots and waits for one more */
    enum status status;
};

static void *waiter_body(void *argument)
{
    struct waiter *waiter = argument;
    struct wait_loop_stamps stamps;
    struct err err = {0};
    do {
        struct frame frame = {0};
        waiter->status = waiter->produces ? wait_loop_reserve(waiter->loop, &frame, &err)
                                          : wait_loop_acquire(waiter->loop, &frame, &stamps, &err);
        if (waiter->status == ST_OK && waiter->produces)
            waiter->status = wait_loop_commit(waiter->loop, &frame, &err);
    } while (waiter->status == ST_OK);
    return NULL;
}

static void hanging_up_wakes(void **unused)
{
    WAIT_EACH_ON_WORDS(wait)
    for (int produces = 0; produces < 2; produces++) {
        struct ends ends;
        pthread_t thread;
        ends_open(&ends, wait);
        struct waiter waiter = {.loop = &ends.loops[produces ? 0 : 1], .produces = produces};
        assert_int_equal(pthread_create(&thread, NULL, waiter_body, &waiter), 0);
        /* Asleep by now, mostly; otherwise it sees the closed word by itself. */
        clock_sleep_until_ns(clock_now_ns() + 20 * MILLISECOND_NS);
        wait_loop_hang_up(&ends.loops[produces ? 1 : 0]);
        pthread_join(thread, NULL);
        if (waiter.status != ST_PEER_GONE)
            fail_msg("%s: the %s gets \"%s\"", wait->name, produces ? "producer" : "consumer",
                     status_name(waiter.status));
        ends_close(&ends);
    }
}

/* Waits of the GPU have nothing to open, to idle with or to notify: the loops leave them alone, and
 * the other direction works as ever. */
static void waits_of_the_gpu_are_left_alone(void **unused)
{
    static const char *const names[] = {"gpu_stream", "gpu_kernel"};
    for (size_t i = 0; i < 2; i++) {
        struct ends ends;
        struct frame frame = {0};
        struct err err = {0};
        ends_open_pair(&ends, wait_find("futex"), wait_find(names[i]));
        assert_false(ends.loops[0].notifies);
        assert_true(ends.loops[1].notifies);
        assert_int_equal(wait_loop_reserve(&ends.loops[0], &frame, &err), ST_OK);
        assert_int_equal(wait_loop_commit(&ends.loops[0], &frame, &err), ST_OK);
        wait_loop_notify(&ends.loops[0]);
        struct frame got = {0};
        assert_int_equal(transport_shm.acquire(ends.endpoints[1], &got, &err), ST_OK);
        assert_int_equal(wait_loop_release(&ends.loops[1], &got, &err), ST_OK);
        wait_loop_notify(&ends.loops[1]);
        ends_close(&ends);
    }
}

static void a_loop_that_was_never_opened(void **unused)
{
    struct wait_loop loop = {0};
    wait_loop_hang_up(&loop);
    wait_loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hanging_up_wakes),
        cmocka_unit_test(waits_of_the_gpu_are_left_alone),
        cmocka_unit_test(a_loop_that_was_never_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

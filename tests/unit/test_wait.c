/* test_wait.c: the wait strategies, one by one: deadlines kept, news never missed, no CPU burned by
 * those that sleep, and no early return that the caller could take for news.
 *
 * Beside it: test_wait_threads.c looks for lost wake-ups, test_wait_deaths.c kills either side.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>

/* In place of the library's: a nap that ends by itself would hide that nobody wakes the waiter. */
#define CONDVAR_NAP_NS 3600000000000u
#include "harness/wait/condvar.c"

#include "tests/support/random_input.h"
#include "tests/support/wait_fixture.h"

static struct wait_source fd_source(int fd)
{
    return (struct wait_source){.kind = SOURCE_FD, .fd = fd, .events = POLLIN};
}

/* How the caller waits for a descriptor: try, idle, try again, and mind the deadline itself. */
static enum status wait_for_byte(const struct wait_strategy *wait, struct wait_state *state,
                                 const struct wait_source *source, uint64_t deadline_ns)
{
    for (;;) {
        uint8_t byte;
        if (recv(source->fd, &byte, 1, MSG_DONTWAIT) == 1)
            return ST_OK;
        enum status status = wait->idle(state, source, 0, deadline_ns);
        if (status != ST_OK)
            return status;
        if (clock_now_ns() >= deadline_ns)
            return ST_TIMEOUT;
    }
}

static void refuses_time(const char *name, uint32_t us, const char *said)
{
    struct err err = {0};
    struct wait_state state;
    const struct wait_config config = {us, -1};
    assert_int_equal(wait_find(name)->open(&config, &state, &err), ST_INVALID);
    assert_non_null(strstr(err.what, said));
    assert_true(err.hint[0] != '\0');
}

static void registry_is_whole(void **unused)
{
    static const char *const names[] = {
        "spin",     "pause", "yield",  "poll",   "futex", "semaphore",  "condvar",   "eventfd",
        "adaptive", "block", "native", "umwait", "wfe",   "gpu_stream", "gpu_kernel"};
    assert_int_equal(wait_registry_count, sizeof names / sizeof names[0]);
    for (size_t i = 0; i < wait_registry_count; i++) {
        const struct wait_strategy *wait = wait_registry[i];
        struct err err = {0};
        assert_ptr_equal(wait_find(names[i]), wait);
        assert_true(wait->sources != 0 && wait->summary[0] && wait->cost[0]);
        wait->close(&(struct wait_state){0});
        enum status status = wait->probe(&err);
        assert_true(status == ST_OK || status == ST_UNAVAILABLE);
        /* What cannot be had is explained, and harmless if called all the same. */
        if (status == ST_OK)
            continue;
        assert_int_equal(err.status, ST_UNAVAILABLE);
        assert_true(err.what[0] && err.hint[0]);
        assert_int_equal(wait->probe(NULL), ST_UNAVAILABLE);
        if (wait->on_gpu)
            continue;
        struct wait_state state = {.fd = -1};
        struct doorbell bell = {.word = 4};
        struct wait_source source = word_source(&bell);
        wait->notify(&state, &source);
        wait->close(&state);
    }
    assert_null(wait_find("spinn"));
    refuses_time("poll", 0, "0 us");
    refuses_time("poll", 1000001, "1000001");
    refuses_time("adaptive", 0, "0 us");
    refuses_time("adaptive", 1000001, "1000001");
    struct err err = {0};
    struct wait_state state;
    assert_int_equal(wait_find("eventfd")->open(&(struct wait_config){0, -1}, &state, &err),
                     ST_INVALID);
}

/* Without news: ST_TIMEOUT, not before the deadline, not long after, and cheap where it sleeps.
 * Others may have the CPU, so the last two need to be so once in many tries; a strategy that is
 * late or burns the CPU is so each time. */
static void check_deadline(const struct wait_strategy *wait, struct wait_state *state,
                           const struct wait_source *source, uint32_t seen)
{
    uint64_t late_ns = 0, cpu_ns = 0;
    for (int k = 0; k < 30; k++) {
        uint64_t start_cpu_ns = thread_cpu_ns();
        uint64_t deadline_ns = clock_now_ns() + 30 * MILLISECOND_NS;
        enum status status = source->kind == SOURCE_WORD
                                 ? wait->idle(state, source, seen, deadline_ns)
                                 : wait_for_byte(wait, state, source, deadline_ns);
        uint64_t now_ns = clock_now_ns();
        cpu_ns = thread_cpu_ns() - start_cpu_ns;
        if (status != ST_TIMEOUT || now_ns < deadline_ns)
            fail_msg("%s: %s, %lld ns after the deadline", wait->name, status_name(status),
                     (long long)(now_ns - deadline_ns));
        late_ns = now_ns - deadline_ns;
        if (late_ns <= 5 * MILLISECOND_NS && (!wait->sleeps || cpu_ns <= 10 * MILLISECOND_NS))
            return;
    }
    fail_msg("%s: %llu ns late, %llu ns of CPU in 30 ms", wait->name, (unsigned long long)late_ns,
             (unsigned long long)cpu_ns);
}

static void deadline_is_kept(void **unused)
{
    WAIT_EACH_ON_WORDS(wait)
    {
        struct wait_edge edge = wait_edge_make(wait);
        struct wait_state state = wait_edge_open(&edge, 0);
        struct wait_source source = word_source(&edge.bells[0]);
        uint32_t seen = (uint32_t)random_u64();
        atomic_store(&source.bell->word, seen);
        check_deadline(wait, &state, &source, seen);
        /* A deadline in the past is no wait at all. */
        assert_int_equal(wait->idle(&state, &source, seen, 1), ST_TIMEOUT);
        assert_int_equal(atomic_load(&source.bell->sleepers), 0);
        wait->close(&state);
        wait_edge_close(&edge);
    }
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct wait_source source = fd_source(fds[0]);
    for (size_t i = 0; i < wait_registry_count; i++)
        if (wait_usable(wait_registry[i], SOURCE_FD)) {
            struct wait_state state = wait_open_with(wait_registry[i], -1);
            check_deadline(wait_registry[i], &state, &source, 0);
            wait_registry[i]->close(&state);
        }
    close(fds[0]);
    close(fds[1]);
}

/* News from before the wait: at once, whatever the deadline, wherever the count stands. */
static void old_news_return_at_once(void **unused)
{
    WAIT_EACH_ON_WORDS(wait)
    {
        struct wait_edge edge = wait_edge_make(wait);
        struct wait_state state = wait_edge_open(&edge, 0);
        struct wait_source source = word_source(&edge.bells[0]);
        for (uint32_t k = 0; k < 100; k++) {
            uint32_t seen = (uint32_t)random_u64();
            /* Any difference is news: a step, the closed bit, a count that wraps around. */
            if (k == 1)
                seen = UINT32_MAX - 1;
            atomic_store(&source.bell->word, seen + (k == 0 ? DOORBELL_CLOSED : DOORBELL_STEP * k));
            assert_int_equal(wait->idle(&state, &source, seen, UINT64_MAX), ST_OK);
        }
        assert_int_equal(atomic_load(&source.bell->sleepers), 0);
        wait->close(&state);
        wait_edge_close(&edge);
    }
}

struct ringer {
    const struct wait_edge *edge;
    uint64_t delay_ns;
    int fd;
};

static void *ring_once(void *argument)
{
    struct ringer *ringer = argument;
    struct wait_state state = wait_edge_open(ringer->edge, 0);
    struct wait_source source = word_source(&ringer->edge->bells[0]);
    clock_sleep_until_ns(clock_now_ns() + ringer->delay_ns);
    /* Notifying without news must wake nobody for good: the word has not changed. */
    for (int k = 0; k < 3; k++)
        ringer->edge->wait->notify(&state, &source);
    clock_sleep_until_ns(clock_now_ns() + ringer->delay_ns);
    wait_ring(ringer->edge, &state, 0);
    ringer->edge->wait->close(&state);
    return NULL;
}

/* idle on a word does not return before the word has changed, and does soon after. */
static void news_from_a_thread(void **unused)
{
    WAIT_EACH_ON_WORDS(wait)
    {
        struct wait_edge edge = wait_edge_make(wait);
        struct wait_state state = wait_edge_open(&edge, 0);
        struct wait_source source = word_source(&edge.bells[0]);
        /* From just before the word wraps around. */
        atomic_store(&source.bell->word, (uint32_t)-10 * DOORBELL_STEP);
        for (int k = 0; k < 20; k++) {
            uint32_t seen = wait_source_value(&source);
            struct ringer ringer = {&edge, random_below(2 * MILLISECOND_NS), -1};
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, ring_once, &ringer), 0);
            uint64_t deadline_ns = clock_now_ns() + 10000ull * MILLISECOND_NS;
            if (wait->idle(&state, &source, seen, deadline_ns) != ST_OK)
                fail_msg("%s: no news in 10 s", wait->name);
            assert_int_equal(atomic_load(&source.bell->word), seen + DOORBELL_STEP);
            pthread_join(thread, NULL);
            assert_int_equal(atomic_load(&source.bell->sleepers), 0);
        }
        wait->close(&state);
        wait_edge_close(&edge);
    }
}

/* What earlier notifies left over (tokens, counts) makes a later wait neither return early nor spin
 * until its deadline. */
static void leftovers_are_harmless(void **unused)
{
    WAIT_EACH_ON_WORDS(wait)
    {
        struct wait_edge edge = wait_edge_make(wait);
        struct wait_state state = wait_edge_open(&edge, 0);
        struct wait_source source = word_source(&edge.bells[0]);
        /* As a notifier leaves them that read the gate just before the waiter went. */
        atomic_store(&source.bell->sleepers, 1);
        for (int k = 0; k < 50; k++)
            wait_ring(&edge, &state, 0);
        atomic_store(&source.bell->sleepers, 0);
        check_deadline(wait, &state, &source, 50 * DOORBELL_STEP);
        wait->close(&state);
        wait_edge_close(&edge);
    }
}

#define ROUNDS 200

/* One side of ROUNDS rounds: the parent (0) rings bell 0 and waits for bell 1, the child the other
 * way round. */
static enum status talk(struct wait_edge *edge, unsigned side)
{
    struct wait_state mine = wait_edge_open(edge, 1 - side), theirs = wait_edge_open(edge, side);
    struct wait_source source = word_source(&edge->bells[1 - side]);
    uint64_t deadline_ns = clock_now_ns() + 15000ull * MILLISECOND_NS;
    for (uint32_t k = 0; k < ROUNDS; k++)
        for (unsigned turn = 0; turn < 2; turn++)
            if (turn == side) {
                wait_ring(edge, &theirs, side);
            } else {
                enum status status =
                    edge->wait->idle(&mine, &source, k * DOORBELL_STEP, deadline_ns);
                if (status != ST_OK)
                    return status;
            }
    edge->wait->close(&mine);
    edge->wait->close(&theirs);
    return ST_OK;
}

/* Between processes, with memory and descriptors passed over as the roles do it: what is private to
 * a process would never wake here. */
static void news_from_a_process(void **unused)
{
    WAIT_EACH_ON_WORDS(wait)
    {
        int sockets[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
        struct wait_edge edge = wait_edge_make(wait);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct wait_edge theirs;
            bool received = wait_edge_receive(&theirs, wait, sockets[1]);
            wait_edge_close(&edge);
            _exit(received && talk(&theirs, 1) == ST_OK ? 0 : 1);
        }
        assert_true(wait_edge_send(&edge, sockets[0]));
        enum status status = talk(&edge, 0);
        int ended;
        assert_int_equal(waitpid(child, &ended, 0), child);
        if (status != ST_OK || ended != 0)
            fail_msg("%s: %s here, the child ended with %d", wait->name, status_name(status),
                     ended);
        wait_edge_close(&edge);
        close(sockets[0]);
        close(sockets[1]);
    }
}

static void *send_once(void *argument)
{
    struct ringer *ringer = argument;
    clock_sleep_until_ns(clock_now_ns() + ringer->delay_ns);
    assert_int_equal(send(ringer->fd, "x", 1, 0), 1);
    return NULL;
}

static void news_on_a_descriptor(void **unused)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct wait_source source = fd_source(fds[0]);
    for (size_t i = 0; i < wait_registry_count; i++) {
        const struct wait_strategy *wait = wait_registry[i];
        if (!wait_usable(wait, SOURCE_FD))
            continue;
        struct wait_state state = wait_open_with(wait, -1);
        for (int k = 0; k < 20; k++) {
            struct ringer ringer = {NULL, random_below(2 * MILLISECOND_NS), fds[1]};
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, send_once, &ringer), 0);
            uint64_t deadline_ns = k ? clock_now_ns() + 10000ull * MILLISECOND_NS : UINT64_MAX;
            assert_int_equal(wait_for_byte(wait, &state, &source, deadline_ns), ST_OK);
            pthread_join(thread, NULL);
        }
        wait->close(&state);
    }
    /* A peer that hung up is news, too; a descriptor that is none is an error. */
    const struct wait_strategy *block = wait_find("block");
    struct wait_state state = wait_open_with(block, -1);
    close(fds[1]);
    assert_int_equal(block->idle(&state, &source, 0, UINT64_MAX), ST_OK);
    close(fds[0]);
    assert_int_equal(block->idle(&state, &source, 0, UINT64_MAX), ST_SYSTEM);
    block->close(&state);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_is_whole),       cmocka_unit_test(deadline_is_kept),
        cmocka_unit_test(old_news_return_at_once), cmocka_unit_test(news_from_a_thread),
        cmocka_unit_test(leftovers_are_harmless),  cmocka_unit_test(news_from_a_process),
        cmocka_unit_test(news_on_a_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

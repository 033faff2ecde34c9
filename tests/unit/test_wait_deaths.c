/* test_wait_deaths.c: a process that is killed while it waits or notifies holds nobody up.
 *
 * The notifier is killed at random moments, and then, one machine instruction after the other, at
 * each instruction of `notify`: whatever lock it holds there, it takes to its grave. Then a third
 * process closes the word and notifies, as a session does that learns of a death, and the waiter
 * must wake within 250 ms. The waiter is killed at each instruction of `idle`, and the notifier
 * must not be held up. Which instructions are tried is chosen anew in each run, for as long as time
 * allows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

/* In place of the library's: short naps where the notifier dies, so that naps end meanwhile, and no
 * end of them where the waiter does, which condvar.c does not promise to outlive. */
static uint64_t nap_ns = 5000000u;
#define CONDVAR_NAP_NS nap_ns
#include "harness/wait/condvar.c"

#include "tests/support/random_input.h"
#include "tests/support/wait_fixture.h"

#define WAKE_NS (250ull * MILLISECOND_NS)
/* Never, as far as this test can wait; a busy machine takes nobody's CPU for so long. */
#define NEVER_NS (5000ull * MILLISECOND_NS)
#define TRIALS_NS (900ull * MILLISECOND_NS) /* for each strategy in each test */
#define STEPS_MAX 20000

/* ---- Processes ------------------------------------------------------------------------------- */

static pid_t start(void (*body)(const struct wait_edge *), const struct wait_edge *edge)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body(edge);
    _exit(0);
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* How long the process took to end by itself, since `since_ns`; it is killed after NEVER_NS. */
static uint64_t time_to_end_ns(pid_t pid, uint64_t since_ns, const char *name, const char *what)
{
    int ended;
    while (waitpid(pid, &ended, WNOHANG) == 0) {
        if (clock_now_ns() - since_ns > NEVER_NS) {
            end(pid);
            fail_msg("%s: %s", name, what);
        }
        clock_sleep_until_ns(clock_now_ns() + 50000);
    }
    if (ended != 0)
        fail_msg("%s: %s (it ended with %d)", name, what, ended);
    return clock_now_ns() - since_ns;
}

/* Idles on bell 0 until it is closed. */
static void wait_until_closed(const struct wait_edge *edge)
{
    struct wait_state state = wait_edge_open(edge, 0);
    struct wait_source source = word_source(&edge->bells[0]);
    for (;;) {
        uint32_t seen = wait_source_value(&source);
        if (seen & DOORBELL_CLOSED)
            return;
        if (edge->wait->idle(&state, &source, seen, clock_now_ns() + 4 * NEVER_NS) != ST_OK)
            _exit(1);
    }
}

static void close_and_notify(const struct wait_edge *edge)
{
    struct wait_state state = wait_edge_open(edge, 0);
    struct wait_source source = word_source(&edge->bells[0]);
    atomic_fetch_or_explicit(&source.bell->word, DOORBELL_CLOSED, memory_order_release);
    edge->wait->notify(&state, &source);
}

static void ring_for_good(const struct wait_edge *edge)
{
    struct wait_state state = wait_edge_open(edge, 0);
    for (;;) {
        wait_ring(edge, &state, 0);
        for (volatile unsigned spin = (unsigned)random_below(20000); spin; spin--)
            continue;
    }
}

/* The part of a traced child that is stepped through; told by the word of bell 1. */
enum { MARK_BEGIN = 1, MARK_END };

static void mark(const struct wait_edge *edge, uint32_t where)
{
    atomic_store_explicit(&edge->bells[1].word, where, memory_order_release);
}

static bool is_at(const struct wait_edge *edge, uint32_t where)
{
    return atomic_load_explicit(&edge->bells[1].word, memory_order_acquire) >= where;
}

static void ring_once_traced(const struct wait_edge *edge)
{
    struct wait_state state = wait_edge_open(edge, 0);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(77);
    raise(SIGSTOP);
    mark(edge, MARK_BEGIN);
    wait_ring(edge, &state, 0);
    mark(edge, MARK_END);
}

static void ring_often(const struct wait_edge *edge)
{
    struct wait_state state = wait_edge_open(edge, 0);
    for (int k = 0; k < 20; k++)
        wait_ring(edge, &state, 0);
}

static void wait_once_traced(const struct wait_edge *edge)
{
    struct wait_state state = wait_edge_open(edge, 0);
    struct wait_source source = word_source(&edge->bells[0]);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(77);
    raise(SIGSTOP);
    uint64_t deadline_ns = clock_now_ns() + 4 * NEVER_NS;
    uint32_t seen = wait_source_value(&source);
    mark(edge, MARK_BEGIN);
    edge->wait->idle(&state, &source, seen, deadline_ns);
    mark(edge, MARK_END);
}

static void ring_once(const struct wait_edge *edge)
{
    struct wait_state state = wait_edge_open(edge, 0);
    wait_ring(edge, &state, 0);
}

/* Waits until the waiter sleeps, as far as can be seen from outside. */
static void let_it_sleep(const struct wait_edge *edge)
{
    uint64_t start_ns = clock_now_ns();
    while (edge->wait->create && atomic_load(&edge->bells[0].sleepers) == 0 &&
           clock_now_ns() - start_ns < NEVER_NS)
        clock_sleep_until_ns(clock_now_ns() + 20000);
    clock_sleep_until_ns(clock_now_ns() + 200000);
}

/* A fresh edge whose calls this process, and so its children, have made before: else a first call
 * would mostly be the dynamic linker's. */
static struct wait_edge edge_make_warm(const struct wait_strategy *wait)
{
    struct wait_edge edge = wait_edge_make(wait);
    struct wait_state state = wait_edge_open(&edge, 0);
    struct wait_source source = word_source(&edge.bells[0]);
    atomic_store(&edge.bells[0].sleepers, 1);
    wait_ring(&edge, &state, 0);
    atomic_store(&edge.bells[0].sleepers, 0);
    wait->idle(&state, &source, wait_source_value(&source), clock_now_ns() + 100000);
    return edge;
}

/* ---- Stepping -------------------------------------------------------------------------------- */

enum step { STEP_DONE, STEP_ENDED, STEP_SLEEPS };

/* One instruction of a stopped child. STEP_SLEEPS: it has not come back from a system call. */
static enum step step_one(pid_t pid, bool may_sleep)
{
    int how;
    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
        return STEP_ENDED;
    uint64_t start_ns = clock_now_ns();
    for (;;) {
        pid_t changed = waitpid(pid, &how, may_sleep ? WNOHANG : 0);
        if (changed == pid)
            return WIFSTOPPED(how) ? STEP_DONE : STEP_ENDED;
        if (changed < 0)
            return STEP_ENDED;
        if (clock_now_ns() - start_ns > 2 * MILLISECOND_NS)
            return STEP_SLEEPS;
    }
}

/* Whether the child has stopped to be traced; false where that is not allowed. */
static bool is_traced(pid_t pid)
{
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    return WIFSTOPPED(how);
}

/* Runs `count` instructions of the marked part of a child and kills it there. While it sleeps in
 * the kernel it is told of news by another process: not by this one, which might wait for a lock
 * that only the stopped child can give back. *ringer is that process, or 0. Returns how many
 * instructions there were. */
static unsigned step_and_kill(pid_t pid, unsigned count, const struct wait_edge *edge,
                              pid_t *ringer)
{
    unsigned steps = 0;
    if (ringer)
        *ringer = 0;
    while (steps <= count && !is_at(edge, MARK_END)) {
        enum step step = step_one(pid, ringer != NULL);
        if (step == STEP_SLEEPS) {
            int how;
            if (steps >= count)
                break; /* killed in its sleep */
            if (*ringer == 0 && is_at(edge, MARK_BEGIN))
                *ringer = start(ring_once, edge);
            step = waitpid(pid, &how, 0) == pid && WIFSTOPPED(how) ? STEP_DONE : STEP_ENDED;
        }
        assert_int_equal(step, STEP_DONE);
        steps += is_at(edge, MARK_BEGIN);
    }
    end(pid);
    return steps;
}

/* ---- The notifier dies ----------------------------------------------------------------------- */

struct tally {
    unsigned trials;
    unsigned late; /* woke, but after more than WAKE_NS */
    uint64_t slowest_ns;
};

/* Closes the word from a third process and sees the waiter end. */
static void check_waiter_wakes(const struct wait_edge *edge, pid_t waiter, struct tally *tally)
{
    uint64_t closed_ns = clock_now_ns();
    pid_t closer = start(close_and_notify, edge);
    time_to_end_ns(closer, closed_ns, edge->wait->name, "notify is held up by a dead notifier");
    uint64_t took_ns = time_to_end_ns(waiter, closed_ns, edge->wait->name,
                                      "the waiter does not wake after the notifier's death");
    tally->trials++;
    tally->late += took_ns > WAKE_NS;
    if (took_ns > tally->slowest_ns)
        tally->slowest_ns = took_ns;
}

static void check_tally(const struct wait_strategy *wait, const struct tally *tally,
                        const char *what)
{
    printf("%-9s %4u deaths %s, slowest wake-up %.1f ms\n", wait->name, tally->trials, what,
           (double)tally->slowest_ns / MILLISECOND_NS);
    /* By the typical one: on a machine that is busy with something else, some take as long as the
     * scheduler likes. One that is never woken has failed already. */
    if (tally->late > 2 && tally->late > tally->trials / 2)
        fail_msg("%s: %u of %u wake-ups took more than 250 ms", wait->name, tally->late,
                 tally->trials);
}

static void notifier_dies_at_random(void **unused)
{
    WAIT_EACH_ON_WORDS(wait)
    {
        struct tally tally = {0};
        uint64_t until_ns = clock_now_ns() + TRIALS_NS / 3;
        while (clock_now_ns() < until_ns) {
            struct wait_edge edge = edge_make_warm(wait);
            pid_t waiter = start(wait_until_closed, &edge);
            pid_t notifier = start(ring_for_good, &edge);
            random_u64();
            clock_sleep_until_ns(clock_now_ns() + random_below(4 * MILLISECOND_NS));
            end(notifier);
            check_waiter_wakes(&edge, waiter, &tally);
            wait_edge_close(&edge);
        }
        check_tally(wait, &tally, "while ringing");
    }
}

/* One death after `count` instructions of notify, or at its end; how many there were. */
static unsigned notifier_dies_after(const struct wait_strategy *wait, unsigned count,
                                    struct tally *tally)
{
    struct wait_edge edge = edge_make_warm(wait);
    pid_t waiter = start(wait_until_closed, &edge);
    let_it_sleep(&edge);
    pid_t notifier = start(ring_once_traced, &edge);
    if (!is_traced(notifier)) {
        end(waiter);
        skip();
    }
    unsigned steps = step_and_kill(notifier, count, &edge, NULL);
    /* Sometimes the waiter's nap ends before anybody tells it. */
    if (random_below(2) == 0)
        clock_sleep_until_ns(clock_now_ns() + 2 * nap_ns);
    check_waiter_wakes(&edge, waiter, tally);
    wait_edge_close(&edge);
    return steps;
}

static void notifier_dies_anywhere(void **unused)
{
    WAIT_EACH_ON_WORDS(wait)
    {
        struct tally tally = {0};
        unsigned all = notifier_dies_after(wait, STEPS_MAX, &tally);
        /* Where there is more to break, more time. */
        unsigned weight = all > 100 ? 4 : 1;
        uint64_t until_ns = clock_now_ns() + TRIALS_NS * weight / 2;
        for (unsigned k = 0; k < all && clock_now_ns() < until_ns; k++)
            notifier_dies_after(wait, (unsigned)random_below(all), &tally);
        printf("%-9s notify takes %u instructions\n", wait->name, all);
        check_tally(wait, &tally, "at an instruction of notify");
    }
}

/* ---- The waiter dies ------------------------------------------------------------------------- */

/* One death after `count` instructions of idle, or at its end; how many there were. */
static unsigned waiter_dies_after(const struct wait_strategy *wait, unsigned count)
{
    struct wait_edge edge = edge_make_warm(wait);
    pid_t waiter = start(wait_once_traced, &edge);
    pid_t ringer;
    if (!is_traced(waiter))
        skip();
    unsigned steps = step_and_kill(waiter, count, &edge, &ringer);
    if (ringer)
        time_to_end_ns(ringer, clock_now_ns(), wait->name, "notify is held up by a dead waiter");
    pid_t notifier = start(ring_often, &edge);
    time_to_end_ns(notifier, clock_now_ns(), wait->name, "notify is held up by a dead waiter");
    wait_edge_close(&edge);
    return steps;
}

static void waiter_dies_anywhere(void **unused)
{
    nap_ns = 3600000000000u;
    WAIT_EACH_ON_WORDS(wait)
    if (wait->sleeps) {
        unsigned all = waiter_dies_after(wait, STEPS_MAX), trials = 0;
        uint64_t until_ns = clock_now_ns() + TRIALS_NS / 2;
        for (; trials < all && clock_now_ns() < until_ns; trials++)
            waiter_dies_after(wait, (unsigned)random_below(all));
        printf("%-9s %4u deaths at one of the %u instructions of idle\n", wait->name, trials, all);
    }
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notifier_dies_at_random),
        cmocka_unit_test(notifier_dies_anywhere),
        cmocka_unit_test(waiter_dies_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

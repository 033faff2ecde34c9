/* floor_sleep.c: what waking a sleeper costs, and what a sleep takes. See floor.h. */
#include <errno.h>
#include <linux/futex.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/base/source.h"
#include "harness/measure/floor_parts.h"

enum {
    FLOOR_WAKES = 101,
    FLOOR_WAKES_MIN = 11,
    FLOOR_EMPTY_BATCHES = 21,
    FLOOR_EMPTY_WAKES = 500, /* per batch */
    FLOOR_SLEEPS = 51,
    FLOOR_SLEEPS_MIN = 5,
};
/* Long enough for the other side to be asleep, short enough for its CPU not to be in its deepest
 * idle state: that one is what the axis idle_latency is about. */
#define FLOOR_PAUSE_NS 200000
/* A sleeper looks this often whether it is still wanted. */
#define FLOOR_SLEEP_LIMIT_NS 50000000

/* In shared memory, as a doorbell is: a shared futex is looked up by its page. */
struct floor_bell {
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t word; /* number of the wake-up, from 1 */
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t answered;
    uint64_t woke_ns; /* of the wake-up answered */
    _Alignas(SHARED_LINE_BYTES) _Atomic bool stop;
    uint64_t deadline_ns;
    size_t wakes; /* those that found a sleeper */
    double wake_ns[FLOOR_WAKES];
    double one_way_ns[FLOOR_WAKES];
    double empty_ns[FLOOR_EMPTY_BATCHES];
};

static long floor_futex(_Atomic uint32_t *word, int operation, uint32_t value,
                        const struct timespec *timeout)
{
    return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

static void *floor_sleeping_side(void *argument)
{
    struct floor_bell *bell = argument;
    const struct timespec limit = {.tv_nsec = FLOOR_SLEEP_LIMIT_NS};
    uint32_t seen = 0;
    while (!atomic_load(&bell->stop) && clock_now_ns() < bell->deadline_ns) {
        floor_futex(&bell->word, FUTEX_WAIT, seen, &limit);
        uint64_t now_ns = clock_now_ns();
        uint32_t word = atomic_load_explicit(&bell->word, memory_order_acquire);
        if (word == seen)
            continue;
        seen = word;
        bell->woke_ns = now_ns;
        atomic_store_explicit(&bell->answered, word, memory_order_release);
    }
    return NULL;
}

/* The waker does not sleep meanwhile: its own CPU's idle state is not part of the floor. */
static void floor_pause(uint64_t pause_ns)
{
    uint64_t until_ns = clock_now_ns() + pause_ns;
    while (clock_now_ns() < until_ns)
        continue;
}

static void *floor_waking_side(void *argument)
{
    struct floor_bell *bell = argument;
    for (uint32_t n = 1; n <= FLOOR_WAKES; n++) {
        floor_pause(FLOOR_PAUSE_NS);
        uint64_t begin_ns = clock_now_ns();
        atomic_store_explicit(&bell->word, n, memory_order_release);
        long woken = floor_futex(&bell->word, FUTEX_WAKE, 1, NULL);
        uint64_t end_ns = clock_now_ns();
        if (!floor_await(&bell->answered, n, &bell->stop, bell->deadline_ns))
            break;
        /* Where it was not asleep yet, it saw the word by itself, and nobody was woken. */
        if (woken != 1 || bell->woke_ns < begin_ns)
            continue;
        bell->wake_ns[bell->wakes] = (double)(end_ns - begin_ns);
        bell->one_way_ns[bell->wakes++] = (double)(bell->woke_ns - begin_ns);
    }
    atomic_store(&bell->stop, true);
    floor_futex(&bell->word, FUTEX_WAKE, 1, NULL);
    return NULL;
}

static void *floor_empty_wakes(void *argument)
{
    struct floor_bell *bell = argument;
    for (int batch = 0; batch < FLOOR_EMPTY_BATCHES; batch++) {
        uint64_t begin_ns = clock_now_ns();
        for (int i = 0; i < FLOOR_EMPTY_WAKES; i++)
            floor_futex(&bell->word, FUTEX_WAKE, 1, NULL);
        bell->empty_ns[batch] = (double)(clock_now_ns() - begin_ns) / FLOOR_EMPTY_WAKES;
    }
    return NULL;
}

enum status floor_futex_measure(struct floor_cpus cpus, uint64_t deadline_ns,
                                struct floor_futex *out, struct err *err)
{
    *out = (struct floor_futex){NAN, NAN, NAN};
    struct floor_bell *bell = mmap(NULL, sizeof *bell, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (bell == MAP_FAILED)
        return err_set_errno(err, errno, NULL, "floor: no memory for a futex");
    bell->deadline_ns = deadline_ns;
    enum status status = floor_thread_run(cpus.producer, floor_empty_wakes, bell, err);
    if (status == ST_OK)
        out->wake_nobody_ns = floor_median(bell->empty_ns, FLOOR_EMPTY_BATCHES, 1);
    if (status == ST_OK && cpus.producer != cpus.consumer) {
        status = floor_thread_run_both(cpus, floor_waking_side, floor_sleeping_side, bell,
                                       &bell->stop, err);
        if (status == ST_OK && bell->wakes < FLOOR_WAKES_MIN)
            status = err_set(err, ST_TIMEOUT, "is something else using these CPUs?",
                             "floor: CPU %d woke a sleeper on CPU %d only %zu times in time",
                             cpus.producer, cpus.consumer, bell->wakes);
        else if (status == ST_OK) {
            out->wake_sleeper_ns = floor_median(bell->wake_ns, bell->wakes, FLOOR_WAKES_MIN);
            out->one_way_ns = floor_median(bell->one_way_ns, bell->wakes, FLOOR_WAKES_MIN);
        }
    }
    munmap(bell, sizeof *bell);
    return status;
}

struct floor_sleeps {
    struct floor_nanosleep *out;
    uint64_t deadline_ns;
    double timer_slack_ns;
};

static void *floor_sleeps_body(void *argument)
{
    struct floor_sleeps *sleeps = argument;
    double taken_ns[FLOOR_SLEEPS];
    int slack_ns = prctl(PR_GET_TIMERSLACK);
    sleeps->timer_slack_ns = slack_ns >= 0 ? slack_ns : NAN;
    for (int i = 0; i < FLOOR_NANOSLEEPS; i++) {
        const struct timespec asked = {.tv_nsec = (long)sleeps->out[i].requested_ns};
        size_t count = 0;
        while (count < FLOOR_SLEEPS && clock_now_ns() < sleeps->deadline_ns) {
            uint64_t begin_ns = clock_monotonic_ns(); /* the clock that it sleeps on */
            if (clock_nanosleep(CLOCK_MONOTONIC, 0, &asked, NULL) == 0)
                taken_ns[count++] = (double)(clock_monotonic_ns() - begin_ns);
        }
        sleeps->out[i].p50_ns = floor_median(taken_ns, count, FLOOR_SLEEPS_MIN);
    }
    return NULL;
}

enum status floor_nanosleep_measure(int cpu, uint64_t deadline_ns,
                                    struct floor_nanosleep out[FLOOR_NANOSLEEPS],
                                    double *timer_slack_ns, struct err *err)
{
    static const uint64_t requested_ns[FLOOR_NANOSLEEPS] = {100000, 1000000};
    for (int i = 0; i < FLOOR_NANOSLEEPS; i++)
        out[i] = (struct floor_nanosleep){.requested_ns = requested_ns[i], .p50_ns = NAN};
    struct floor_sleeps sleeps = {.out = out, .deadline_ns = deadline_ns, .timer_slack_ns = NAN};
    /* A thread starts with the slack of the one that makes it. */
    enum status status = floor_thread_run(cpu, floor_sleeps_body, &sleeps, err);
    *timer_slack_ns = sleeps.timer_slack_ns;
    for (int i = 0; status == ST_OK && i < FLOOR_NANOSLEEPS; i++)
        if (isnan(out[i].p50_ns))
            status = err_set(err, ST_TIMEOUT, NULL, "floor: no time left for sleeps of %.0f us",
                             (double)out[i].requested_ns / 1e3);
    return status;
}

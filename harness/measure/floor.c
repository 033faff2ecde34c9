/* floor.c: cache line there and back, the cost of a stamp and of a system call. See floor.h. */
#include "harness/measure/floor.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/base/source.h"
#include "harness/measure/clock.h"
#include "harness/measure/hdr.h"

enum {
    FLOOR_WARMUP = 5000,
    FLOOR_ROUND_TRIPS = 20000,
    FLOOR_BUNCHES = 40, /* of unstamped round trips, each timed as a whole */
    FLOOR_CALLS_PER_BATCH = 20000,
    FLOOR_BATCHES = 10,
    /* Loads between two looks at the clock; see wait/spin.c. */
    FLOOR_LOADS_PER_LOOK = 1000,
};
/* For one run of tens of milliseconds, on a machine whose CPUs others want too. */
#define FLOOR_DEADLINE_NS 10000000000u

struct floor_line {
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t word;
    char padding[SHARED_LINE_BYTES - sizeof(uint32_t)];
};

/* One run: side `there` writes odd values, side `back` answers with the next even one. */
struct floor_run {
    struct floor_line lines[2];
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t *there; /* written by the asking side */
    _Atomic uint32_t *back;                              /* written by the answering side */
    uint64_t deadline_ns;
    _Atomic bool stop; /* nobody will answer any more */
    struct hdr *single;
    double bunch_mean_ns[FLOOR_BUNCHES];
    bool asked_out;    /* the asking side ran out of time */
    bool answered_out; /* the answering side did */
};

static inline bool floor_await(const struct floor_run *run, const _Atomic uint32_t *word,
                               uint32_t value)
{
    do {
        for (int i = 0; i < FLOOR_LOADS_PER_LOOK; i++)
            if (atomic_load_explicit(word, memory_order_acquire) == value)
                return true;
    } while (!atomic_load_explicit(&run->stop, memory_order_relaxed) &&
             clock_now_ns() < run->deadline_ns);
    return false;
}

/* One round trip, number n from 0. */
static inline bool floor_ask(struct floor_run *run, uint32_t n)
{
    atomic_store_explicit(run->there, 2 * n + 1, memory_order_release);
    return floor_await(run, run->back, 2 * n + 2);
}

static void *floor_asking_side(void *argument)
{
    struct floor_run *run = argument;
    uint32_t n = 0;
    bool answered = true;
    for (int i = 0; answered && i < FLOOR_WARMUP; i++)
        answered = floor_ask(run, n++);
    uint64_t last_ns = clock_now_ns();
    for (int i = 0; answered && i < FLOOR_ROUND_TRIPS; i++) {
        answered = floor_ask(run, n++);
        uint64_t now_ns = clock_now_ns();
        hdr_record(run->single, (int64_t)(now_ns - last_ns));
        last_ns = clock_now_ns(); /* anew: recording is not part of the next one */
    }
    const int bunch = FLOOR_ROUND_TRIPS / FLOOR_BUNCHES;
    for (int b = 0; answered && b < FLOOR_BUNCHES; b++) {
        uint64_t begin_ns = clock_now_ns();
        for (int i = 0; answered && i < bunch; i++)
            answered = floor_ask(run, n++);
        run->bunch_mean_ns[b] = (double)(clock_now_ns() - begin_ns) / bunch;
    }
    run->asked_out = !answered;
    return NULL;
}

static void *floor_answering_side(void *argument)
{
    struct floor_run *run = argument;
    for (uint32_t n = 0; n < FLOOR_WARMUP + 2 * FLOOR_ROUND_TRIPS; n++) {
        if (!floor_await(run, run->there, 2 * n + 1)) {
            run->answered_out = true;
            return NULL;
        }
        atomic_store_explicit(run->back, 2 * n + 2, memory_order_release);
    }
    return NULL;
}

/* A thread that is on `cpu` from its first instruction. */
static enum status floor_thread_start(int cpu, void *(*body)(void *), struct floor_run *run,
                                      pthread_t *thread, struct err *err)
{
    static const char hint[] = "choose CPUs this process may use";
    cpu_set_t *set = cpu < 0 ? NULL : CPU_ALLOC((size_t)cpu + 1);
    if (!set)
        return err_set(err, cpu < 0 ? ST_INVALID : ST_NO_MEMORY, hint, "no CPU set for CPU %d",
                       cpu);
    size_t bytes = CPU_ALLOC_SIZE((size_t)cpu + 1);
    CPU_ZERO_S(bytes, set);
    CPU_SET_S((size_t)cpu, bytes, set);
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (!failed) {
        failed = pthread_attr_setaffinity_np(&attributes, bytes, set);
        if (!failed)
            failed = pthread_create(thread, &attributes, body, run);
        pthread_attr_destroy(&attributes);
    }
    CPU_FREE(set);
    if (failed == EINVAL)
        return err_set(err, ST_UNAVAILABLE, hint, "floor: this process may not run on CPU %d", cpu);
    if (failed)
        return err_set_errno(err, failed, NULL, "floor: no thread on CPU %d", cpu);
    return ST_OK;
}

static int floor_compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Both sides of one run, on one line or on two. */
static enum status floor_bounce(int cpu_a, int cpu_b, struct floor_run *run, bool one_line,
                                struct floor_round_trip *out, struct err *err)
{
    atomic_store(&run->lines[0].word, 0);
    atomic_store(&run->lines[1].word, 0);
    atomic_store(&run->stop, false);
    run->there = &run->lines[0].word;
    run->back = &run->lines[one_line ? 0 : 1].word;
    run->deadline_ns = clock_now_ns() + FLOOR_DEADLINE_NS;
    run->asked_out = run->answered_out = false;
    hdr_reset(run->single);
    pthread_t asking, answering;
    enum status status = floor_thread_start(cpu_b, floor_answering_side, run, &answering, err);
    if (status != ST_OK)
        return status;
    status = floor_thread_start(cpu_a, floor_asking_side, run, &asking, err);
    if (status == ST_OK)
        pthread_join(asking, NULL);
    else
        atomic_store(&run->stop, true);
    pthread_join(answering, NULL);
    if (status != ST_OK)
        return status;
    if (run->asked_out || run->answered_out)
        return err_set(err, ST_TIMEOUT, "is something else using these CPUs?",
                       "floor: no answer between CPUs %d and %d in time", cpu_a, cpu_b);
    qsort(run->bunch_mean_ns, FLOOR_BUNCHES, sizeof *run->bunch_mean_ns, floor_compare);
    *out = (struct floor_round_trip){.p50_ns = (double)hdr_quantile_ns(run->single, 0.5),
                                     .mean_ns = run->bunch_mean_ns[FLOOR_BUNCHES / 2]};
    return ST_OK;
}

enum status floor_cache_line(int cpu_a, int cpu_b, struct floor_cache_line *out, struct err *err)
{
    if (cpu_a == cpu_b)
        return err_set(err, ST_NOT_APPLICABLE, "give two CPUs",
                       "floor: CPU %d has nobody to exchange a cache line with", cpu_a);
    struct floor_cache_line made = {.round_trips = FLOOR_ROUND_TRIPS};
    struct floor_run *run = aligned_alloc(_Alignof(struct floor_run), sizeof *run);
    struct hdr *single = hdr_new();
    enum status status;
    if (!run || !single) {
        status = err_set(err, ST_NO_MEMORY, NULL, "floor: out of memory");
        goto undo;
    }
    run->single = single;
    status = floor_bounce(cpu_a, cpu_b, run, true, &made.one_line, err);
    if (status == ST_OK)
        status = floor_bounce(cpu_a, cpu_b, run, false, &made.two_lines, err);
    if (status == ST_OK)
        *out = made;
undo:
    hdr_free(single);
    free(run);
    return status;
}

static double floor_system_calls_batch(void)
{
    uint64_t begin_ns = clock_now_ns();
    /* Through syscall(), since a C library may remember the answer. */
    for (int i = 0; i < FLOOR_CALLS_PER_BATCH; i++)
        (void)syscall(SYS_getppid);
    return (double)(clock_now_ns() - begin_ns) / FLOOR_CALLS_PER_BATCH;
}

struct floor_calls floor_calls_measure(void)
{
    struct floor_calls best = {0};
    for (int i = 0; i < FLOOR_BATCHES; i++) {
        struct clock_quality clock = clock_measure();
        double call_ns = floor_system_calls_batch();
        if (i == 0 || clock.read_ns < best.clock_read_ns)
            best.clock_read_ns = clock.read_ns;
        if (i == 0 || clock.tick_ns < best.clock_tick_ns)
            best.clock_tick_ns = clock.tick_ns;
        if (i == 0 || call_ns < best.system_call_ns)
            best.system_call_ns = call_ns;
    }
    return best;
}

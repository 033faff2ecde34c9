/* gpu_clock.c: see gpu_clock.h. */
#include "harness/run/gpu_clock.h"

#include <inttypes.h>
#include <math.h>
#include <sched.h>

#include "harness/base/source.h"
#include "harness/measure/clock.h"
#include "harness/measure/trace.h"

/* Exchanges of one launch of the GPU's part: few, so that one that has to wait for its turn on the
 * GPU is left soon. */
#define EXCHANGES_PER_LAUNCH 20
#define EXCHANGE_LAUNCHES 10
/* Longer only where that was not good enough: other work had its turn on the GPU or on the CPU. */
#define EXCHANGE_GOOD_NS 10000u
#define EXCHANGE_TIME_NS 300000000u
/* An answer that takes longer comes from a GPU that is not there at the moment; from then on the
 * CPU may be somebody else's. */
#define EXCHANGE_PROMPT_NS 50000u
#define EXCHANGE_SILENCE_NS 2000000000u
/* Pairs this close together may be compared: the clocks do not run apart by more than some ns. */
#define EXCHANGE_NEAR_NS 1000000
/* A clock that counts in more than this is taken for one that happened to. */
#define EXCHANGE_TICK_MAX_NS 4096u

/* Offsets into the pinned memory: what the CPU writes, and what the GPU does, in one store. */
enum { WORD_ASK = 0, WORD_NOW = SHARED_LINE_BYTES, WORD_ANSWER = WORD_NOW + 8 };
#define WORDS_BYTES (2 * (size_t)SHARED_LINE_BYTES)

enum status gpu_clock_open(struct gpu_clock *clock, struct gpu *gpu, struct gpu_stream *stream,
                           struct launcher *launcher, struct err *err)
{
    void *host, *device;
    enum status status = gpu_pinned_alloc(gpu, WORDS_BYTES, &host, &device, err);
    if (status != ST_OK)
        return err_context(err, "the words for the GPU's clock");
    *clock = (struct gpu_clock){
        .gpu = gpu, .stream = stream, .launcher = launcher, .host = host, .device = device};
    return ST_OK;
}

void gpu_clock_close(struct gpu_clock *clock)
{
    if (clock->host)
        gpu_pinned_free(clock->gpu, clock->host);
    *clock = (struct gpu_clock){0};
}

static uint32_t *clock_word(const struct gpu_clock *clock, size_t offset)
{
    return (uint32_t *)(void *)(clock->host + offset);
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* What the GPU's clock counts in shows in the distances of its stamps. */
static void clock_learn_tick(struct gpu_clock *clock, uint64_t distance_ns)
{
    if (distance_ns > 0)
        clock->tick_ns = greatest_common_divisor(distance_ns, clock->tick_ns);
}

/* One exchange: asks number `number` and waits for its answer. */
static enum status clock_exchange_once(const struct gpu_clock *clock, uint32_t number,
                                       struct gpu_clock_pair *pair, struct err *err)
{
    const uint32_t *answer = clock_word(clock, WORD_ANSWER);
    const uint64_t *now = (const uint64_t *)(const void *)(clock->host + WORD_NOW);
    const uint64_t begin_ns = clock_now_ns();
    uint64_t end_ns;
    __atomic_store_n(clock_word(clock, WORD_ASK), number, __ATOMIC_RELEASE);
    do {
        const bool answered = __atomic_load_n(answer, __ATOMIC_ACQUIRE) == number;
        end_ns = clock_now_ns();
        if (answered) {
            *pair = (struct gpu_clock_pair){.gpu_ns = __atomic_load_n(now, __ATOMIC_RELAXED),
                                            .host_ns = begin_ns + (end_ns - begin_ns) / 2,
                                            .error_ns = (end_ns - begin_ns + 1) / 2};
            return ST_OK;
        }
        if (end_ns - begin_ns > EXCHANGE_PROMPT_NS)
            sched_yield();
    } while (end_ns - begin_ns < EXCHANGE_SILENCE_NS);
    /* A kernel that failed says so here. */
    if (gpu_stream_poll(clock->stream, err) > ST_AGAIN)
        return err_context(err, "asking for the GPU's clock");
    return err_set(err, ST_TIMEOUT, "does another process keep the GPU busy?",
                   "the GPU did not tell its clock within %u s", EXCHANGE_SILENCE_NS / 1000000000u);
}

/* The exchanges of one launch go to `pairs`; *best is kept where none is better. */
static enum status clock_exchange_launch(struct gpu_clock *clock, struct gpu_clock_pair *pairs,
                                         struct gpu_clock_pair *best, struct err *err)
{
    __atomic_store_n(clock_word(clock, WORD_ASK), 0, __ATOMIC_RELAXED);
    __atomic_store_n(clock_word(clock, WORD_ANSWER), 0, __ATOMIC_RELEASE);
    enum status status = launcher_enqueue_clock(
        clock->launcher, clock->stream, (const uint32_t *)(void *)(clock->device + WORD_ASK),
        (uint32_t *)(void *)(clock->device + WORD_ANSWER),
        (uint64_t *)(void *)(clock->device + WORD_NOW), EXCHANGES_PER_LAUNCH, err);
    if (status != ST_OK)
        return err_context(err, "asking for the GPU's clock");
    uint64_t before_ns = 0;
    for (uint32_t i = 1; i <= EXCHANGES_PER_LAUNCH; i++) {
        struct gpu_clock_pair *pair = &pairs[i - 1];
        status = clock_exchange_once(clock, i, pair, err);
        if (status != ST_OK)
            return status;
        if (before_ns != 0)
            clock_learn_tick(clock, pair->gpu_ns - before_ns);
        before_ns = pair->gpu_ns;
        if (pair->error_ns < best->error_ns)
            *best = *pair;
    }
    return gpu_stream_synchronize(clock->stream, err);
}

/* A clock may be updated more rarely than its values' steps tell (every microsecond, in steps of
 * 32 ns): then pairs that were taken at nearly the same time differ by more than their brackets
 * allow. Half of what they differ by is the error then, and the middle of them the best. */
static void clock_widen(struct gpu_clock_pair *best, const struct gpu_clock_pair *pairs,
                        size_t count)
{
    int64_t low_ns = 0, high_ns = 0;
    for (size_t i = 0; i < count; i++) {
        const struct gpu_clock_pair *pair = &pairs[i];
        const int64_t since_ns = (int64_t)(pair->host_ns - best->host_ns);
        if (pair->error_ns > best->error_ns + best->error_ns / 2 || since_ns > EXCHANGE_NEAR_NS ||
            since_ns < -EXCHANGE_NEAR_NS)
            continue;
        /* How much more the GPU's clock shows at this pair than the best one lets expect. */
        const int64_t off_ns = (int64_t)(pair->gpu_ns - best->gpu_ns) - since_ns;
        low_ns = off_ns < low_ns ? off_ns : low_ns;
        high_ns = off_ns > high_ns ? off_ns : high_ns;
    }
    const uint64_t spread_ns = (uint64_t)(high_ns - low_ns + 1) / 2;
    if (spread_ns <= best->error_ns)
        return;
    best->error_ns = spread_ns;
    best->gpu_ns += (uint64_t)((high_ns + low_ns) / 2);
}

static bool clock_exchange_goes_on(int launches, uint64_t error_ns, uint64_t taken_ns)
{
    if (launches < EXCHANGE_LAUNCHES)
        return launches == 0 || taken_ns < EXCHANGE_TIME_NS;
    return error_ns > EXCHANGE_GOOD_NS && taken_ns < EXCHANGE_TIME_NS;
}

enum status gpu_clock_exchange(struct gpu_clock *clock, struct gpu_clock_pair *pair,
                               struct err *err)
{
    struct gpu_clock_pair best = {.error_ns = UINT64_MAX};
    struct gpu_clock_pair pairs[EXCHANGE_LAUNCHES * EXCHANGES_PER_LAUNCH]; /* the last ones */
    const uint64_t begin_ns = clock_now_ns();
    int launches = 0;
    while (clock_exchange_goes_on(launches, best.error_ns, clock_now_ns() - begin_ns)) {
        const int row = launches++ % EXCHANGE_LAUNCHES;
        enum status status =
            clock_exchange_launch(clock, pairs + row * EXCHANGES_PER_LAUNCH, &best, err);
        if (status != ST_OK)
            return status;
    }
    clock_widen(&best, pairs,
                (size_t)(launches < EXCHANGE_LAUNCHES ? launches : EXCHANGE_LAUNCHES) *
                    EXCHANGES_PER_LAUNCH);
    /* A stamp shows the last tick, not the moment. */
    if (clock->tick_ns <= EXCHANGE_TICK_MAX_NS)
        best.error_ns += clock->tick_ns;
    *pair = best;
    return ST_OK;
}

enum status gpu_clock_map_make(const struct gpu_clock_pair *begin, const struct gpu_clock_pair *end,
                               struct gpu_clock_map *map, struct err *err)
{
    const int64_t gpu_ns = (int64_t)(end->gpu_ns - begin->gpu_ns);
    const int64_t host_ns = (int64_t)(end->host_ns - begin->host_ns);
    const uint64_t error_ns = begin->error_ns > end->error_ns ? begin->error_ns : end->error_ns;
    if (error_ns > TRACE_GPU_ERROR_MAX_NS)
        return err_set(err, ST_UNAVAILABLE, "does another process keep the GPU busy?",
                       "the GPU's clock could only be read within %" PRIu64 " ns", error_ns);
    const double apart_ns = fabs((double)(gpu_ns - host_ns));
    const double plausible_ns = (double)host_ns * (GPU_CLOCK_DRIFT_PPM * 1e-6) +
                                (double)begin->error_ns + (double)end->error_ns;
    if (gpu_ns <= 0 || host_ns <= 0 || apart_ns > plausible_ns)
        return err_set(
            err, ST_CORRUPT,
            "was the GPU's clock set, or its driver restarted, during the run? Repeat it",
            "between two exchanges the GPU's clock went on by %" PRId64
            " ns and the cell's by %" PRId64 " ns: more apart than %d ppm and the "
            "errors of both exchanges (%" PRIu64 " and %" PRIu64 " ns) allow",
            gpu_ns, host_ns, GPU_CLOCK_DRIFT_PPM, begin->error_ns, end->error_ns);
    *map = (struct gpu_clock_map){
        .begin = *begin, .rate = (double)host_ns / (double)gpu_ns, .error_ns = error_ns};
    return ST_OK;
}

uint64_t gpu_clock_to_host_ns(const struct gpu_clock_map *map, uint64_t gpu_ns)
{
    if (gpu_ns == 0)
        return 0;
    const double since_ns = (double)(int64_t)(gpu_ns - map->begin.gpu_ns) * map->rate;
    return map->begin.host_ns + (uint64_t)(int64_t)llround(since_ns);
}

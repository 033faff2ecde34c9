/* fold_fixture.h: two traces of a launch whose every interval is known in advance, and what a test
 * says of their fold. For test_fold.c and the tests beside it (test_fold_*.c).
 */
#ifndef HANDOFF_TESTS_FOLD_FIXTURE_H
#define HANDOFF_TESTS_FOLD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/measure/fold.h"
#include "tests/support/random_input.h"

enum { PERIOD_NS = 1000000 };

/* Two traces in mappings that punish overruns, and the config they were made for. */
struct launch {
    struct fold_config config;
    struct guarded memory[2];
    struct trace *producer;
    struct trace *consumer;
    uint64_t start_ns;
};

static inline uint32_t total_of(const struct launch *launch)
{
    return launch->config.warmup + launch->config.frames;
}

static inline struct trace_record *sent(const struct launch *launch, uint32_t id)
{
    return &launch->producer->records[id];
}

/* The consumer's record number `index`: of frame `index` unless a test moved it. */
static inline struct trace_record *arrived(const struct launch *launch, uint32_t index)
{
    return &launch->consumer->records[index];
}

/* A launch in which all went well: frames a millisecond apart, every stage of known length. */
static inline struct launch make_launch(struct fold_config config)
{
    struct launch launch = {.config = config, .start_ns = 5000000000 + random_below(1000000000)};
    uint32_t total = total_of(&launch);
    for (int i = 0; i < 2; i++)
        launch.memory[i] = guarded_make(trace_bytes(total));
    launch.producer = (struct trace *)launch.memory[0].bytes;
    launch.consumer = (struct trace *)launch.memory[1].bytes;
    trace_init(launch.producer, total);
    trace_init(launch.consumer, total);
    for (uint32_t id = 0; id < total; id++) {
        uint64_t due_ns = launch.start_ns + (uint64_t)id * PERIOD_NS;
        uint64_t ready_ns = due_ns + 50;
        *sent(&launch, id) = (struct trace_record){
            .stamps_ns = {due_ns, due_ns + 10, ready_ns, ready_ns + 20, ready_ns + 320,
                          ready_ns + 360, ready_ns + 390},
            .frame_id = (int32_t)id,
        };
        *arrived(&launch, id) = (struct trace_record){
            .stamps_ns = {due_ns - 500000, ready_ns + 460, ready_ns + 500, ready_ns + 570,
                          ready_ns + 1000, ready_ns + 1010},
            .frame_id = (int32_t)id,
            .flags = TRACE_FRAME_CHECKED,
        };
    }
    atomic_store(&launch.producer->count, total);
    atomic_store(&launch.consumer->count, total);
    return launch;
}

static inline void free_launch(struct launch *launch)
{
    guarded_free(&launch->memory[0]);
    guarded_free(&launch->memory[1]);
}

static inline enum status fold_launch(const struct launch *launch, struct fold *fold,
                                      struct err *err)
{
    size_t bytes = trace_bytes(total_of(launch));
    return fold_traces(&launch->config, launch->producer, bytes, launch->consumer, bytes, fold,
                       err);
}

static inline struct fold *fold_fine(const struct launch *launch)
{
    struct err err = {0};
    struct fold *fold = fold_new();
    if (fold_launch(launch, fold, &err) != ST_OK)
        fail_msg("%s", err.what);
    return fold;
}

static inline void assert_refused(const struct launch *launch, const char *cause)
{
    struct err err = {0};
    struct fold *fold = fold_new();
    assert_int_equal(fold_launch(launch, fold, &err), ST_CORRUPT);
    if (!strstr(err.what, cause))
        fail_msg("\"%s\" does not say \"%s\"", err.what, cause);
    fold_free(fold);
}

/* Moves the consumer's records from `index` on by one, over the one before. */
static inline void drop_arrival(struct launch *launch, uint32_t index)
{
    uint32_t count = atomic_load(&launch->consumer->count);
    memmove(arrived(launch, index), arrived(launch, index + 1),
            (count - index - 1) * sizeof(struct trace_record));
    atomic_store(&launch->consumer->count, count - 1);
}

/* A hundred frames at a rate, each with a deadline of a period. */
static const struct fold_config usual = {
    .warmup = 8, .frames = 100, .rate = true, .deadline_ns = PERIOD_NS, .tolerance_ns = 0};

/* All values of an interval are the same here. */
static inline void assert_all(const struct fold *fold, enum interval interval, uint64_t count,
                              int64_t value_ns)
{
    assert_int_equal(hdr_count(fold->intervals[interval]), count);
    assert_int_equal(hdr_min_ns(fold->intervals[interval]), value_ns);
    assert_int_equal(hdr_max_ns(fold->intervals[interval]), value_ns);
}

#endif

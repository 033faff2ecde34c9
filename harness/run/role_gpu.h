/* role_gpu.h: a role's GPU: what both roles open, wait on and report in the same way.
 *
 * Used by consumer_gpu*.c and producer_gpu.c.
 */
#ifndef HANDOFF_RUN_ROLE_GPU_H
#define HANDOFF_RUN_ROLE_GPU_H

#include "harness/gpu/gpu.h"
#include "harness/run/gpu_clock.h"
#include "harness/run/role.h"
#include "kernels/launch.h"

/* A stream for frames, with what launches kernels on it. */
struct role_gpu_lane {
    struct gpu_stream *stream;
    struct launcher *launcher;
};

/* With order event and at least so many frames in flight they alternate between two streams. On
 * one, what an event takes lies between two kernels of the same role: on an H200, 7.6 us from the
 * end of one to the begin of the next, whose frame had long been there, beside 7 us that a 4K
 * frame's kernel takes alone. With two and 8 slots 50,000 frames/s came instead of 40,000; with 4
 * slots it is the same, and with 2 and 3 it is 3 and 6 % fewer: there the other role has no frame
 * to work on meanwhile. */
#define ROLE_GPU_LANES_MAX 2
#define ROLE_GPU_LANES_DEPTH 4

struct role_gpu {
    struct gpu *gpu;
    struct role_gpu_lane lanes[ROLE_GPU_LANES_MAX];
    uint32_t lane_count;
    struct gpu_stream *stream; /* of the first lane, and the only one but with order event */
    struct launcher *launcher; /* of `stream` */
    struct gpu_clock clock;
    struct gpu_clock_pair before; /* the exchange before the run */
    enum gpu_sync sync;
    bool stuck; /* work that does not end is on the GPU: only the process's end frees anything */
    struct role_gpu_report report;
};

/* Opens the GPU with its context, its lanes, and checks that it is shared as the cell says
 * (gpu_sharing): ST_UNAVAILABLE otherwise. Seconds, the first time. The caller closes, also after a
 * failure. */
enum status role_gpu_open(const struct cell *cell, struct role_gpu *gpu, struct err *err);
/* After everything made with it. Safe on a zeroed one. */
void role_gpu_close(struct role_gpu *gpu);

/* The exchange before the run; at the very end of prepare. */
enum status role_gpu_clock_begin(struct role_gpu *gpu, struct err *err);
/* The exchange after it, when no role has work left, and what both come to. */
enum status role_gpu_clock_end(struct role_gpu *gpu, struct gpu_clock_map *map, struct err *err);

/* Where frame number `number` goes. */
static inline const struct role_gpu_lane *role_gpu_lane(const struct role_gpu *gpu, uint32_t number)
{
    return &gpu->lanes[gpu->lane_count > 1 ? number % ROLE_GPU_LANES_MAX : 0];
}

/* ---- Waiting --------------------------------------------------------------------------------- */

/* Looks at a word between two looks at the clock: about a microsecond. */
#define ROLE_GPU_LOOKS 512

/* What a loop that polls asks now and then. */
struct role_gpu_watch {
    struct gpu_stream *stream; /* whose errors count, or NULL */
    uint64_t deadline_ns;      /* on the cell's clock */
    uint64_t next_ns;          /* when the stream is asked next: a call, so once a millisecond */
};

/* ST_OK: go on polling. ST_TIMEOUT after the deadline, or what broke the stream. `awaited` goes
 * into the message. */
enum status role_gpu_look(struct role_gpu_watch *watch, const char *awaited, struct err *err);

/* Polls until *word is `value`, with acquire order; then what the GPU wrote before it is there. */
static inline enum status role_gpu_await_word(struct role_gpu_watch *watch, const uint32_t *word,
                                              uint32_t value, const char *awaited, struct err *err)
{
    enum status status = ST_OK;
    while (status == ST_OK) {
        for (int i = 0; i < ROLE_GPU_LOOKS; i++)
            if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
                return ST_OK;
        status = role_gpu_look(watch, awaited, err);
    }
    return status;
}

/* Polls until the event is done. */
enum status role_gpu_await_event(struct role_gpu_watch *watch, struct gpu_event *event,
                                 const char *awaited, struct err *err);

/* ST_OK when all lanes are idle, ST_AGAIN while one is not, or what broke one. */
enum status role_gpu_poll(const struct role_gpu *gpu, struct err *err);
/* How long work is waited for after a failure: the runner listens a second beyond the deadline
 * (session.c) and is to hear the reason. */
#define ROLE_GPU_FAILED_NS 500000000u
/* Polls until all lanes are idle or limit_ns from now have passed, and then sets `stuck`. For the
 * ends of runs: sleeps between looks. */
enum status role_gpu_await_idle(struct role_gpu *gpu, uint64_t limit_ns, struct err *err);

#endif

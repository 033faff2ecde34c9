/* cell.h: one full choice of every axis. Made by matrix.c from a scenario, run by run/.
 *
 * To add an axis: a field here, a line in axes.def, a default that is what older versions did, so
 * that ids of older cells do not change.
 */
#ifndef HANDOFF_SCENARIO_CELL_H
#define HANDOFF_SCENARIO_CELL_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/frame.h"
#include "harness/gpu/gpu.h"
#include "harness/wait/wait.h"
#include "kernels/kernel.h"
#include "transports/access/access.h"
#include "transports/transport.h"

enum fill {
    FILL_COPY,     /* the frame is whole in a source buffer, as a camera driver leaves it */
    FILL_IN_PLACE, /* the source writes into the slot; ready = filled */
    FILL_HEADER,   /* nothing but the header moves: payload_bytes is 0 */
    FILL_GPU,      /* a kernel of the producer writes it into the slot; ready = filled */
};

enum pacing {
    PACING_RATE,     /* frames fall due on an absolute schedule (open loop) */
    PACING_PINGPONG, /* one frame in flight */
    PACING_MAX,      /* as fast as slots allow: throughput only */
    PACING_POISSON,  /* the same as rate, with exponentially distributed gaps */
    /* The highest rate at which the p99 of `response` stays under a bound and no frame is dropped:
     * each launch finds it by bisection, in several short runs at a fixed rate. */
    PACING_SEARCH,
};

/* Where in its period a frame falls due (pacing rate). */
enum phase {
    PHASE_FIXED,  /* at its start: a steady clock, which may lock to the period of a poll */
    PHASE_RANDOM, /* at a random moment of its first half */
};

/* Who else wants the CPUs that the roles run on. */
enum load {
    LOAD_NONE,
    LOAD_CPU,   /* one process per used CPU that only computes */
    LOAD_MEMBW, /* one that copies memory, far more than fits in a cache */
};

/* Which CPUs the roles run on. */
enum placement {
    PLACEMENT_AUTO, /* two CPUs of one cluster where there are two, else what there is; recorded */
    PLACEMENT_NONE, /* not pinned */
    PLACEMENT_SAME_CPU,
    PLACEMENT_SAME_CLUSTER,  /* two CPUs that share their last-level cache */
    PLACEMENT_CROSS_CLUSTER, /* two that do not */
    PLACEMENT_CPUS,          /* `cpus:P,C` as the scenario says */
};

/* Where the source frame's bytes are when it becomes ready. */
enum frame_state {
    FRAME_STATE_AS_LEFT, /* wherever its last use left them: source frames rotate */
    FRAME_STATE_CACHED,  /* read through just before it is ready */
    FRAME_STATE_EVICTED, /* flushed out of every cache just before it is ready */
};

/* How two processes share a GPU. */
enum gpu_sharing {
    GPU_SHARING_TIME_SLICED, /* their contexts take turns, as without MPS */
    GPU_SHARING_MPS,         /* both are clients of an MPS daemon, and run at once */
};

/* Which CPUs the threads of a transport's library may run on (TRANSPORT_OWN_THREADS). */
enum library_threads {
    LIBRARY_THREADS_ANYWHERE,  /* wherever the program may */
    LIBRARY_THREADS_WITH_ROLE, /* where their role is pinned, as threads do by themselves */
};

/* What a role is written in. */
enum language { LANGUAGE_C, LANGUAGE_PYTHON };

/* How a Python consumer gets at the bytes of a frame: with `view` nothing is copied. */
enum read_habit {
    READ_VIEW,    /* numpy.frombuffer over the transport's memory */
    READ_SLICE,   /* a slice of the mmap, which is a copy */
    READ_STRUCT,  /* struct.unpack_from("<%ds"), as examples have it: a copy */
    READ_TOBYTES, /* tobytes() of the view: a copy */
};

/* What a Python consumer makes of a frame. */
enum array_kind { ARRAY_NUMPY, ARRAY_CUPY, ARRAY_TORCH };

/* Room for every axis away from its default at once, with values of a usual length. */
#define CELL_ID_BYTES 496
/* Different pictures that a producer's source makes: frame `id` has picture id modulo this. */
#define CELL_SOURCE_FRAMES 4
#define CELL_DEPTH_MAX 64

struct cell {
    char id[CELL_ID_BYTES]; /* no spaces, no commas */
    uint32_t block_index;   /* the block of the scenario it came from */

    const struct transport *transport;
    const struct access *access;
    const struct wait_strategy *wait;
    uint32_t wait_us; /* the wait's parameter, 0 without one */
    /* How the producer waits for a slot; NULL: as the consumer waits for frames. Ask
     * cell_producer_wait. */
    const struct wait_strategy *producer_wait;
    uint32_t producer_wait_us;
    const struct kernel *kernel;
    enum fill fill;
    struct geometry geometry;
    enum pacing pacing;
    double rate_hz; /* rate and poisson: frames per second, 0.1 to 1,000,000; search: its lowest */
    struct {
        uint64_t response_p99_ns; /* the bound; 0 for other pacings */
        double low_hz, high_hz;   /* where to look, low_hz < high_hz */
    } search;
    enum phase phase;
    uint32_t slots;
    enum policy policy;
    enum placement placement;
    uint32_t producer_cpu; /* PLACEMENT_CPUS */
    uint32_t consumer_cpu;
    enum frame_state frame_state;
    uint32_t fifo_priority;  /* scheduling class: 1 to 99 for SCHED_FIFO; 0: SCHED_OTHER */
    uint32_t timer_slack_ns; /* of both roles; 0: as found (50 us unless somebody changed it) */
    bool idle_latency_held;  /* /dev/cpu_dma_latency is held at 0 while the cell runs */
    bool clocks_locked;      /* the CPUs' frequency is fixed while the cell runs */
    enum load load;
    /* What follows is about cells that use a GPU (cell_uses_gpu), and for others at its default. */
    enum gpu_sync sync;      /* how a role waits for its own GPU work */
    enum order order;        /* who orders the GPU work of the two roles */
    uint32_t depth;          /* frames the consumer keeps in flight, 1 to CELL_DEPTH_MAX */
    bool register_per_frame; /* memory is registered for each frame instead of once */
    enum gpu_sharing gpu_sharing;
    enum shm_pages pages;                 /* of the transport's host memory; not the GPU's alone */
    enum library_threads library_threads; /* nor is this; TRANSPORT_OWN_THREADS */
    enum language producer_language, consumer_language;
    enum read_habit read; /* this and the next two are of Python roles, else at their defaults */
    bool gc_off;
    enum array_kind array;
    /* With kernel `detector`: the user's function, "/home/me/my.py:detect". Borrowed from whoever
     * named it (scenario_set_detector), for as long as the cell is used; NULL: none was named. */
    const char *detector;
    /* Added by the block's "cpu_baseline", not by its axes: what the tool and the schedule cost
     * when nothing is handed over. Compared with nothing; see scenarios/README.md. */
    bool is_baseline;

    uint32_t launches; /* 1 to 1000 */
    uint32_t frames;   /* counted frames per launch; 0: a pilot decides, see struct block */
    uint32_t warmup;   /* frames before them that are not counted; UINT32_MAX: a pilot decides */

    /* ST_OK, ST_NOT_APPLICABLE (the combination has no meaning) or ST_UNAVAILABLE (not on this
     * machine), with the reason and the hint. Set by scenario_parse (what has no meaning) and by
     * scenario_probe, which scenario_load calls (what this machine lacks). */
    enum status runnable;
    char reason[256];
    char hint[256];
};

/* Payload bytes that cross the edge per frame: 0 with fill `header`. */
static inline size_t cell_payload_bytes(const struct cell *cell)
{
    return cell->fill == FILL_HEADER ? 0 : geometry_payload_bytes(cell->geometry);
}

/* The kernel runs on the GPU. */
static inline bool cell_kernel_on_gpu(const struct cell *cell)
{
    return cell->access->needs_gpu;
}
/* Which roles open the GPU. */
static inline bool cell_producer_uses_gpu(const struct cell *cell)
{
    return cell->fill == FILL_GPU || (cell->transport->flags & TRANSPORT_DEVICE_MEMORY) != 0;
}
static inline bool cell_consumer_uses_gpu(const struct cell *cell)
{
    return cell->access->needs_gpu || (cell->transport->flags & TRANSPORT_DEVICE_MEMORY) != 0;
}
static inline bool cell_uses_gpu(const struct cell *cell)
{
    return cell_producer_uses_gpu(cell) || cell_consumer_uses_gpu(cell);
}

static inline bool cell_has_python(const struct cell *cell)
{
    return cell->producer_language == LANGUAGE_PYTHON || cell->consumer_language == LANGUAGE_PYTHON;
}

/* Frames fall due on a schedule, so that `response`, `pacing` and deadlines exist. */
static inline bool cell_has_schedule(const struct cell *cell)
{
    return cell->pacing == PACING_RATE || cell->pacing == PACING_POISSON ||
           cell->pacing == PACING_SEARCH;
}

/* Buffers that the producer's source rotates through, a multiple of CELL_SOURCE_FRAMES: more than
 * there are slots where a buffer stays lent until its frame is released. */
static inline uint32_t cell_source_buffers(const struct cell *cell)
{
    const uint32_t needed =
        cell->transport->flags & TRANSPORT_BORROWS_SOURCE ? cell->slots + 1 : CELL_SOURCE_FRAMES;
    return (needed + CELL_SOURCE_FRAMES - 1) / CELL_SOURCE_FRAMES * CELL_SOURCE_FRAMES;
}

/* The strategies of both directions, with their parameters. */
static inline const struct wait_strategy *cell_producer_wait(const struct cell *cell,
                                                             uint32_t *parameter_us)
{
    *parameter_us = cell->producer_wait ? cell->producer_wait_us : cell->wait_us;
    if (!cell->producer_wait && cell->wait->on_gpu)
        return wait_find("spin"); /* the producer has no GPU work to wait with */
    return cell->producer_wait ? cell->producer_wait : cell->wait;
}

/* Values as written in scenarios and results: "in_place", "rate:60", "poisson:60",
 * "search:500us:30-5000", "cpus:0,1", "poll:100", "1920x1080x3". The formatting ones write into
 * `text` of `size` bytes and return it. */
const char *fill_name(enum fill fill);
const char *policy_name(enum policy policy);
const char *frame_state_name(enum frame_state state);
const char *phase_name(enum phase phase);
const char *load_name(enum load load);
const char *gpu_sync_name(enum gpu_sync sync);
const char *order_name(enum order order);
const char *gpu_sharing_name(enum gpu_sharing sharing);
const char *shm_pages_name(enum shm_pages pages);
const char *library_threads_name(enum library_threads threads);
const char *language_name(enum language language);
const char *read_habit_name(enum read_habit read);
const char *array_kind_name(enum array_kind array);
const char *cell_pacing_format(const struct cell *cell, char *text, size_t size);
const char *cell_wait_format(const struct cell *cell, char *text, size_t size);
const char *cell_placement_format(const struct cell *cell, char *text, size_t size);
const char *geometry_format(struct geometry geometry, char *text, size_t size);

/* True when the strategy can wait on whatever the transport may ask it to wait on. */
bool cell_wait_fits(const struct wait_strategy *wait, const struct transport *transport);

/* True when `baseline` is a baseline (is_baseline) with the cell's schedule, placement, scheduling
 * class, timer slack, idle latency, load and counts. False for every cell that has none: without a
 * rate, with one that a baseline cannot keep, or of pacing search. Blocks share baselines; where
 * several serve, take the one of the cell's own block. */
bool cell_baseline_serves(const struct cell *baseline, const struct cell *cell);

/* All axes, index 0 to cell_axis_count() - 1, in the order of axes.def: for what shows or stores a
 * cell without knowing each of them. */
#define CELL_AXIS_BYTES 64
size_t cell_axis_count(void);
const char *cell_axis_name(size_t index);
/* False for launches, frames and warmup: how much is measured, not what. */
bool cell_axis_in_id(size_t index);
const char *cell_axis_format(const struct cell *cell, size_t index, char *text, size_t size);
/* The value for a result file: a number where the axis is one, else text; NULL when out of memory.
 * The caller owns it. */
cJSON *cell_axis_json(const struct cell *cell, size_t index);

#endif

/* consumer_gpu.h: the inside of consumer_gpu*.c: the receiving role where the kernel runs on the
 * GPU.
 *
 * consumer_gpu.c prepares, runs and ends it; consumer_gpu_loop.c is the loop of a CPU that waits
 * for frames and hands them to the GPU; consumer_gpu_stream.c and consumer_gpu_kernel.c are the
 * loops of waits gpu_stream and gpu_kernel, with what they share in consumer_gpu_ahead.c;
 * consumer_gpu_check.c looks at what became of a frame.
 */
#ifndef HANDOFF_RUN_CONSUMER_GPU_H
#define HANDOFF_RUN_CONSUMER_GPU_H

#include "harness/run/fault.h"
#include "harness/run/role_gpu.h"
#include "harness/run/wait_loop.h"
#include "kernels/preprocess.h"

#define CONSUMER_FAULT(point, id) FAULT_POINT("consumer", point, id)

/* How long before the first frame may come the consumer begins to wait for it. */
#define CONSUMER_GPU_LEAD_NS 500000u
/* One frame's output of PREPROCESS. */
#define CONSUMER_OUTPUT_FLOATS ((size_t)PREPROCESS_PLANES_MAX * PREPROCESS_SIZE * PREPROCESS_SIZE)
/* How long work that was called off, or is over, may take to leave the GPU. */
#define CONSUMER_GPU_END_NS 1000000000u

/* How the integrity of a frame shows, beside its header: chosen once. */
enum consumer_integrity {
    INTEGRITY_NONE,   /* no payload */
    INTEGRITY_VALUE,  /* the kernel's checksum */
    INTEGRITY_REPORT, /* the kernel looked at tags and reports wrong ones */
    INTEGRITY_HOST,   /* kernel none, in host memory: the CPU samples the tags */
    INTEGRITY_KERNEL, /* kernel none, elsewhere: LAUNCH_CHECK does */
};

/* How the CPU learns that a frame's kernel is done: from the axis sync, chosen once. */
enum consumer_completion {
    /* spin, yield, block with one frame in flight: the whole stream is; with order event, the mark
     * behind the kernel as well */
    COMPLETION_STREAM,
    COMPLETION_EVENT, /* the same with several: the frame's own event, waited for by CUDA */
    COMPLETION_POLL,  /* event: the frame's own event, asked in a loop */
    COMPLETION_FLAG,  /* flag: the report's last word, looked at in a loop */
};

/* A frame between acquire and release; or, for waits of the GPU, what stays the same in one
 * slot. */
struct flight {
    struct frame frame;    /* as the transport lent it */
    struct frame accessed; /* as the kernel finds it */
    struct trace_record *record;
    struct launch_report *report; /* pinned */
    struct launch_report *check;  /* pinned, of LAUNCH_CHECK */
    uint32_t value;               /* what report->done, and check->done, will be */
    uint32_t lane;                /* in order of arrival: role_gpu_lane */
    struct gpu_event *event;      /* COMPLETION_EVENT and _POLL */
};

struct consumer_gpu {
    struct role_gpu gpu;
    const struct cell *cell;
    struct endpoint *endpoint;
    const struct transport *transport;
    const struct access *access;
    struct access_state *access_state;
    struct wait_pair waits;
    struct wait_loop loop;
    enum consumer_integrity integrity;
    enum consumer_completion completion;
    bool check_ahead; /* LAUNCH_CHECK is enqueued right behind the kernel, not when that is done */
    /* What frames must contain. */
    uint64_t checksums[CELL_SOURCE_FRAMES];
    struct frame_tag_weights weights;
    size_t payload_bytes;
    unsigned access_copies;
    float *output;           /* PREPROCESS: device memory, of each lane its own */
    struct launch_work work; /* what is the same for all frames */
    /* `flight_count` frames, and of each its two reports: pinned, in an array of either sort. */
    struct flight *flights;
    uint32_t flight_count;
    uint8_t *reports;        /* the CPU's address */
    uint8_t *reports_device; /* the GPU's */
    /* Work that must not queue behind the frames': LAUNCH_CHECK, calling work off. */
    struct gpu_stream *side_stream;
    struct launcher *side_launcher;
    /* Where LAUNCH_CHECK goes when the kernel is done: there, or, where the frame is in memory that
     * belongs to one stream, on that. */
    struct role_gpu_lane check_lane;
    /* Waits of the GPU (consumer_gpu_ahead.c). */
    struct ahead *ahead;
    uint32_t records; /* begun; those published are the trace's count */
    struct usage usage_begin;
    bool counting;
};

static inline struct launch_report *consumer_gpu_on_device(const struct consumer_gpu *consumer,
                                                           const struct launch_report *report)
{
    return (struct launch_report *)(void *)(consumer->reports_device +
                                            ((const uint8_t *)report - consumer->reports));
}

/* From the next frame on, the counted ones: remembers what the process had used so far. */
static inline void consumer_gpu_count(struct consumer_gpu *consumer, const struct role *role,
                                      int32_t next_id)
{
    if (!consumer->counting && next_id >= (int32_t)role->setup.warmup) {
        usage_self(&consumer->usage_begin);
        consumer->counting = true;
    }
}

/* The next record of the trace, not yet published; ST_CORRUPT when it is full. */
enum status consumer_gpu_record(struct consumer_gpu *consumer, const struct role *role,
                                struct trace_record **record, struct err *err);
/* Puts the GPU's raw stamps beside the oldest record that is not published. */
static inline void consumer_gpu_stamps(const struct role *role, const struct launch_report *report)
{
    struct trace_gpu_record *gpu = trace_gpu_record(
        role->trace, atomic_load_explicit(&role->trace->count, memory_order_relaxed));
    launch_report_stamps(report, &gpu->stamps_ns[STAMP_GPU_BEGIN], &gpu->stamps_ns[STAMP_GPU_END]);
}

/* Puts the frame under the kernel: sets flight->accessed. May enqueue. */
enum status consumer_gpu_access(struct consumer_gpu *consumer, struct flight *flight,
                                struct err *err);
/* Enqueues the cell's kernel on flight->accessed, reporting to flight->report; `abandon` may be
 * NULL. */
enum status consumer_gpu_launch(const struct consumer_gpu *consumer, const struct flight *flight,
                                int32_t id, const uint32_t *abandon, struct err *err);
/* Enqueues LAUNCH_CHECK on it. */
enum status consumer_gpu_launch_check(const struct consumer_gpu *consumer,
                                      const struct flight *flight, int32_t id,
                                      struct launcher *launcher, struct gpu_stream *stream,
                                      const uint32_t *abandon, struct err *err);

/* TRACE_FRAME_BAD_SHAPE or 0: what the header says, while the frame is held. */
uint32_t consumer_gpu_shape(const struct consumer_gpu *consumer, const struct frame *frame);
/* When the kernel is done: adds to *flags (enum trace_flags), with order host the shape as well.
 * May wait for a LAUNCH_CHECK. */
enum status consumer_gpu_check(struct consumer_gpu *consumer, const struct role *role,
                               const struct flight *flight, int32_t id, uint32_t *flags,
                               struct err *err);

/* ST_OK unless the report does not say `value`: a kernel that ended without its report. */
enum status consumer_gpu_reported(const struct launch_report *report, uint32_t value,
                                  struct err *err);

/* ---- Waits of the GPU ------------------------------------------------------------------------ */

/* Words of the host in pinned memory, each on its line, by what they are for. */
enum ahead_word {
    AHEAD_PASSED, /* gpu_stream: the stream writes how many frames it has behind it */
    AHEAD_ONE,    /* gpu_stream: a 1 to copy from */
    AHEAD_STOP,   /* gpu_kernel: not 0 ends the kernel */
    AHEAD_ENDED,  /* gpu_kernel: enum launch_resident_end */
    AHEAD_WORDS,
};
struct ahead {
    struct doorbell *bell;
    uint32_t *bell_device; /* its word, for the GPU */
    void *registered;      /* the page that was registered for it here, or NULL */
    uint32_t first_word;   /* the word before frame 0 */
    uint8_t *words;        /* pinned: enum ahead_word */
    uint8_t *words_device;
    uint32_t *abandon;  /* device memory */
    uint8_t **payloads; /* gpu_kernel: pinned, the slots' addresses */
    uint8_t **payloads_device;
    uint32_t enqueued; /* gpu_stream: frames */
    struct role_gpu_watch watch;
};
static inline uint32_t *ahead_word(const struct ahead *ahead, enum ahead_word word)
{
    return (uint32_t *)(void *)(ahead->words + (size_t)word * SHARED_LINE_BYTES);
}
static inline uint32_t *ahead_word_device(const struct ahead *ahead, enum ahead_word word)
{
    return (uint32_t *)(void *)(ahead->words_device + (size_t)word * SHARED_LINE_BYTES);
}

enum status consumer_ahead_open(struct consumer_gpu *consumer, struct err *err);
/* Safe when there is none. */
void consumer_ahead_close(struct consumer_gpu *consumer);
/* Polls until *word has come to `value` (modulo wrap-around). ST_PEER_GONE when the producer hung
 * up without frame number `frame`, ST_TIMEOUT, or what broke the stream; `*ended` is the resident
 * kernel's end, or NULL. */
enum status consumer_ahead_await(struct consumer_gpu *consumer, const struct role *role,
                                 const uint32_t *word, uint32_t value, uint32_t frame,
                                 const uint32_t *ended, struct err *err);
/* Frame number `frame` is done: stamps, acquires, checks, releases it; before that waits until
 * *passed, unless NULL, has come to it. */
enum status consumer_ahead_take(struct consumer_gpu *consumer, struct role *role, uint32_t frame,
                                const uint32_t *passed, struct err *err);

/* The loops, from the first frame to the last. What they leave on the GPU after an error they have
 * called off. */
enum status consumer_gpu_loop(struct consumer_gpu *consumer, struct role *role, struct err *err);
enum status consumer_gpu_stream_loop(struct consumer_gpu *consumer, struct role *role,
                                     struct err *err);
enum status consumer_gpu_kernel_loop(struct consumer_gpu *consumer, struct role *role,
                                     struct err *err);

#endif

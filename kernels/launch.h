/* launch.h: the GPU forms of the kernels, callable from C.
 *
 * launch.cu implements it (built by nvcc), launch_none.c where there is no toolkit, and the tests'
 * fake on the CPU (tests/support/fake_launch.c). The CPU files of this folder are what every result
 * is tested against, on random frames of awkward sizes.
 *
 * Every kernel is one launch over the whole frame. Its last block writes a `struct launch_report`,
 * which is how value, integrity and the GPU's own stamps reach the host without a call.
 */
#ifndef HANDOFF_KERNELS_LAUNCH_H
#define HANDOFF_KERNELS_LAUNCH_H

#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/frame.h"
#include "harness/gpu/gpu.h"

enum launch_kind {
    LAUNCH_NOTHING,    /* kernel `none`: begins and ends */
    LAUNCH_CHECKSUM,   /* reads every byte; value = the checksum of base/frame.h */
    LAUNCH_INVERT,     /* complements every byte in place */
    LAUNCH_PREPROCESS, /* preprocess.h, into `output` */
    LAUNCH_FILL,       /* writes source content number source_index of `seed` with the frame's tags:
                        * the bytes of frame_source_fill and frame_tags_write */
    LAUNCH_CHECK, /* looks at LAUNCH_CHECK_TAGS tags spread over the payload and nothing else */
    LAUNCH_KINDS
};
#define LAUNCH_CHECK_TAGS 8

/* In pinned host memory, written by the kernel's last block: two halves of 16 bytes, each in one
 * store that ends with a word set to done_value. So the GPU need not wait for one store to arrive
 * before it makes the next, which takes longer than many a kernel. Once the host loads done_value
 * from `done` with acquire order, the first half is whole, and so is what the kernel wrote to the
 * payload or the output; launch_report_stamps waits for the second half, which is then on its way
 * or there. 32-byte aligned. */
struct launch_report {
    uint64_t value; /* the checksum with LAUNCH_CHECKSUM; otherwise 0 */
    /* Tags found wrong. INVERT looks at all of them before it inverts; CHECK and PREPROCESS at
     * those that frame_tags_check_sample takes for LAUNCH_CHECK_TAGS samples; 0 otherwise (a
     * checksum tells by its value). */
    uint32_t torn_tags;
    uint32_t done;
    uint64_t begin_ns; /* %globaltimer when the first block began */
    uint32_t took_ns;  /* from there until the last one had done its work; at most UINT32_MAX */
    uint32_t stamped;
} __attribute__((aligned(32)));
#if !defined(__cplusplus) /* launch_*.cu read this as C++ */
_Static_assert(sizeof(struct launch_report) == 32, "half a cache line");
#endif

/* When the kernel began and ended, after `done` was seen; both 0 in the report of abandoned work,
 * and if the second half does not come. */
static inline void launch_report_stamps(const struct launch_report *report, uint64_t *begin_ns,
                                        uint64_t *end_ns)
{
    uint32_t looks = 0;
    *begin_ns = *end_ns = 0;
    while (__atomic_load_n(&report->stamped, __ATOMIC_ACQUIRE) != report->done)
        if (++looks == 1u << 28)
            return;
    *begin_ns = report->begin_ns;
    *end_ns = *begin_ns + report->took_ns;
}

/* The work on one frame. All addresses are the device's. */
struct launch_work {
    enum launch_kind kind;
    /* In device memory or in host memory that the GPU reaches; 16-byte aligned. */
    uint8_t *payload;
    size_t payload_bytes; /* up to FRAME_PAYLOAD_MAX */
    struct geometry geometry;
    int32_t frame_id;             /* what the tags must be, or (FILL) become */
    uint64_t seed;                /* FILL */
    uint32_t source_index;        /* FILL */
    float *output;                /* PREPROCESS: PREPROCESS_PLANES_MAX planes of device memory */
    struct launch_report *report; /* NULL: nothing is reported */
    uint32_t done_value;
    /* A word in device memory: when it is not 0 on begin, nothing is done but the report, which is
     * 0 but for done and stamped. NULL: always work. How frames enqueued behind a stream wait are
     * called off. */
    const uint32_t *abandon;
};

/* One stream's scratch memory (partial sums, the count of finished blocks): one launcher belongs to
 * one stream, whose work is in order. */
struct launcher;
/* May block; ST_UNAVAILABLE where no kernel of this binary fits the device. The caller closes. */
enum status launcher_open(struct gpu *gpu, struct launcher **launcher, struct err *err);
void launcher_close(struct launcher *launcher);

/* Enqueues the work. Never allocates, never blocks (but for a full launch queue). ST_INVALID for
 * what no kernel can be: a kind that is none; with any but NOTHING a payload that is NULL, not
 * aligned, empty or beyond FRAME_PAYLOAD_MAX; PREPROCESS of what is not an image of 1, 3 or 4
 * channels or without an output. */
enum status launcher_enqueue(struct launcher *launcher, struct gpu_stream *stream,
                             const struct launch_work *work, struct err *err);

/* ---- A resident kernel (wait gpu_kernel) ----------------------------------------------------- */

/* One launch that stays for `frames` frames: it looks at the doorbell's word until it has passed
 * first_word + n * DOORBELL_STEP for frame n, works on slot n % slots as frame id n, and reports to
 * reports[n % slots] with done = n + 1. Passed: (int32_t)((word & ~DOORBELL_CLOSED) - that) > 0, so
 * that first_word is the word before frame 0 and each frame adds a step. It ends after the last
 * frame, at the deadline, when *stop is not 0, or when the word's DOORBELL_CLOSED bit is set and no
 * frame is left; its state is then in *ended, written last. It occupies the stream until then. A
 * frame that is there goes before the deadline and the closed bit, *stop before a frame. The host
 * sets stop and ended to 0 before. Frame n is not begun before frame n - 1 is reported. */
enum launch_resident_end {
    LAUNCH_RUNNING = 0,
    LAUNCH_FINISHED,     /* all frames */
    LAUNCH_DEADLINE,     /* %globaltimer passed deadline_gpu_ns while it waited */
    LAUNCH_STOPPED,      /* *stop */
    LAUNCH_PEER_HUNG_UP, /* DOORBELL_CLOSED */
};
struct launch_resident {
    /* Of frame id 0; payload, report, done_value, abandon are not used. Not FILL. */
    struct launch_work work;
    /* Of each slot: `slots` device addresses, in pinned or device memory. NULL with NOTHING. */
    uint8_t *const *payloads;
    uint32_t slots; /* 1 to 1024 */
    uint32_t frames;
    const uint32_t *bell; /* the doorbell's word, host memory */
    uint32_t first_word;
    struct launch_report *reports; /* `slots` of them, pinned */
    const uint32_t *stop;          /* pinned */
    uint32_t *ended;               /* pinned: enum launch_resident_end */
    uint64_t deadline_gpu_ns;      /* on %globaltimer */
};
/* Never allocates, never blocks. ST_INVALID as launcher_enqueue, and for a payloads, bell, reports,
 * stop or ended of NULL. */
enum status launcher_enqueue_resident(struct launcher *launcher, struct gpu_stream *stream,
                                      const struct launch_resident *resident, struct err *err);

/* ---- The GPU's clock ------------------------------------------------------------------------- */

/* Enqueues a kernel of one thread for run/gpu_clock.c: for i from 1 to `count` it waits until *ask
 * is i, stores %globaltimer to *now_ns and then i to *answer (release, system). All pinned. It
 * gives up by itself when *ask does not move for a second. The same exchange is the floor "flag
 * there and back". Where *answer lies right behind *now_ns and that is 16-byte aligned, one store
 * does for both (and makes the 4 bytes behind them 0), and the answer comes sooner. */
enum status launcher_enqueue_clock(struct launcher *launcher, struct gpu_stream *stream,
                                   const uint32_t *ask, uint32_t *answer, uint64_t *now_ns,
                                   uint32_t count, struct err *err);

#endif

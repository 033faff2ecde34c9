/* floor_gpu_parts.h: the inside of floor_gpu*.c: what the child measures with, and its parts.
 *
 * A part sets its figure, or leaves it and says in *err why. Each ends soon after `deadline_ns`
 * (clock_now_ns).
 */
#ifndef HANDOFF_RUN_FLOOR_GPU_PARTS_H
#define HANDOFF_RUN_FLOOR_GPU_PARTS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "harness/base/source.h"
#include "harness/gpu/gpu.h"
#include "harness/run/floor_gpu.h"
#include "kernels/launch.h"

/* Memory that the child and its peer share: whose turn it is. */
struct floor_gpu_turns {
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t there; /* odd numbers: the peer's turn */
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t back;  /* the even number behind it: done */
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t stop;
};

/* Words that host and GPU write to each other, in pinned memory. */
struct floor_gpu_words {
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t ask;
    _Alignas(SHARED_LINE_BYTES) uint64_t now_ns; /* the GPU writes both in one store */
    _Atomic uint32_t answer;
    uint32_t behind;
    _Alignas(SHARED_LINE_BYTES) struct launch_report report;
};

#define FLOOR_GPU_SAMPLES_MAX 1024
struct floor_gpu_samples {
    double each_ns[FLOOR_GPU_SAMPLES_MAX];
    size_t count;
};
/* Beyond the last one there is room for: ignored. */
void floor_gpu_sample(struct floor_gpu_samples *samples, double value_ns);
/* Sorts. `each` frames were in each sample. ST_TIMEOUT for too few to have a median of. */
enum status floor_gpu_take(struct floor_gpu_samples *samples, size_t each,
                           struct floor_gpu_figure *figure, struct err *err);

struct floor_gpu_bench {
    struct gpu *gpu;
    struct gpu_stream *stream;
    struct launcher *launcher;
    struct floor_gpu_words *words; /* for the host */
    struct floor_gpu_words *device_words;
    struct floor_gpu_samples samples; /* of the part that runs */
};
/* Makes the context and the rest. Takes seconds. On failure everything is closed. */
enum status floor_gpu_open(struct floor_gpu_bench *bench, struct err *err);
/* Safe on a zeroed one. */
void floor_gpu_close(struct floor_gpu_bench *bench);

/* One empty kernel, launched and waited for. */
enum status floor_gpu_launch_once(struct floor_gpu_bench *bench, struct err *err);

/* Spins until *word is `value`; false at until_ns, or when *stop (may be NULL) is raised. */
bool floor_gpu_await(const _Atomic uint32_t *word, uint32_t value, const _Atomic uint32_t *stop,
                     uint64_t until_ns);
/* How long an answer that takes microseconds may take. */
#define FLOOR_GPU_ANSWER_NS 1000000000u

enum status floor_gpu_launch(struct floor_gpu_bench *bench, uint64_t deadline_ns,
                             struct floor_gpu_figure *figure, struct err *err);
enum status floor_gpu_launch_word(struct floor_gpu_bench *bench, uint64_t deadline_ns,
                                  struct floor_gpu_figure *figure, struct err *err);
enum status floor_gpu_flag(struct floor_gpu_bench *bench, uint64_t deadline_ns,
                           struct floor_gpu_figure *figure, struct err *err);
enum status floor_gpu_stream_values(struct floor_gpu_bench *bench, uint64_t deadline_ns,
                                    struct floor_gpu_figure *figure, struct err *err);
/* The asking side of the turns; raises turns->stop at its end. And the answering one. */
enum status floor_gpu_turn(struct floor_gpu_bench *bench, struct floor_gpu_turns *turns,
                           uint64_t deadline_ns, struct floor_gpu_figure *figure, struct err *err);
enum status floor_gpu_answer(struct floor_gpu_bench *bench, struct floor_gpu_turns *turns,
                             uint64_t deadline_ns, struct err *err);

/* Memory to stream through, on both sides: several frames of every size. */
struct floor_gpu_memory {
    uint8_t *device; /* NULL: there was none */
    size_t device_bytes;
    struct shm_map host;
    uint8_t *mapped; /* the GPU's address of `host`; NULL: not registered */
    uint32_t next;   /* counts the frames of all parts */
};
/* What cannot be had stays NULL, with the reason: ST_OK is not needed to go on. */
enum status floor_gpu_memory_make(struct floor_gpu_bench *bench, size_t largest_bytes,
                                  struct floor_gpu_memory *memory, struct err *err);
void floor_gpu_memory_end(struct floor_gpu_bench *bench, struct floor_gpu_memory *memory);

/* The figures of one size, in the order of struct floor_gpu_size. */
enum floor_gpu_stream {
    FLOOR_GPU_DEVICE_COPY,
    FLOOR_GPU_MAPPED_READ,
    FLOOR_GPU_HOST_COPY,
    FLOOR_GPU_FILL_INVERT,
    FLOOR_GPU_STREAMS
};
enum status floor_gpu_stream_measure(struct floor_gpu_bench *bench, struct floor_gpu_memory *memory,
                                     enum floor_gpu_stream what, size_t bytes, uint64_t deadline_ns,
                                     struct floor_gpu_figure *figure, struct err *err);

#endif

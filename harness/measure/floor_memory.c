/* floor_memory.c: copying and reading a frame, in cache, from memory, from the other CPU's cache.
 *
 * The buffers are those of a run: the source in private memory, as a producer's source frames are,
 * the destination in shared memory, as slots are, on ordinary pages and all touched before. See
 * floor.h.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "harness/base/cache.h"
#include "harness/base/source.h"
#include "harness/measure/floor_parts.h"

enum {
    FLOOR_REPEATS = 31,
    FLOOR_REPEATS_MIN = 3,
    FLOOR_SERIES = 5, /* figures per size, which share its time */
};
/* Several frames between two readings of the clock where one takes no longer than a few of
 * these. */
#define FLOOR_CACHED_BYTES 200000

struct floor_frame {
    size_t bytes;
    uint8_t *source;
    uint8_t *destination;
    uint64_t deadline_ns;
    struct floor_memory *out;
    _Alignas(SHARED_LINE_BYTES) _Atomic uint32_t turn; /* odd: written, even: read */
    _Alignas(SHARED_LINE_BYTES) _Atomic bool stop;
};

typedef void (*floor_work)(struct floor_frame *frame);

/* Eight sums of 16 bytes (SSE2, NEON) side by side, so that no addition waits for the one before:
 * 80 to 100 GB/s on the developers' machines, as fast as twice as wide ones from the second cache
 * on. The suite's own checksum multiplies as well, which is the kernel's cost and not the
 * floor's. */
typedef uint64_t floor_lane __attribute__((vector_size(16), may_alias));
enum { FLOOR_LANES = 8 };

static uint64_t floor_sum(const uint8_t *bytes, size_t count)
{
    floor_lane sums[FLOOR_LANES] = {{0}};
    const floor_lane *lanes = (const floor_lane *)(const void *)bytes;
    size_t blocks = count / sizeof sums;
    for (size_t i = 0; i < blocks; i++, lanes += FLOOR_LANES)
        for (int j = 0; j < FLOOR_LANES; j++)
            sums[j] += lanes[j];
    for (int j = 1; j < FLOOR_LANES; j++)
        sums[0] += sums[j];
    uint64_t sum = sums[0][0] + sums[0][1];
    for (size_t at = blocks * sizeof sums; at < count; at++)
        sum += bytes[at];
    return sum;
}

static void floor_do_read(struct floor_frame *frame)
{
    uint64_t sum = floor_sum(frame->destination, frame->bytes);
    __asm__ volatile("" ::"r"(sum) : "memory");
}

static void floor_do_copy(struct floor_frame *frame)
{
    memcpy(frame->destination, frame->source, frame->bytes);
    __asm__ volatile("" ::: "memory");
}

static void floor_do_evict(struct floor_frame *frame)
{
    cache_flush(frame->source, frame->bytes);
    cache_flush(frame->destination, frame->bytes);
}

/* The median of `work`, each time after `prepare`. Takes its share of the time that is left, and at
 * least FLOOR_REPEATS_MIN times while there is any. */
static double floor_repeat(struct floor_frame *frame, int series_left, floor_work prepare,
                           floor_work work)
{
    double taken_ns[FLOOR_REPEATS];
    size_t count = 0;
    uint64_t now_ns = clock_now_ns();
    if (now_ns >= frame->deadline_ns)
        return NAN;
    uint64_t share_end_ns = now_ns + (frame->deadline_ns - now_ns) / (uint64_t)series_left;
    size_t times =
        prepare || frame->bytes >= FLOOR_CACHED_BYTES ? 1 : FLOOR_CACHED_BYTES / frame->bytes;
    work(frame);
    while (count < FLOOR_REPEATS && now_ns < frame->deadline_ns &&
           (count < FLOOR_REPEATS_MIN || now_ns < share_end_ns)) {
        if (prepare)
            prepare(frame);
        uint64_t begin_ns = clock_now_ns();
        for (size_t i = 0; i < times; i++)
            work(frame);
        now_ns = clock_now_ns();
        taken_ns[count++] = (double)(now_ns - begin_ns) / (double)times;
    }
    return floor_median(taken_ns, count, FLOOR_REPEATS_MIN);
}

static void *floor_copying_side(void *argument)
{
    struct floor_frame *frame = argument;
    frame->out->copy_cached_ns = floor_repeat(frame, FLOOR_SERIES, NULL, floor_do_copy);
    if (cache_can_flush())
        frame->out->copy_evicted_ns =
            floor_repeat(frame, FLOOR_SERIES - 1, floor_do_evict, floor_do_copy);
    return NULL;
}

static void *floor_reading_side(void *argument)
{
    struct floor_frame *frame = argument;
    frame->out->read_cached_ns = floor_repeat(frame, FLOOR_SERIES - 2, NULL, floor_do_read);
    if (cache_can_flush())
        frame->out->read_evicted_ns =
            floor_repeat(frame, FLOOR_SERIES - 3, floor_do_evict, floor_do_read);
    return NULL;
}

static void *floor_handing_side(void *argument)
{
    struct floor_frame *frame = argument;
    for (uint32_t n = 0; n < FLOOR_REPEATS + 1; n++) {
        floor_do_copy(frame);
        atomic_store_explicit(&frame->turn, 2 * n + 1, memory_order_release);
        if (!floor_await(&frame->turn, 2 * n + 2, &frame->stop, frame->deadline_ns))
            break;
    }
    return NULL;
}

static void *floor_taking_side(void *argument)
{
    struct floor_frame *frame = argument;
    double taken_ns[FLOOR_REPEATS];
    size_t count = 0;
    /* The first one is not counted: it comes from memory, where the other series left it. */
    for (uint32_t n = 0; n < FLOOR_REPEATS + 1; n++) {
        if (!floor_await(&frame->turn, 2 * n + 1, &frame->stop, frame->deadline_ns))
            break;
        uint64_t begin_ns = clock_now_ns();
        floor_do_read(frame);
        if (n > 0)
            taken_ns[count++] = (double)(clock_now_ns() - begin_ns);
        atomic_store_explicit(&frame->turn, 2 * n + 2, memory_order_release);
    }
    frame->out->read_written_elsewhere_ns = floor_median(taken_ns, count, FLOOR_REPEATS_MIN);
    return NULL;
}

/* Ordinary pages, so that a machine that gives large ones to private memory does not flatter what
 * is held against it: a slot has none. */
static uint8_t *floor_map(size_t bytes, int sharing)
{
    uint8_t *mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    (void)madvise(mapped, bytes, MADV_NOHUGEPAGE); /* kernels without large pages refuse */
    /* Whole pages are mapped, so that the last word may stand out. */
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t))
        *(uint64_t *)(void *)(mapped + at) = (at + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return mapped;
}

enum status floor_memory_measure(struct floor_cpus cpus, uint64_t deadline_ns,
                                 struct floor_memory *out, struct err *err)
{
    struct floor_frame frame = {.bytes = out->bytes, .deadline_ns = deadline_ns, .out = out};
    *out = (struct floor_memory){out->bytes, NAN, NAN, NAN, NAN, NAN};
    bool apart = cpus.producer >= 0 && cpus.consumer >= 0 && cpus.producer != cpus.consumer;
    enum status status = ST_OK;
    if (clock_now_ns() >= deadline_ns)
        return err_set(err, ST_TIMEOUT, NULL, "floor: no time left for frames of %zu bytes",
                       out->bytes);
    frame.source = floor_map(frame.bytes, MAP_PRIVATE);
    frame.destination = floor_map(frame.bytes, MAP_SHARED);
    if (!frame.source || !frame.destination) {
        status = err_set(err, ST_NO_MEMORY, "use smaller frames",
                         "floor: no memory for two frames of %zu bytes", frame.bytes);
        goto undo;
    }
    status = floor_thread_run(cpus.producer, floor_copying_side, &frame, err);
    if (status == ST_OK)
        status = floor_thread_run(cpus.consumer, floor_reading_side, &frame, err);
    if (status == ST_OK && apart)
        status = floor_thread_run_both(cpus, floor_handing_side, floor_taking_side, &frame,
                                       &frame.stop, err);
    if (status == ST_OK &&
        (isnan(out->read_cached_ns) || (apart && isnan(out->read_written_elsewhere_ns))))
        status = err_set(err, ST_TIMEOUT, NULL, "floor: no time left for frames of %zu bytes",
                         out->bytes);
undo:
    if (frame.source)
        munmap(frame.source, frame.bytes);
    if (frame.destination)
        munmap(frame.destination, frame.bytes);
    return status;
}

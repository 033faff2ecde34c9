/* bench_kernels.c: how fast the CPU kernels are, beside memcpy and a plain read of the same frames.
 *
 *   build/tests/support/bench_kernels [ROUNDS]
 *
 * A plain program for whoever changes a kernel; not a test, since machines differ. All works take
 * turns within a round, on frames that rotate as a camera's do, so that load and clocks hit all
 * alike. GB/s are payload bytes (10^9) by time: memcpy and invert move each byte twice, preprocess
 * reads only what its resize needs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/clock.h"
#include "kernels/checksum.h"
#include "kernels/kernel.h"

enum { FRAMES = 4, ROUNDS_MAX = 1000, WORKS_MAX = 16 };

/* One thing to time: a function over the payload, or a kernel. */
struct work {
    char name[40];
    uint64_t (*function)(const uint8_t *payload, size_t payload_bytes);
    const struct kernel *kernel;
    struct kernel_state *state;
    uint64_t elapsed_ns[ROUNDS_MAX];
};

static uint8_t *copy_target;
static volatile uint64_t sink; /* keeps results alive */

/* Four vectors at once, as fast as a core can read. */
#define READ_WORDS(NAME, BYTES, ATTRIBUTE)                                       \
    ATTRIBUTE static uint64_t NAME(const uint8_t *payload, size_t payload_bytes) \
    {                                                                            \
        typedef uint64_t vector __attribute__((vector_size(BYTES)));             \
        vector sums[4] = {{0}, {0}, {0}, {0}};                                   \
        for (size_t i = 0; i + sizeof sums <= payload_bytes; i += sizeof sums)   \
            for (size_t u = 0; u < 4; u++) {                                     \
                vector words;                                                    \
                memcpy(&words, payload + i + u * sizeof words, sizeof words);    \
                sums[u] += words;                                                \
            }                                                                    \
        sums[0] += sums[1] + sums[2] + sums[3];                                  \
        return sums[0][0] + sums[0][1];                                          \
    }
READ_WORDS(read_16, 16, )
#if defined(__x86_64__)
READ_WORDS(read_32, 32, __attribute__((target("avx2"))))
#endif

static uint64_t read_plainly(const uint8_t *payload, size_t payload_bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return read_32(payload, payload_bytes);
#endif
    return read_16(payload, payload_bytes);
}

static uint64_t copy_plainly(const uint8_t *payload, size_t payload_bytes)
{
    memcpy(copy_target, payload, payload_bytes);
    return copy_target[payload_bytes / 2];
}

static int nanoseconds_compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static uint64_t work_time_ns(struct work *work, uint8_t *payload, size_t payload_bytes)
{
    struct frame frame = {.payload = payload, .payload_bytes = payload_bytes};
    struct kernel_result result = {0};
    uint64_t begin_ns = clock_now_ns();
    if (work->function) {
        result.value = work->function(payload, payload_bytes);
    } else {
        work->kernel->enqueue(work->state, &frame, NULL);
        work->kernel->poll_done(work->state, &result);
    }
    uint64_t elapsed_ns = clock_now_ns() - begin_ns;
    sink = result.value;
    return elapsed_ns;
}

static size_t works_make(struct work *works, struct geometry geometry, size_t payload_bytes)
{
    size_t count = 0;
    works[count++] = (struct work){.name = "plain read", .function = read_plainly};
    works[count++] = (struct work){.name = "memcpy", .function = copy_plainly};
    works[count++] =
        (struct work){.name = "checksum, reference", .function = frame_checksum_reference};
    struct checksum_pass passes[CHECKSUM_PASSES_MAX];
    size_t pass_count = checksum_passes(passes);
    for (size_t i = 0; i < pass_count; i++) {
        snprintf(works[count].name, sizeof works[count].name, "checksum, %s", passes[i].name);
        works[count++].function = passes[i].function;
    }
    struct kernel_config config = {geometry, payload_bytes};
    for (size_t i = 0; i < kernel_registry_count && count < WORKS_MAX; i++) {
        struct err err;
        if (kernel_registry[i]->open(&config, &works[count].state, &err) != ST_OK) {
            fprintf(stderr, "%s: %s\n", kernel_registry[i]->name, err.what);
            continue;
        }
        works[count].kernel = kernel_registry[i];
        snprintf(works[count++].name, sizeof works[0].name, "kernel %s", kernel_registry[i]->name);
    }
    return count;
}

static void works_print(struct work *works, size_t count, size_t rounds, size_t payload_bytes)
{
    printf("  %-28s %10s %10s %10s\n", "", "p50 GB/s", "best GB/s", "p50 us");
    for (size_t i = 0; i < count; i++) {
        uint64_t *elapsed_ns = works[i].elapsed_ns;
        qsort(elapsed_ns, rounds, sizeof *elapsed_ns, nanoseconds_compare);
        double median_ns = (double)elapsed_ns[rounds / 2];
        printf("  %-28s", works[i].name);
        if (works[i].kernel && !(works[i].kernel->flags & KERNEL_READS_PAYLOAD))
            printf(" %10s %10s", "-", "-"); /* it moves no bytes */
        else
            printf(" %10.2f %10.2f", (double)payload_bytes / median_ns,
                   (double)payload_bytes / (double)elapsed_ns[0]);
        printf(" %10.1f\n", median_ns / 1e3);
    }
}

static int bench(struct geometry geometry, size_t rounds)
{
    int failed = 1;
    size_t bytes = geometry_payload_bytes(geometry);
    size_t stride = (bytes + 4095) / 4096 * 4096;
    uint8_t *frames = aligned_alloc(4096, FRAMES * stride);
    struct work *works = calloc(WORKS_MAX, sizeof *works);
    copy_target = aligned_alloc(4096, stride);
    if (!frames || !works || !copy_target) {
        fputs("bench_kernels: out of memory\n", stderr);
        goto undo;
    }
    for (uint32_t i = 0; i < FRAMES; i++)
        frame_source_fill(frames + i * stride, bytes, 1, i);
    size_t count = works_make(works, geometry, bytes);
    for (size_t round = 0; round < rounds + FRAMES; round++) /* the first FRAMES warm up */
        for (size_t i = 0; i < count; i++) {
            /* Each work meets the frame that was touched longest ago. */
            uint8_t *payload = frames + (round * count + i) % FRAMES * stride;
            works[i].elapsed_ns[round < FRAMES ? 0 : round - FRAMES] =
                work_time_ns(&works[i], payload, bytes);
        }
    printf("%d x %d x %d, %zu bytes, %d frames in turn, %zu rounds\n", (int)geometry.width,
           (int)geometry.height, (int)geometry.channels, bytes, FRAMES, rounds);
    works_print(works, count, rounds, bytes);
    for (size_t i = 0; i < count; i++)
        if (works[i].kernel)
            works[i].kernel->close(works[i].state);
    failed = 0;
undo:
    free(copy_target);
    free(works);
    free(frames);
    return failed;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 40;
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_kernels [ROUNDS, 1 to %d]\n", ROUNDS_MAX);
        return 2;
    }
    int failed = bench((struct geometry){1920, 1080, 3}, (size_t)rounds);
    failed |= bench((struct geometry){3840, 2160, 3}, (size_t)rounds);
    return failed;
}

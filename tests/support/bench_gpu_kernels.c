/* bench_gpu_kernels.c: how fast the GPU kernels are, beside the device's own copies.
 *
 *   build/tests/support/bench_gpu_kernels [brief]
 *
 * A plain program for whoever changes a kernel; exits with 77 where there is no GPU. Works take
 * turns within a round, on frames that rotate through more than four times the L2 cache. A work's
 * frames are all enqueued behind a gate before the first one runs, so that the CPU's pace does not
 * count, and timed on the GPU's clock. GB/s are bytes read and written (10^9) by time. At 4K it
 * also shows other numbers of blocks and variants (kernels/launch_tuning.h) than those the kernels
 * have; not with `brief`.
 */
#include <sys/mman.h>

#include "tests/support/bench_gpu.h"

enum { ROUNDS = 9, BURST = 200, WORKS_MAX = 128 };
#define HOST_FRAMES_BYTES ((size_t)400 << 20)

/* ---- Works ----------------------------------------------------------------------------------- */

/* What one burst does to each frame. */
enum step { STEP_KERNEL, STEP_COPY, STEP_UPLOAD, STEP_PAIR };

struct work {
    enum step step;
    enum launch_kind kind;
    uint32_t threads; /* 0: as the kernels have it */
    uint32_t blocks_each;
    uint32_t variant;
    uint32_t frames; /* 0: all there are */
    unsigned passes; /* bytes moved by a frame's bytes */
    double burst_ns[ROUNDS];
    double inside_ns[ROUNDS]; /* of one frame, between the stamps of its kernels */
};

static void step_enqueue(const struct place *place, const struct work *work, uint32_t i)
{
    uint32_t frames = work->frames ? work->frames : place->frames;
    uint8_t *payload = place->device + i % frames * place->stride;
    uint8_t *other = place->device + (i + frames / 2) % frames * place->stride;
    switch (work->step) {
    case STEP_KERNEL:
        kernel_enqueue(place, work->kind, i % frames, i);
        break;
    case STEP_COPY:
        must(gpu_stream_copy(stream, payload, other, place->bytes, &err));
        break;
    case STEP_UPLOAD:
        must(gpu_stream_copy(stream, place->device_copy, place->host + i % frames * place->stride,
                             place->bytes, &err));
        break;
    case STEP_PAIR:
        kernel_enqueue(place, LAUNCH_FILL, i % frames, 2 * i);
        kernel_enqueue(place, LAUNCH_INVERT, i % frames, 2 * i + 1);
        break;
    }
}

/* The GPU's time from an opened gate to the end of `count` frames. */
static double burst_ns(const struct place *place, const struct work *work, uint32_t count)
{
    launcher_tune(launcher, work->threads, work->blocks_each, work->variant);
    words->gate = 0;
    words->open = 1;
    must(launcher_enqueue_clock(launcher, stream, &device_words->gate,
                                &device_words->marks[0].answer, &device_words->marks[0].now_ns, 1,
                                &err));
    for (uint32_t i = 0; i < count; i++)
        step_enqueue(place, work, i);
    must(launcher_enqueue_clock(launcher, stream, &device_words->open,
                                &device_words->marks[1].answer, &device_words->marks[1].now_ns, 1,
                                &err));
    __atomic_store_n(&words->gate, 1, __ATOMIC_RELEASE);
    must(gpu_stream_synchronize(stream, &err));
    launcher_tune(launcher, 0, 0, 0);
    return (double)(words->marks[1].now_ns - words->marks[0].now_ns);
}

/* A frame's share of it that lies within kernels, from their stamps. */
static double inside_ns(const struct work *work, uint32_t count)
{
    double sum_ns = 0;
    uint32_t reports = work->step == STEP_KERNEL ? count : work->step == STEP_PAIR ? 2 * count : 0;
    for (uint32_t i = 0; i < reports; i++)
        sum_ns += words->reports[i].took_ns;
    return sum_ns / count;
}

static void works_run(const struct place *place, struct work *works, size_t works_count,
                      uint32_t count)
{
    for (size_t w = 0; w < works_count; w++)
        burst_ns(place, &works[w], count); /* warms up */
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t w = 0; w < works_count; w++) {
            works[w].burst_ns[round] = burst_ns(place, &works[w], count);
            works[w].inside_ns[round] = inside_ns(&works[w], count);
        }
}

static double gigabytes(const struct place *place, struct work *work, uint32_t count)
{
    return (double)place->bytes * work->passes * count / median(work->burst_ns, ROUNDS);
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static void work_name(const struct work *work, char *name, size_t size)
{
    static const char *variants[LAUNCH_VARIANTS] = {
        "", " plain", " l2", " stream", " early", " early plain", " early l2", " early stream"};
    char choice[48] = "";
    if (work->blocks_each)
        snprintf(choice, sizeof choice, ", %u x %u threads%s", work->blocks_each, work->threads,
                 variants[work->variant]);
    if (work->step == STEP_PAIR)
        snprintf(name, size, "fill + invert, %u frames%s", work->frames, choice);
    else
        snprintf(name, size, "%s%s",
                 work->step == STEP_COPY     ? "copy"
                 : work->step == STEP_UPLOAD ? "registered copy"
                                             : kind_names[work->kind],
                 choice);
}

/* A work that does not touch every byte has none. */
static void rate_print(double rate, double standard)
{
    if (rate > 0)
        printf(" %9.1f %8.1f%%", rate, 100 * rate / standard);
    else
        printf(" %9s %9s", "-", "-");
}

/* The first work is what the others are compared with. */
static void works_print(const struct place *place, struct work *works, size_t works_count,
                        uint32_t count)
{
    double standard = gigabytes(place, &works[0], count);
    printf("  %-42s %9s %9s %9s %9s   %s\n", "", "us/frame", "frames/s", "GB/s", "of copy",
           "within kernels: us, GB/s, of copy");
    for (size_t w = 0; w < works_count; w++) {
        char name[80];
        work_name(&works[w], name, sizeof name);
        double frame_ns = median(works[w].burst_ns, ROUNDS) / count;
        double within_ns = median(works[w].inside_ns, ROUNDS);
        printf("  %-42s %9.2f %9.0f", name, frame_ns / 1e3, 1e9 / frame_ns);
        rate_print(gigabytes(place, &works[w], count), standard);
        if (within_ns > 0) {
            printf(" %9.2f", within_ns / 1e3);
            rate_print((double)place->bytes * works[w].passes / within_ns, standard);
        }
        putchar('\n');
    }
}

/* Blocks of so many threads, so many of them on each multiprocessor; the first as the kernels have
 * it. */
static const struct {
    uint32_t threads;
    uint32_t blocks_each;
} shapes[] = {{256, 2}, {256, 4}, {512, 2}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static size_t works_make(struct work *works, struct work standard, bool choices, bool host)
{
    static const struct {
        enum launch_kind kind;
        unsigned passes;
    } kinds[] = {{LAUNCH_CHECKSUM, 1}, {LAUNCH_INVERT, 2}, {LAUNCH_FILL, 1}};
    size_t count = 0;
    works[count++] = standard;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        works[count++] = (struct work){.kind = kinds[k].kind, .passes = kinds[k].passes};
        if (host && kinds[k].kind != LAUNCH_CHECKSUM)
            continue;
        for (size_t i = 0; choices && i < SHAPES; i++)
            for (uint32_t variant = 0; variant < LAUNCH_VARIANTS; variant++)
                works[count++] = (struct work){.kind = kinds[k].kind,
                                               .passes = kinds[k].passes,
                                               .threads = shapes[i].threads,
                                               .blocks_each = shapes[i].blocks_each,
                                               .variant = variant};
    }
    return count;
}

static void place_print(const struct place *place, const char *where)
{
    printf("\n%d x %d x %d in %s, %.1f MB, %u frames in turn\n", (int)place->geometry.width,
           (int)place->geometry.height, (int)place->geometry.channels, where,
           (double)place->bytes / 1e6, place->frames);
}

/* ---- Device memory --------------------------------------------------------------------------- */

static void pairs_bench(const struct place *place, bool choices)
{
    static struct work works[WORKS_MAX];
    static const uint32_t frames[] = {1, 2, 4, 8};
    size_t count = 0;
    memset(works, 0, sizeof works);
    works[count++] = (struct work){.step = STEP_COPY, .passes = 2};
    for (size_t f = 0; f < 4; f++) {
        works[count++] = (struct work){.step = STEP_PAIR, .passes = 3, .frames = frames[f]};
        for (uint32_t variant = 0; choices && variant < LAUNCH_VARIANTS; variant++)
            works[count++] = (struct work){.step = STEP_PAIR,
                                           .passes = 3,
                                           .frames = frames[f],
                                           .threads = shapes[1].threads,
                                           .blocks_each = shapes[1].blocks_each,
                                           .variant = variant};
    }
    works_run(place, works, count, BURST);
    works_print(place, works, count, BURST);
}

static void device_bench(struct geometry geometry, bool choices)
{
    static struct work works[WORKS_MAX];
    int l2_bytes = gpu_attribute_read(gpu, GPU_ATTRIBUTE_l2_cache_bytes);
    size_t total = (l2_bytes > 0 ? (size_t)l2_bytes : (size_t)64 << 20) * 4;
    struct place place = place_make(geometry, total + geometry_payload_bytes(geometry));
    if (place.frames < 8)
        place.frames = 8;
    void *device;
    must(gpu_device_alloc(gpu, place.frames * place.stride, &device, &err));
    place.device = device;
    memset(works, 0, sizeof works);
    size_t count = works_make(works, (struct work){.step = STEP_COPY, .passes = 2}, choices, false);
    works[count++] = (struct work){.kind = LAUNCH_PREPROCESS};
    works[count++] = (struct work){.kind = LAUNCH_CHECK};
    works[count++] = (struct work){.kind = LAUNCH_NOTHING};
    place_print(&place, "device memory");
    works_run(&place, works, count, BURST);
    works_print(&place, works, count, BURST);
    pairs_bench(&place, choices);
    gpu_device_free(gpu, device);
}

/* ---- Host memory ----------------------------------------------------------------------------- */

static void host_bench(struct geometry geometry, bool choices)
{
    enum { COUNT = 24 };
    static struct work works[WORKS_MAX];
    struct place place = place_make(geometry, HOST_FRAMES_BYTES);
    size_t total = place.frames * place.stride;
    void *device, *device_copy;
    place.host = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (place.host == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    for (uint32_t i = 0; i < place.frames; i++)
        frame_source_fill(place.host + i * place.stride, place.bytes, 1, i);
    must(gpu_register(gpu, place.host, total, &device, &err));
    must(gpu_device_alloc(gpu, place.stride, &device_copy, &err));
    place.device = device;
    place.device_copy = device_copy;
    memset(works, 0, sizeof works);
    size_t count =
        works_make(works, (struct work){.step = STEP_UPLOAD, .passes = 1}, choices, true);
    works[count++] = (struct work){.kind = LAUNCH_PREPROCESS};
    place_print(&place, "registered host memory");
    works_run(&place, works, count, COUNT);
    works_print(&place, works, count, COUNT);
    gpu_device_free(gpu, device_copy);
    gpu_unregister(gpu, place.host);
    munmap(place.host, total);
}

int main(int argc, char **argv)
{
    bool choices = argc == 1;
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "brief") != 0)) {
        fputs("usage: bench_gpu_kernels [brief]\n", stderr);
        return 2;
    }
    bench_open();
    static const struct geometry geometries[] = {
        {1920, 1080, 3}, {1920, 1080, 4}, {3840, 2160, 3}, {3840, 2160, 4}};
    for (size_t i = 0; i < 4; i++)
        device_bench(geometries[i], choices && i >= 2);
    for (size_t i = 0; i < 4; i++)
        host_bench(geometries[i], choices && i >= 2);
    bench_close();
    return 0;
}

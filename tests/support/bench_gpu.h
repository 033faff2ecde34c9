/* bench_gpu.h: what the GPU's benchmarks share: the device, words in pinned memory, frames. */
#ifndef HANDOFF_TESTS_BENCH_GPU_H
#define HANDOFF_TESTS_BENCH_GPU_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/clock.h"
#include "kernels/launch.h"
#include "kernels/launch_tuning.h"
#include "kernels/preprocess.h"

#define BENCH_SKIPPED 77

enum { BENCH_REPORTS = 512 };

struct words {
    struct launch_report reports[BENCH_REPORTS];
    uint8_t *payload;
    _Alignas(128) uint32_t gate;
    _Alignas(128) uint32_t open; /* always 1 */
    /* Of the clock's kernel: the stamp and the answer, in one store. */
    struct {
        _Alignas(128) uint64_t now_ns;
        uint32_t answer;
        uint32_t behind;
    } marks[2];
    _Alignas(128) uint32_t stop;
    _Alignas(128) uint32_t ended;
    _Alignas(128) uint32_t bell;
};

static struct gpu *gpu;
static struct gpu_stream *stream;
static struct launcher *launcher;
static struct words *words, *device_words;
static float *output;
static struct err err;

static inline void must(enum status status)
{
    if (status == ST_OK)
        return;
    fprintf(stderr, "%s (%s)\n", err.what, err.hint);
    exit(1);
}

static inline int double_compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static inline double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, double_compare);
    return values[count / 2];
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static const char *kind_names[LAUNCH_KINDS] = {"nothing",    "checksum", "invert",
                                               "preprocess", "fill",     "check"};

struct place {
    uint8_t *device; /* frames one after the other, as kernels see them */
    uint8_t *host;   /* host memory: as the CPU does */
    uint8_t *device_copy;
    size_t stride;
    size_t bytes;
    uint32_t frames;
    struct geometry geometry;
};

static inline struct place place_make(struct geometry geometry, size_t total_bytes)
{
    size_t bytes = geometry_payload_bytes(geometry);
    size_t stride = (bytes + 4095) / 4096 * 4096;
    return (struct place){
        .stride = stride,
        .bytes = bytes,
        .frames = (uint32_t)((total_bytes + stride - 1) / stride),
        .geometry = geometry,
    };
}

static inline void kernel_enqueue(const struct place *place, enum launch_kind kind, uint32_t frame,
                                  uint32_t report)
{
    const struct launch_work work = {
        .kind = kind,
        .payload = place->device + frame * place->stride,
        .payload_bytes = place->bytes,
        .geometry = place->geometry,
        .frame_id = (int32_t)frame,
        .seed = 1,
        .source_index = frame,
        .output = output,
        .report = &device_words->reports[report % BENCH_REPORTS],
        .done_value = 1,
    };
    must(launcher_enqueue(launcher, stream, &work, &err));
}

/* ---- The device ------------------------------------------------------------------------------ */

/* Exits with BENCH_SKIPPED and the reason where there is no GPU. */
static inline void bench_open(void)
{
    struct gpu_info info;
    void *host, *device;
    if (gpu_probe(&info, &err) != ST_OK) {
        printf("no GPU to measure: %s\n", err.what);
        exit(BENCH_SKIPPED);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    must(gpu_open(GPU_SYNC_SPIN, &gpu, &err));
    must(gpu_stream_open(gpu, &stream, &err));
    must(launcher_open(gpu, &launcher, &err));
    must(gpu_pinned_alloc(gpu, sizeof *words, &host, &device, &err));
    words = host;
    device_words = device;
    must(gpu_device_alloc(gpu,
                          sizeof(float) * PREPROCESS_PLANES_MAX * PREPROCESS_SIZE * PREPROCESS_SIZE,
                          &device, &err));
    output = device;
    printf("%s, %d multiprocessors, L2 %.1f MB\n", info.name,
           gpu_attribute_read(gpu, GPU_ATTRIBUTE_multiprocessors),
           gpu_attribute_read(gpu, GPU_ATTRIBUTE_l2_cache_bytes) / 1e6);
}

static inline void bench_close(void)
{
    gpu_device_free(gpu, output);
    gpu_pinned_free(gpu, words);
    launcher_close(launcher);
    gpu_stream_close(stream);
    gpu_close(gpu);
}

#endif

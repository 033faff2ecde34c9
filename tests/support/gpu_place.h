/* gpu_place.h: frames for tests of GPU kernels, in device memory or in registered host memory.
 *
 * Device memory is exactly as large as the frame, so that a checker of memory sees a byte too many;
 * behind a frame in host memory stand bytes that must not change.
 */
#ifndef HANDOFF_TESTS_GPU_PLACE_H
#define HANDOFF_TESTS_GPU_PLACE_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/gpu_fixture.h"

enum place_kind { PLACE_DEVICE, PLACE_REGISTERED, PLACE_KINDS };

struct place {
    enum place_kind kind;
    struct gpu *gpu;
    struct gpu_stream *stream; /* for copies; idle otherwise, or other than the kernels' */
    size_t bytes;
    uint8_t *device; /* for kernels */
    uint8_t *host;   /* PLACE_REGISTERED: the same bytes for the CPU */
    size_t mapped_bytes;
};

#define PLACE_GUARD 0xa5

static inline size_t place_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

static inline struct place place_make(struct gpu *gpu, struct gpu_stream *stream,
                                      enum place_kind kind, size_t bytes)
{
    struct err err = {0};
    struct place place = {.kind = kind, .gpu = gpu, .stream = stream, .bytes = bytes};
    void *device = NULL;
    if (kind == PLACE_DEVICE) {
        gpu_assert_ok(&err, gpu_device_alloc(gpu, bytes, &device, &err));
    } else {
        place.mapped_bytes = place_pages(bytes + 1);
        void *host = mmap(NULL, place.mapped_bytes, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(host != MAP_FAILED);
        memset(host, PLACE_GUARD, place.mapped_bytes);
        gpu_assert_ok(&err, gpu_register(gpu, host, place.mapped_bytes, &device, &err));
        place.host = host;
    }
    place.device = device;
    return place;
}

/* Blocks until the bytes are where kernels see them. */
static inline void place_put(const struct place *place, const uint8_t *bytes)
{
    struct err err = {0};
    if (place->kind == PLACE_REGISTERED) {
        memcpy(place->host, bytes, place->bytes);
        return;
    }
    gpu_assert_ok(&err, gpu_stream_copy(place->stream, place->device, bytes, place->bytes, &err));
    gpu_assert_ok(&err, gpu_stream_synchronize(place->stream, &err));
}

/* What kernels that have ended left there. */
static inline void place_get(const struct place *place, uint8_t *bytes)
{
    struct err err = {0};
    if (place->kind == PLACE_DEVICE) {
        gpu_assert_ok(&err,
                      gpu_stream_copy(place->stream, bytes, place->device, place->bytes, &err));
        gpu_assert_ok(&err, gpu_stream_synchronize(place->stream, &err));
        return;
    }
    memcpy(bytes, place->host, place->bytes);
    for (size_t i = place->bytes; i < place->mapped_bytes; i++)
        if (place->host[i] != PLACE_GUARD)
            fail_msg("byte %zu behind a frame of %zu bytes was changed", i - place->bytes,
                     place->bytes);
}

static inline void place_free(struct place *place)
{
    if (place->kind == PLACE_DEVICE) {
        gpu_device_free(place->gpu, place->device);
    } else {
        gpu_unregister(place->gpu, place->host);
        munmap(place->host, place->mapped_bytes);
    }
}

#endif

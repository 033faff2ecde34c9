/* source_frames.c: see source_frames.h. */
#include "harness/run/source_frames.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/base/cache.h"

#define CACHE_LINE_BYTES 64

enum status source_frames_open(struct source_frames *frames, struct geometry geometry,
                               size_t payload_bytes, uint32_t buffer_count, uint64_t seed,
                               struct err *err)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t header_bytes = page_bytes > FRAME_PAYLOAD_OFFSET ? page_bytes : FRAME_PAYLOAD_OFFSET;
    size_t stride_bytes = header_bytes + (payload_bytes + page_bytes - 1) / page_bytes * page_bytes;
    size_t size_bytes = stride_bytes * buffer_count;
    void *bytes = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (bytes == MAP_FAILED)
        return err_set_errno(err, errno, "use smaller frames", "no memory for %u source frames",
                             buffer_count);
    *frames = (struct source_frames){
        .bytes = bytes,
        .size_bytes = size_bytes,
        .buffer_count = buffer_count,
        .stride_bytes = stride_bytes,
        .payload_offset = header_bytes,
        .payload_bytes = payload_bytes,
        .geometry = geometry,
    };
    for (uint32_t i = 0; i < buffer_count; i++) {
        source_frames_header(frames, (int32_t)i)[0] = 1;
        if (payload_bytes > 0)
            frame_source_fill(source_frames_payload(frames, (int32_t)i), payload_bytes, seed,
                              i % CELL_SOURCE_FRAMES);
    }
    return ST_OK;
}

void source_frames_close(struct source_frames *frames)
{
    if (frames->bytes)
        munmap(frames->bytes, frames->size_bytes);
    *frames = (struct source_frames){0};
}

uint8_t *source_frames_header(const struct source_frames *frames, int32_t frame_id)
{
    return frames->bytes + frames->stride_bytes * ((uint32_t)frame_id % frames->buffer_count);
}

uint8_t *source_frames_payload(const struct source_frames *frames, int32_t frame_id)
{
    return source_frames_header(frames, frame_id) + frames->payload_offset;
}

static void source_frames_read_through(const uint8_t *bytes, size_t count)
{
    const volatile uint8_t *line = bytes;
    for (size_t at = 0; at < count; at += CACHE_LINE_BYTES)
        (void)line[at];
}

void source_frames_prepare(const struct source_frames *frames, int32_t frame_id,
                           enum frame_state state)
{
    const struct frame_header header = {
        .timestamp_ns = 0,
        .width = frames->geometry.width,
        .height = frames->geometry.height,
        .channels = frames->geometry.channels,
        .frame_id = frame_id,
    };
    frame_header_encode(&header, source_frames_header(frames, frame_id));
    if (frames->payload_bytes == 0)
        return;
    uint8_t *payload = source_frames_payload(frames, frame_id);
    frame_tags_write(payload, frames->payload_bytes, frame_id);
    if (state == FRAME_STATE_CACHED)
        source_frames_read_through(payload, frames->payload_bytes);
    else if (state == FRAME_STATE_EVICTED)
        cache_flush(payload, frames->payload_bytes);
}

enum status source_frames_checksums(struct geometry geometry, size_t payload_bytes, uint64_t seed,
                                    uint64_t checksums[CELL_SOURCE_FRAMES], struct err *err)
{
    struct source_frames frames = {0};
    enum status status =
        source_frames_open(&frames, geometry, payload_bytes, CELL_SOURCE_FRAMES, seed, err);
    if (status != ST_OK)
        return status;
    for (int32_t i = 0; i < CELL_SOURCE_FRAMES; i++)
        checksums[i] = frame_checksum_reference(source_frames_payload(&frames, i), payload_bytes);
    source_frames_close(&frames);
    return ST_OK;
}

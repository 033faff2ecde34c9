/* source_frames.h: the frames that a source hands to the producer, whole, as a camera driver does.
 *
 * Buffers rotate: cell_source_buffers of CELL_SOURCE_FRAMES pictures. Their content is random but
 * known to both roles (the cell's seed), so that the consumer can verify every byte without being
 * told.
 */
#ifndef HANDOFF_RUN_SOURCE_FRAMES_H
#define HANDOFF_RUN_SOURCE_FRAMES_H

#include "harness/base/err.h"
#include "harness/base/frame.h"
#include "harness/scenario/cell.h"

struct source_frames {
    uint8_t *bytes; /* one mapping */
    size_t size_bytes;
    uint32_t buffer_count; /* a multiple of CELL_SOURCE_FRAMES */
    size_t stride_bytes;   /* from one buffer's header to the next one's */
    size_t payload_offset; /* from a buffer's header to its payload */
    size_t payload_bytes;
    struct geometry geometry;
};

/* Maps, touches and fills all buffers. The caller frees. */
enum status source_frames_open(struct source_frames *frames, struct geometry geometry,
                               size_t payload_bytes, uint32_t buffer_count, uint64_t seed,
                               struct err *err);
void source_frames_close(struct source_frames *frames);

/* The buffers of a frame id: the header (FRAME_HEADER_BYTES) and the page-aligned payload. */
uint8_t *source_frames_header(const struct source_frames *frames, int32_t frame_id);
uint8_t *source_frames_payload(const struct source_frames *frames, int32_t frame_id);

/* Makes the buffer of `frame_id` whole but for its timestamp: header, tags, and the cache state
 * asked for. Before `ready`, so no interval contains it. */
void source_frames_prepare(const struct source_frames *frames, int32_t frame_id,
                           enum frame_state state);

/* The checksum of each buffer without tags, for the consumer. */
enum status source_frames_checksums(struct geometry geometry, size_t payload_bytes, uint64_t seed,
                                    uint64_t checksums[CELL_SOURCE_FRAMES], struct err *err);

#endif

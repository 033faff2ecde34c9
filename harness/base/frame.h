/* frame.h: what a video frame is to handoff: its header, its geometry, its integrity marks.
 *
 * Used by everything that touches a frame: roles, transports, kernels, tests. The byte layout is a
 * contract with users' own processes, Python among them: struct.unpack("<qiiii", slot[:24]).
 */
#ifndef HANDOFF_BASE_FRAME_H
#define HANDOFF_BASE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the header that travel on a wire, and that Python reads. Little-endian:
 * int64 timestamp_ns, int32 width, int32 height, int32 channels, int32 frame_id. */
#define FRAME_HEADER_BYTES 24
/* A host slot begins with the header; its pixels start on the next page boundary. */
#define FRAME_PAYLOAD_OFFSET 4096
/* One 64-bit integrity tag of the frame id stands in every block of this many payload bytes. */
#define FRAME_TAG_STRIDE 4096
/* The largest payload a scenario may ask for: 8192 x 8192 x 4. */
#define FRAME_PAYLOAD_MAX ((size_t)8192 * 8192 * 4)

/* Width and height in pixels; channels of one byte each; rows are not padded. */
struct geometry {
    int32_t width;
    int32_t height;
    int32_t channels;
};

static inline size_t geometry_payload_bytes(struct geometry geometry)
{
    return (size_t)geometry.width * (size_t)geometry.height * (size_t)geometry.channels;
}

/* The decoded header. */
struct frame_header {
    /* When the frame was whole in the source's hands, on the cell's clock: CLOCK_MONOTONIC or
     * within microseconds of it (harness/measure/clock.h). */
    int64_t timestamp_ns;
    int32_t width;
    int32_t height;
    int32_t channels;
    int32_t frame_id;
};

/* Encode to, or decode from, FRAME_HEADER_BYTES bytes at any alignment, on any byte order. */
void frame_header_encode(const struct frame_header *header, uint8_t *bytes);
void frame_header_decode(const uint8_t *bytes, struct frame_header *header);
/* Only the frame id; for the hot path. */
int32_t frame_header_id(const uint8_t *bytes);
/* Rewrites only timestamp_ns; for the hot path. */
void frame_header_set_timestamp(uint8_t *bytes, int64_t timestamp_ns);

struct gpu_event;

/* What a stream must wait for before it may touch a frame; none in host memory, nor with order
 * host. */
struct fence {
    struct gpu_event *event; /* an interprocess event of gpu.h, or NULL: ready now */
};

/* A frame as a transport lends it to a role: views into memory that the transport (or, for the
 * source buffer, the producer) owns. Valid from reserve to commit, or from acquire to release. */
struct frame {
    uint8_t *header;  /* FRAME_HEADER_BYTES bytes */
    uint8_t *payload; /* payload_bytes bytes; NULL when payload_bytes is 0 or the payload lies in
                       * device memory. Page-aligned in the slots of transports with `memory`; at any
                       * address where a library lends what it received. */
    /* The same bytes where kernels of this process reach them; NULL until an access has said so, or
     * set by a device-memory transport. Never to be touched by the CPU. */
    uint8_t *device_payload;
    size_t payload_bytes; /* 0 with fill `header` */
    uint32_t slot;        /* which slot of the transport, for registering memory once per slot */
    uint64_t sequence;    /* counts frames on this side of the edge, from 0 */
    /* Wire bytes of this frame moved so far on this side, header included. It only grows while
     * commit or acquire answer ST_AGAIN; 0 means the frame has not begun. */
    size_t progress_bytes;
    struct fence fence; /* what this side's stream waits for first */
    struct fence mark;  /* order event: what this side records behind its own work, before commit
                         * (producer) or release (consumer); else {NULL} */
};

/* ---- Integrity -------------------------------------------------------------------------------
 * The tag of a frame id is a 64-bit mix of it (never 0), written little-endian at the start of each
 * FRAME_TAG_STRIDE block of the payload that has at least 8 bytes. A payload under 8 bytes has no
 * tag and is protected by its checksum alone. */
uint64_t frame_tag(int32_t frame_id);
void frame_tags_write(uint8_t *payload, size_t payload_bytes, int32_t frame_id);
/* True when all tags, or `samples` of them (the first, the last, and others chosen by the frame
 * id), are those of frame_id; with `inverted`, their bitwise complement (after `invert`). */
bool frame_tags_check(const uint8_t *payload, size_t payload_bytes, int32_t frame_id,
                      bool inverted);
bool frame_tags_check_sample(const uint8_t *payload, size_t payload_bytes, int32_t frame_id,
                             bool inverted, unsigned samples);

/* The checksum, defined once for C, CUDA and numpy: the payload as little-endian 32-bit words w[i],
 * the last one padded with zero bytes; sum over i of w[i] * (2*i + 1), modulo 2^64. Linear in each
 * word, so the checksum of a tagged frame follows from the untagged one in constant time. This is
 * the plain reference; kernels/checksum.c is the fast one. */
uint64_t frame_checksum_reference(const uint8_t *payload, size_t payload_bytes);

/* Fills `payload` with source content number `index` of a cell's `seed`: random bytes with zeros
 * where tags go. Both roles can make it, so that the consumer knows every byte without being
 * told. */
void frame_source_fill(uint8_t *payload, size_t payload_bytes, uint64_t seed, uint32_t index);

/* The sums of weights at tag positions: checksum(tagged) = checksum(untagged)
 *   + low32(tag) * low_weight + high32(tag) * high_weight, modulo 2^64. */
struct frame_tag_weights {
    uint64_t low_weight;
    uint64_t high_weight;
};
struct frame_tag_weights frame_tag_weights_make(size_t payload_bytes);
static inline uint64_t frame_checksum_expected(uint64_t untagged, struct frame_tag_weights weights,
                                               uint64_t tag)
{
    return untagged + (tag & 0xffffffffu) * weights.low_weight + (tag >> 32) * weights.high_weight;
}

#endif

/* region.h: the memory of an endpoint as the GPU reaches it: registered once, or frame by frame.
 *
 * What the accesses of this folder have in common. Registering page-locks memory and gives it an
 * address for kernels; the same bytes must not be registered twice, so an endpoint's memory belongs
 * to one region.
 */
#ifndef HANDOFF_ACCESS_REGION_H
#define HANDOFF_ACCESS_REGION_H

#include "transports/access/access.h"

struct region {
    struct gpu *gpu;
    struct transport_memory memory;
    size_t payload_bytes; /* that a frame may have */
    uint8_t *device; /* the GPU's address of memory.bytes; NULL while not registered as a whole */
    /* register_per_frame: the starts of what is registered now, of frames in flight. */
    void **live;
    uint32_t live_count;
    uint32_t live_max;
    uint64_t registration_ns;
};

/* What every access of the GPU wants of its configuration: a GPU, a depth, and register_per_frame
 * only where `access` has ACCESS_REGISTERS. ST_INVALID otherwise. */
enum status access_config_check(const struct access *access, const struct access_config *config,
                                struct err *err);

/* Registers config->memory, or with register_per_frame nothing yet. Blocks: milliseconds for tens
 * of MB. ST_INVALID for frames with a payload but no memory. The caller closes, also after a
 * failure. */
enum status region_open(struct region *region, const struct access_config *config, struct err *err);

/* ST_INVALID unless the frame's payload lies in the memory (an endpoint without memory to register
 * has none to compare with) and is no longer than the cell's. */
enum status region_check(const struct region *region, const struct frame *frame, struct err *err);

/* Where kernels find the frame's payload; NULL for a frame without one. With register_per_frame its
 * pages are registered by this call, until region_dismiss: at most `depth` frames at a time. */
enum status region_bring(struct region *region, const struct frame *frame, uint8_t **device,
                         struct err *err);
/* The frame is not needed any more. ST_INVALID for one that was not brought. */
enum status region_dismiss(struct region *region, const struct frame *frame, struct err *err);

/* The GPU's address of a byte of the memory; NULL for other bytes and with register_per_frame. */
void *region_address(const struct region *region, const void *host);

/* Unregisters everything. Safe on a zeroed region, and twice. */
void region_close(struct region *region);

#endif

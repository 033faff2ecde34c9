/* buffers.h: the buffers that a copying access rotates through, one for each frame in flight.
 */
#ifndef HANDOFF_ACCESS_BUFFERS_H
#define HANDOFF_ACCESS_BUFFERS_H

#include "transports/access/access.h"

enum buffers_kind {
    BUFFERS_DEVICE,
    BUFFERS_MANAGED,
};

struct buffers {
    struct gpu *gpu;
    enum buffers_kind kind;
    void **each; /* NULL where frames have no payload */
    uint32_t count;
    uint32_t next;
};

/* `count` buffers of size_bytes; with size_bytes 0 none. The caller closes, also after a
 * failure. */
enum status buffers_open(struct buffers *buffers, struct gpu *gpu, enum buffers_kind kind,
                         uint32_t count, size_t size_bytes, struct err *err);
/* The one whose turn it is. NULL where there are none. */
void *buffers_take(struct buffers *buffers);
/* Safe on a zeroed struct, and twice. */
void buffers_close(struct buffers *buffers);

#endif

/* frames.h: what the files of this folder share, and no program sees.
 */
#ifndef HANDOFF_FRAMES_FRAMES_H
#define HANDOFF_FRAMES_FRAMES_H

#include "harness/base/err.h"
#include "harness/run/wait_loop.h"
#include "transports/frames/handoff_frames.h"

#define FRAMES_SECOND_NS UINT64_C(1000000000)

/* ---- error.c --------------------------------------------------------------------------------- */

/* The status of a failure as programs see it; *error, which may be NULL, gets its words. ST_OK is
 * HANDOFF_OK and leaves *error alone. */
int frames_fail(enum status status, const struct err *err, struct handoff_error *error);
/* A failure of this library's own, with a status that base/err.h does not have. */
int frames_fail_as(enum handoff_status status, struct handoff_error *error, const char *hint,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- edge_device.c, or edge_device_none.c ---------------------------------------------------- */

/* The transport of device memory of that name; NULL where this build has none. */
const struct transport *edge_device_transport(const char *name);
/* What handoff_edge_gpu_open opened, or NULL. */
struct gpu *edge_device_gpu(void);

/* ---- waits.c --------------------------------------------------------------------------------- */

/* The wait called `text` ("poll:100"), probed. `named`: for a segment that has a name, whose waits
 * need nothing but the segment. ST_INVALID, ST_UNAVAILABLE. choice->fd is -1. */
enum status frames_wait_find(const char *text, bool named, struct wait_choice *choice,
                             struct err *err);

#endif

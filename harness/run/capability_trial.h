/* capability_trial.h: one side of a row, while it is being tried: what both sides and their runner
 * say to each other. Private to capability*.c.
 *
 *   runner → side   try       which row and side, seed and frame id of the content; descriptor: the
 *                             other side
 *   side → runner   opened    the context is there (or none is needed): the row's time begins
 *                   step      what it is about to do, for when it does not come back
 *                   finished  status, what, hint; what was verified
 *   side ↔ side     whatever the row says
 *
 * A side ends by itself after `finished`; the runner kills those that do not.
 */
#ifndef HANDOFF_RUN_CAPABILITY_TRIAL_H
#define HANDOFF_RUN_CAPABILITY_TRIAL_H

#include "harness/base/channel.h"
#include "harness/base/shm.h"
#include "harness/gpu/capability.h"
#include "harness/gpu/gpu.h"
#include "kernels/launch.h"

/* The maker has something; the user is handed it. */
enum capability_side { CAPABILITY_MAKER, CAPABILITY_USER, CAPABILITY_SIDES };

/* The step of a side that waits for the other: if both hang, it is not this one's doing. */
#define CAPABILITY_WAITS "waiting for the other process"

/* Instead of a row: say what the GPU is. One side only. */
#define CAPABILITY_DESCRIBE "describe"

/* Content that nothing else has, of a size that is no multiple of anything. */
#define TRIAL_GEOMETRY ((struct geometry){.width = 1001, .height = 667, .channels = 3})
#define TRIAL_BYTES ((size_t)1001 * 667 * 3)
/* As memory is registered, exported and mapped: 2 MiB, whatever the size of a page. */
#define TRIAL_ROOM ((size_t)1 << 21)

struct capability_trial {
    int control_fd;
    int peer_fd;
    uint64_t seed; /* of the content, the same on both sides */
    int32_t frame_id;
    char verified[320];
    /* Only of sides with a GPU. */
    struct gpu *gpu;
    struct gpu_stream *stream;
    struct launcher *launcher;
    struct launch_report *report;        /* for the CPU */
    struct launch_report *report_device; /* for kernels */
    /* TRIAL_BYTES from malloc; outlives all work that a failed wait leaves behind */
    uint8_t *bytes;
    uint32_t done_value;
};

/* ---- What a side does ------------------------------------------------------------------------ */

/* Opens and closes what "only of sides with a GPU" are. Closing is safe on half of it. */
enum status trial_open_gpu(struct capability_trial *trial, struct err *err);
void trial_close_gpu(struct capability_trial *trial);

/* "the kernel on the raw pointer": what the runner says this side was at if it never comes back. */
void trial_step(struct capability_trial *trial, const char *step);
/* Adds to what was verified, after "; ". */
void trial_verified(struct capability_trial *trial, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* To and from the other side, which is waited for as long as the runner lets it live. `json` may be
 * NULL, else it is taken over; the fds stay the caller's. */
enum status trial_tell(struct capability_trial *trial, const char *type, cJSON *json, int fd,
                       struct err *err);
enum status trial_hear(struct capability_trial *trial, const char *type,
                       struct channel_message *message, struct err *err);
enum status trial_hear_only(struct capability_trial *trial, const char *type, struct err *err);

/* Content number `index` of this trial, TRIAL_BYTES of it; and whether `bytes` are it or, inverted,
 * its complement: else ST_CORRUPT, naming the first wrong byte and `where`. */
void trial_content(const struct capability_trial *trial, uint32_t index, uint8_t *bytes);
enum status trial_content_check(const struct capability_trial *trial, uint32_t index, bool inverted,
                                const uint8_t *bytes, const char *where, struct err *err);

/* Enqueues a kernel of `kind` over content number `index` at a device address. */
enum status trial_enqueue(struct capability_trial *trial, enum launch_kind kind, void *device,
                          uint32_t index, struct err *err);
/* Waits for the stream; ST_CORRUPT when the last kernel has not reported. */
enum status trial_synchronize(struct capability_trial *trial, struct err *err);
/* Compares the checksum that the last kernel reported with content number `index`. */
enum status trial_checksum_check(const struct capability_trial *trial, uint32_t index,
                                 struct err *err);
/* A kernel reads all of it, verified; a kernel inverts all of it, waited for. */
enum status trial_read(struct capability_trial *trial, void *device, uint32_t index,
                       struct err *err);
enum status trial_invert(struct capability_trial *trial, void *device, uint32_t index,
                         struct err *err);

/* A memfd of at least size_bytes that the other side told as "memory", mapped; the caller
 * unmaps. */
enum status trial_hear_memory(struct capability_trial *trial, size_t size_bytes,
                              struct shm_map *map, struct err *err);

/* ---- The rows -------------------------------------------------------------------------------- */

/* One side of a row; without a function there is nothing for it to do. */
typedef enum status (*capability_act)(struct capability_trial *trial, struct err *err);
struct capability_sides {
    struct {
        bool needs_gpu;
        capability_act act;
    } side[CAPABILITY_SIDES];
};
const struct capability_sides *capability_row_sides(enum gpu_capability row);

enum status row_device(struct capability_trial *trial, struct err *err);
/* capability_rows_host.c */
enum status row_shm_maker(struct capability_trial *trial, struct err *err);
enum status row_register_shm(struct capability_trial *trial, struct err *err);
enum status row_unregistered_shm(struct capability_trial *trial, struct err *err);
enum status row_malloc_maker(struct capability_trial *trial, struct err *err);
enum status row_unregistered_malloc(struct capability_trial *trial, struct err *err);
enum status row_managed_copy(struct capability_trial *trial, struct err *err);
enum status row_managed_maker(struct capability_trial *trial, struct err *err);
enum status row_managed_pointer(struct capability_trial *trial, struct err *err);
/* capability_rows_device.c */
enum status row_ipc_maker(struct capability_trial *trial, struct err *err);
enum status row_ipc_user(struct capability_trial *trial, struct err *err);
enum status row_vmm_maker(struct capability_trial *trial, struct err *err);
enum status row_vmm_user(struct capability_trial *trial, struct err *err);
enum status row_vmm_no_access(struct capability_trial *trial, struct err *err);
enum status row_pool_maker(struct capability_trial *trial, struct err *err);
enum status row_pool_user(struct capability_trial *trial, struct err *err);
enum status row_dmabuf_device(struct capability_trial *trial, struct err *err);
enum status row_dmabuf_host(struct capability_trial *trial, struct err *err);
enum status row_dmabuf_user(struct capability_trial *trial, struct err *err);
/* capability_rows_order.c */
enum status row_event_maker(struct capability_trial *trial, struct err *err);
enum status row_event_user(struct capability_trial *trial, struct err *err);
enum status row_values_maker(struct capability_trial *trial, struct err *err);
enum status row_values_user(struct capability_trial *trial, struct err *err);
/* capability_rows_resident.c */
enum status row_flag_maker(struct capability_trial *trial, struct err *err);
enum status row_flag_user(struct capability_trial *trial, struct err *err);
enum status row_mps_maker(struct capability_trial *trial, struct err *err);
enum status row_mps_user(struct capability_trial *trial, struct err *err);

/* The life of one side: `handoff --role capability`. */
enum status capability_main(int control_fd, struct err *err);
/* What `describe` answers, from within that process. */
enum status capability_describe_here(cJSON **json, struct err *err);

#endif

/* gpu.h: the one door from C to CUDA.
 *
 * Exactly one of gpu_cuda*.c (built with the CUDA Toolkit), gpu_none.c (without) and the tests' fake
 * (tests/support/fake_gpu.c) implements it, so that nothing else needs an #ifdef. A binary built
 * with the toolkit also runs where there is no driver: it then says so. Facts about a device are
 * asked for as attributes: fields of cudaDeviceProp come and go between CUDA 11.4 and 13. Driver
 * functions are reached through the runtime's entry-point call, never linked.
 *
 * Only roles may call what is here, the runner never: the first call starts the driver in the
 * process, which takes time, creates threads and contexts and does not survive a fork; the runner
 * asks short-lived roles instead (capability.h).
 *
 * Unless a comment says otherwise: device 0 of those visible; one thread; functions that "enqueue"
 * return before the work is done and never allocate; errors are ST_SYSTEM with CUDA's own words and
 * what to do, ST_NO_MEMORY, or ST_UNAVAILABLE where the machine cannot do it. After an error that
 * broke the context (an illegal address), every later call fails: only a new process helps. Output
 * arguments are set only after success. Closing and freeing functions are safe on NULL and cannot
 * fail: what they could not free goes with the process.
 */
#ifndef HANDOFF_GPU_H
#define HANDOFF_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

/* ---- What there is --------------------------------------------------------------------------- */

/* What a GPU machine is, as CUDA tells it. Versions are 1000 * major + 10 * minor. */
struct gpu_info {
    int device_count;
    char name[256]; /* of device 0, as are the rest */
    int compute_major;
    int compute_minor;
    bool integrated;     /* it shares the CPU's memory, as on a Jetson */
    int runtime_version; /* the CUDA runtime in this binary */
    int driver_version;  /* the newest CUDA that the installed driver can run */
};

/* ST_OK with at least one device in *info, or ST_UNAVAILABLE with the exact reason (built without
 * the toolkit, no driver, a driver too old, no device, …) and its remedy. May take seconds: it
 * starts the driver. Makes no context. */
enum status gpu_probe(struct gpu_info *info, struct err *err);

/* The version of the CUDA Toolkit this was built with ("13.0"), or NULL without one. Never touches
 * a GPU. */
const char *gpu_toolkit_version(void);

/* Is there NVIDIA hardware, whatever was built or installed? Looks at files only, so everybody may
 * ask; false means that none shows (a container may hide it). *what says how it shows, cut to
 * `size` bytes. `root` stands before every path: tests pass a folder, others use
 * gpu_hardware_present. */
bool gpu_hardware_find(const char *root, char *what, size_t size);
static inline bool gpu_hardware_present(char *what, size_t size)
{
    return gpu_hardware_find("", what, size);
}

/* ---- A role's use of the device -------------------------------------------------------------- */

/* How a role waits for its own GPU work (axis `sync`). The first three are also the device's
 * schedule flag, which is always set; the others set that of SPIN. */
enum gpu_sync {
    GPU_SYNC_SPIN,  /* the CUDA call waits and spins (cudaDeviceScheduleSpin) */
    GPU_SYNC_YIELD, /* it yields the CPU between looks (cudaDeviceScheduleYield) */
    GPU_SYNC_BLOCK, /* it sleeps until the driver wakes it (cudaDeviceScheduleBlockingSync) */
    GPU_SYNC_EVENT, /* the role asks an event in a loop (cudaEventQuery) */
    GPU_SYNC_FLAG,  /* the GPU writes a word in host memory, which the role looks at in a loop */
};

/* Device 0 in this process: its context, its driver functions. */
struct gpu;

/* Starts the driver, sets the schedule flag, makes the context. Takes from 0.1 to seconds. Only one
 * may be open in a process. The caller closes, after everything made with it. */
enum status gpu_open(enum gpu_sync sync, struct gpu **gpu, struct err *err);
void gpu_close(struct gpu *gpu);

/* The attributes that matter here, by the driver's word, in the order of gpu_attributes.def;
 * INT32_MIN where this driver does not know one. */
enum gpu_attribute {
#define GPU_ATTRIBUTE(key, number, about) GPU_ATTRIBUTE_##key,
#include "harness/gpu/gpu_attributes.def"
#undef GPU_ATTRIBUTE
    GPU_ATTRIBUTE_COUNT
};
/* "concurrent_managed_access"; and one line about it. */
const char *gpu_attribute_name(enum gpu_attribute attribute);
const char *gpu_attribute_about(enum gpu_attribute attribute);
int gpu_attribute_read(const struct gpu *gpu, enum gpu_attribute attribute);

/* Device memory of the whole device, in bytes. */
enum status gpu_memory_info(struct gpu *gpu, uint64_t *free_bytes, uint64_t *total_bytes,
                            struct err *err);

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Device memory of this process, at least 256-byte aligned; not set to anything. May block. */
enum status gpu_device_alloc(struct gpu *gpu, size_t size_bytes, void **device, struct err *err);
void gpu_device_free(struct gpu *gpu, void *device);

/* Host memory of this process that the GPU reaches too (cudaHostAlloc, mapped), zeroed, page
 * aligned: *host for the CPU, *device for kernels. For words and reports, not for frames. */
enum status gpu_pinned_alloc(struct gpu *gpu, size_t size_bytes, void **host, void **device,
                             struct err *err);
void gpu_pinned_free(struct gpu *gpu, void *host);

/* Makes existing host memory (a mapping of a memfd, malloc'd memory) reachable: page-locks it and
 * says where kernels find it (cudaHostRegister, cudaHostGetDevicePointer; never assumed equal to
 * `host`). `host` and size_bytes in whole pages. Blocks: milliseconds for tens of MB. The memory
 * must outlive it; gpu_unregister before munmap. */
enum status gpu_register(struct gpu *gpu, void *host, size_t size_bytes, void **device,
                         struct err *err);
void gpu_unregister(struct gpu *gpu, void *host);

/* Managed memory: one pointer for both. Where concurrent_managed_access is 0 (Jetson before Thor),
 * the CPU must not touch it while *any* kernel runs unless it is attached to a stream that is idle:
 * the two functions below say whose turn it is, and do nothing where they are not needed. */
enum status gpu_managed_alloc(struct gpu *gpu, size_t size_bytes, void **memory, struct err *err);
void gpu_managed_free(struct gpu *gpu, void *memory);

/* ---- Device memory shared between processes -------------------------------------------------- */

enum gpu_share {
    GPU_SHARE_IPC,  /* cudaMalloc + cudaIpcGetMemHandle */
    GPU_SHARE_VMM,  /* cuMemCreate, exported as a descriptor; access set by each importer */
    GPU_SHARE_POOL, /* a memory pool exported as a descriptor, and a pointer into it */
};
/* "ipc", "vmm", "pool". */
const char *gpu_share_name(enum gpu_share share);

/* What the other process needs: plain bytes for the control socket, and for vmm and pool a
 * descriptor (else -1), owned by whoever holds the struct. */
#define GPU_SHARED_ADDRESS_BYTES 128
struct gpu_shared_address {
    uint8_t bytes[GPU_SHARED_ADDRESS_BYTES];
    uint32_t byte_count;
    int fd;
};
struct gpu_shared; /* one process's end of it */

/* Makes size_bytes (rounded up as the device wants it) and their address. The caller destroys, after
 * all importers have, and closes address->fd. */
enum status gpu_shared_create(struct gpu *gpu, enum gpu_share share, size_t size_bytes,
                              struct gpu_shared **memory, struct gpu_shared_address *address,
                              struct err *err);
/* The other end, in another process (CUDA refuses legacy handles in the process that made them).
 * Takes over address->fd, also when it fails, and sets it to -1. A wrong address is an error, never
 * a fault. `set_access` false leaves the importer's access as it is, for those who want to see what
 * happens (probe); only vmm looks at it. */
enum status gpu_shared_attach(struct gpu *gpu, enum gpu_share share, size_t size_bytes,
                              struct gpu_shared_address *address, bool set_access,
                              struct gpu_shared **memory, struct err *err);
/* Where kernels of this process find it; at least 256-byte aligned. */
void *gpu_shared_pointer(const struct gpu_shared *memory);
void gpu_shared_destroy(struct gpu_shared *memory);

/* A DMA-BUF descriptor of memory of gpu_device_alloc (host false) or gpu_pinned_alloc (true), whole
 * pages. The caller closes it. For probe. */
enum status gpu_dmabuf_export(struct gpu *gpu, void *device, size_t size_bytes, bool host, int *fd,
                              struct err *err);

/* ---- Streams --------------------------------------------------------------------------------- */

/* A queue of GPU work: what is put on it happens in order. Non-blocking with respect to the legacy
 * default stream. */
struct gpu_stream;
enum status gpu_stream_open(struct gpu *gpu, struct gpu_stream **stream, struct err *err);
/* Does not wait for what is still on it; see gpu_stream_synchronize. */
void gpu_stream_close(struct gpu_stream *stream);
/* The cudaStream_t, for kernels/ *.cu alone. */
void *gpu_stream_native(const struct gpu_stream *stream);

/* Enqueues a copy between any two of host (registered or not), device and managed memory. From
 * unregistered host memory CUDA may copy the bytes to a buffer of its own before it returns, so it
 * may block. */
enum status gpu_stream_copy(struct gpu_stream *stream, void *to, const void *from,
                            size_t size_bytes, struct err *err);
/* Managed memory changes hands: to the work enqueued on this stream from here on, and to no other
 * stream's, or, after a synchronize, to the CPU. */
enum status gpu_stream_managed_to_gpu(struct gpu_stream *stream, void *memory, struct err *err);
enum status gpu_stream_managed_to_host(struct gpu_stream *stream, void *memory, struct err *err);

/* Enqueues a wait until (int32_t)(*word - value) >= 0: the doorbell's own comparison modulo
 * wrap-around (base/source.h). `word` is a device address of registered, pinned or device memory. It
 * has no deadline: whoever enqueues it must be able to write the word in the end. */
enum status gpu_stream_wait_value(struct gpu_stream *stream, void *word, uint32_t value,
                                  struct err *err);
/* Enqueues *word = value, visible to the host after everything enqueued before. */
enum status gpu_stream_write_value(struct gpu_stream *stream, void *word, uint32_t value,
                                   struct err *err);

/* Blocks until all that was enqueued is done, in the manner of the schedule flag. */
enum status gpu_stream_synchronize(struct gpu_stream *stream, struct err *err);
/* ST_OK when all is done, ST_AGAIN, or an error. */
enum status gpu_stream_poll(struct gpu_stream *stream, struct err *err);

/* ---- Events ---------------------------------------------------------------------------------- */

/* A mark on a stream. Never recorded: done. */
struct gpu_event;
enum gpu_event_flags {
    GPU_EVENT_BLOCKING = 1 << 0,     /* gpu_event_synchronize sleeps (with GPU_SYNC_BLOCK) */
    GPU_EVENT_INTERPROCESS = 1 << 1, /* may be exported */
};
enum status gpu_event_open(struct gpu *gpu, unsigned flags, struct gpu_event **event,
                           struct err *err);
void gpu_event_close(struct gpu_event *event);
/* Enqueues the mark; an earlier one of this event is forgotten. */
enum status gpu_event_record(struct gpu_event *event, struct gpu_stream *stream, struct err *err);
/* Enqueues a wait for the event as it was last recorded, by whichever process, when this is called:
 * a record that comes later does not count. */
enum status gpu_stream_wait_event(struct gpu_stream *stream, struct gpu_event *event,
                                  struct err *err);
enum status gpu_event_synchronize(struct gpu_event *event, struct err *err);
enum status gpu_event_poll(struct gpu_event *event, struct err *err);

/* The bytes by which another process opens the event. The maker closes it last. */
#define GPU_EVENT_HANDLE_BYTES 64
enum status gpu_event_export(struct gpu_event *event, uint8_t handle[GPU_EVENT_HANDLE_BYTES],
                             struct err *err);
enum status gpu_event_import(struct gpu *gpu, const uint8_t handle[GPU_EVENT_HANDLE_BYTES],
                             struct gpu_event **event, struct err *err);

#endif

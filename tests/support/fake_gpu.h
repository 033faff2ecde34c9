/* fake_gpu.h: the inside of the fake GPU, a CPU implementation of harness/gpu/gpu.h and
 * kernels/launch.h for machines without one.
 *
 * It is linked instead of gpu_cuda or gpu_none (tests/gpu/CMakeLists.txt), and is stricter than a
 * GPU where a GPU forgives: a device address is not a host address, work runs on a thread of its
 * own some time after it was enqueued, an illegal address breaks the context for good, and whatever
 * was not freed when the GPU is closed is told. What is ordered or freed wrongly here shows as a
 * fault, a torn frame or a message, not on somebody's Jetson.
 *
 * Environment, all of it read when the first function is called:
 *   HANDOFF_FAKE_GPU_ATTRIBUTES=key=value,…  attributes (gpu_attributes.def) of another machine; a
 *       value of "unknown" is INT32_MIN. The fake behaves as they say. Beside them: device=0 (there
 *       is none), ipc_memory=0 (no legacy memory handles), same_process=1 (handles may be opened by
 *       the process that made them, which CUDA refuses).
 *   HANDOFF_FAKE_GPU_DELAY_US=max  each piece of work is late by a random 0 to max
 *       us, one in eight by up to eight times that
 *   HANDOFF_FAKE_GPU_FAIL=role:function:n[:later|:unavailable]  the n-th call of the function fails
 *       in processes of that role (`*`: in all); "later": it succeeds, but the work it enqueued (or
 *       the next that is enqueued) breaks the context, as CUDA tells of most mishaps
 *   HANDOFF_FAKE_GPU_COUNT=file  at exit, a line "role pid function calls" for each function called
 *   HANDOFF_FAKE_GPU_CONTEXTS=most:ever:file  processes have at most so many contexts at once, and
 *       so many in all; the file, which need not be there, is for counting them
 *   HANDOFF_FAKE_GPU_STRICT=1  a process that leaves something behind exits with FAKE_EXIT_LEFT
 */
#ifndef HANDOFF_TESTS_FAKE_GPU_H
#define HANDOFF_TESTS_FAKE_GPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/gpu/gpu.h"

#define FAKE_EXIT_LEFT 86

/* ---- For tests ------------------------------------------------------------------------------- */

/* Weak, so that a test which is also built for a real GPU can ask `if (fake_gpu_fail)`. */

/* The n-th call from now, counted from 1, of `function` fails in this process (NULL: none does). */
void fake_gpu_fail(const char *function, unsigned n, bool later) __attribute__((weak));
/* How often it was called since the process began. */
unsigned fake_gpu_calls(const char *function) __attribute__((weak));
/* Live objects: allocations, registrations, streams, events, launchers. */
unsigned fake_gpu_left(void) __attribute__((weak));

/* ---- Calls (fake_gpu_calls.c) ---------------------------------------------------------------- */

/* Counts the call; ST_OK unless it is to fail: because it was asked for or the context is broken.
 * A GPU that is not open (gpu NULL or closed): aborts. `gpu` is not looked at when `opens`. */
enum status fake_enter(const struct gpu *gpu, const char *function, struct err *err);
/* For functions that need no GPU and for those that cannot fail. */
enum status fake_enter_without(const char *function, struct err *err);
void fake_note(const struct gpu *gpu, const char *function);
#define FAKE_ENTER(gpu, err)                                       \
    do {                                                           \
        enum status fake_entered = fake_enter(gpu, __func__, err); \
        if (fake_entered != ST_OK)                                 \
            return fake_entered;                                   \
    } while (0)
/* True once after a call that was to fail later. */
bool fake_fails_later(void);

/* A setting of this process, or its default. */
int fake_setting(const char *key, int otherwise);
/* Work is late by 0 to this many microseconds. */
uint32_t fake_delay_us(void);
bool fake_strict(void);
/* Tells what the program did wrong, and aborts. */
_Noreturn void fake_abort(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The process will exit with FAKE_EXIT_LEFT if the environment says so. */
void fake_tell_left(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- The device (fake_gpu.c) ----------------------------------------------------------------- */

enum fake_object { FAKE_EVENT, FAKE_LAUNCHER, FAKE_SHARED_END, FAKE_OBJECTS };

struct gpu {
    atomic_bool open;
    atomic_bool broken;
    char why[256]; /* of broken; written before it */
    pthread_mutex_t lock;
    struct gpu_stream *streams; /* open ones, and closed ones with work left */
    atomic_uint live[FAKE_OBJECTS];
    atomic_uint peers_awaited; /* work that waits for an event of another process */
};

/* The one there is. */
extern struct gpu fake_gpu;

/* Illegal accesses and the like: from here on every call fails. */
void fake_break(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* %globaltimer: off from CLOCK_MONOTONIC, drifting against it, in steps of 32 ns; the same in all
 * processes. */
uint64_t fake_globaltimer_ns(void);

/* ---- Memory (fake_gpu_regions.c) ------------------------------------------------------------- */

enum fake_kind { FAKE_DEVICE, FAKE_PINNED, FAKE_REGISTERED, FAKE_MANAGED, FAKE_SHARED, FAKE_KINDS };

/* A piece of memory that the GPU knows. */
struct fake_region {
    bool used;
    enum fake_kind kind;
    uint8_t *device; /* its address for kernels: an inaccessible mapping, but for managed memory */
    uint8_t *host;   /* its address for the CPU, or NULL */
    uint8_t *real;   /* where the fake itself finds the bytes */
    size_t bytes;
    int fd;            /* owned, or -1 */
    bool accessible;   /* false: shared memory without set-access */
    bool turns;        /* managed memory of which only one side may have its hands on */
    bool turn_of_host; /* whose turn it is */
    const struct gpu_stream *turn_of; /* not the host's: this stream's, and no other's */
};

enum fake_use {
    FAKE_USE_KERNEL, /* what a kernel may touch */
    FAKE_USE_COPY,   /* what a copy may: any host memory as well */
    FAKE_USE_WORD,   /* what stream waits and writes may: no managed memory */
};
/* Where `bytes` bytes at `address` really are; NULL, and *why, where the GPU may not touch them. */
void *fake_translate(const void *address, size_t bytes, enum fake_use use, const char **why);
/* The same for a running kernel: breaks the context. */
void *fake_reach(const char *what, const void *address, size_t bytes);

/* A new region over a descriptor (owned by it from here on, also on failure); *device is its
 * address. `host_too` maps it for the CPU, too. */
enum status fake_region_make(enum fake_kind kind, int fd, size_t bytes, bool accessible,
                             void **device, void **host, struct err *err);
/* Ends the region that begins at `address` (device for kinds without a host address, else host) and
 * is of this kind, after all streams have done their work; aborts when there is none. */
void fake_region_end(enum fake_kind kind, void *address, const char *function);
/* A fresh memfd filled with junk; -1 with err set. */
int fake_memory_make(const char *label, size_t bytes, bool zeroed, struct err *err);
void fake_regions_count(unsigned counts[FAKE_KINDS]);
uint64_t fake_device_bytes(void);
/* Makes host memory reachable; why that cannot be, or NULL. */
const char *fake_region_register(void *host, size_t size_bytes, void **device);
/* A new descriptor of whole pages of one allocation, or -1. */
int fake_region_export(enum fake_kind kind, const void *device, size_t size_bytes);
/* From now on only one side may touch this managed memory, the host first; then whose turn it is:
 * that of work on `stream`, or (NULL) the host's. */
void fake_managed_take_turns(const void *memory);
void fake_managed_turn(void *memory, const struct gpu_stream *stream);
bool fake_managed_begins(const void *memory);

/* ---- Descriptors by name (fake_gpu_shared.c) ------------------------------------------------- */

/* Legacy handles carry no descriptor: these bytes name one in another process. */
struct fake_handle {
    uint64_t magic;
    uint64_t token;
    uint64_t bytes;
    int32_t pid;
    int32_t fd;
};
/* Opens what the handle names; -1 with err set when it is not (or no longer) there. */
int fake_handle_open(const struct fake_handle *handle, const char *label, struct err *err);
/* A token that no other memory has. */
uint64_t fake_token(void);
/* "fake-gpu-<label>-<token>". */
void fake_label(const char *label, uint64_t token, char *text, size_t size);

/* ---- Streams (fake_gpu_stream.c) ------------------------------------------------------------- */

#define FAKE_WORK_BYTES 192
/* One piece of work: gets a copy of its arguments on the stream's thread. Not `go`: the context is
 * broken, and nothing is to be done but letting go of what the arguments hold. */
typedef void (*fake_run)(struct gpu_stream *stream, void *arguments, bool go);
/* Enqueues; waits only for a full queue. `size_bytes` up to FAKE_WORK_BYTES. */
void fake_enqueue(struct gpu_stream *stream, fake_run run, const void *arguments,
                  size_t size_bytes);
/* Aborts when there is no such stream open; its GPU. */
struct gpu *fake_stream_check(const struct gpu_stream *stream, const char *function);
#define STREAM_ENTER(stream, err) FAKE_ENTER(fake_stream_check(stream, __func__), err)
/* Whose work this thread does; NULL on the program's threads. */
const struct gpu_stream *fake_stream_running(void);
/* In loops of running work: the context broke or the process closes. */
bool fake_called_off(const struct gpu_stream *stream);
/* A turn of a loop that looks for something: gives the CPU away, sleeps after a while. */
void fake_relax(unsigned *turns);
/* Waits for all work of all streams, as freeing memory does. Work that does not end in half a
 * second is told and called off. */
void fake_settle(const char *function);
/* Ends the streams that were closed; counts those that were not. */
unsigned fake_streams_end(void);
unsigned fake_streams_open(void);

#endif

/* trace.h: the raw stamps of one role, in memory shared with the runner.
 *
 * One writer (the role), one record per frame, nothing but stores on the hot path. The runner maps
 * the same memory and folds it between launches. A record is one cache line.
 */
#ifndef HANDOFF_MEASURE_TRACE_H
#define HANDOFF_MEASURE_TRACE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

/* Stamps in nanoseconds of the cell's clock; 0 = not taken, never invented. */
enum producer_stamp {
    STAMP_DUE,      /* the schedule wanted the frame (only where there is a schedule) */
    STAMP_WOKE,     /* the pacer returned */
    STAMP_READY,    /* the frame is whole in the source's hands */
    STAMP_RESERVED, /* the transport lent a slot */
    STAMP_FILLED,   /* it is where the transport takes it from, just before the first commit call */
    STAMP_COMMITTED, /* the commit has completed */
    STAMP_NOTIFIED,  /* the wake call returned */
};
enum consumer_stamp {
    STAMP_WAITING,  /* the consumer began to wait for this frame */
    STAMP_SEEN,     /* its wait returned with news of it */
    STAMP_ACQUIRED, /* every byte is readable */
    STAMP_ACCESSED, /* the bytes are where the kernel reads them */
    STAMP_DONE,     /* the kernel has finished */
    STAMP_RELEASED, /* the frame was given back */
};
#define TRACE_STAMPS 7

/* What the GPU stamped, mapped to the cell's clock when the role has ended (run/gpu_clock.h). They
 * lie behind the records, so that the hot path of a role without a GPU never comes near them. The
 * producer has `filled` alone. */
enum gpu_stamp {
    STAMP_GPU_FILLED, /* producer: the fill kernel has written the frame */
    STAMP_GPU_BEGIN,  /* consumer: the first block of the kernel began */
    STAMP_GPU_END,    /* consumer: its last block ended */
};
#define TRACE_GPU_STAMPS 3
/* GPU stamps that may be off by more than this are no stamps. */
#define TRACE_GPU_ERROR_MAX_NS 1000000u
struct trace_gpu_record {
    uint64_t stamps_ns[TRACE_GPU_STAMPS]; /* by enum gpu_stamp; 0 = not taken */
    uint64_t spare;
};

enum trace_flags {
    TRACE_FRAME_TORN = 1 << 0,     /* consumer: a tag or the checksum was wrong */
    TRACE_FRAME_CHECKED = 1 << 1,  /* consumer: the integrity of this frame was looked at */
    TRACE_FRAME_BAD_SHAPE = 1 << 2 /* consumer: the header's size is not the cell's */
};

struct trace_record {
    uint64_t stamps_ns[TRACE_STAMPS]; /* by enum producer_stamp or consumer_stamp */
    int32_t frame_id;
    uint32_t flags;
};
_Static_assert(sizeof(struct trace_record) == 64, "a record is one cache line");

#define TRACE_MAGIC 0x63617274u /* "trac" */

/* The mapping: this header, then `capacity` records. Records [0, count) are whole. The producer has
 * one record per frame sent, the consumer one per frame acquired, in order of arrival. */
struct trace {
    uint32_t magic;
    uint32_t capacity;
    _Atomic uint32_t count;
    uint32_t overflowed;   /* frames that found no room: repeats beyond the capacity */
    uint32_t has_gpu;      /* set by the role when it has written gpu records */
    uint32_t gpu_error_ns; /* how far a GPU stamp may be off the cell's clock */
    char padding[40];
    struct trace_record records[]; /* `capacity`, and behind them as many trace_gpu_records */
};

static inline size_t trace_bytes(uint32_t capacity)
{
    return sizeof(struct trace) +
           (size_t)capacity * (sizeof(struct trace_record) + sizeof(struct trace_gpu_record));
}

/* The GPU's stamps of record `index`, below capacity. */
static inline struct trace_gpu_record *trace_gpu_record(struct trace *trace, uint32_t index)
{
    return (struct trace_gpu_record *)(void *)(trace->records + trace->capacity) + index;
}
static inline const struct trace_gpu_record *trace_gpu_record_of(const struct trace *trace,
                                                                 uint32_t index)
{
    return (const struct trace_gpu_record *)(const void *)(trace->records + trace->capacity) +
           index;
}

/* Writes the header of a fresh (zeroed) mapping of trace_bytes(capacity) bytes. */
void trace_init(struct trace *trace, uint32_t capacity);

/* ST_OK when a mapping of `bytes` bytes holds a trace with room for its capacity; ST_CORRUPT
 * otherwise. Call before trusting a trace that another process wrote. */
enum status trace_check(const struct trace *trace, size_t bytes, struct err *err);

#endif

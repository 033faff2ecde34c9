/* trace.c: laying out a trace, and checking one that another process wrote. See trace.h. */
#include "harness/measure/trace.h"

#include <string.h>

void trace_init(struct trace *trace, uint32_t capacity)
{
    memset(trace, 0, sizeof *trace);
    trace->magic = TRACE_MAGIC;
    trace->capacity = capacity;
    atomic_store_explicit(&trace->count, 0, memory_order_release);
}

enum status trace_check(const struct trace *trace, size_t bytes, struct err *err)
{
    static const char hint[] = "a role overwrote its trace or did not set it up; this is a bug";
    if (bytes < sizeof *trace)
        return err_set(err, ST_CORRUPT, hint, "trace: %zu bytes have no room for its header",
                       bytes);
    if (trace->magic != TRACE_MAGIC)
        return err_set(err, ST_CORRUPT, hint, "trace: begins with 0x%08x, not with its mark",
                       trace->magic);
    uint32_t capacity = trace->capacity;
    const size_t each = sizeof(struct trace_record) + sizeof(struct trace_gpu_record);
    if ((bytes - sizeof *trace) / each < capacity)
        return err_set(err, ST_CORRUPT, hint, "trace: %zu bytes have no room for %u records", bytes,
                       capacity);
    uint32_t count = atomic_load_explicit(&trace->count, memory_order_acquire);
    if (count > capacity)
        return err_set(err, ST_CORRUPT, hint, "trace: %u records in room for %u", count, capacity);
    return ST_OK;
}

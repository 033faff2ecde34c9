/* peer_trace.c: see peer_trace.h. Records are written out in a byte order of their own, whatever
 * the two processors have.
 */
#include "harness/run/peer_trace.h"

#include "harness/base/json.h"
#include "harness/measure/clock.h"

#define PEER_RECORD_BYTES (8 * TRACE_STAMPS + 4 + 4)
#define PEER_RECORDS_PER_MESSAGE 500u

static void peer_record_write(const struct trace_record *record, uint8_t *bytes)
{
    for (int i = 0; i < TRACE_STAMPS; i++)
        peer_put_u64(bytes + 8 * i, record->stamps_ns[i]);
    peer_put_u32(bytes + 8 * TRACE_STAMPS, (uint32_t)record->frame_id);
    peer_put_u32(bytes + 8 * TRACE_STAMPS + 4, record->flags);
}

static void peer_record_read(const uint8_t *bytes, struct trace_record *record)
{
    for (int i = 0; i < TRACE_STAMPS; i++)
        record->stamps_ns[i] = peer_get_u64(bytes + 8 * i);
    record->frame_id = (int32_t)peer_get_u32(bytes + 8 * TRACE_STAMPS);
    record->flags = peer_get_u32(bytes + 8 * TRACE_STAMPS + 4);
}

enum status peer_trace_send(struct peer_link *link, const struct trace *trace, struct err *err)
{
    uint8_t bytes[PEER_RECORDS_PER_MESSAGE * PEER_RECORD_BYTES];
    const uint32_t count = atomic_load_explicit(&trace->count, memory_order_acquire);
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "type", "trace");
    json_add_u64(json, "count", count);
    json_add_u64(json, "overflowed", trace->overflowed);
    enum status status = peer_link_send_json(link, json, err);
    for (uint32_t next = 0; next < count && status == ST_OK;) {
        uint32_t used = 0;
        for (; used < PEER_RECORDS_PER_MESSAGE && next < count; used++, next++)
            peer_record_write(&trace->records[next], bytes + used * PEER_RECORD_BYTES);
        status = peer_link_send(link, PEER_KIND_TRACE, bytes, used * PEER_RECORD_BYTES, err);
    }
    return status;
}

enum status peer_trace_receive(struct peer_link *link, const cJSON *head, struct trace *trace,
                               struct err *err)
{
    int64_t count, overflowed;
    uint32_t got = 0;
    if (!json_whole(json_get(head, "count"), 0, trace->capacity, &count) ||
        !json_whole(json_get(head, "overflowed"), 0, UINT32_MAX, &overflowed))
        return err_set(err, ST_CORRUPT, NULL, "%s sent no trace of this launch", link->name);
    while (got < (uint32_t)count) {
        struct peer_message message = {0};
        enum status status =
            peer_link_receive(link, clock_monotonic_ns() + 4 * link->timeout_ns, &message, err);
        if (status != ST_OK)
            return status;
        const uint32_t records = message.size_bytes / PEER_RECORD_BYTES;
        const bool fits = message.kind == PEER_KIND_TRACE && records > 0 &&
                          message.size_bytes % PEER_RECORD_BYTES == 0 &&
                          records <= (uint32_t)count - got;
        for (uint32_t i = 0; fits && i < records; i++)
            peer_record_read(message.bytes + i * PEER_RECORD_BYTES, &trace->records[got++]);
        peer_message_clear(&message);
        if (!fits)
            return err_set(err, ST_CORRUPT, NULL, "%s sent a trace that is none", link->name);
    }
    trace->overflowed = (uint32_t)overflowed;
    atomic_store_explicit(&trace->count, (uint32_t)count, memory_order_release);
    return ST_OK;
}

void peer_trace_map(struct trace *trace, const struct peer_clock *clock)
{
    const uint32_t count = atomic_load_explicit(&trace->count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        for (int j = 0; j < TRACE_STAMPS; j++)
            trace->records[i].stamps_ns[j] =
                peer_clock_to_ours_ns(clock, trace->records[i].stamps_ns[j]);
}

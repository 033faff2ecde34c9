/* producer_gpu_frame.c: the hot path of the producer on the GPU; see producer_gpu.c.
 */
#include "harness/run/producer_gpu.h"

enum status producer_gpu_collect(struct producer_gpu *producer, const struct role *role,
                                 uint32_t id, struct err *err)
{
    const struct launch_report *report = &producer->reports[id & producer->report_mask];
    enum status status =
        role_gpu_await_word(&producer->watch, &report->done, id + 1, "the end of a fill", err);
    if (status != ST_OK)
        return status;
    uint64_t begin_ns;
    launch_report_stamps(report, &begin_ns,
                         &trace_gpu_record(role->trace, id)->stamps_ns[STAMP_GPU_FILLED]);
    producer->collected = id + 1;
    return ST_OK;
}

/* Where kernels find the slot. */
static inline uint8_t *producer_gpu_payload(const struct producer_gpu *producer,
                                            const struct frame *frame)
{
    if (producer->memory)
        return producer->memory_device + (frame->payload - producer->memory);
    return frame->device_payload;
}

static inline enum status producer_gpu_fill(struct producer_gpu *producer, const struct role *role,
                                            uint32_t id, const struct frame *frame, struct err *err)
{
    /* The entry's last user must be done. It is, except that a consumer may be slow. */
    if (id > producer->report_mask && producer->collected <= id - producer->report_mask - 1) {
        enum status status =
            producer_gpu_collect(producer, role, id - producer->report_mask - 1, err);
        if (status != ST_OK)
            return status;
    }
    struct launch_work work = producer->work;
    work.payload = producer_gpu_payload(producer, frame);
    work.frame_id = (int32_t)id;
    work.source_index = id % CELL_SOURCE_FRAMES;
    work.report = &producer->reports_device[id & producer->report_mask];
    work.done_value = id + 1;
    const struct role_gpu_lane *lane = role_gpu_lane(&producer->gpu, id);
    return launcher_enqueue(lane->launcher, lane->stream, &work, err);
}

/* Puts the frame's work on the stream. */
static enum status producer_gpu_enqueue(struct producer_gpu *producer, const struct role *role,
                                        uint32_t id, const struct frame *frame, struct err *err)
{
    struct gpu_stream *stream = role_gpu_lane(&producer->gpu, id)->stream;
    enum status status = ST_OK;
    if (frame->fence.event)
        status = gpu_stream_wait_event(stream, frame->fence.event, err);
    if (status == ST_OK && producer->cell->fill == FILL_GPU)
        return producer_gpu_fill(producer, role, id, frame, err);
    if (status != ST_OK || frame->payload_bytes == 0)
        return status;
    status = gpu_stream_copy(stream, frame->device_payload,
                             source_frames_payload(&producer->common.source, (int32_t)id),
                             frame->payload_bytes, err);
    producer->common.filled_bytes += frame->payload_bytes;
    if (status == ST_OK && producer->uploaded)
        status = gpu_stream_write_value(stream, producer->uploaded_device, id + 1, err);
    return status;
}

/* Order host: until the frame's work is done, as the axis sync says. */
static enum status producer_gpu_await(struct producer_gpu *producer, const struct role *role,
                                      uint32_t id, struct err *err)
{
    const bool fills = producer->cell->fill == FILL_GPU;
    enum status status;
    if (producer->gpu.sync == GPU_SYNC_FLAG && fills)
        return producer_gpu_collect(producer, role, id, err);
    if (producer->uploaded)
        return role_gpu_await_word(&producer->watch, producer->uploaded, id + 1,
                                   "the end of an upload", err);
    if (producer->gpu.sync == GPU_SYNC_EVENT) {
        status = gpu_event_record(producer->event, producer->gpu.stream, err);
        if (status == ST_OK)
            status =
                role_gpu_await_event(&producer->watch, producer->event, "the end of a fill", err);
    } else {
        /* Spin, yield and block. */
        status = gpu_stream_synchronize(producer->gpu.stream, err);
    }
    return status;
}

static inline void producer_gpu_header(const struct producer_gpu *producer, int32_t id,
                                       uint64_t timestamp_ns, const struct frame *frame)
{
    const struct frame_header header = {
        .timestamp_ns = (int64_t)timestamp_ns,
        .width = producer->cell->geometry.width,
        .height = producer->cell->geometry.height,
        .channels = producer->cell->geometry.channels,
        .frame_id = id,
    };
    frame_header_encode(&header, frame->header);
}

/* Between reserve and commit. With fill copy `ready` was before reserve; with order host and fill
 * gpu it is when the wait is over, and with order event nobody here knows: the header then has the
 * time at which the fill was enqueued. */
static enum status producer_gpu_bring(struct producer_gpu *producer, const struct role *role,
                                      int32_t id, const struct frame *frame, uint64_t *stamps,
                                      struct err *err)
{
    const bool fills = producer->cell->fill == FILL_GPU;
    enum status status = producer_gpu_enqueue(producer, role, (uint32_t)id, frame, err);
    PRODUCER_FAULT("enqueued", id);
    if (status != ST_OK)
        return status;
    if (producer->cell->order == ORDER_EVENT) {
        producer_gpu_header(producer, id, stamps[fills ? STAMP_RESERVED : STAMP_READY], frame);
        return frame->mark.event
                   ? gpu_event_record(frame->mark.event,
                                      role_gpu_lane(&producer->gpu, (uint32_t)id)->stream, err)
                   : ST_OK;
    }
    /* A header alone is no work of the GPU's. */
    if (fills || frame->payload_bytes > 0)
        status = producer_gpu_await(producer, role, (uint32_t)id, err);
    if (status != ST_OK)
        return status;
    stamps[STAMP_FILLED] = stamp_now_ns();
    if (fills)
        stamps[STAMP_READY] = stamps[STAMP_FILLED];
    producer_gpu_header(producer, id, stamps[STAMP_READY], frame);
    if (fills && producer->collected <= (uint32_t)id)
        status = producer_gpu_collect(producer, role, (uint32_t)id, err);
    return status;
}

uint64_t producer_gpu_look_ns(const struct producer_gpu *producer, const struct role *role,
                              uint64_t now_ns)
{
    if (producer->cell->order == ORDER_HOST || role->deadline_ns < now_ns + PRODUCER_GPU_LOOK_NS)
        return role->deadline_ns;
    return now_ns + PRODUCER_GPU_LOOK_NS;
}

/* No slot came, or not for a while. With order event this role never waits for its own work: if that
 * is what broke, the other waits for an event that will not come, and the cause is here. ST_AGAIN:
 * nothing broke, and there is time left. */
static enum status __attribute__((cold))
producer_gpu_no_slot(struct producer_gpu *producer, const struct role *role, enum status status,
                     struct err *err)
{
    struct err own;
    const enum status work = role_gpu_poll(&producer->gpu, &own);
    const uint64_t now_ns = clock_now_ns();
    if (work != ST_OK && work != ST_AGAIN) {
        *err = own;
        return err_context(err, "no free slot came, and the work on the GPU has failed");
    }
    if (status != ST_TIMEOUT || now_ns >= role->deadline_ns)
        return status;
    producer->common.loop.deadline_ns = producer_gpu_look_ns(producer, role, now_ns);
    return ST_AGAIN;
}

enum status producer_gpu_frame(struct producer_gpu *producer, const struct role *role, int32_t id,
                               uint64_t *stamps, struct err *err)
{
    struct producer *common = &producer->common;
    const bool fills = producer->cell->fill == FILL_GPU;
    struct frame frame = {0};
    if (!fills)
        producer_prepare_source(common, role, id);
    enum status status;
    /* In ping-pong this waits for the slot. */
    while ((status = producer_pace(common, role, id, &frame, stamps, err)) != ST_OK)
        if ((status = producer_gpu_no_slot(producer, role, status, err)) != ST_AGAIN)
            return status;
    PRODUCER_FAULT("woke", id);
    if (!fills) {
        stamps[STAMP_READY] = stamp_now_ns();
        PRODUCER_FAULT("ready", id);
    }
    while ((status = wait_loop_reserve(&common->loop, &frame, err)) != ST_OK)
        if ((status = producer_gpu_no_slot(producer, role, status, err)) != ST_AGAIN)
            return status;
    stamps[STAMP_RESERVED] = stamp_now_ns();
    PRODUCER_FAULT("reserved", id);
    status = producer_gpu_bring(producer, role, id, &frame, stamps, err);
    if (status != ST_OK)
        return status;
    PRODUCER_FAULT("filled", id);
    status = wait_loop_commit(&common->loop, &frame, err);
    if (status != ST_OK)
        return status;
    stamps[STAMP_COMMITTED] = stamp_now_ns();
    PRODUCER_FAULT("committed", id);
    if (common->loop.notifies) {
        wait_loop_notify(&common->loop);
        stamps[STAMP_NOTIFIED] = stamp_now_ns();
    }
    return ST_OK;
}

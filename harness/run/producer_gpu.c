/* producer_gpu.c: the sending role on the GPU: it fills frames by a kernel (fill gpu), or uploads its
 * source frames to a transport in device memory (fill copy).
 *
 * Order host: the role waits for its own work (axis sync), and the frame is ready and filled when the
 * wait is over. Order event: it puts an event behind the work and commits at once; when the frame was
 * whole only the GPU can tell, so ready and filled are the fill kernel's end, taken from its report
 * and converted when the run is over. Nothing is waited for then but free slots, so that the GPU
 * never runs out of work at pacing max.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/run/producer_parts.h"
#include "harness/run/role_gpu.h"

/* How long the last frames' work may take to leave the GPU. */
#define PRODUCER_GPU_END_NS 1000000000u

struct producer_gpu {
    struct producer common;
    struct role_gpu gpu;
    const struct cell *cell;
    struct gpu_event *event; /* order host, sync event */
    void *registered;        /* host memory registered here, or NULL */
    const uint8_t *memory;   /* fill gpu of host memory: where the endpoint's begins */
    uint8_t *memory_device;  /* and for kernels */
    struct launch_work work; /* fill gpu: what is the same for all frames */
    /* Reports of the fills, pinned: of frame id in reports[id & report_mask]; more than there can be
     * fills under way. */
    struct launch_report *reports;
    struct launch_report *reports_device;
    uint32_t report_mask;
    uint32_t collected; /* frames whose stamp is in the trace */
    struct role_gpu_watch watch;
};

/* ---- Preparing and undoing --------------------------------------------------------------------- */

static void producer_gpu_clean_up(void *state)
{
    struct producer_gpu *producer = state;
    if (!producer)
        return;
    struct gpu *gpu = producer->gpu.stuck ? NULL : producer->gpu.gpu;
    if (gpu) {
        gpu_event_close(producer->event);
        if (producer->registered)
            gpu_unregister(gpu, producer->registered);
        gpu_pinned_free(gpu, producer->reports);
    }
    if (!producer->gpu.stuck)
        producer_close(&producer->common);
    role_gpu_close(&producer->gpu);
    free(producer);
}

/* Host memory that kernels or copies of this process touch; once, and its cost is reported. */
static enum status producer_gpu_register(struct producer_gpu *producer, void *bytes, size_t size,
                                         uint8_t **device, struct err *err)
{
    void *registered;
    const uint64_t begin_ns = clock_now_ns();
    const enum status status = gpu_register(producer->gpu.gpu, bytes, size, &registered, err);
    if (status != ST_OK)
        return err_context(err, "registering the producer's memory");
    producer->gpu.report.registration_ns = clock_now_ns() - begin_ns;
    producer->registered = bytes;
    *device = registered;
    return ST_OK;
}

static enum status producer_gpu_open_memory(struct producer_gpu *producer, struct err *err)
{
    const struct transport *transport = producer->cell->transport;
    struct source_frames *source = &producer->common.source;
    struct transport_memory memory = {0};
    uint8_t *device;
    if (producer->cell->fill == FILL_COPY && source->size_bytes > 0)
        return producer_gpu_register(producer, source->bytes, source->size_bytes, &device, err);
    if (producer->cell->fill != FILL_GPU || transport->flags & TRANSPORT_DEVICE_MEMORY)
        return ST_OK;
    if (transport->memory)
        transport->memory(producer->common.endpoint, &memory);
    if (!memory.bytes)
        return err_set(err, ST_NOT_APPLICABLE, "use transport shm, or fill copy",
                       "fill gpu needs slots in memory, and transport %s has none to register",
                       transport->name);
    producer->memory = memory.bytes;
    return producer_gpu_register(producer, memory.bytes, memory.size_bytes,
                                 &producer->memory_device, err);
}

/* The fills under way are bounded: `slots` frames committed and not released, and with order event
 * those that the consumer released while their work stands on its stream, at most `depth`. */
static enum status producer_gpu_open_reports(struct producer_gpu *producer, struct err *err)
{
    uint32_t count = 4;
    void *host, *device;
    while (count < producer->cell->slots + producer->cell->depth + 2)
        count *= 2;
    enum status status =
        gpu_pinned_alloc(producer->gpu.gpu, count * sizeof *producer->reports, &host, &device, err);
    if (status != ST_OK)
        return err_context(err, "the reports of fills");
    producer->reports = host;
    producer->reports_device = device;
    producer->report_mask = count - 1;
    return ST_OK;
}

static enum status producer_gpu_prepare(struct role *role, void **state, struct err *err)
{
    const struct cell *cell = &role->setup.cell;
    struct producer_gpu *producer = calloc(1, sizeof *producer);
    if (!producer)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the producer");
    *state = producer; /* role_work cleans up, whatever happens from here on */
    producer->cell = cell;
    /* First of all, so that the two roles' contexts are made at the same time. */
    enum status status = role_gpu_open(cell, &producer->gpu, err);
    if (status == ST_OK)
        status = producer_open(role, &producer->common, producer->gpu.gpu, err);
    if (status == ST_OK)
        status = producer_gpu_open_memory(producer, err);
    if (status == ST_OK && cell->sync == GPU_SYNC_EVENT && cell->order == ORDER_HOST)
        status = gpu_event_open(producer->gpu.gpu, 0, &producer->event, err);
    if (status == ST_OK && cell->fill == FILL_GPU)
        status = producer_gpu_open_reports(producer, err);
    if (status != ST_OK)
        return status;
    producer->work = (struct launch_work){
        .kind = LAUNCH_FILL,
        .payload_bytes = cell_payload_bytes(cell),
        .geometry = cell->geometry,
        .seed = role->setup.seed,
    };
    /* Only fills report stamps. */
    return cell->fill == FILL_GPU ? role_gpu_clock_begin(&producer->gpu, err) : ST_OK;
}

/* ---- One frame --------------------------------------------------------------------------------- */

/* Waits for the fill of frame `id` by its report, and keeps its stamp. */
static enum status producer_gpu_collect(struct producer_gpu *producer, const struct role *role,
                                        uint32_t id, struct err *err)
{
    const struct launch_report *report = &producer->reports[id & producer->report_mask];
    enum status status =
        role_gpu_await_word(&producer->watch, &report->done, id + 1, "the end of a fill", err);
    if (status != ST_OK)
        return status;
    trace_gpu_record(role->trace, id)->stamps_ns[STAMP_GPU_FILLED] = report->end_ns;
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
    return launcher_enqueue(producer->gpu.launcher, producer->gpu.stream, &work, err);
}

/* Puts the frame's work on the stream. */
static enum status producer_gpu_enqueue(struct producer_gpu *producer, const struct role *role,
                                        uint32_t id, const struct frame *frame, struct err *err)
{
    enum status status = ST_OK;
    if (frame->fence.event)
        status = gpu_stream_wait_event(producer->gpu.stream, frame->fence.event, err);
    if (status == ST_OK && producer->cell->fill == FILL_GPU)
        return producer_gpu_fill(producer, role, id, frame, err);
    if (status != ST_OK || frame->payload_bytes == 0)
        return status;
    status = gpu_stream_copy(producer->gpu.stream, frame->device_payload,
                             source_frames_payload(&producer->common.source, (int32_t)id),
                             frame->payload_bytes, err);
    producer->common.filled_bytes += frame->payload_bytes;
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
    if (producer->gpu.sync == GPU_SYNC_EVENT) {
        status = gpu_event_record(producer->event, producer->gpu.stream, err);
        if (status == ST_OK)
            status =
                role_gpu_await_event(&producer->watch, producer->event, "the end of a fill", err);
    } else {
        /* Spin, yield and block; and an upload raises no flag. */
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

/* Between reserve and commit. With fill copy `ready` was before reserve; with order host and fill gpu
 * it is when the wait is over, and with order event nobody here knows: the header then has the time
 * at which the fill was enqueued. */
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
        return frame->mark.event ? gpu_event_record(frame->mark.event, producer->gpu.stream, err)
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

/* One frame, as producer_frame of producer.c. */
static inline enum status producer_gpu_frame(struct producer_gpu *producer, const struct role *role,
                                             int32_t id, uint64_t *stamps, struct err *err)
{
    struct producer *common = &producer->common;
    const bool fills = producer->cell->fill == FILL_GPU;
    struct frame frame = {0};
    if (!fills)
        producer_prepare_source(common, role, id);
    enum status status = producer_pace(common, role, id, &frame, stamps, err);
    if (status != ST_OK)
        return status;
    PRODUCER_FAULT("woke", id);
    if (!fills)
        stamps[STAMP_READY] = stamp_now_ns();
    status = wait_loop_reserve(&common->loop, &frame, err);
    if (status != ST_OK)
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

/* ---- The run ----------------------------------------------------------------------------------- */

static enum status producer_gpu_frames(struct producer_gpu *producer, struct role *role,
                                       struct usage *begin, struct err *err)
{
    const uint32_t total = role_setup_total(&role->setup);
    for (uint32_t id = 0; id < total; id++) {
        if (id == role->setup.warmup)
            usage_self(begin);
        struct trace_record *record = role_record(role->trace);
        if (!record)
            return err_set(err, ST_CORRUPT, NULL, "the producer's trace is full at frame %u", id);
        record->frame_id = (int32_t)id;
        enum status status =
            producer_gpu_frame(producer, role, (int32_t)id, record->stamps_ns, err);
        if (status != ST_OK)
            return err_context(err, "producer, frame %u", id);
        role_record_publish(role->trace);
    }
    return ST_OK;
}

static enum status producer_gpu_run(struct role *role, void *state, struct role_report *report,
                                    struct err *err)
{
    struct producer_gpu *producer = state;
    const uint32_t total = role_setup_total(&role->setup);
    struct usage begin = {0};
    producer->common.loop.deadline_ns = role->deadline_ns;
    producer->watch =
        (struct role_gpu_watch){.stream = producer->gpu.stream, .deadline_ns = role->deadline_ns};
    if (!cell_has_schedule(producer->cell))
        clock_sleep_until_ns(role->start_ns);
    enum status status = producer_gpu_frames(producer, role, &begin, err);
    if (status != ST_OK) {
        struct err ignored;
        (void)role_gpu_await_idle(&producer->gpu, producer->gpu.stream, PRODUCER_GPU_END_NS,
                                  &ignored);
        return status;
    }
    status = producer_report(&producer->common, total, &begin, report, err);
    for (uint32_t id = producer->collected;
         status == ST_OK && producer->cell->fill == FILL_GPU && id < total; id++)
        status = producer_gpu_collect(producer, role, id, err);
    if (status == ST_OK)
        status =
            role_gpu_await_idle(&producer->gpu, producer->gpu.stream, PRODUCER_GPU_END_NS, err);
    report->gpu = producer->gpu.report;
    return status;
}

/* The GPU's stamps become times of the cell's clock; with order event they are ready and filled. */
static enum status producer_gpu_conclude(struct role *role, void *state, struct err *err)
{
    struct producer_gpu *producer = state;
    struct gpu_clock_map map;
    if (producer->cell->fill != FILL_GPU)
        return ST_OK;
    enum status status = role_gpu_clock_end(&producer->gpu, &map, err);
    if (status != ST_OK)
        return err_context(err, "producer");
    for (uint32_t id = 0; id < producer->collected; id++) {
        uint64_t *filled_ns = &trace_gpu_record(role->trace, id)->stamps_ns[STAMP_GPU_FILLED];
        *filled_ns = gpu_clock_to_host_ns(&map, *filled_ns);
        if (producer->cell->order != ORDER_EVENT)
            continue;
        role->trace->records[id].stamps_ns[STAMP_READY] = *filled_ns;
        role->trace->records[id].stamps_ns[STAMP_FILLED] = *filled_ns;
    }
    role->trace->gpu_error_ns = (uint32_t)map.error_ns;
    role->trace->has_gpu = 1;
    return ST_OK;
}

const struct role_kind role_producer_gpu = {
    .name = "producer",
    .prepare = producer_gpu_prepare,
    .run = producer_gpu_run,
    .conclude = producer_gpu_conclude,
    .clean_up = producer_gpu_clean_up,
};

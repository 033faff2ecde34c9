/* producer_gpu.c: the sending role on the GPU: it fills frames by a kernel (fill gpu), or uploads
 * its source frames to a transport in device memory (fill copy).
 *
 * Order host: the role waits for its own work (axis sync), and the frame is ready and filled when
 * the wait is over. Order event: it puts an event behind the work and commits at once; when the
 * frame was whole only the GPU can tell, so ready and filled are the fill kernel's end, taken from
 * its report and converted when the run is over. Nothing is waited for then but free slots, so that
 * the GPU never runs out of work at pacing max.
 */
#include <stdlib.h>

#include "harness/run/producer_gpu.h"

/* How long the last frames' work may take to leave the GPU. */
#define PRODUCER_GPU_END_NS 1000000000u

/* ---- Preparing and undoing ------------------------------------------------------------------- */

static void producer_gpu_clean_up(void *state)
{
    struct producer_gpu *producer = state;
    if (!producer)
        return;
    struct gpu *gpu = producer->gpu.stuck ? NULL : producer->gpu.gpu;
    wait_loop_hang_up(&producer->common.loop); /* whatever the GPU does, the consumer must hear */
    if (gpu) {
        gpu_event_close(producer->event);
        if (producer->registered)
            gpu_unregister(gpu, producer->registered);
        gpu_pinned_free(gpu, producer->reports);
        gpu_pinned_free(gpu, producer->uploaded);
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

/* What the role looks at to wait for its own work, by the axis sync; fills have their reports. */
static enum status producer_gpu_open_sync(struct producer_gpu *producer, struct err *err)
{
    const struct cell *cell = producer->cell;
    void *host, *device;
    if (cell->order != ORDER_HOST)
        return ST_OK;
    if (cell->sync == GPU_SYNC_EVENT)
        return gpu_event_open(producer->gpu.gpu, 0, &producer->event, err);
    if (cell->sync != GPU_SYNC_FLAG || cell->fill == FILL_GPU)
        return ST_OK;
    enum status status = gpu_pinned_alloc(producer->gpu.gpu, sizeof(uint32_t), &host, &device, err);
    if (status != ST_OK)
        return err_context(err, "the word behind uploads");
    producer->uploaded = host;
    producer->uploaded_device = device;
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
    if (status == ST_OK)
        status = producer_gpu_open_sync(producer, err);
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

/* ---- The run --------------------------------------------------------------------------------- */

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

/* All is committed: what the role came to, and the fills' stamps that nobody has asked for yet. */
static enum status producer_gpu_finish(struct producer_gpu *producer, const struct role *role,
                                       const struct usage *begin, struct role_report *report,
                                       struct err *err)
{
    const uint32_t total = role_setup_total(&role->setup);
    enum status status = producer_report(&producer->common, total, begin, report, err);
    for (uint32_t id = producer->collected;
         status == ST_OK && producer->cell->fill == FILL_GPU && id < total; id++)
        status = producer_gpu_collect(producer, role, id, err);
    return status;
}

static enum status producer_gpu_run(struct role *role, void *state, struct role_report *report,
                                    struct err *err)
{
    struct producer_gpu *producer = state;
    struct usage begin = {0};
    producer->common.loop.deadline_ns = producer_gpu_look_ns(producer, role, role->start_ns);
    producer->watch =
        (struct role_gpu_watch){.stream = producer->gpu.stream, .deadline_ns = role->deadline_ns};
    if (!cell_has_schedule(producer->cell))
        clock_sleep_until_ns(role->start_ns);
    enum status status = producer_gpu_frames(producer, role, &begin, err);
    if (status == ST_OK)
        status = producer_gpu_finish(producer, role, &begin, report, err);
    report->gpu = producer->gpu.report;
    /* Whatever failed: what does not end must not be freed. */
    struct err ignored;
    if (status == ST_OK)
        return role_gpu_await_idle(&producer->gpu, PRODUCER_GPU_END_NS, err);
    (void)role_gpu_await_idle(&producer->gpu, ROLE_GPU_FAILED_NS, &ignored);
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

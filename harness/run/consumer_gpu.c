/* consumer_gpu.c: the receiving role on the GPU: what it prepares, and what it reports. See
 * consumer_gpu.h for the rest.
 *
 * What a cell needs is decided here once, so that the loops do not ask for each frame.
 */
#include "harness/run/consumer_gpu.h"

#include <stdlib.h>
#include <string.h>

#include "harness/measure/clock.h"
#include "harness/run/role_edge.h"
#include "harness/run/source_frames.h"

/* ---- Undoing --------------------------------------------------------------------------------- */

static void consumer_gpu_close_gpu(struct consumer_gpu *consumer)
{
    struct gpu *gpu = consumer->gpu.gpu;
    if (!gpu || consumer->gpu.stuck)
        return; /* what does not end only goes with the process */
    consumer_ahead_close(consumer);
    for (uint32_t i = 0; i < consumer->flight_count; i++)
        gpu_event_close(consumer->flights[i].event);
    if (consumer->access)
        consumer->access->close(consumer->access_state);
    launcher_close(consumer->side_launcher);
    gpu_stream_close(consumer->side_stream);
    gpu_device_free(gpu, consumer->output);
    gpu_pinned_free(gpu, consumer->reports);
}

static void consumer_gpu_clean_up(void *state)
{
    struct consumer_gpu *consumer = state;
    if (!consumer)
        return;
    wait_loop_hang_up(&consumer->loop);
    wait_loop_close(&consumer->loop);
    wait_pair_close(&consumer->waits);
    consumer_gpu_close_gpu(consumer);
    /* Registered memory was unregistered above; device memory goes before the GPU. */
    if (consumer->transport && !consumer->gpu.stuck)
        consumer->transport->destroy(consumer->endpoint);
    role_gpu_close(&consumer->gpu);
    free(consumer->flights);
    free(consumer);
}

/* ---- Preparing ------------------------------------------------------------------------------- */

static enum consumer_integrity consumer_gpu_integrity(const struct consumer_gpu *consumer)
{
    if (consumer->payload_bytes == 0)
        return INTEGRITY_NONE;
    if (consumer->cell->kernel->flags & KERNEL_CHECKSUM)
        return INTEGRITY_VALUE;
    if (consumer->cell->kernel->flags & KERNEL_READS_PAYLOAD)
        return INTEGRITY_REPORT;
    /* Nothing reads the frame. Where it was copied, the copy is what has to be right. */
    const bool in_device = (consumer->transport->flags & TRANSPORT_DEVICE_MEMORY) != 0;
    return in_device || consumer->access->enqueue ? INTEGRITY_KERNEL : INTEGRITY_HOST;
}

static enum consumer_completion consumer_gpu_completion(const struct consumer_gpu *consumer)
{
    switch (consumer->cell->sync) {
    case GPU_SYNC_FLAG:
        return COMPLETION_FLAG;
    case GPU_SYNC_EVENT:
        return COMPLETION_POLL;
    default: /* With a check enqueued behind the kernel, the end of the stream is not its end. */
        return consumer->cell->depth == 1 && !consumer->check_ahead ? COMPLETION_STREAM
                                                                    : COMPLETION_EVENT;
    }
}

/* All reports lie on lines that nothing else lies on, since GPU and CPU touch them in turns. */
static enum status consumer_gpu_open_flights(struct consumer_gpu *consumer, struct err *err)
{
    const struct cell *cell = consumer->cell;
    const bool has_events =
        consumer->completion == COMPLETION_EVENT || consumer->completion == COMPLETION_POLL;
    consumer->flight_count = cell->wait->on_gpu ? cell->slots : cell->depth;
    consumer->flights = calloc(consumer->flight_count, sizeof *consumer->flights);
    if (!consumer->flights)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the frames in flight");
    /* The reports of all flights first, as one array that a resident kernel can index. */
    const size_t reports_bytes = consumer->flight_count * sizeof(struct launch_report);
    const size_t checks_offset =
        (reports_bytes + SHARED_LINE_BYTES - 1) / SHARED_LINE_BYTES * SHARED_LINE_BYTES;
    void *host, *device;
    enum status status =
        gpu_pinned_alloc(consumer->gpu.gpu, checks_offset + reports_bytes, &host, &device, err);
    if (status != ST_OK)
        return err_context(err, "the reports of frames in flight");
    consumer->reports = host;
    consumer->reports_device = device;
    struct launch_report *reports = host;
    struct launch_report *checks =
        (struct launch_report *)(void *)((uint8_t *)host + checks_offset);
    for (uint32_t i = 0; i < consumer->flight_count && status == ST_OK; i++) {
        struct flight *flight = &consumer->flights[i];
        flight->report = &reports[i];
        flight->check = &checks[i];
        if (has_events)
            status = gpu_event_open(consumer->gpu.gpu,
                                    cell->sync == GPU_SYNC_BLOCK ? GPU_EVENT_BLOCKING : 0,
                                    &flight->event, err);
    }
    return status;
}

/* Where memory changes hands it belongs to the frames' stream; with one frame in flight, as it must
 * be there (access/managed.c), nothing is on that when a frame is checked. */
static enum status consumer_gpu_open_check(struct consumer_gpu *consumer, struct err *err)
{
    const bool one_stream =
        (consumer->access->flags & ACCESS_MANAGED) &&
        gpu_attribute_read(consumer->gpu.gpu, GPU_ATTRIBUTE_concurrent_managed_access) != 1;
    if (one_stream) {
        consumer->check_lane = consumer->gpu.lanes[0];
        return ST_OK;
    }
    const enum status status = launcher_open(consumer->gpu.gpu, &consumer->side_launcher, err);
    consumer->check_lane = (struct role_gpu_lane){consumer->side_stream, consumer->side_launcher};
    return status;
}

/* What the kernel needs beside the frame, and what frames must contain. */
static enum status consumer_gpu_open_kernel(const struct role *role, struct consumer_gpu *consumer,
                                            struct err *err)
{
    const struct cell *cell = consumer->cell;
    enum status status = ST_OK;
    void *output = NULL;
    if (cell->kernel->gpu_kind == LAUNCH_PREPROCESS)
        status = gpu_device_alloc(consumer->gpu.gpu,
                                  consumer->gpu.lane_count * CONSUMER_OUTPUT_FLOATS * sizeof(float),
                                  &output, err);
    consumer->output = output;
    consumer->work = (struct launch_work){
        .kind = cell->kernel->gpu_kind,
        .payload_bytes = consumer->payload_bytes,
        .geometry = cell->geometry,
        .seed = role->setup.seed,
        .output = output,
    };
    if (status == ST_OK && consumer->integrity == INTEGRITY_VALUE) {
        consumer->weights = frame_tag_weights_make(consumer->payload_bytes);
        status = source_frames_checksums(cell->geometry, consumer->payload_bytes, role->setup.seed,
                                         consumer->checksums, err);
    }
    /* A second stream, whose work does not wait for the first's. */
    if (status == ST_OK)
        status = gpu_stream_open(consumer->gpu.gpu, &consumer->side_stream, err);
    if (status == ST_OK && consumer->integrity == INTEGRITY_KERNEL && !consumer->check_ahead)
        status = consumer_gpu_open_check(consumer, err);
    return status == ST_OK ? ST_OK : err_context(err, "kernel %s", cell->kernel->name);
}

static enum status consumer_gpu_open_access(struct consumer_gpu *consumer, struct err *err)
{
    const struct cell *cell = consumer->cell;
    struct access_config config = {
        .geometry = cell->geometry,
        .payload_bytes = consumer->payload_bytes,
        .slots = cell->slots,
        /* Ahead of its frames, a slot's work stands in line until the slot's turn comes. */
        .depth = cell->wait->on_gpu ? cell->slots : cell->depth,
        .register_per_frame = cell->register_per_frame,
        .gpu = consumer->gpu.gpu,
    };
    if (!(cell->transport->flags & TRANSPORT_DEVICE_MEMORY) && cell->transport->memory)
        cell->transport->memory(consumer->endpoint, &config.memory);
    enum status status = cell->access->open(&config, &consumer->access_state, err);
    if (status != ST_OK)
        return err_context(err, "access %s", cell->access->name);
    consumer->access = cell->access;
    if (cell->access->registration_ns)
        consumer->gpu.report.registration_ns =
            cell->access->registration_ns(consumer->access_state);
    return ST_OK;
}

static enum status consumer_gpu_prepare(struct role *role, void **state, struct err *err)
{
    const struct cell *cell = &role->setup.cell;
    struct consumer_gpu *consumer = calloc(1, sizeof *consumer);
    if (!consumer)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the consumer");
    consumer->cell = cell;
    consumer->waits = role_wait_pair(cell);
    *state = consumer; /* role_work cleans up, whatever happens from here on */
    consumer->payload_bytes = cell_payload_bytes(cell);
    /* First of all, so that the two roles' contexts are made at the same time. */
    enum status status = role_gpu_open(cell, &consumer->gpu, err);
    if (status != ST_OK)
        return status;
    consumer->transport = cell->transport;
    status = role_edge_attach(role, consumer->gpu.gpu, &consumer->waits, &consumer->endpoint, err);
    if (status == ST_OK)
        status = consumer_gpu_open_access(consumer, err);
    if (status != ST_OK)
        return status;
    consumer->integrity = consumer_gpu_integrity(consumer);
    consumer->check_ahead =
        consumer->integrity == INTEGRITY_KERNEL &&
        (cell->order == ORDER_EVENT || strcmp(cell->wait->name, "gpu_stream") == 0);
    consumer->completion = consumer_gpu_completion(consumer);
    status = consumer_gpu_open_kernel(role, consumer, err);
    if (status == ST_OK)
        status = consumer_gpu_open_flights(consumer, err);
    if (status == ST_OK)
        status = wait_loop_open(&consumer->loop, cell->transport, consumer->endpoint,
                                &consumer->waits, DIRECTION_READ, err);
    /* With policy latest the producer never waits for a slot: there is nobody to tell. */
    if (status == ST_OK && cell->policy == POLICY_LATEST)
        consumer->loop.notifies = false;
    if (status == ST_OK && cell->wait->on_gpu)
        status = consumer_ahead_open(consumer, err);
    return status == ST_OK ? role_gpu_clock_begin(&consumer->gpu, err) : status;
}

/* ---- Running --------------------------------------------------------------------------------- */

enum status consumer_gpu_record(struct consumer_gpu *consumer, const struct role *role,
                                struct trace_record **record, struct err *err)
{
    if (consumer->records >= role->trace->capacity) {
        role->trace->overflowed++;
        return err_set(err, ST_CORRUPT, "the transport repeats frames",
                       "the consumer got more frames than were sent");
    }
    *record = &role->trace->records[consumer->records++];
    return ST_OK;
}

static enum status consumer_gpu_run(struct role *role, void *state, struct role_report *report,
                                    struct err *err)
{
    struct consumer_gpu *consumer = state;
    struct usage end;
    enum status status;
    consumer->loop.deadline_ns = role->deadline_ns;
    if (!consumer->cell->wait->on_gpu)
        status = consumer_gpu_loop(consumer, role, err);
    else if (strcmp(consumer->cell->wait->name, "gpu_stream") == 0)
        status = consumer_gpu_stream_loop(consumer, role, err);
    else
        status = consumer_gpu_kernel_loop(consumer, role, err);
    usage_self(&end);
    if (status != ST_OK)
        return status;
    report->usage = usage_difference(&consumer->usage_begin, &end);
    report->frames = consumer->records;
    consumer->transport->counters(consumer->endpoint, &report->counters);
    report->filled_bytes = (uint64_t)consumer->access_copies * consumer->payload_bytes;
    report->gpu = consumer->gpu.report;
    return ST_OK;
}

/* The GPU's stamps become times of the cell's clock. */
static enum status consumer_gpu_conclude(struct role *role, void *state, struct err *err)
{
    struct consumer_gpu *consumer = state;
    struct gpu_clock_map map;
    enum status status = role_gpu_clock_end(&consumer->gpu, &map, err);
    if (status != ST_OK)
        return err_context(err, "consumer");
    for (uint32_t i = 0; i < consumer->records; i++) {
        struct trace_gpu_record *gpu = trace_gpu_record(role->trace, i);
        for (int j = STAMP_GPU_BEGIN; j <= STAMP_GPU_END; j++)
            gpu->stamps_ns[j] = gpu_clock_to_host_ns(&map, gpu->stamps_ns[j]);
    }
    role->trace->gpu_error_ns = (uint32_t)map.error_ns;
    role->trace->has_gpu = 1;
    return ST_OK;
}

const struct role_kind role_consumer_gpu = {
    .name = "consumer",
    .prepare = consumer_gpu_prepare,
    .run = consumer_gpu_run,
    .conclude = consumer_gpu_conclude,
    .clean_up = consumer_gpu_clean_up,
};

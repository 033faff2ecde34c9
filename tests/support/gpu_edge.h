/* gpu_edge.h: one side of an edge in device memory, for tests with two processes: a job says what
 * the edge carries; the producer's kernels fill, the consumer's sum up and invert, and every frame
 * is checked. Header-only, over gpu_fixture.h.
 */
#ifndef HANDOFF_TESTS_GPU_EDGE_H
#define HANDOFF_TESTS_GPU_EDGE_H

#include "tests/support/gpu_fixture.h"

#include <sched.h>

#include "harness/base/frame.h"
#include "kernels/launch.h"
#include "tests/support/fake_gpu.h"
#include "tests/support/random_input.h"
#include "transports/transport.h"

#define SOURCES 3
#define FRAMES_MAX 1000
/* CUDA gives memory back in blocks and keeps some for itself. */
#define MEMORY_SLACK_BYTES ((uint64_t)32 << 20)

/* ---- A side of an edge ----------------------------------------------------------------------- */

static struct gpu *gpu;
static struct gpu_stream *stream;
static struct launcher *launcher;
static struct launch_report *reports, *reports_device; /* FRAMES_MAX, pinned */
static struct err err;

static inline void open_here(void)
{
    memset(&err, 0, sizeof err);
    gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    gpu_assert_ok(&err, gpu_stream_open(gpu, &stream, &err));
    gpu_assert_ok(&err, launcher_open(gpu, &launcher, &err));
    gpu_assert_ok(&err, gpu_pinned_alloc(gpu, FRAMES_MAX * sizeof *reports, (void **)&reports,
                                         (void **)&reports_device, &err));
}

static inline void close_here(void)
{
    launcher_close(launcher);
    gpu_stream_close(stream);
    gpu_pinned_free(gpu, reports);
    gpu_close(gpu);
}

/* What both sides do with one edge. */
struct job {
    char transport[16]; /* empty: no more jobs */
    uint64_t seed;
    int32_t width, height, channels;
    uint32_t frames;
    uint32_t slots;
    uint32_t max_in_flight;
    uint32_t held; /* frames the consumer keeps before it releases the oldest */
    uint32_t order;
    uint32_t policy;
    uint32_t peer_produces;
};

static inline struct geometry job_geometry(const struct job *job)
{
    return (struct geometry){job->width, job->height, job->channels};
}

static inline struct transport_config job_config(const struct job *job)
{
    return (struct transport_config){
        .payload_bytes = geometry_payload_bytes(job_geometry(job)),
        .slots = job->slots,
        .max_in_flight = job->max_in_flight,
        .max_held = job->held,
        .policy = (enum policy)job->policy,
        .order = (enum order)job->order,
        .gpu = gpu,
    };
}

static inline void address_say(int fd, const struct transport_address *address)
{
    struct transport_address plain = *address;
    for (uint32_t i = 0; i < TRANSPORT_ADDRESS_FDS; i++)
        plain.fds[i] = -1;
    gpu_peer_say(fd, &plain, sizeof plain, -1);
    for (uint32_t i = 0; i < address->fd_count; i++)
        gpu_peer_say(fd, &i, sizeof i, address->fds[i]);
}

static inline void address_hear(int fd, struct transport_address *address)
{
    uint32_t index;
    gpu_peer_hear(fd, address, sizeof *address, NULL);
    assert_true(address->fd_count <= TRANSPORT_ADDRESS_FDS);
    for (uint32_t i = 0; i < address->fd_count; i++)
        gpu_peer_hear(fd, &index, sizeof index, &address->fds[i]);
}

/* Again and again while there is no room or no frame. */
static inline enum status try(enum status (*verb)(struct endpoint *, struct frame *, struct err *),
                              struct endpoint *endpoint, struct frame *frame)
{
    enum status status;
    uint64_t until_ns = gpu_fixture_now_ns() + UINT64_C(20000000000);
    for (unsigned turns = 0; (status = verb(endpoint, frame, &err)) == ST_AGAIN; turns++) {
        if (turns % 64 == 63)
            sched_yield();
        if (turns % 4096 == 4095 && gpu_fixture_now_ns() > until_ns)
            fail_msg("the other side did nothing for 20 s");
    }
    return status;
}

static inline void begin_after_fence(const struct frame *frame)
{
    if (frame->fence.event)
        gpu_assert_ok(&err, gpu_stream_wait_event(stream, frame->fence.event, &err));
}

/* Order event: leaves the mark. Order host: waits for the work. */
static inline void end_work(const struct job *job, const struct frame *frame)
{
    assert_true(!frame->mark.event == (job->order == ORDER_HOST));
    if (frame->mark.event)
        gpu_assert_ok(&err, gpu_event_record(frame->mark.event, stream, &err));
    else
        gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
}

static inline struct launch_work work_on(const struct job *job, const struct frame *frame,
                                         int32_t id)
{
    return (struct launch_work){
        .payload = frame->device_payload,
        .payload_bytes = frame->payload_bytes,
        .geometry = job_geometry(job),
        .frame_id = id,
        .seed = job->seed,
        .source_index = (uint32_t)id % SOURCES,
    };
}

static inline void produce(const struct job *job, const struct transport *transport,
                           struct endpoint *endpoint)
{
    for (uint32_t i = 0; i < job->frames; i++) {
        struct frame frame;
        gpu_assert_ok(&err, try(transport->reserve, endpoint, &frame));
        assert_null(frame.payload);
        assert_int_equal((uintptr_t)frame.device_payload % 256, 0);
        assert_int_equal(frame.sequence, i);
        const struct frame_header header = {.timestamp_ns = (int64_t)(job->seed + i),
                                            .width = job->width,
                                            .height = job->height,
                                            .channels = job->channels,
                                            .frame_id = (int32_t)i};
        frame_header_encode(&header, frame.header);
        struct launch_work work = work_on(job, &frame, (int32_t)i);
        work.kind = LAUNCH_FILL;
        begin_after_fence(&frame);
        gpu_assert_ok(&err, launcher_enqueue(launcher, stream, &work, &err));
        end_work(job, &frame);
        gpu_assert_ok(&err, transport->commit(endpoint, &frame, &err));
    }
}

/* Every third frame is inverted in place, which shows that the importer may write, and looks at all
 * tags; the others are summed up. */
static inline bool inverts(int32_t id)
{
    return id % 3 == 2;
}

static inline void check_reports(const struct job *job, const int32_t *ids, uint32_t count)
{
    size_t payload_bytes = geometry_payload_bytes(job_geometry(job));
    struct frame_tag_weights weights = frame_tag_weights_make(payload_bytes);
    uint64_t untagged[SOURCES];
    uint8_t *source = malloc(payload_bytes);
    assert_non_null(source);
    for (uint32_t i = 0; i < SOURCES; i++) {
        frame_source_fill(source, payload_bytes, job->seed, i);
        untagged[i] = frame_checksum_reference(source, payload_bytes);
    }
    free(source);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t expected = inverts(ids[i])
                                ? 0
                                : frame_checksum_expected(untagged[(uint32_t)ids[i] % SOURCES],
                                                          weights, frame_tag(ids[i]));
        if (reports[i].done != i + 1 || reports[i].value != expected || reports[i].torn_tags)
            fail_msg("%s, order %u, %u slots, frame %d: done %u, checksum %llx instead of %llx, "
                     "%u torn tags",
                     job->transport, job->order, job->slots, (int)ids[i], reports[i].done,
                     (unsigned long long)reports[i].value, (unsigned long long)expected,
                     reports[i].torn_tags);
    }
}

/* Gives the oldest of `held` frames back. */
static inline void release_oldest(const struct transport *transport, struct endpoint *endpoint,
                                  struct frame *held, uint32_t *count)
{
    gpu_assert_ok(&err, transport->release(endpoint, &held[0], &err));
    memmove(held, held + 1, --*count * sizeof *held);
}

static inline void consume(const struct job *job, const struct transport *transport,
                           struct endpoint *endpoint)
{
    static int32_t ids[FRAMES_MAX];
    struct frame held[64];
    uint32_t taken = 0, held_count = 0;
    memset(reports, 0, FRAMES_MAX * sizeof *reports);
    for (;;) {
        struct frame frame = {0};
        struct frame_header header;
        enum status status = try(transport->acquire, endpoint, &frame);
        if (status == ST_PEER_GONE)
            break;
        gpu_assert_ok(&err, status);
        frame_header_decode(frame.header, &header);
        assert_int_equal(header.timestamp_ns, (int64_t)(job->seed + (uint64_t)header.frame_id));
        if (job->policy == POLICY_BLOCK)
            assert_int_equal(header.frame_id, taken);
        else
            assert_true(taken == 0 || header.frame_id > ids[taken - 1]);
        ids[taken] = header.frame_id;
        struct launch_work work = work_on(job, &frame, header.frame_id);
        work.kind = inverts(header.frame_id) ? LAUNCH_INVERT : LAUNCH_CHECKSUM;
        work.report = &reports_device[taken];
        work.done_value = ++taken;
        begin_after_fence(&frame);
        gpu_assert_ok(&err, launcher_enqueue(launcher, stream, &work, &err));
        end_work(job, &frame);
        held[held_count++] = frame;
        if (held_count == job->held)
            release_oldest(transport, endpoint, held, &held_count);
    }
    while (held_count > 0)
        release_oldest(transport, endpoint, held, &held_count);
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    if (job->policy == POLICY_BLOCK)
        assert_int_equal(taken, job->frames);
    else
        assert_true(taken > 0 && ids[taken - 1] == (int32_t)job->frames - 1);
    check_reports(job, ids, taken);
}

/* One side of one job. The producer's endpoint goes when the other's has. */
static inline void side_run(int fd, const struct job *job, bool produces)
{
    const struct transport *transport = transport_find(job->transport);
    struct transport_config config = job_config(job);
    struct transport_address address;
    struct endpoint *endpoint = NULL;
    assert_non_null(transport);
    if (produces) {
        gpu_assert_ok(&err, transport->create(&config, &endpoint, &address, &err));
        address_say(fd, &address);
        transport_address_close(&address);
        produce(job, transport, endpoint);
        transport->hang_up(endpoint);
        gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
        gpu_peer_hear_turn(fd, 1);
    } else {
        address_hear(fd, &address);
        gpu_assert_ok(&err, transport->attach(&config, &address, &endpoint, &err));
        consume(job, transport, endpoint);
    }
    transport->destroy(endpoint);
    if (!produces)
        gpu_peer_say_turn(fd, 1);
}

/* ---- What tests need besides ----------------------------------------------------------------- */

static const char *const transports[] = {"cuda_ipc", "cuda_vmm", "cuda_pool"};
#define TRANSPORTS (sizeof transports / sizeof transports[0])

/* False, with the reason, where this machine does not have it. */
static inline bool can(const char *key)
{
    const struct transport *transport = transport_find(key);
    struct transport_config config = {
        .payload_bytes = 4096, .slots = 1, .max_held = 1, .policy = POLICY_BLOCK, .gpu = gpu};
    struct endpoint *endpoint = NULL;
    struct transport_address address;
    assert_non_null(transport);
    enum status status = transport->create(&config, &endpoint, &address, &err);
    if (status == ST_UNAVAILABLE) {
        printf("%s is not there: %s\n", key, err.what);
        return false;
    }
    gpu_assert_ok(&err, status);
    transport_address_close(&address);
    transport->destroy(endpoint);
    return true;
}

static inline uint64_t memory_free(void)
{
    uint64_t unused = 0, total = 0;
    gpu_assert_ok(&err, gpu_memory_info(gpu, &unused, &total, &err));
    return unused;
}

/* A context that ended takes a moment to go. */
static inline void check_memory_back(uint64_t before)
{
    if (!gpu_fixture_alone())
        return;
    uint64_t until_ns = gpu_fixture_now_ns() + UINT64_C(5000000000);
    while (memory_free() + MEMORY_SLACK_BYTES < before && gpu_fixture_now_ns() < until_ns)
        usleep(20000);
    assert_true(memory_free() + MEMORY_SLACK_BYTES >= before);
}

static inline struct job job_of(const char *transport, uint32_t slots, uint32_t order)
{
    struct job job = {
        .seed = random_u64(),
        .width = 64 + (int32_t)random_below(200),
        .height = 16 + (int32_t)random_below(60),
        .channels = 1 + (int32_t)random_below(4),
        .frames = fake_gpu_fail ? 48 : 300,
        .slots = slots,
        .held = 1 + (uint32_t)random_below(slots),
        .order = order,
        .policy = POLICY_BLOCK,
        .peer_produces = (uint32_t)random_below(2),
    };
    snprintf(job.transport, sizeof job.transport, "%s", transport);
    return job;
}

#endif

/* test_gpu_transports.c: the device-memory transports between two real processes: a kernel of one
 * fills, kernels of the other sum up and invert, every frame is checked; with order host and event,
 * one slot and several, policy latest, a peer killed in the middle; and all memory comes back.
 *
 * Over the fake the work is late at random, so that a fence that is missing tears frames.
 */
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

/* ---- A side of an edge ------------------------------------------------------------------------- */

static struct gpu *gpu;
static struct gpu_stream *stream;
static struct launcher *launcher;
static struct launch_report *reports, *reports_device; /* FRAMES_MAX, pinned */
static struct err err;

static void open_here(void)
{
    memset(&err, 0, sizeof err);
    gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    gpu_assert_ok(&err, gpu_stream_open(gpu, &stream, &err));
    gpu_assert_ok(&err, launcher_open(gpu, &launcher, &err));
    gpu_assert_ok(&err, gpu_pinned_alloc(gpu, FRAMES_MAX * sizeof *reports, (void **)&reports,
                                         (void **)&reports_device, &err));
}

static void close_here(void)
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

static struct geometry job_geometry(const struct job *job)
{
    return (struct geometry){job->width, job->height, job->channels};
}

static struct transport_config job_config(const struct job *job)
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

static void address_say(int fd, const struct transport_address *address)
{
    struct transport_address plain = *address;
    for (uint32_t i = 0; i < TRANSPORT_ADDRESS_FDS; i++)
        plain.fds[i] = -1;
    gpu_peer_say(fd, &plain, sizeof plain, -1);
    for (uint32_t i = 0; i < address->fd_count; i++)
        gpu_peer_say(fd, &i, sizeof i, address->fds[i]);
}

static void address_hear(int fd, struct transport_address *address)
{
    uint32_t index;
    gpu_peer_hear(fd, address, sizeof *address, NULL);
    assert_true(address->fd_count <= TRANSPORT_ADDRESS_FDS);
    for (uint32_t i = 0; i < address->fd_count; i++)
        gpu_peer_hear(fd, &index, sizeof index, &address->fds[i]);
}

/* Again and again while there is no room or no frame. */
static enum status try(enum status (*verb)(struct endpoint *, struct frame *, struct err *),
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

static void begin_after_fence(const struct frame *frame)
{
    if (frame->fence.event)
        gpu_assert_ok(&err, gpu_stream_wait_event(stream, frame->fence.event, &err));
}

/* Order event: leaves the mark. Order host: waits for the work. */
static void end_work(const struct job *job, const struct frame *frame)
{
    assert_true(!frame->mark.event == (job->order == ORDER_HOST));
    if (frame->mark.event)
        gpu_assert_ok(&err, gpu_event_record(frame->mark.event, stream, &err));
    else
        gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
}

static struct launch_work work_on(const struct job *job, const struct frame *frame, int32_t id)
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

static void produce(const struct job *job, const struct transport *transport,
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
static bool inverts(int32_t id)
{
    return id % 3 == 2;
}

static void check_reports(const struct job *job, const int32_t *ids, uint32_t count)
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
static void release_oldest(const struct transport *transport, struct endpoint *endpoint,
                           struct frame *held, uint32_t *count)
{
    gpu_assert_ok(&err, transport->release(endpoint, &held[0], &err));
    memmove(held, held + 1, --*count * sizeof *held);
}

static void consume(const struct job *job, const struct transport *transport,
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
static void side_run(int fd, const struct job *job, bool produces)
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

GPU_PEER(side)
{
    struct job job;
    open_here();
    for (gpu_peer_hear(fd, &job, sizeof job, NULL); job.transport[0];
         gpu_peer_hear(fd, &job, sizeof job, NULL))
        side_run(fd, &job, job.peer_produces);
    close_here();
}

/* ---- The tests --------------------------------------------------------------------------------- */

static const char *const transports[] = {"cuda_ipc", "cuda_vmm", "cuda_pool"};
#define TRANSPORTS (sizeof transports / sizeof transports[0])

static int setup(void **state)
{
    open_here();
    return 0;
}

static int teardown(void **state)
{
    close_here();
    return 0;
}

/* False, with the reason, where this machine does not have it. */
static bool can(const char *key)
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

static uint64_t memory_free(void)
{
    uint64_t unused = 0, total = 0;
    gpu_assert_ok(&err, gpu_memory_info(gpu, &unused, &total, &err));
    return unused;
}

/* A context that ended takes a moment to go. */
static void check_memory_back(uint64_t before)
{
    uint64_t until_ns = gpu_fixture_now_ns() + UINT64_C(5000000000);
    while (memory_free() + MEMORY_SLACK_BYTES < before && gpu_fixture_now_ns() < until_ns)
        usleep(20000);
    assert_true(memory_free() + MEMORY_SLACK_BYTES >= before);
}

static struct job job_of(const char *transport, uint32_t slots, uint32_t order)
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

static void job_run(struct gpu_peer *peer, const struct job *job)
{
    gpu_peer_say(peer->fd, job, sizeof *job, -1);
    side_run(peer->fd, job, !job->peer_produces);
}

static void jobs_end(struct gpu_peer *peer)
{
    const struct job none = {0};
    gpu_peer_say(peer->fd, &none, sizeof none, -1);
    gpu_peer_end(peer);
}

static void check_frames(const char *transport)
{
    static const uint32_t slots[] = {1, 2, 8};
    if (!can(transport))
        return;
    struct gpu_peer peer = gpu_peer_start("side");
    for (uint32_t order = ORDER_HOST; order <= ORDER_EVENT; order++) {
        for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
            struct job job = job_of(transport, slots[i], order);
            job_run(&peer, &job);
            job.peer_produces = !job.peer_produces;
            job_run(&peer, &job);
        }
        struct job pingpong = job_of(transport, 4, order);
        pingpong.max_in_flight = 1;
        pingpong.held = 1;
        job_run(&peer, &pingpong);
    }
    struct job latest = job_of(transport, 6, ORDER_HOST);
    latest.policy = POLICY_LATEST;
    latest.held = 1 + (uint32_t)random_below(4);
    job_run(&peer, &latest);
    jobs_end(&peer);
}

static void test_frames_ipc(void **state)
{
    check_frames("cuda_ipc");
}

static void test_frames_vmm(void **state)
{
    check_frames("cuda_vmm");
}

static void test_frames_pool(void **state)
{
    check_frames("cuda_pool");
}

/* Large frames once; all their memory is there again afterwards. */
static void test_memory_comes_back(void **state)
{
    uint64_t before = memory_free();
    for (size_t i = 0; i < TRANSPORTS; i++) {
        if (!can(transports[i]))
            continue;
        struct gpu_peer peer = gpu_peer_start("side");
        struct job job = job_of(transports[i], 8, ORDER_EVENT);
        job.width = fake_gpu_fail ? 640 : 1920;
        job.height = fake_gpu_fail ? 480 : 1080;
        job.channels = 3;
        job.frames = 12;
        job_run(&peer, &job);
        jobs_end(&peer);
    }
    check_memory_back(before);
}

/* Frames without an end, until it is killed. */
GPU_PEER(endless)
{
    struct job job;
    open_here();
    gpu_peer_hear(fd, &job, sizeof job, NULL);
    job.frames = UINT32_MAX;
    const struct transport *transport = transport_find(job.transport);
    struct transport_config config = job_config(&job);
    struct transport_address address;
    struct endpoint *endpoint = NULL;
    if (job.peer_produces) {
        gpu_assert_ok(&err, transport->create(&config, &endpoint, &address, &err));
        address_say(fd, &address);
    } else {
        address_hear(fd, &address);
        gpu_assert_ok(&err, transport->attach(&config, &address, &endpoint, &err));
    }
    for (uint32_t i = 0;; i++) {
        struct frame frame = {0};
        enum status status;
        do
            status = (job.peer_produces ? transport->reserve : transport->acquire)(endpoint, &frame,
                                                                                   &err);
        while (status == ST_AGAIN);
        gpu_assert_ok(&err, status);
        struct launch_work work = work_on(&job, &frame, (int32_t)i);
        work.kind = job.peer_produces ? LAUNCH_FILL : LAUNCH_CHECKSUM;
        begin_after_fence(&frame);
        gpu_assert_ok(&err, launcher_enqueue(launcher, stream, &work, &err));
        end_work(&job, &frame);
        gpu_assert_ok(&err, (job.peer_produces ? transport->commit
                                               : transport->release)(endpoint, &frame, &err));
        if (i == 10)
            gpu_peer_say_turn(fd, 1);
    }
}

static void check_killed(const char *transport, uint32_t order, bool producer_first)
{
    struct job job = job_of(transport, 4, order);
    struct transport_address address;
    struct gpu_peer producer = gpu_peer_start("endless"), consumer = gpu_peer_start("endless");
    job.width = fake_gpu_fail ? 320 : 1920;
    job.height = fake_gpu_fail ? 240 : 1080;
    job.peer_produces = 1;
    gpu_peer_say(producer.fd, &job, sizeof job, -1);
    job.peer_produces = 0;
    gpu_peer_say(consumer.fd, &job, sizeof job, -1);
    address_hear(producer.fd, &address);
    address_say(consumer.fd, &address);
    transport_address_close(&address);
    gpu_peer_hear_turn(producer.fd, 1);
    gpu_peer_hear_turn(consumer.fd, 1);
    usleep((useconds_t)random_below(3000));
    /* As the runner does it: one dies, it sees that and ends the other, whatever that one waits for. */
    uint64_t begun_ns = gpu_fixture_now_ns();
    gpu_peer_kill(producer_first ? &producer : &consumer);
    gpu_peer_kill(producer_first ? &consumer : &producer);
    uint64_t took_ms = (gpu_fixture_now_ns() - begun_ns) / 1000000;
    if (took_ms > 2000)
        fail_msg("%s, order %u: the two ended after %llu ms", transport, order,
                 (unsigned long long)took_ms);
}

static void test_killed(void **state)
{
    uint64_t before = memory_free();
    for (size_t i = 0; i < TRANSPORTS; i++) {
        if (!can(transports[i]))
            continue;
        for (uint32_t order = ORDER_HOST; order <= ORDER_EVENT; order++)
            for (int producer_first = 0; producer_first < 2; producer_first++)
                check_killed(transports[i], order, producer_first);
        check_memory_back(before);
        check_frames(transports[i]); /* and the next edge is as good as new */
    }
}

/* The consumer of an edge whose producer made other frames. */
static void test_other_configuration_is_refused(void **state)
{
    for (size_t i = 0; i < TRANSPORTS; i++) {
        if (!can(transports[i]))
            continue;
        const struct transport *transport = transport_find(transports[i]);
        struct job job = job_of(transports[i], 3, ORDER_HOST);
        struct transport_config config = job_config(&job), other = config;
        struct endpoint *producer = NULL, *consumer = NULL;
        struct transport_address address;
        other.payload_bytes += 1;
        gpu_assert_ok(&err, transport->create(&config, &producer, &address, &err));
        assert_int_equal(transport->attach(&other, &address, &consumer, &err), ST_CORRUPT);
        assert_null(consumer);
        assert_true(err.what[0] && err.hint[0]);
        transport->destroy(producer);
    }
}

int main(int argc, char **argv)
{
    setenv("HANDOFF_FAKE_GPU_DELAY_US", "60", 0);
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_ipc),  cmocka_unit_test(test_frames_vmm),
        cmocka_unit_test(test_frames_pool), cmocka_unit_test(test_memory_comes_back),
        cmocka_unit_test(test_killed),      cmocka_unit_test(test_other_configuration_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

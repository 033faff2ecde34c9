/* test_gpu_access.c: every access of the GPU, over real edges with random frames: what the kernel
 * reads is what the producer wrote, in place where it claims so, and nothing stays registered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/gpu/gpu.h"
#include "harness/measure/clock.h"
#include "kernels/launch.h"
#include "tests/support/fake_gpu.h"
#include "tests/support/gpu_skip.h"
#include "tests/support/random_input.h"
#include "transports/access/access.h"

#define DEPTH_MAX 4
#define WAIT_S 20
#define WAIT_NS (WAIT_S * UINT64_C(1000000000))

static struct gpu *gpu;
static struct gpu_stream *stream;
static struct launcher *launcher;
static struct launch_report *reports, *device_reports; /* DEPTH_MAX of them */

static struct err err;
#define assert_ok(call)                                         \
    do {                                                        \
        if ((call) != ST_OK)                                    \
            fail_msg("%s: %s (%s)", #call, err.what, err.hint); \
    } while (0)
#define assert_refused(call, expected)    \
    do {                                  \
        err.what[0] = 0;                  \
        assert_int_equal(call, expected); \
        assert_true(err.what[0] != 0);    \
    } while (0)

static int open_device(void **state)
{
    void *host, *device;
    if (gpu_open(GPU_SYNC_SPIN, &gpu, &err) != ST_OK ||
        gpu_stream_open(gpu, &stream, &err) != ST_OK ||
        launcher_open(gpu, &launcher, &err) != ST_OK ||
        gpu_pinned_alloc(gpu, DEPTH_MAX * sizeof *reports, &host, &device, &err) != ST_OK) {
        fprintf(stderr, "%s (%s)\n", err.what, err.hint);
        return -1;
    }
    reports = host;
    device_reports = device;
    return 0;
}

static int close_device(void **state)
{
    gpu_pinned_free(gpu, reports);
    launcher_close(launcher);
    gpu_stream_close(stream);
    gpu_close(gpu);
    return 0;
}

/* ---- an edge within this process ---- */

struct edge {
    const struct transport *transport;
    struct endpoint *producer;
    struct endpoint *consumer;
    struct transport_memory memory; /* of the consumer */
};

static struct edge edge_make(const char *name, size_t payload_bytes, uint32_t depth)
{
    struct edge edge = {.transport = transport_find(name)};
    const struct transport_config config = {
        .payload_bytes = payload_bytes,
        .slots = depth + 2,
        .max_held = depth,
        .policy = POLICY_BLOCK,
    };
    struct transport_address address = {0};
    assert_ok(edge.transport->create(&config, &edge.producer, &address, &err));
    assert_ok(edge.transport->attach(&config, &address, &edge.consumer, &err));
    if (edge.transport->memory)
        edge.transport->memory(edge.consumer, &edge.memory);
    return edge;
}

static void edge_end(struct edge *edge)
{
    edge->transport->destroy(edge->producer);
    edge->transport->destroy(edge->consumer);
}

/* Sends frame `id` with these bytes and receives it: a socket moves it piece by piece. */
static struct frame edge_carry(struct edge *edge, int32_t id, const uint8_t *payload)
{
    struct frame sent = {0}, came = {0};
    assert_ok(edge->transport->reserve(edge->producer, &sent, &err));
    frame_header_encode(&(struct frame_header){.frame_id = id}, sent.header);
    if (sent.payload_bytes > 0)
        memcpy(sent.payload, payload, sent.payload_bytes);
    enum status commit = ST_AGAIN, acquire = ST_AGAIN;
    uint64_t until_ns = clock_now_ns() + WAIT_NS;
    while ((commit != ST_OK || acquire != ST_OK) && clock_now_ns() < until_ns) {
        if (commit != ST_OK)
            commit = edge->transport->commit(edge->producer, &sent, &err);
        if (acquire != ST_OK)
            acquire = edge->transport->acquire(edge->consumer, &came, &err);
    }
    assert_int_equal(commit, ST_OK);
    assert_int_equal(acquire, ST_OK);
    assert_int_equal(frame_header_id(came.header), id);
    return came;
}

/* ---- a consumer ---- */

static struct access_config config_of(const struct edge *edge, size_t payload_bytes, uint32_t depth)
{
    return (struct access_config){
        .geometry = {(int32_t)payload_bytes, 1, 1},
        .payload_bytes = payload_bytes,
        .slots = depth + 2,
        .depth = depth,
        .gpu = gpu,
        .memory = edge->memory,
    };
}

static struct frame bring(const struct access *access, struct access_state *state,
                          const struct frame *in, unsigned *copies)
{
    struct frame out = {0};
    if (access->enqueue)
        assert_ok(access->enqueue(state, in, &out, stream, copies, &err));
    else
        assert_ok(access->locate(state, in, &out, &err));
    assert_ptr_equal(out.payload, in->payload);
    assert_int_equal(out.payload_bytes, in->payload_bytes);
    assert_ptr_equal(out.header, in->header);
    return out;
}

static void launch(enum launch_kind kind, const struct frame *frame, uint32_t index,
                   uint32_t done_value)
{
    assert_ok(launcher_enqueue(launcher, stream,
                               &(struct launch_work){
                                   .kind = kind,
                                   .payload = frame->device_payload,
                                   .payload_bytes = frame->payload_bytes,
                                   .geometry = {(int32_t)frame->payload_bytes, 1, 1},
                                   .frame_id = frame_header_id(frame->header),
                                   .report = &device_reports[index],
                                   .done_value = done_value,
                               },
                               &err));
}

/* False when CUDA says that the work failed. */
static bool await(uint32_t index, uint32_t done_value)
{
    uint64_t until_ns = clock_now_ns() + WAIT_NS;
    while (__atomic_load_n(&reports[index].done, __ATOMIC_ACQUIRE) != done_value) {
        enum status status = gpu_stream_poll(stream, &err);
        if (status != ST_OK && status != ST_AGAIN)
            return false;
        if (clock_now_ns() > until_ns)
            fail_msg("a kernel did not report within %d s", WAIT_S);
    }
    return true;
}

/* Ends the oldest frame in flight: its checksum is that of the bytes sent. */
static void end_frame(const struct access *access, struct access_state *state, struct edge *edge,
                      struct frame *out, uint32_t index, uint64_t expected)
{
    assert_true(reports[index].value == expected);
    if (access->finish)
        assert_ok(access->finish(state, out, &err));
    assert_ok(edge->transport->release(edge->consumer, out, &err));
}

/* `frames` frames with `depth` of them in flight. False when the GPU cannot reach the memory. */
static bool stream_frames(const struct access *access, const char *transport, size_t payload_bytes,
                          uint32_t depth, bool per_frame, uint32_t frames)
{
    struct edge edge = edge_make(transport, payload_bytes, depth);
    struct access_config config = config_of(&edge, payload_bytes, depth);
    config.register_per_frame = per_frame;
    struct access_state *state = NULL;
    assert_ok(access->open(&config, &state, &err));
    struct frame out[DEPTH_MAX];
    uint64_t expected[DEPTH_MAX];
    uint8_t *payload = malloc(payload_bytes);
    uint64_t seed = random_u64();
    unsigned copies = 0;
    bool reached = true;
    memset(reports, 0, DEPTH_MAX * sizeof *reports);
    for (uint32_t n = 0; n < frames + depth && reached; n++) {
        uint32_t index = n % depth;
        if (n >= depth) { /* frame n - depth is the oldest one */
            reached = await(index, n - depth + 1);
            if (reached)
                end_frame(access, state, &edge, &out[index], index, expected[index]);
        }
        if (n >= frames || !reached)
            continue;
        frame_source_fill(payload, payload_bytes, seed, n);
        frame_tags_write(payload, payload_bytes, (int32_t)n);
        expected[index] = frame_checksum_reference(payload, payload_bytes);
        struct frame in = edge_carry(&edge, (int32_t)n, payload);
        out[index] = bring(access, state, &in, &copies);
        launch(LAUNCH_CHECKSUM, &out[index], index, n + 1);
    }
    if (reached)
        assert_int_equal(copies, access->enqueue ? frames : 0);
    if (reached && per_frame) { /* nothing is registered any more, with the access still open */
        void *device;
        assert_ok(gpu_register(gpu, edge.memory.bytes, edge.memory.size_bytes, &device, &err));
        gpu_unregister(gpu, edge.memory.bytes);
    }
    access->close(state);
    free(payload);
    edge_end(&edge);
    return reached;
}

static const char *const edges[] = {"shm", "unix"};

static bool has_memory(const char *transport)
{
    return transport_find(transport)->memory != NULL;
}

static uint32_t depth_max(const struct access *access)
{
    bool concurrent = gpu_attribute_read(gpu, GPU_ATTRIBUTE_concurrent_managed_access) == 1;
    return strcmp(access->name, "managed") == 0 && !concurrent ? 1 : DEPTH_MAX;
}

static bool stream_all_sizes(const struct access *access)
{
    static const struct {
        size_t payload_bytes;
        uint32_t frames;
    } sizes[] = {{1, 300}, {4097, 300}, {(size_t)1920 * 1080 * 3, 6}};
    for (size_t e = 0; e < sizeof edges / sizeof edges[0]; e++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && has_memory(edges[e]); i++) {
            for (int per_frame = 0; per_frame <= !!(access->flags & ACCESS_REGISTERS); per_frame++)
                for (uint32_t depth = 1; depth <= depth_max(access); depth += DEPTH_MAX - 1)
                    if (!stream_frames(access, edges[e], sizes[i].payload_bytes, depth, per_frame,
                                       sizes[i].frames))
                        return false;
        }
    }
    return stream_frames(access, "shm", random_size(100000), depth_max(access), false, 20);
}

/* ---- the tests ---- */

static bool is_plain(const struct access *access)
{
    return access->needs_gpu && !(access->flags & ACCESS_DEVICE) &&
           strcmp(access->name, "direct") != 0;
}

static void frames_under_the_kernel(void **state)
{
    int seen = 0;
    for (size_t i = 0; i < access_registry_count; i++) {
        if (!is_plain(access_registry[i]))
            continue;
        if (!stream_all_sizes(access_registry[i]))
            fail_msg("%s: %s", access_registry[i]->name, err.what);
        seen++;
    }
    assert_int_equal(seen, 4);
}

/* One frame, changed by the GPU: does the slot change? */
static void invert_one(const struct access *access, const char *transport, size_t payload_bytes)
{
    struct edge edge = edge_make(transport, payload_bytes, 1);
    struct access_config config = config_of(&edge, payload_bytes, 1);
    struct access_state *state = NULL;
    assert_ok(access->open(&config, &state, &err));
    uint8_t *payload = malloc(payload_bytes);
    frame_source_fill(payload, payload_bytes, random_u64(), 1);
    frame_tags_write(payload, payload_bytes, 5);
    struct frame in = edge_carry(&edge, 5, payload);
    unsigned copies = 0;
    struct frame out = bring(access, state, &in, &copies);
    memset(reports, 0, sizeof *reports);
    launch(LAUNCH_INVERT, &out, 0, 1);
    assert_true(await(0, 1));
    assert_int_equal(reports[0].torn_tags, 0);
    if (access->flags & ACCESS_IN_PLACE)
        for (size_t i = 0; i < payload_bytes; i++)
            payload[i] = (uint8_t)~payload[i];
    assert_memory_equal(in.payload, payload, payload_bytes);
    /* And the kernel's own copy did change. */
    launch(LAUNCH_CHECKSUM, &out, 0, 2);
    assert_true(await(0, 2));
    if (!(access->flags & ACCESS_IN_PLACE))
        for (size_t i = 0; i < payload_bytes; i++)
            payload[i] = (uint8_t)~payload[i];
    assert_true(reports[0].value == frame_checksum_reference(payload, payload_bytes));
    if (access->finish)
        assert_ok(access->finish(state, &out, &err));
    access->close(state);
    free(payload);
    edge_end(&edge);
}

static void in_place_or_not(void **state)
{
    for (size_t i = 0; i < access_registry_count; i++)
        for (size_t e = 0; e < sizeof edges / sizeof edges[0]; e++)
            if (is_plain(access_registry[i]) && has_memory(edges[e])) {
                invert_one(access_registry[i], edges[e], 4097);
                invert_one(access_registry[i], edges[e], random_size(200000));
            }
}

static void registered_once(void **state)
{
    static const char *const names[] = {"mapped", "copy"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct access *access = access_find(names[i]);
        struct edge edge = edge_make("shm", 10000, 1);
        struct access_config config = config_of(&edge, 10000, 1);
        struct access_state *opened = NULL;
        void *device;
        assert_ok(access->open(&config, &opened, &err));
        assert_true(access->registration_ns(opened) > 0);
        uint8_t *bytes = edge.memory.bytes;
        uint8_t *first = access->address(opened, bytes);
        assert_non_null(first);
        assert_ptr_equal(access->address(opened, bytes + 4099), first + 4099);
        assert_null(access->address(opened, bytes + edge.memory.size_bytes));
        assert_null(access->address(opened, &edge));
        /* The same pages twice are an error of CUDA's, and no more than that. */
        assert_refused(gpu_register(gpu, bytes, edge.memory.size_bytes, &device, &err), ST_SYSTEM);
        access->close(opened);
        assert_ok(gpu_register(gpu, bytes, edge.memory.size_bytes, &device, &err));
        gpu_unregister(gpu, bytes);
        /* Frame by frame, there is no address to keep; frames left in flight are let go by
         * close. */
        config.register_per_frame = true;
        assert_ok(access->open(&config, &opened, &err));
        assert_null(access->address(opened, bytes));
        assert_int_equal(access->registration_ns(opened), 0);
        uint8_t payload[10000];
        random_bytes(payload, sizeof payload);
        struct frame in = edge_carry(&edge, 1, payload);
        unsigned copies = 0;
        struct frame out = bring(access, opened, &in, &copies);
        launch(LAUNCH_CHECKSUM, &out, 0, 7);
        assert_true(await(0, 7));
        access->close(opened);
        assert_ok(gpu_register(gpu, bytes, edge.memory.size_bytes, &device, &err));
        gpu_unregister(gpu, bytes);
        edge_end(&edge);
    }
}

static void refuses_what_it_cannot(void **state)
{
    struct edge edge = edge_make("shm", 8192, 2);
    for (size_t i = 0; i < access_registry_count; i++) {
        const struct access *access = access_registry[i];
        if (!access->needs_gpu)
            continue;
        struct access_state *made = NULL;
        struct access_config config = config_of(&edge, 8192, 1);
        config.gpu = NULL;
        assert_refused(access->open(&config, &made, &err), ST_INVALID);
        config = config_of(&edge, 8192, 0);
        assert_refused(access->open(&config, &made, &err), ST_INVALID);
        config = config_of(&edge, 8192, 1);
        config.register_per_frame = true;
        if (!(access->flags & ACCESS_REGISTERS))
            assert_refused(access->open(&config, &made, &err), ST_INVALID);
        config = config_of(&edge, 8192, 1);
        config.memory = (struct transport_memory){0};
        if (access->flags & ACCESS_REGISTERS)
            assert_refused(access->open(&config, &made, &err), ST_INVALID);
        assert_null(made);
        access->close(NULL);
        if (depth_max(access) == 1) {
            config = config_of(&edge, 8192, 2);
            assert_refused(access->open(&config, &made, &err), ST_UNAVAILABLE);
        }
    }
    edge_end(&edge);
}

static enum status try_frame(const struct access *access, struct access_state *opened,
                             const struct frame *in, struct frame *out)
{
    unsigned copies = 0;
    return access->enqueue ? access->enqueue(opened, in, out, stream, &copies, &err)
                           : access->locate(opened, in, out, &err);
}

static void frames_that_cannot_be(void **state)
{
    struct edge edge = edge_make("shm", 8192, 1);
    uint8_t payload[8192];
    random_bytes(payload, sizeof payload);
    struct frame in = edge_carry(&edge, 1, payload), out = {0};
    for (size_t i = 0; i < access_registry_count; i++) {
        const struct access *access = access_registry[i];
        if (!access->needs_gpu || (access->flags & ACCESS_DEVICE))
            continue;
        struct access_state *opened = NULL;
        struct access_config config = config_of(&edge, 8192, 1);
        assert_ok(access->open(&config, &opened, &err));
        struct frame bad = in;
        bad.payload = payload; /* elsewhere */
        assert_refused(try_frame(access, opened, &bad, &out), ST_INVALID);
        bad.payload = (uint8_t *)edge.memory.bytes + edge.memory.size_bytes - 8191;
        assert_refused(try_frame(access, opened, &bad, &out), ST_INVALID);
        bad = in;
        bad.payload_bytes = 8193;
        assert_refused(try_frame(access, opened, &bad, &out), ST_INVALID);
        bad.payload_bytes = 100;
        bad.payload = NULL;
        assert_refused(try_frame(access, opened, &bad, &out), ST_INVALID);
        /* A frame without a payload is one, and moves nothing. */
        bad.payload_bytes = 0;
        unsigned copies = 0;
        struct frame empty = bring(access, opened, &bad, &copies);
        assert_null(empty.device_payload);
        assert_int_equal(copies, 0);
        if (access->finish)
            assert_ok(access->finish(opened, &empty, &err));
        access->close(opened);
    }
    edge_end(&edge);
}

/* One more than the depth in flight, and one that was never in flight. */
static void too_many_in_flight(void **state)
{
    static const char *const names[] = {"mapped", "copy", "managed"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct access *access = access_find(names[i]);
        struct edge edge = edge_make("shm", 8192, 2);
        uint8_t payload[8192];
        random_bytes(payload, sizeof payload);
        struct frame first = edge_carry(&edge, 1, payload), second = edge_carry(&edge, 2, payload);
        struct access_config config = config_of(&edge, 8192, 1);
        config.register_per_frame = (access->flags & ACCESS_REGISTERS) != 0;
        struct access_state *opened = NULL;
        struct frame out = {0}, ignored = {0};
        assert_ok(access->open(&config, &opened, &err));
        assert_ok(try_frame(access, opened, &first, &out));
        assert_refused(try_frame(access, opened, &second, &ignored), ST_INVALID);
        assert_ok(gpu_stream_synchronize(stream, &err));
        assert_ok(access->finish(opened, &out, &err));
        assert_refused(access->finish(opened, &out, &err), ST_INVALID);
        assert_ok(try_frame(access, opened, &second, &out));
        assert_ok(gpu_stream_synchronize(stream, &err));
        assert_ok(access->finish(opened, &out, &err));
        access->close(opened);
        edge_end(&edge);
    }
}

static void frames_of_the_device(void **state)
{
    const struct access *access = access_find("device");
    const size_t bytes = 100001;
    struct access_state *opened = NULL;
    struct access_config config = {.payload_bytes = bytes, .slots = 2, .depth = 1, .gpu = gpu};
    assert_ok(access->open(&config, &opened, &err));
    void *device;
    assert_ok(gpu_device_alloc(gpu, bytes, &device, &err));
    uint8_t header[FRAME_HEADER_BYTES], *payload = malloc(bytes);
    frame_header_encode(&(struct frame_header){.frame_id = 3}, header);
    random_bytes(payload, bytes);
    assert_ok(gpu_stream_copy(stream, device, payload, bytes, &err));
    struct frame in = {.header = header, .payload_bytes = bytes}, out = {0};
    assert_refused(access->locate(opened, &in, &out, &err), ST_INVALID);
    in.device_payload = device;
    in.payload_bytes = bytes + 1;
    assert_refused(access->locate(opened, &in, &out, &err), ST_INVALID);
    in.payload_bytes = bytes;
    assert_ok(access->locate(opened, &in, &out, &err));
    assert_ptr_equal(out.device_payload, device);
    launch(LAUNCH_CHECKSUM, &out, 0, 99);
    assert_true(await(0, 99));
    assert_true(reports[0].value == frame_checksum_reference(payload, bytes));
    gpu_device_free(gpu, device);
    free(payload);
    access->close(opened);
}

/* Three frames from open to close, two of them in flight; the first error ends it. */
static enum status try_everything(const struct access *access, struct edge *edge, bool per_frame)
{
    struct access_config config = config_of(edge, 8192, depth_max(access) > 1 ? 2 : 1);
    config.register_per_frame = per_frame;
    struct access_state *opened = NULL;
    struct frame in[3], out[3];
    uint8_t payload[8192];
    enum status status = access->open(&config, &opened, &err);
    for (int i = 0; i < 3; i++) {
        random_bytes(payload, sizeof payload);
        in[i] = edge_carry(edge, i, payload);
        if (status == ST_OK)
            status = try_frame(access, opened, &in[i], &out[i]);
        int ended = i - (config.depth > 1);
        if (status == ST_OK && ended >= 0) {
            assert_ok(gpu_stream_synchronize(stream, &err));
            if (access->finish)
                status = access->finish(opened, &out[ended], &err);
        }
        assert_ok(edge->transport->release(edge->consumer, &in[i], &err));
    }
    /* The last one may stay in flight: close lets it go. */
    access->close(opened);
    return status;
}

/* Each call fails in turn: a clean error, and nothing is left. */
static void every_call_fails_in_turn(void **state)
{
    static const char *const calls[] = {
        "gpu_register",    "gpu_device_alloc",           "gpu_managed_alloc",
        "gpu_stream_copy", "gpu_stream_managed_to_host", "gpu_stream_managed_to_gpu",
    };
    if (!fake_gpu_fail)
        gpu_skip("a real GPU does not fail when asked");
    unsigned failures = 0;
    for (size_t a = 0; a < access_registry_count; a++) {
        const struct access *access = access_registry[a];
        if (!is_plain(access))
            continue;
        for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++)
            for (int per_frame = 0; per_frame <= !!(access->flags & ACCESS_REGISTERS); per_frame++)
                for (unsigned n = 1;; n++) {
                    struct edge edge = edge_make("shm", 8192, 3);
                    unsigned left = fake_gpu_left(), before = fake_gpu_calls(calls[c]);
                    err.what[0] = 0;
                    fake_gpu_fail(calls[c], n, false);
                    enum status status = try_everything(access, &edge, per_frame);
                    fake_gpu_fail(NULL, 0, false);
                    bool reached = fake_gpu_calls(calls[c]) - before >= n;
                    edge_end(&edge);
                    assert_int_equal(fake_gpu_left(), left);
                    assert_int_equal(status != ST_OK, reached);
                    assert_int_equal(err.what[0] != 0, reached);
                    failures += reached;
                    if (!reached)
                        break;
                }
    }
    assert_true(failures >= 15);
    printf("%u calls failed\n", failures);
}

/* A frame that could not be enqueued is not in flight: the next one finds its place. */
static void a_failure_keeps_no_place(void **state)
{
    if (!fake_gpu_fail)
        gpu_skip("a real GPU does not fail when asked");
    static const char *const names[][2] = {{"copy", "gpu_stream_copy"},
                                           {"managed", "gpu_stream_managed_to_gpu"},
                                           {"mapped", "gpu_register"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct access *access = access_find(names[i][0]);
        struct edge edge = edge_make("shm", 8192, 1);
        uint8_t payload[8192];
        random_bytes(payload, sizeof payload);
        struct frame in = edge_carry(&edge, 1, payload), out = {0};
        struct access_config config = config_of(&edge, 8192, 1);
        config.register_per_frame = (access->flags & ACCESS_REGISTERS) != 0;
        struct access_state *opened = NULL;
        assert_ok(access->open(&config, &opened, &err));
        fake_gpu_fail(names[i][1], 1, false);
        assert_int_not_equal(try_frame(access, opened, &in, &out), ST_OK);
        fake_gpu_fail(NULL, 0, false);
        assert_ok(try_frame(access, opened, &in, &out));
        assert_ok(gpu_stream_synchronize(stream, &err));
        assert_ok(access->finish(opened, &out, &err));
        access->close(opened);
        edge_end(&edge);
    }
}

/* Last, since memory that the GPU cannot reach after all would break this process's context. */
static void by_the_hosts_own_pointer(void **state)
{
    if (gpu_attribute_read(gpu, GPU_ATTRIBUTE_pageable_memory_access) != 1)
        gpu_skip("kernels cannot read unregistered memory here (pageable_memory_access)");
    const struct access *access = access_find("direct");
    if (!stream_all_sizes(access))
        gpu_skip("pageable_memory_access misleads here: %s", err.what);
    for (size_t e = 0; e < sizeof edges / sizeof edges[0]; e++)
        if (has_memory(edges[e]))
            invert_one(access, edges[e], 40961);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_under_the_kernel),  cmocka_unit_test(in_place_or_not),
        cmocka_unit_test(registered_once),          cmocka_unit_test(refuses_what_it_cannot),
        cmocka_unit_test(frames_that_cannot_be),    cmocka_unit_test(too_many_in_flight),
        cmocka_unit_test(frames_of_the_device),     cmocka_unit_test(every_call_fails_in_turn),
        cmocka_unit_test(a_failure_keeps_no_place), cmocka_unit_test(by_the_hosts_own_pointer),
    };
    struct gpu_info info;
    if (gpu_probe(&info, &err) != ST_OK) {
        printf("skipped: %s (%s)\n", err.what, err.hint);
        return 77;
    }
    random_seed();
    return cmocka_run_group_tests(tests, open_device, close_device);
}

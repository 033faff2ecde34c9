/* device.c: conformance tests of transports whose frames lie in device memory: what a stream waits
 * for with order event, and calls to the GPU that fail. They need the fake, and are nothing
 * elsewhere.
 */
#include <fcntl.h>
#include <string.h>

#include "tests/conformance/suite.h"
#include "tests/support/fake_gpu.h"

static bool has_no_device_memory(const struct transport *transport)
{
    if (has_device_memory(transport))
        return false;
    printf("%s has no frames in device memory\n", transport->name);
    return true;
}

/* ---- Fences ---------------------------------------------------------------------------------- */

/* The events done now, of a frame just reserved or acquired: none is ST_OK. */
static enum status fence_poll(const struct frame *frame)
{
    struct err err = {0};
    return frame->fence.event ? gpu_event_poll(frame->fence.event, &err) : ST_OK;
}

/* Waits for the GPU's thread, as a stream would. */
static void fence_wait(const struct frame *frame)
{
    struct err err = {0};
    if (frame->fence.event)
        CHECK_STATUS(gpu_event_synchronize(frame->fence.event, &err), ST_OK, err);
}

/* Both sides mark and go on while their streams stand still: the other side's fence is not done
 * before the streams go on. `limit` frames may be in flight. */
static void fence_at(const struct transport *transport, uint32_t slots, uint32_t limit)
{
    struct transport_config config = edge_config(transport, 5000, slots, 1, POLICY_BLOCK);
    config.max_in_flight = limit == slots ? 0 : limit;
    config.order = ORDER_EVENT;
    config.first_sequence = suite_random();
    struct err err = {0};
    struct edge edge;
    uint32_t *gates, *gates_device;
    edge_open(&edge, transport, &config);
    CHECK_STATUS(gpu_pinned_alloc(config.gpu, 4096, (void **)&gates, (void **)&gates_device, &err),
                 ST_OK, err);
    struct gpu_stream *writing = suite_stream(DIRECTION_WRITE);
    struct gpu_stream *reading = suite_stream(DIRECTION_READ);
    for (uint32_t n = 0; n < 3 * slots + 2; n++) {
        struct frame out, in = {0};
        CHECK_STATUS(transport->reserve(edge.producer, &out, &err), ST_OK, err);
        CHECK(!out.fence.event == (n < limit), "frame %u: a fence too few or too many", n);
        fence_wait(&out);
        CHECK_STATUS(gpu_stream_wait_value(writing, &gates_device[0], n + 1, &err), ST_OK, err);
        CHECK_STATUS(gpu_event_record(out.mark.event, writing, &err), ST_OK, err);
        CHECK_STATUS(transport->commit(edge.producer, &out, &err), ST_OK, err);

        CHECK_STATUS(transport->acquire(edge.consumer, &in, &err), ST_OK, err);
        CHECK(in.fence.event && fence_poll(&in) == ST_AGAIN, "frame %u: filled too early", n);
        __atomic_store_n(&gates[0], n + 1, __ATOMIC_RELEASE);
        fence_wait(&in);
        CHECK_STATUS(gpu_stream_wait_value(reading, &gates_device[1], n + 1, &err), ST_OK, err);
        CHECK_STATUS(gpu_event_record(in.mark.event, reading, &err), ST_OK, err);
        CHECK_STATUS(transport->release(edge.consumer, &in, &err), ST_OK, err);
        if (limit == 1) { /* the next frame must wait for this one, wherever it lies */
            CHECK_STATUS(transport->reserve(edge.producer, &out, &err), ST_OK, err);
            CHECK(fence_poll(&out) == ST_AGAIN, "frame %u is overtaken on the GPU", n);
        }
        __atomic_store_n(&gates[1], n + 1, __ATOMIC_RELEASE);
    }
    for (int i = 0; i < 2; i++)
        CHECK_STATUS(gpu_stream_synchronize(i ? writing : reading, &err), ST_OK, err);
    gpu_pinned_free(config.gpu, gates);
    edge_close(&edge);
}

void conformance_fence(const struct transport *transport)
{
    if (has_no_device_memory(transport))
        return;
    for (uint32_t slots = 1; slots <= 5; slots++)
        for (uint32_t limit = 1; limit <= slots; limit++)
            fence_at(transport, slots, limit);
}

/* ---- Failures -------------------------------------------------------------------------------- */

/* Opens both ends with the n-th call of `function` failing: an error that says why, no outputs, and
 * nothing left. False once there is no n-th call. */
static bool gpu_fails_at(const struct transport *transport, const char *function, unsigned n)
{
    struct transport_config config = edge_config(transport, 9000, 3, 1, POLICY_BLOCK);
    struct endpoint *producer = NULL, *consumer = NULL;
    struct transport_address address = {0};
    struct err err = {0};
    config.order = ORDER_EVENT;
    unsigned left = fake_gpu_left(), called = fake_gpu_calls(function);
    fake_gpu_fail(function, n, false);
    enum status status = transport->create(&config, &producer, &address, &err);
    CHECK(status == ST_OK || (!producer && address.fd_count == 0), "outputs on failure");
    if (status == ST_OK)
        status = transport->attach(&config, &address, &consumer, &err);
    CHECK(status == ST_OK || !consumer, "outputs on failure");
    bool fails = fake_gpu_calls(function) - called >= n;
    CHECK(fails == (status != ST_OK), "%s failed, and it was %s", function, status_name(status));
    CHECK(!fails || (status == ST_SYSTEM && err.what[0] && err.hint[0]), "%s: %s: %s", function,
          status_name(status), err.what);
    fake_gpu_fail(NULL, 0, false);
    transport->destroy(consumer);
    transport->destroy(producer);
    CHECK(fake_gpu_left() == left, "call %u of %s failed, and %u things were left", n, function,
          fake_gpu_left() - left);
    return fails;
}

/* Its fds are zeros, which must not be taken for descriptors. */
static void refuse(const struct transport *transport, struct transport_address *address)
{
    struct transport_config config = edge_config(transport, 100, 2, 1, POLICY_BLOCK);
    struct endpoint *endpoint = NULL;
    struct err err = {0};
    bool open_before = fcntl(0, F_GETFD) >= 0;
    CHECK_STATUS(transport->attach(&config, address, &endpoint, &err), ST_CORRUPT, err);
    CHECK(!endpoint && open_before == (fcntl(0, F_GETFD) >= 0), "standard input was closed");
}

void conformance_gpu_failures(const struct transport *transport)
{
    static const char *const functions[] = {"gpu_shared_create", "gpu_shared_attach",
                                            "gpu_event_open", "gpu_event_export",
                                            "gpu_event_import"};
    if (has_no_device_memory(transport))
        return;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        unsigned n = 1;
        while (gpu_fails_at(transport, functions[i], n))
            n++;
        CHECK(n > 1, "%s was never called", functions[i]);
    }
    /* Counts that wrap around must not make descriptors of whatever lies in the address. */
    struct transport_address wrong = {.byte_count = 8 + GPU_SHARED_ADDRESS_BYTES};
    memset(wrong.bytes, 0xff, 8);
    wrong.bytes[0] = 8;
    wrong.bytes[1] = wrong.bytes[2] = wrong.bytes[3] = 0;
    refuse(transport, &wrong);
    /* Without a GPU it says so. */
    struct transport_config config = edge_config(transport, 100, 2, 1, POLICY_BLOCK);
    struct endpoint *endpoint = NULL;
    struct transport_address address = {0};
    struct err err = {0};
    config.gpu = NULL;
    CHECK_STATUS(transport->create(&config, &endpoint, &address, &err), ST_INVALID, err);
    CHECK_STATUS(transport->attach(&config, &address, &endpoint, &err), ST_INVALID, err);
}

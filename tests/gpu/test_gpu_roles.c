/* test_gpu_roles.c: the consumer on the GPU, whole, with a producer that the test plays: every
 * access and kernel under each wait; frames that are torn, of another shape, or do not come;
 * producers that hang up. What is on the GPU ends in each case.
 */
#include "tests/support/gpu_fixture.h"

#include <pthread.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/run/role.h"
#include "harness/run/source_frames.h"
#include "kernels/kernel.h"
#include "tests/support/random_input.h"

#define MILLISECOND_NS UINT64_C(1000000)
#define FRAMES_MAX 24
#define NEVER (-1)

/* What the producer does wrong. */
struct mischief {
    int32_t torn;     /* the frame with a wrong byte, or NEVER */
    int32_t bad;      /* the frame with a wrong header */
    int32_t hangs_up; /* instead of sending this one */
    int32_t silent;   /* sends nothing from this one on */
};
static const struct mischief none = {NEVER, NEVER, NEVER, NEVER};

struct rig {
    struct role role;
    int test_fd; /* the runner's end of the control socket */
    struct endpoint *producer;
    struct source_frames source;
    struct mischief mischief;
    void *consumer;
    struct role_report report;
    struct err err;
};

static struct cell cell_of(const char *access, const char *kernel, const char *wait)
{
    struct cell cell = {
        .id = "test",
        .transport = transport_find("shm"),
        .access = access_find(access),
        .wait = wait_find(wait),
        .producer_wait = wait_find("spin"),
        .kernel = kernel_find(kernel),
        /* Odd, so that the last tag and the last word are cut. */
        .geometry = {101 + (int32_t)random_below(100), 61, 3},
        .pacing = PACING_MAX,
        .slots = 1 + (uint32_t)random_below(4),
        .policy = POLICY_BLOCK,
        .depth = 1,
        .sync = GPU_SYNC_FLAG,
        .launches = 1,
    };
    return cell;
}

/* Sends what the runner relays: the edge's address. */
static void rig_send_address(struct rig *rig, struct transport_address *address)
{
    int fds[CHANNEL_FDS_MAX];
    uint32_t fd_count;
    const struct wait_pair waits = role_wait_pair(&rig->role.setup.cell);
    cJSON *json = role_address_to_json(address, &waits, fds, &fd_count);
    assert_non_null(json);
    gpu_assert_ok(&rig->err, channel_send(rig->test_fd, json, fds, fd_count, &rig->err));
    cJSON_Delete(json);
    transport_address_close(address);
}

static void rig_make_edge(struct rig *rig)
{
    const struct cell *cell = &rig->role.setup.cell;
    const struct transport_config config = {.payload_bytes = cell_payload_bytes(cell),
                                            .slots = cell->slots,
                                            .max_held = cell->depth,
                                            .policy = cell->policy};
    struct transport_address address = {0};
    gpu_assert_ok(&rig->err, cell->transport->create(&config, &rig->producer, &address, &rig->err));
    rig_send_address(rig, &address);
}

static void rig_open(struct rig *rig, struct cell cell, uint32_t frames)
{
    int pair[2];
    memset(rig, 0, sizeof *rig);
    gpu_assert_ok(&rig->err, channel_pair(pair, &rig->err));
    rig->role =
        (struct role){.control_fd = pair[0],
                      .setup = {.cell = cell, .frames = frames, .seed = random_below(1000)}};
    rig->test_fd = pair[1];
    rig->mischief = none;
    const size_t bytes = trace_bytes(frames + 8);
    rig->role.trace = calloc(1, bytes);
    assert_non_null(rig->role.trace);
    trace_init(rig->role.trace, frames + 8);
    gpu_assert_ok(&rig->err,
                  source_frames_open(&rig->source, cell.geometry, cell_payload_bytes(&cell),
                                     cell_source_buffers(&cell),
                                     rig->role.setup.seed, &rig->err));
    rig_make_edge(rig);
    gpu_assert_ok(&rig->err, role_consumer_gpu.prepare(&rig->role, &rig->consumer, &rig->err));
}

static void rig_close(struct rig *rig)
{
    role_consumer_gpu.clean_up(rig->consumer);
    rig->role.setup.cell.transport->destroy(rig->producer);
    source_frames_close(&rig->source);
    free(rig->role.trace);
    close(rig->role.control_fd);
    close(rig->test_fd);
}

/* The producer's side of one frame, with what it does wrong. */
static void rig_fill(struct rig *rig, struct frame *frame, int32_t id)
{
    const size_t bytes = rig->source.payload_bytes;
    source_frames_prepare(&rig->source, id, FRAME_STATE_AS_LEFT);
    memcpy(frame->header, source_frames_header(&rig->source, id), FRAME_HEADER_BYTES);
    if (rig->mischief.bad == id)
        frame->header[8] ^= 1; /* the width */
    if (bytes == 0)
        return;
    memcpy(frame->payload, source_frames_payload(&rig->source, id), bytes);
    /* The first tag is one that everybody looks at. */
    if (rig->mischief.torn == id)
        frame->payload[random_below(8)] ^= (uint8_t)(1 + random_below(255));
}

static void *rig_produce(void *argument)
{
    struct rig *rig = argument;
    const struct transport *transport = rig->role.setup.cell.transport;
    struct err err;
    clock_sleep_until_ns(rig->role.start_ns);
    for (int32_t id = 0; id < (int32_t)rig->role.setup.frames; id++) {
        struct frame frame = {0};
        enum status status;
        if (rig->mischief.silent == id)
            return NULL;
        if (rig->mischief.hangs_up == id) {
            transport->hang_up(rig->producer);
            return NULL;
        }
        while ((status = transport->reserve(rig->producer, &frame, &err)) == ST_AGAIN)
            usleep(100);
        if (status != ST_OK)
            return NULL; /* the consumer is gone */
        rig_fill(rig, &frame, id);
        (void)transport->commit(rig->producer, &frame, &err);
        usleep((useconds_t)random_below(100));
    }
    return NULL;
}

/* The consumer's whole run beside a producer; limit_ms is the launch's deadline. */
static enum status rig_run(struct rig *rig, uint64_t limit_ms)
{
    pthread_t thread;
    rig->role.start_ns = clock_now_ns() + 5 * MILLISECOND_NS;
    rig->role.deadline_ns = rig->role.start_ns + limit_ms * MILLISECOND_NS;
    assert_int_equal(pthread_create(&thread, NULL, rig_produce, rig), 0);
    enum status status = role_consumer_gpu.run(&rig->role, rig->consumer, &rig->report, &rig->err);
    /* A producer that waits for a slot learns of it. */
    if (status != ST_OK) {
        role_consumer_gpu.clean_up(rig->consumer);
        rig->consumer = NULL;
    }
    pthread_join(thread, NULL);
    return status;
}

/* ---- Frames ---------------------------------------------------------------------------------- */

/* Every stamp in its place, by both clocks. */
static void check_stamps(const struct rig *rig, uint32_t index)
{
    const struct trace_record *record = &rig->role.trace->records[index];
    const struct trace_gpu_record *gpu = trace_gpu_record(rig->role.trace, index);
    const uint64_t error_ns = rig->role.trace->gpu_error_ns;
    const bool on_gpu = rig->role.setup.cell.wait->on_gpu;
    assert_int_equal(record->frame_id, index);
    assert_true(gpu->stamps_ns[STAMP_GPU_BEGIN] != 0);
    assert_true(gpu->stamps_ns[STAMP_GPU_BEGIN] <= gpu->stamps_ns[STAMP_GPU_END]);
    assert_true(gpu->stamps_ns[STAMP_GPU_END] <= record->stamps_ns[STAMP_DONE] + error_ns);
    assert_true(record->stamps_ns[STAMP_DONE] <= record->stamps_ns[STAMP_RELEASED]);
    assert_int_equal(record->stamps_ns[STAMP_ACCESSED], 0);
    assert_int_equal(gpu->stamps_ns[STAMP_GPU_FILLED], 0);
    for (int i = STAMP_WAITING; i <= STAMP_ACQUIRED; i++)
        assert_int_equal(record->stamps_ns[i] == 0, on_gpu);
    if (!on_gpu)
        assert_true(gpu->stamps_ns[STAMP_GPU_BEGIN] + error_ns >=
                    record->stamps_ns[STAMP_ACQUIRED]);
    if (index > 0)
        assert_true(gpu->stamps_ns[STAMP_GPU_BEGIN] >=
                    trace_gpu_record(rig->role.trace, index - 1)->stamps_ns[STAMP_GPU_END]);
}

/* What a role says, and rightly, when a busy machine kept it from the GPU's clock. */
#define BUSY "the GPU's clock could only be read within"

/* One launch that goes to its end; only the frames of the mischief are told of. False when a busy
 * machine spoiled it. */
static bool run_frames_once(struct cell cell, struct mischief mischief)
{
    struct rig rig;
    const uint32_t frames = 12 + (uint32_t)random_below(FRAMES_MAX - 12);
    rig_open(&rig, cell, frames);
    rig.mischief = mischief;
    if (rig_run(&rig, 20000) != ST_OK)
        fail_msg("%s, %s, %s: %s", cell.access->name, cell.kernel->name, cell.wait->name,
                 rig.err.what);
    const enum status concluded = role_consumer_gpu.conclude(&rig.role, rig.consumer, &rig.err);
    if (concluded != ST_OK && strstr(rig.err.what, BUSY)) {
        rig_close(&rig);
        return false;
    }
    gpu_assert_ok(&rig.err, concluded);
    assert_int_equal(rig.role.trace->has_gpu, 1);
    assert_int_equal(atomic_load(&rig.role.trace->count), frames);
    assert_int_equal(rig.report.frames, frames);
    assert_int_equal(rig.report.filled_bytes,
                     cell.access->enqueue ? frames * cell_payload_bytes(&cell) : 0);
    assert_true(rig.report.gpu.used && rig.report.gpu.context_ns > 0);
    for (uint32_t i = 0; i < frames; i++) {
        const uint32_t flags = rig.role.trace->records[i].flags;
        const uint32_t expected = TRACE_FRAME_CHECKED |
                                  ((int32_t)i == mischief.torn ? TRACE_FRAME_TORN : 0u) |
                                  ((int32_t)i == mischief.bad ? TRACE_FRAME_BAD_SHAPE : 0u);
        check_stamps(&rig, i);
        if (flags != expected)
            fail_msg("%s, %s, %s: frame %u has flags %u instead of %u", cell.access->name,
                     cell.kernel->name, cell.wait->name, i, flags, expected);
    }
    rig_close(&rig);
    return true;
}

static void run_frames(struct cell cell, struct mischief mischief)
{
    for (int tries = 20; !run_frames_once(cell, mischief); tries--)
        if (tries == 0)
            fail_msg("%s, %s, %s: " BUSY " too much, each time", cell.access->name,
                     cell.kernel->name, cell.wait->name);
}

static const char *const accesses[] = {"mapped", "copy", "pageable", "managed", "direct"};
static const char *const kernels[] = {"none", "checksum", "invert", "preprocess"};

/* The access itself, on this GPU: `direct` needs one that follows the host's own pointers. */
static bool access_works(const char *name)
{
    static int direct = -1;
    if (direct < 0) {
        struct gpu *gpu = gpu_fixture_open(GPU_SYNC_SPIN);
        direct = gpu_attribute_read(gpu, GPU_ATTRIBUTE_pageable_memory_access) == 1;
        gpu_close(gpu);
    }
    return strcmp(name, "direct") != 0 || direct;
}

/* One frame of each launch is torn, another has the header of another size: these two are found, by
 * every kernel, and no others. */
static void test_every_access_finds_what_is_wrong(void **state)
{
    for (size_t i = 0; i < sizeof accesses / sizeof accesses[0]; i++) {
        if (!access_works(accesses[i]))
            continue;
        for (size_t j = 0; j < sizeof kernels / sizeof kernels[0]; j++) {
            struct mischief mischief = none;
            mischief.torn = (int32_t)random_below(6);
            mischief.bad = 6 + (int32_t)random_below(6);
            run_frames(cell_of(accesses[i], kernels[j], "spin"), mischief);
        }
    }
}

static void test_waits_of_the_gpu_find_what_is_wrong(void **state)
{
    static const char *const zero_copy[] = {"mapped", "direct"};
    for (size_t j = 0; j < sizeof kernels / sizeof kernels[0]; j++) {
        struct mischief mischief = none;
        mischief.torn = (int32_t)random_below(6);
        mischief.bad = 6 + (int32_t)random_below(6);
        run_frames(cell_of("copy", kernels[j], "gpu_stream"), mischief);
        for (size_t i = 0; i < 2; i++) {
            if (!access_works(zero_copy[i]))
                continue;
            run_frames(cell_of(zero_copy[i], kernels[j], "gpu_stream"), mischief);
            run_frames(cell_of(zero_copy[i], kernels[j], "gpu_kernel"), mischief);
        }
    }
}

static void test_every_sync_and_depth(void **state)
{
    for (int sync = GPU_SYNC_SPIN; sync <= GPU_SYNC_FLAG; sync++)
        for (uint32_t depth = 1; depth <= 4; depth += 3) {
            struct cell cell =
                cell_of(depth == 1 ? "mapped" : "copy", kernels[random_below(4)], "yield");
            cell.sync = (enum gpu_sync)sync;
            cell.depth = depth;
            cell.slots = depth + (uint32_t)random_below(3);
            cell.register_per_frame = random_below(2);
            struct mischief mischief = none;
            mischief.torn = (int32_t)random_below(12);
            run_frames(cell, mischief);
        }
}

/* ---- Producers that do not go on ------------------------------------------------------------- */

static const char *const waits[] = {"spin", "gpu_stream", "gpu_kernel"};

/* The run ends with `wanted` within `most_ms` of when it could know, and the GPU has nothing left:
 * clean_up would hang, or (over the fake) complain. */
static void run_to_failure(const char *wait, const char *kernel, struct mischief mischief,
                           uint64_t limit_ms, enum status wanted, uint64_t most_ms)
{
    struct rig rig;
    rig_open(&rig, cell_of("mapped", kernel, wait), 30);
    rig.mischief = mischief;
    const uint64_t begin_ns = clock_now_ns();
    const enum status status = rig_run(&rig, limit_ms);
    const uint64_t took_ms = (clock_now_ns() - begin_ns) / MILLISECOND_NS;
    if (status != wanted)
        fail_msg("%s: %s instead of %s: %s", wait, status_name(status), status_name(wanted),
                 rig.err.what);
    assert_true(rig.err.what[0]);
    if (took_ms > most_ms)
        fail_msg("%s: took %u ms", wait, (unsigned)took_ms);
    const uint32_t sent =
        (uint32_t)(mischief.hangs_up != NEVER ? mischief.hangs_up : mischief.silent);
    assert_int_equal(atomic_load(&rig.role.trace->count), sent);
    assert_int_equal(rig.role.trace->has_gpu, 0);
    rig_close(&rig);
}

static void test_a_producer_that_hangs_up(void **state)
{
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct mischief mischief = none;
        mischief.hangs_up = (int32_t)random_below(3) ? 1 + (int32_t)random_below(20) : 0;
        run_to_failure(waits[i], kernels[random_below(4)], mischief, 60000, ST_PEER_GONE, 5000);
    }
}

static void test_a_producer_that_falls_silent(void **state)
{
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct mischief mischief = none;
        mischief.silent = (int32_t)random_below(3) ? 1 + (int32_t)random_below(10) : 0;
        run_to_failure(waits[i], kernels[random_below(4)], mischief, 400, ST_TIMEOUT, 5000);
    }
}

/* The consumer's own failure, with frames still coming: what it left on the GPU is ended all the
 * same, long before the deadline would. */
static void test_a_consumer_that_fails(void **state)
{
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct rig rig;
        rig_open(&rig, cell_of("mapped", kernels[random_below(4)], waits[i]), 30);
        rig.role.trace->capacity = 1 + (uint32_t)random_below(20);
        const uint64_t begin_ns = clock_now_ns();
        const enum status status = rig_run(&rig, 60000);
        assert_int_equal(status, ST_CORRUPT);
        assert_non_null(strstr(rig.err.what, "more frames than were sent"));
        const uint64_t took_ms = (clock_now_ns() - begin_ns) / MILLISECOND_NS;
        if (took_ms > 5000)
            fail_msg("%s: took %u ms", waits[i], (unsigned)took_ms);
        rig_close(&rig);
    }
}

/* What was called off changes no frame: a frame that the producer begins to write after the
 * deadline is the producer's. */
static void test_called_off_work_touches_nothing(void **state)
{
    struct rig rig;
    struct cell cell = cell_of("mapped", "invert", "gpu_stream");
    cell.slots = 4;
    rig_open(&rig, cell, 30);
    rig.mischief.silent = 2;
    /* The content of a slot that no frame came to. */
    struct frame slot;
    cell.transport->slot(rig.producer, 3, &slot);
    uint8_t *before = malloc(rig.source.payload_bytes);
    assert_non_null(before);
    random_bytes(before, rig.source.payload_bytes);
    memcpy(slot.payload, before, rig.source.payload_bytes);
    assert_int_equal(rig_run(&rig, 100), ST_TIMEOUT);
    assert_memory_equal(slot.payload, before, rig.source.payload_bytes);
    free(before);
    rig_close(&rig);
}

int main(int argc, char **argv)
{
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_access_finds_what_is_wrong),
        cmocka_unit_test(test_waits_of_the_gpu_find_what_is_wrong),
        cmocka_unit_test(test_every_sync_and_depth),
        cmocka_unit_test(test_a_producer_that_hangs_up),
        cmocka_unit_test(test_a_producer_that_falls_silent),
        cmocka_unit_test(test_a_consumer_that_fails),
        cmocka_unit_test(test_called_off_work_touches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

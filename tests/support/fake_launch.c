/* fake_launch.c: kernels/launch.h on the fake GPU: each kernel by its plain CPU reference.
 *
 * Addresses are the device's and are looked up when the kernel runs: a host pointer, or memory that
 * went away in between, breaks the context as on a GPU.
 */
#include "kernels/launch.h"

#include <endian.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/frame_mix.h"
#include "kernels/launch_tuning.h"
#include "kernels/preprocess.h"
#include "tests/support/fake_launch.h"

#define OUTPUT_PLANE_FLOATS ((size_t)PREPROCESS_SIZE * PREPROCESS_SIZE)

struct launcher {
    struct gpu *gpu;
    bool open;
    const struct kernel *reference; /* of `preprocess` */
    /* The stream's thread alone: the reference and what it was opened for. */
    struct kernel_state *preprocess;
    struct geometry geometry;
};

struct gpu *fake_launcher_check(const struct launcher *launcher, const char *function)
{
    if (!launcher || !launcher->open)
        fake_abort("%s: no such launcher (closed twice?)", function);
    return launcher->gpu;
}

enum status launcher_open(struct gpu *gpu, struct launcher **launcher, struct err *err)
{
    FAKE_ENTER(gpu, err);
    struct launcher *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "launcher_open: no memory");
    made->gpu = gpu;
    made->open = true;
    made->reference = kernel_find("preprocess");
    atomic_fetch_add(&gpu->live[FAKE_LAUNCHER], 1);
    *launcher = made;
    return ST_OK;
}

void launcher_close(struct launcher *launcher)
{
    if (!launcher)
        return;
    fake_note(fake_launcher_check(launcher, __func__), __func__);
    fake_settle(__func__); /* it frees device memory */
    launcher->open = false;
    atomic_fetch_sub(&launcher->gpu->live[FAKE_LAUNCHER], 1);
    launcher->reference->close(launcher->preprocess);
    free(launcher);
}

void launcher_tune(struct launcher *launcher, uint32_t threads, uint32_t blocks_each,
                   uint32_t variant)
{
    /* One shape for all. */
}

/* ---- The kernels ----------------------------------------------------------------------------- */

static bool tag_is_wrong(const uint8_t *payload, size_t block, int32_t frame_id)
{
    uint64_t tag = htole64(frame_tag(frame_id));
    return memcmp(payload + block * FRAME_TAG_STRIDE, &tag, sizeof tag) != 0;
}

/* Of all tags, or of those that frame_tags_check_sample takes for `samples`. */
static uint32_t tags_torn(const struct launch_work *work, const uint8_t *payload, size_t samples)
{
    size_t tags = frame_mix_tag_count(work->payload_bytes);
    size_t looks = samples < tags ? samples : tags;
    uint64_t random = frame_tag(work->frame_id);
    uint32_t torn = 0;
    for (size_t i = 0; i < looks; i++) {
        size_t tag = i;
        if (looks < tags && i == 1)
            tag = tags - 1;
        if (looks < tags && i > 1) {
            random = frame_mix_sample_next(random);
            tag = frame_mix_sample_tag(tags, looks - 2, i - 2, random);
        }
        torn += tag_is_wrong(payload, tag, work->frame_id);
    }
    return torn;
}

static void preprocess_run(struct launcher *launcher, const struct launch_work *work,
                           uint8_t *payload)
{
    const struct kernel_config config = {work->geometry, work->payload_bytes};
    struct err err = {0};
    if (launcher->preprocess &&
        memcmp(&launcher->geometry, &work->geometry, sizeof work->geometry) != 0) {
        launcher->reference->close(launcher->preprocess);
        launcher->preprocess = NULL;
    }
    if (!launcher->preprocess &&
        launcher->reference->open(&config, &launcher->preprocess, &err) != ST_OK)
        fake_abort("launcher_enqueue: %s", err.what);
    launcher->geometry = work->geometry;
    const struct frame frame = {.payload = payload, .payload_bytes = work->payload_bytes};
    struct kernel_result result;
    launcher->reference->enqueue(launcher->preprocess, &frame, NULL);
    launcher->reference->poll_done(launcher->preprocess, &result);
    unsigned planes;
    const float *output = preprocess_output(launcher->preprocess, &planes);
    float *to = fake_reach("preprocess's output", work->output,
                           PREPROCESS_PLANES_MAX * OUTPUT_PLANE_FLOATS * sizeof *to);
    if (to)
        memcpy(to, output, planes * OUTPUT_PLANE_FLOATS * sizeof *to);
}

/* What the kernel does to the payload, and finds; `payload` is where it really is. */
static void work_on(struct launcher *launcher, const struct launch_work *work, uint8_t *payload,
                    struct launch_report *found)
{
    switch (work->kind) {
    case LAUNCH_CHECKSUM:
        found->value = frame_checksum_reference(payload, work->payload_bytes);
        break;
    case LAUNCH_INVERT:
        found->torn_tags = tags_torn(work, payload, SIZE_MAX);
        for (size_t i = 0; i < work->payload_bytes; i++)
            payload[i] = (uint8_t)~payload[i];
        break;
    case LAUNCH_PREPROCESS:
        found->torn_tags = tags_torn(work, payload, LAUNCH_CHECK_TAGS);
        preprocess_run(launcher, work, payload);
        break;
    case LAUNCH_FILL:
        frame_source_fill(payload, work->payload_bytes, work->seed, work->source_index);
        frame_tags_write(payload, work->payload_bytes, work->frame_id);
        break;
    case LAUNCH_CHECK:
        found->torn_tags = tags_torn(work, payload, LAUNCH_CHECK_TAGS);
        break;
    case LAUNCH_NOTHING:
    case LAUNCH_KINDS:
        break;
    }
}

/* The second half comes later, as it may on a GPU. */
static void report_write(struct launch_report *report, const struct launch_report *found,
                         uint32_t done_value)
{
    report->value = found->value;
    report->torn_tags = found->torn_tags;
    __atomic_store_n(&report->done, done_value, __ATOMIC_RELEASE);
    if (fake_delay_us() > 0)
        sched_yield();
    report->begin_ns = found->begin_ns;
    report->took_ns = found->took_ns;
    __atomic_store_n(&report->stamped, done_value, __ATOMIC_RELEASE);
}

bool fake_launch_frame(struct launcher *launcher, const struct launch_work *work,
                       struct launch_report *report)
{
    struct launch_report found = {.begin_ns = fake_globaltimer_ns()};
    uint8_t *payload = NULL;
    if (work->kind != LAUNCH_NOTHING) {
        payload = fake_reach("the payload", work->payload, work->payload_bytes);
        if (payload && (uintptr_t)work->payload % 16 != 0) /* a resident kernel's slot */
            fake_break("a payload at %p: misaligned address", (void *)work->payload);
        if (atomic_load(&fake_gpu.broken))
            return false;
    }
    work_on(launcher, work, payload, &found);
    found.took_ns = (uint32_t)(fake_globaltimer_ns() - found.begin_ns);
    if (report)
        report_write(report, &found, work->done_value);
    return !atomic_load(&fake_gpu.broken);
}

struct launch {
    struct launcher *launcher;
    struct launch_work work;
};
_Static_assert(sizeof(struct launch) <= FAKE_WORK_BYTES, "fits");

static void launch_run(struct gpu_stream *stream, void *arguments, bool go)
{
    const struct launch *launch = arguments;
    const struct launch_work *work = &launch->work;
    struct launch_report *report = NULL;
    if (!go)
        return;
    if (work->report && !(report = fake_reach("the report", work->report, sizeof *report)))
        return;
    if (work->abandon) {
        const uint32_t *abandon = fake_reach("`abandon`", work->abandon, sizeof *abandon);
        if (!abandon)
            return;
        if (__atomic_load_n(abandon, __ATOMIC_ACQUIRE) != 0) {
            if (report)
                report_write(report, &(struct launch_report){0}, work->done_value);
            return;
        }
    }
    fake_launch_frame(launch->launcher, work, report);
}

enum status fake_launch_check(const struct launch_work *work, bool slots, struct err *err)
{
    struct geometry geometry = work->geometry;
    if ((unsigned)work->kind >= LAUNCH_KINDS)
        return err_set(err, ST_INVALID, NULL, "launcher_enqueue: no kernel is %d", work->kind);
    if (work->kind == LAUNCH_NOTHING)
        return ST_OK;
    if (work->payload_bytes == 0 || work->payload_bytes > FRAME_PAYLOAD_MAX)
        return err_set(err, ST_INVALID, "use kernel `none`",
                       "launcher_enqueue: a payload of %zu bytes", work->payload_bytes);
    if (!slots && (!work->payload || (uintptr_t)work->payload % 16 != 0))
        return err_set(err, ST_INVALID, "frames begin at a multiple of 16 bytes",
                       "launcher_enqueue: a payload at %p", (void *)work->payload);
    if (work->kind == LAUNCH_PREPROCESS &&
        (work->payload_bytes != geometry_payload_bytes(geometry) || !work->output ||
         (geometry.channels != 1 && geometry.channels != 3 && geometry.channels != 4)))
        return err_set(err, ST_INVALID, NULL, "launcher_enqueue: preprocess: no such image");
    return ST_OK;
}

enum status launcher_enqueue(struct launcher *launcher, struct gpu_stream *stream,
                             const struct launch_work *work, struct err *err)
{
    FAKE_ENTER(fake_launcher_check(launcher, __func__), err);
    fake_stream_check(stream, __func__);
    enum status status = fake_launch_check(work, false, err);
    if (status != ST_OK)
        return status;
    const struct launch launch = {launcher, *work};
    fake_enqueue(stream, launch_run, &launch, sizeof launch);
    return ST_OK;
}

/* consumer_gpu_kernel.c: wait gpu_kernel: one launch serves all frames. It spins on the transport's
 * word, works, and reports; the CPU looks at the reports.
 *
 * It ends by itself at the launch's deadline, on the GPU's own clock, and when the producer hangs
 * up; after an error of the CPU's it is stopped.
 */
#include "harness/measure/clock.h"
#include "harness/run/consumer_gpu.h"

static enum status kernel_enqueue(struct consumer_gpu *consumer, const struct role *role,
                                  struct err *err)
{
    const struct ahead *ahead = consumer->ahead;
    const struct launch_resident resident = {
        .work = consumer->work,
        .payloads = ahead->payloads_device,
        .slots = consumer->cell->slots,
        .frames = role_setup_total(&role->setup),
        .bell = ahead->bell_device,
        .first_word = ahead->first_word,
        .reports = consumer_gpu_on_device(consumer, consumer->flights[0].report),
        .stop = ahead_word_device(ahead, AHEAD_STOP),
        .ended = ahead_word_device(ahead, AHEAD_ENDED),
        .deadline_gpu_ns = gpu_clock_to_gpu_ns(&consumer->gpu.before, role->deadline_ns),
    };
    const enum status status =
        launcher_enqueue_resident(consumer->gpu.launcher, consumer->gpu.stream, &resident, err);
    return status == ST_OK ? ST_OK : err_context(err, "starting the resident kernel");
}

static enum status kernel_run(struct consumer_gpu *consumer, struct role *role, struct err *err)
{
    const uint32_t total = role_setup_total(&role->setup);
    const uint32_t slots = consumer->cell->slots;
    const uint32_t *ended = ahead_word(consumer->ahead, AHEAD_ENDED);
    enum status status = kernel_enqueue(consumer, role, err);
    if (status != ST_OK)
        return status;
    CONSUMER_FAULT("enqueued", 0);
    clock_sleep_until_ns(role->start_ns - CONSUMER_GPU_LEAD_NS);
    for (uint32_t frame = 0; frame < total; frame++) {
        consumer_gpu_count(consumer, role, (int32_t)frame);
        CONSUMER_FAULT("waiting", (int32_t)frame);
        status =
            consumer_ahead_await(consumer, role, &consumer->flights[frame % slots].report->done,
                                 frame + 1, frame, ended, err);
        if (status == ST_OK)
            status = consumer_ahead_take(consumer, role, frame, NULL, err);
        if (status != ST_OK)
            return err_context(err, "consumer, frame %u", frame);
    }
    status = role_gpu_await_idle(&consumer->gpu, CONSUMER_GPU_END_NS, err);
    const uint32_t end = __atomic_load_n(ended, __ATOMIC_ACQUIRE);
    if (status == ST_OK && end != LAUNCH_FINISHED)
        status =
            err_set(err, ST_CORRUPT, "this is a bug of the kernel or of the driver",
                    "the resident kernel says %u instead of finished (%d)", end, LAUNCH_FINISHED);
    return status;
}

enum status consumer_gpu_kernel_loop(struct consumer_gpu *consumer, struct role *role,
                                     struct err *err)
{
    struct err ignored;
    consumer->ahead->watch =
        (struct role_gpu_watch){.stream = consumer->gpu.stream, .deadline_ns = role->deadline_ns};
    const enum status status = kernel_run(consumer, role, err);
    if (status == ST_OK)
        return status;
    __atomic_store_n(ahead_word(consumer->ahead, AHEAD_STOP), 1, __ATOMIC_RELEASE);
    (void)role_gpu_await_idle(&consumer->gpu, CONSUMER_GPU_END_NS, &ignored);
    return status;
}

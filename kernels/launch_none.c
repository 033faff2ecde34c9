/* launch_none.c: launch.h without the CUDA Toolkit: says what is missing, and does nothing else. */
#include "kernels/launch.h"
#include "kernels/launch_tuning.h"

static enum status launch_unavailable(struct err *err)
{
    struct gpu_info info;
    return gpu_probe(&info, err);
}

enum status launcher_open(struct gpu *gpu, struct launcher **launcher, struct err *err)
{
    return launch_unavailable(err);
}

void launcher_close(struct launcher *launcher)
{
}

enum status launcher_enqueue(struct launcher *launcher, struct gpu_stream *stream,
                             const struct launch_work *work, struct err *err)
{
    return launch_unavailable(err);
}

enum status launcher_enqueue_resident(struct launcher *launcher, struct gpu_stream *stream,
                                      const struct launch_resident *resident, struct err *err)
{
    return launch_unavailable(err);
}

enum status launcher_enqueue_clock(struct launcher *launcher, struct gpu_stream *stream,
                                   const uint32_t *ask, uint32_t *answer, uint64_t *now_ns,
                                   uint32_t count, struct err *err)
{
    return launch_unavailable(err);
}

void launcher_tune(struct launcher *launcher, uint32_t threads, uint32_t blocks_each,
                   uint32_t variant)
{
}

/* launch_resident.cu: the kernel that stays and waits for frames itself (wait gpu_kernel).
 *
 * Called through launcher_enqueue_resident of launch.h. Thread 0 of block 0, the leader, looks at the
 * doorbell in host memory; it announces each frame to the other blocks through a word in device
 * memory, where many may look at once. All blocks must be on the device together: they are as many
 * as fit, and a cooperative launch where there are such makes sure of it. Frame by frame, the last
 * block to finish writes the report; the leader waits for that before the next frame, so that the
 * scratch words serve all frames. NOTHING has one thread and none of this: its hand-off is as short
 * as the GPU can make it.
 */
#include "kernels/launch.cuh"
#include "kernels/outcome.cuh"
#include "kernels/words.cuh"
#include "kernels/work.cuh"

struct resident {
    struct scratch *scratch;
    struct launch_report *reports;
    uint8_t *const *payloads;
    const uint32_t *bell;
    const uint32_t *stop;
    uint32_t *ended;
    uint64_t deadline_ns;
    uint32_t slots;
    uint32_t frames;
    uint32_t first_word;
    int32_t first_id;
};

#define RESIDENT_END UINT32_MAX /* announced: no frame comes any more */

/* The leader's wait for frame n: LAUNCH_RUNNING when it is there, or how the kernel ends. */
static __device__ enum launch_resident_end leader_await(const struct resident &resident, uint32_t n)
{
    while (gridDim.x > 1 && load_acquire_device(&resident.scratch->completed) != n) {
    }
    if (n == resident.frames)
        return LAUNCH_FINISHED;
    uint32_t before = (resident.first_word & ~DOORBELL_CLOSED) + n * DOORBELL_STEP;
    for (;;) {
        /* Both loads travel at once; only the bell's orders what comes behind it. */
        uint32_t stop = load_relaxed_system(resident.stop);
        uint32_t word = load_acquire_system(resident.bell);
        if (stop)
            return LAUNCH_STOPPED;
        if ((int32_t)((word & ~DOORBELL_CLOSED) - before) > 0)
            return LAUNCH_RUNNING;
        if (word & DOORBELL_CLOSED)
            return LAUNCH_PEER_HUNG_UP;
        if (clock_gpu_ns() > resident.deadline_ns)
            return LAUNCH_DEADLINE;
    }
}

/* Another block's wait for the same. */
static __device__ bool follower_await(const struct resident &resident, uint32_t n)
{
    uint32_t announced;
    do
        announced = load_acquire_device(&resident.scratch->announced);
    while (announced != n + 1 && announced != RESIDENT_END);
    return announced == n + 1;
}

static __device__ struct outcome outcome_of(const struct resident &resident, uint32_t n)
{
    return {resident.scratch, resident.reports + n % resident.slots, NULL, n + 1};
}

/* Thread 0 of each block: true when frame n is there. */
static __device__ bool frame_await(const struct resident &resident, uint32_t n, uint64_t *begin_ns)
{
    if (blockIdx.x > 0)
        return follower_await(resident, n);
    enum launch_resident_end end = leader_await(resident, n);
    *begin_ns = clock_gpu_ns();
    if (gridDim.x > 1) {
        store_relaxed_device(&resident.scratch->begin_ns, *begin_ns);
        store_release_device(&resident.scratch->announced,
                             end == LAUNCH_RUNNING ? n + 1 : RESIDENT_END);
    }
    if (end != LAUNCH_RUNNING)
        store_release_system(resident.ended, end);
    return end == LAUNCH_RUNNING;
}

template <int KIND>
__global__ void __launch_bounds__(LAUNCH_THREADS, LAUNCH_RESIDENT_BLOCKS_EACH)
    resident_kernel(const struct job work, const struct resident resident)
{
    __shared__ uint8_t *payloads[LAUNCH_SLOTS_MAX];
    __shared__ bool there;
    for (uint32_t i = threadIdx.x; i < resident.slots; i += blockDim.x)
        payloads[i] = resident.payloads[i];
    struct job job = work;
    uint64_t begin_ns = 0;
    for (uint32_t n = 0;; n++) {
        if (threadIdx.x == 0)
            there = frame_await(resident, n, &begin_ns);
        __syncthreads();
        if (!there)
            return;
        job.payload = payloads[n % resident.slots];
        job.tag = frame_mix_tag((int32_t)((uint32_t)resident.first_id + n));
        struct share share = work_share<KIND, LAUNCH_CACHE_L2>(job, blockIdx.x, gridDim.x);
        share = block_share<KIND>(share); /* a barrier, behind which `there` may change */
        if (threadIdx.x == 0 &&
            outcome_finish<KIND>(outcome_of(resident, n), gridDim.x, share, begin_ns, false))
            store_release_device(&resident.scratch->completed, n + 1);
    }
}

/* One thread: no barrier, no scratch memory. */
template <>
__global__ void __launch_bounds__(LAUNCH_THREADS, LAUNCH_RESIDENT_BLOCKS_EACH)
    resident_kernel<LAUNCH_NOTHING>(const struct job work, const struct resident resident)
{
    uint64_t begin_ns = 0;
    for (uint32_t n = 0; frame_await(resident, n, &begin_ns); n++)
        outcome_finish<LAUNCH_NOTHING>(outcome_of(resident, n), 1, {0, 0}, begin_ns, false);
}

static const void *resident_kernel_of(enum launch_kind kind)
{
    switch (kind) {
    case LAUNCH_CHECKSUM:
        return (const void *)resident_kernel<LAUNCH_CHECKSUM>;
    case LAUNCH_INVERT:
        return (const void *)resident_kernel<LAUNCH_INVERT>;
    case LAUNCH_PREPROCESS:
        return (const void *)resident_kernel<LAUNCH_PREPROCESS>;
    case LAUNCH_CHECK:
        return (const void *)resident_kernel<LAUNCH_CHECK>;
    default:
        return (const void *)resident_kernel<LAUNCH_NOTHING>;
    }
}

static uint32_t resident_threads(enum launch_kind kind)
{
    return kind == LAUNCH_NOTHING ? 1 : launch_threads(kind, LAUNCH_THREADS);
}

static cudaError_t resident_launch(const struct launcher *launcher, enum launch_kind kind,
                                   uint32_t blocks, struct job *job, struct resident *resident,
                                   cudaStream_t stream)
{
    void *arguments[] = {job, resident};
    const void *kernel = resident_kernel_of(kind);
    dim3 threads(resident_threads(kind));
    if (blocks > 1) {
        cudaError_t error = cudaMemsetAsync(
            &launcher->scratch->announced, 0,
            offsetof(struct scratch, abandon) - offsetof(struct scratch, announced), stream);
        if (error != cudaSuccess)
            return error;
        if (launcher->cooperative)
            return cudaLaunchCooperativeKernel(kernel, dim3(blocks), threads, arguments, 0, stream);
    }
    return cudaLaunchKernel(kernel, dim3(blocks), threads, arguments, 0, stream);
}

/* How many blocks fit at once, and a first launch of each, for no frame: it writes FINISHED into
 * scratch memory. */
enum status launch_resident_load(struct launcher *launcher, cudaStream_t stream, struct err *err)
{
    for (int i = 0; i < LAUNCH_KINDS; i++) {
        enum launch_kind kind = (enum launch_kind)i;
        int fitting = 0;
        cudaError_t error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(
            &fitting, resident_kernel_of(kind), (int)resident_threads(kind), 0);
        if (error != cudaSuccess)
            return launch_fail(err, error, "asking how many resident blocks fit");
        launcher->resident_blocks[kind] =
            (uint32_t)(fitting < LAUNCH_RESIDENT_BLOCKS_EACH ? fitting
                                                             : LAUNCH_RESIDENT_BLOCKS_EACH);
        struct job job = {};
        struct resident resident = {};
        resident.scratch = launcher->scratch;
        resident.ended = (uint32_t *)launcher->scratch->payload;
        error = resident_launch(launcher, kind, 1, &job, &resident, stream);
        if (error != cudaSuccess)
            return launch_fail(err, error, "loading the resident kernels");
    }
    return ST_OK;
}

static enum status resident_check(const struct launch_resident *resident, struct err *err)
{
    bool nothing = resident->work.kind == LAUNCH_NOTHING;
    if (resident->work.kind == LAUNCH_FILL || resident->slots < 1 ||
        resident->slots > LAUNCH_SLOTS_MAX || resident->frames == RESIDENT_END || !resident->bell ||
        !resident->reports || !resident->stop || !resident->ended ||
        (!nothing && !resident->payloads))
        return err_set(err, ST_INVALID, NULL,
                       "resident GPU kernel: kind %d with %u slots and %u frames, or a word it "
                       "needs that is missing",
                       (int)resident->work.kind, resident->slots, resident->frames);
    return launch_check(&resident->work, true, err);
}

enum status launcher_enqueue_resident(struct launcher *launcher, struct gpu_stream *stream,
                                      const struct launch_resident *resident, struct err *err)
{
    enum status status = resident_check(resident, err);
    if (status != ST_OK)
        return status;
    enum launch_kind kind = resident->work.kind;
    struct job job;
    launch_job_make(&resident->work, &job);
    struct resident given = {
        launcher->scratch, resident->reports,    resident->payloads,        resident->bell,
        resident->stop,    resident->ended,      resident->deadline_gpu_ns, resident->slots,
        resident->frames,  resident->first_word, resident->work.frame_id};
    uint32_t blocks = launch_blocks(launcher, kind, resident->work.payload_bytes,
                                    resident_threads(kind), launcher->resident_blocks[kind]);
    if (blocks < 1)
        return err_set(err, ST_UNAVAILABLE, "use another wait",
                       "resident GPU kernel: not one block of it fits this GPU");
    cudaError_t error = resident_launch(launcher, kind, blocks, &job, &given,
                                        (cudaStream_t)gpu_stream_native(stream));
    return error == cudaSuccess ? ST_OK
                                : launch_fail(err, error, "launching a resident GPU kernel");
}

/* launch.cu: the GPU kernels of one launch over a frame, and the launcher.
 *
 * Implements launch.h for the CUDA Toolkit; called by the consumer's and the producer's GPU loops
 * and by the tests. The work itself is in work.cuh, the report in outcome.cuh; the resident kernel
 * and the clock have files of their own. No exceptions, no C++ library: the program stays C.
 */
#include "kernels/launch.cuh"
#include "kernels/outcome.cuh"
#include "kernels/words.cuh"
#include "kernels/work.cuh"

#include <stdlib.h>
#include <string.h>

/* ---- Kernels --------------------------------------------------------------------------------- */

/* With LAUNCH_EARLY a kernel's blocks may be on the device before the kernel before it has ended:
 * nothing may be touched until then. Only now may the next one's come. */
static __device__ __forceinline__ void predecessor_await()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/* A frame that was called off must not be changed, but it may be read: so only kinds that write wait
 * for the abandon word before they begin. */
template <int KIND, uint32_t CACHE>
__global__ void __launch_bounds__(LAUNCH_THREADS_MAX)
    launch_kernel(const struct job job, const struct outcome outcome)
{
    predecessor_await();
    uint64_t begin_ns = 0;
    if (blockIdx.x == 0 && threadIdx.x == 0 && outcome.report) {
        begin_ns = clock_gpu_ns();
        outcome_begin(outcome, gridDim.x, begin_ns);
    }
    /* A plain load, which all threads of a multiprocessor share: the word as it was when the kernel
     * began, or newer. */
    bool abandoned = false;
    if (outcome.abandon && (kind_writes(KIND) || threadIdx.x == 0))
        abandoned = *outcome.abandon != 0;
    struct share share = {0, 0};
    if (!kind_writes(KIND) || !abandoned)
        share = work_share<KIND, CACHE>(job, blockIdx.x, gridDim.x);
    if (!outcome.report)
        return;
    share = block_share<KIND>(share);
    if (threadIdx.x == 0)
        outcome_finish<KIND>(outcome, gridDim.x, share, begin_ns, abandoned);
}

/* The L1 cache is of no use to a frame. The L2 cache is told nothing: with one frame in turn, whatever
 * leaves it early is fetched again by the next fill. */
template <int KIND> static const void *kernel_variant(uint32_t cache)
{
    if (cache == LAUNCH_CACHE_DEFAULT)
        cache = LAUNCH_CACHE_L2;
    switch (cache) {
    case LAUNCH_CACHE_L2:
        return (const void *)launch_kernel<KIND, LAUNCH_CACHE_L2>;
    case LAUNCH_CACHE_STREAM:
        return (const void *)launch_kernel<KIND, LAUNCH_CACHE_STREAM>;
    default:
        return (const void *)launch_kernel<KIND, LAUNCH_CACHE_PLAIN>;
    }
}

static const void *kernel_of(enum launch_kind kind, uint32_t cache)
{
    switch (kind) {
    case LAUNCH_CHECKSUM:
        return kernel_variant<LAUNCH_CHECKSUM>(cache);
    case LAUNCH_INVERT:
        return kernel_variant<LAUNCH_INVERT>(cache);
    case LAUNCH_FILL:
        return kernel_variant<LAUNCH_FILL>(cache);
    case LAUNCH_PREPROCESS:
        return (const void *)launch_kernel<LAUNCH_PREPROCESS, LAUNCH_CACHE_PLAIN>;
    case LAUNCH_CHECK:
        return (const void *)launch_kernel<LAUNCH_CHECK, LAUNCH_CACHE_PLAIN>;
    default:
        return (const void *)launch_kernel<LAUNCH_NOTHING, LAUNCH_CACHE_PLAIN>;
    }
}

/* ---- What a launch needs ----------------------------------------------------------------------- */

enum status launch_fail(struct err *err, cudaError_t error, const char *what)
{
    bool no_kernel =
        error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction ||
        error == cudaErrorInvalidKernelImage || error == cudaErrorUnsupportedPtxVersion;
    return err_set(err,
                   no_kernel                            ? ST_UNAVAILABLE
                   : error == cudaErrorMemoryAllocation ? ST_NO_MEMORY
                                                        : ST_SYSTEM,
                   no_kernel ? "this binary has no kernels for this GPU: build it again with "
                               "-DHANDOFF_CUDA_ARCHITECTURES naming the GPU's compute capability"
                             : "see `dmesg` for the driver's own word (Xid); after a broken access "
                               "only a new process can use the GPU",
                   "%s: %s (CUDA error %d, %s)", what, cudaGetErrorString(error), (int)error,
                   cudaGetErrorName(error));
}

uint32_t launch_blocks(const struct launcher *launcher, enum launch_kind kind, size_t payload_bytes,
                       uint32_t threads, uint32_t each)
{
    if (kind == LAUNCH_NOTHING || kind == LAUNCH_CHECK)
        return 1;
    size_t most = (size_t)launcher->multiprocessors * each;
    if (most > LAUNCH_BLOCKS_MAX)
        most = LAUNCH_BLOCKS_MAX;
    size_t items = kind == LAUNCH_PREPROCESS ? PREPROCESS_PIXELS : payload_bytes / VECTOR_BYTES + 1;
    size_t pieces = (items + threads - 1) / threads;
    return (uint32_t)(pieces < most ? pieces : most);
}

static enum status image_check(const struct launch_work *work, struct err *err)
{
    struct geometry geometry = work->geometry;
    if (geometry.channels != 1 && geometry.channels != 3 && geometry.channels != 4)
        return err_set(err, ST_INVALID, "use frames of 1, 3 or 4 channels, or another kernel",
                       "kernel preprocess: %d channels are not an image it knows",
                       (int)geometry.channels);
    if (geometry.width < 1 || geometry.height < 1 ||
        work->payload_bytes != geometry_payload_bytes(geometry))
        return err_set(err, ST_INVALID, "use kernel `none`, or a fill that moves the whole payload",
                       "kernel preprocess: a payload of %zu bytes is not an image of %d x %d x %d",
                       work->payload_bytes, (int)geometry.width, (int)geometry.height,
                       (int)geometry.channels);
    if (!work->output)
        return err_set(err, ST_INVALID, NULL, "kernel preprocess: no output memory was given");
    return ST_OK;
}

enum status launch_check(const struct launch_work *work, bool slots, struct err *err)
{
    if ((unsigned)work->kind >= LAUNCH_KINDS)
        return err_set(err, ST_INVALID, NULL, "GPU kernel number %d: there is none",
                       (int)work->kind);
    if (work->kind == LAUNCH_NOTHING)
        return ST_OK;
    if (work->payload_bytes == 0 || work->payload_bytes > FRAME_PAYLOAD_MAX)
        return err_set(err, ST_INVALID, "use kernel `none` for frames without payload",
                       "GPU kernel: no work on a payload of %zu bytes", work->payload_bytes);
    if (!slots && (!work->payload || (uintptr_t)work->payload % 16 != 0))
        return err_set(err, ST_INVALID, "use access copy, pageable or managed, whose copies do",
                       "GPU kernel: a payload at %p does not begin at a multiple of 16 bytes",
                       (void *)work->payload);
    return work->kind == LAUNCH_PREPROCESS ? image_check(work, err) : ST_OK;
}

void launch_job_make(const struct launch_work *work, struct job *job)
{
    memset(job, 0, sizeof *job);
    job->payload = work->payload;
    job->payload_bytes = work->payload_bytes;
    job->tag = frame_mix_tag(work->frame_id);
    job->key = frame_mix_content_key(work->seed, work->source_index);
    job->geometry = work->geometry;
    job->output = work->output;
    for (int plane = 0; plane < PREPROCESS_PLANES_MAX; plane++) {
        struct preprocess_normal normal =
            work->geometry.channels == 1 ? preprocess_normal_grey : preprocess_normal_rgb[plane];
        job->scale[plane] = (float)(1.0 / (255.0 * normal.deviation));
        job->offset[plane] = (float)(-normal.mean / normal.deviation);
    }
}

static cudaError_t kernel_launch(const struct launcher *launcher, const void *kernel,
                                 uint32_t blocks, uint32_t threads, void **arguments,
                                 cudaStream_t stream)
{
#if CUDART_VERSION >= 11080
    if (launcher->variant & LAUNCH_EARLY) {
        cudaLaunchAttribute attribute = {};
        cudaLaunchConfig_t config = {};
        attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
        attribute.val.programmaticStreamSerializationAllowed = 1;
        config.gridDim = dim3(blocks);
        config.blockDim = dim3(threads);
        config.stream = stream;
        config.attrs = &attribute;
        config.numAttrs = 1;
        return cudaLaunchKernelExC(&config, kernel, arguments);
    }
#endif
    return cudaLaunchKernel(kernel, dim3(blocks), dim3(threads), arguments, 0, stream);
}

enum status launcher_enqueue(struct launcher *launcher, struct gpu_stream *stream,
                             const struct launch_work *work, struct err *err)
{
    enum status status = launch_check(work, false, err);
    if (status != ST_OK)
        return status;
    struct job job;
    launch_job_make(work, &job);
    struct outcome outcome = {launcher->scratch, work->report, work->abandon, work->done_value};
    void *arguments[] = {&job, &outcome};
    uint32_t threads = launch_threads(work->kind, launcher->threads);
    uint32_t blocks =
        launch_blocks(launcher, work->kind, work->payload_bytes, threads, launcher->blocks_each);
    cudaError_t error =
        kernel_launch(launcher, kernel_of(work->kind, launcher->variant % LAUNCH_CACHES), blocks,
                      threads, arguments, (cudaStream_t)gpu_stream_native(stream));
    return error == cudaSuccess ? ST_OK : launch_fail(err, error, "launching a GPU kernel");
}

/* ---- The launcher ------------------------------------------------------------------------------ */

/* Modules are loaded when a kernel is first used, which may take milliseconds and allocate: so every
 * kernel is used once, on a frame that is called off. */
static enum status kernels_load(struct launcher *launcher, cudaStream_t stream, struct err *err)
{
    struct job job;
    memset(&job, 0, sizeof job);
    job.payload = launcher->scratch->payload;
    job.payload_bytes = sizeof launcher->scratch->payload;
    job.geometry = {32, 32, 4};
    struct outcome outcome = {launcher->scratch, NULL, &launcher->scratch->abandon, 0};
    void *arguments[] = {&job, &outcome};
    for (int kind = 0; kind < LAUNCH_KINDS; kind++)
        for (uint32_t cache = 0; cache < LAUNCH_CACHES; cache++) {
            const void *kernel = kernel_of((enum launch_kind)kind, cache);
            struct cudaFuncAttributes attributes;
            cudaError_t error = cudaFuncGetAttributes(&attributes, kernel);
            if (error == cudaSuccess)
                error = cudaLaunchKernel(kernel, dim3(1), dim3(LAUNCH_THREADS_PIXELS), arguments, 0,
                                         stream);
            if (error != cudaSuccess)
                return launch_fail(err, error, "loading the GPU kernels");
        }
    enum status status = launch_resident_load(launcher, stream, err);
    return status == ST_OK ? launch_clock_load(err) : status;
}

static enum status launcher_prepare(struct launcher *launcher, cudaStream_t stream, struct err *err)
{
    int multiprocessors = 0, cooperative = 0, compute_major = 0;
    cudaError_t error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0);
    if (error == cudaSuccess)
        error = cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, 0);
    if (error == cudaSuccess)
        error = cudaDeviceGetAttribute(&compute_major, cudaDevAttrComputeCapabilityMajor, 0);
    if (error == cudaSuccess)
        error = cudaMemsetAsync(launcher->scratch, 0, sizeof *launcher->scratch, stream);
    if (error == cudaSuccess)
        error = cudaMemsetAsync(&launcher->scratch->abandon, 1, sizeof(uint32_t), stream);
    if (error != cudaSuccess)
        return launch_fail(err, error, "preparing the GPU kernels");
    launcher->multiprocessors = (uint32_t)multiprocessors;
    launcher->cooperative = cooperative != 0;
    launcher->compute_major = compute_major;
    launcher_tune(launcher, 0, 0, 0);
    enum status status = kernels_load(launcher, stream, err);
    if (status != ST_OK)
        return status;
    error = cudaStreamSynchronize(stream);
    return error == cudaSuccess ? ST_OK : launch_fail(err, error, "the GPU kernels' first run");
}

enum status launcher_open(struct gpu *gpu, struct launcher **launcher, struct err *err)
{
    struct launcher *made = (struct launcher *)calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "no memory for the GPU kernels' launcher");
    made->gpu = gpu;
    void *scratch = NULL;
    enum status status = gpu_device_alloc(gpu, sizeof *made->scratch, &scratch, err);
    cudaStream_t stream = NULL;
    if (status == ST_OK) {
        made->scratch = (struct scratch *)scratch;
        cudaError_t error = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
        status = error == cudaSuccess ? launcher_prepare(made, stream, err)
                                      : launch_fail(err, error, "a stream to load the kernels on");
    }
    if (stream)
        cudaStreamDestroy(stream);
    if (status != ST_OK) {
        launcher_close(made);
        return status;
    }
    *launcher = made;
    return ST_OK;
}

void launcher_close(struct launcher *launcher)
{
    if (!launcher)
        return;
    gpu_device_free(launcher->gpu, launcher->scratch);
    free(launcher);
}

void launcher_tune(struct launcher *launcher, uint32_t threads, uint32_t blocks_each,
                   uint32_t variant)
{
    launcher->threads = threads ? threads : LAUNCH_THREADS;
    launcher->blocks_each = blocks_each ? blocks_each : LAUNCH_BLOCKS_EACH;
    launcher->variant = launcher->compute_major >= 9 ? variant : variant % LAUNCH_CACHES;
}

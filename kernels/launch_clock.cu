/* launch_clock.cu: the GPU's side of the exchange that tells its clock from the host's.
 *
 * Called through launcher_enqueue_clock of launch.h, for run/gpu_clock.c and for the floor "flag
 * there and back".
 */
#include "kernels/launch.cuh"
#include "kernels/words.cuh"

#define CLOCK_PATIENCE_NS UINT64_C(1000000000)

__global__ void clock_kernel(const uint32_t *ask, uint32_t *answer, uint64_t *now_ns,
                             uint32_t count)
{
    bool together =
        PAIRS_ARE_WHOLE && answer == (uint32_t *)(now_ns + 1) && (uintptr_t)now_ns % 16 == 0;
    for (uint32_t i = 1; i <= count; i++) {
        uint64_t since_ns = clock_gpu_ns();
        while (load_acquire_system(ask) != i)
            if (clock_gpu_ns() - since_ns > CLOCK_PATIENCE_NS)
                return;
        if (together) {
            store_pair_system(now_ns, clock_gpu_ns(), i);
        } else {
            *now_ns = clock_gpu_ns();
            store_release_system(answer, i);
        }
    }
}

enum status launch_clock_load(struct err *err)
{
    struct cudaFuncAttributes attributes;
    cudaError_t error = cudaFuncGetAttributes(&attributes, (const void *)clock_kernel);
    return error == cudaSuccess ? ST_OK : launch_fail(err, error, "loading the clock's kernel");
}

enum status launcher_enqueue_clock(struct launcher *launcher, struct gpu_stream *stream,
                                   const uint32_t *ask, uint32_t *answer, uint64_t *now_ns,
                                   uint32_t count, struct err *err)
{
    (void)launcher; /* the exchange needs no scratch memory */
    void *arguments[] = {&ask, &answer, &now_ns, &count};
    cudaError_t error = cudaLaunchKernel((const void *)clock_kernel, dim3(1), dim3(1), arguments, 0,
                                         (cudaStream_t)gpu_stream_native(stream));
    return error == cudaSuccess ? ST_OK : launch_fail(err, error, "launching the clock's kernel");
}

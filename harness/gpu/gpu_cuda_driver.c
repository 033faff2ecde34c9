/* gpu_cuda_driver.c: the driver's functions that the runtime has no form of.
 *
 * Asked of the runtime's entry-point call, whose form has changed three times since CUDA 11.4; of
 * libcuda.so.1 itself where this runtime is too old to know the version of a function that we mean,
 * though the driver has it.
 */
#include <dlfcn.h>
#include <string.h>

#include "harness/gpu/gpu_cuda.h"

static void *gpu_entry_point(const char *name, int version)
{
    void *function = NULL;
#if CUDART_VERSION >= 12000
    enum cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
    cudaError_t error = cudaGetDriverEntryPointByVersion(name, &function, (unsigned)version,
                                                         cudaEnableDefault, &result);
#else
    cudaError_t error = cudaGetDriverEntryPoint(name, &function, cudaEnableDefault, &result);
#endif
    if (error == cudaSuccess && result != cudaDriverEntryPointSuccess)
        function = NULL;
#else
    cudaError_t error = version <= CUDART_VERSION
                            ? cudaGetDriverEntryPoint(name, &function, cudaEnableDefault)
                            : cudaErrorSymbolNotFound;
#endif
    if (error != cudaSuccess) {
        (void)cudaGetLastError();
        function = NULL;
    }
    return function;
}

static void *gpu_function_find(void *library, const char *name, int version, const char *exported)
{
    void *function = gpu_entry_point(name, version);
    if (!function && library)
        function = dlsym(library, exported);
    return function;
}

static CUresult CUDAAPI gpu_stream_value_refuse(CUstream stream, CUdeviceptr word, cuuint32_t value,
                                                unsigned flags)
{
    return CUDA_ERROR_NOT_SUPPORTED;
}

void gpu_cuda_driver_load(struct gpu_cuda_driver *driver)
{
    /* It is loaded already, and stays: the runtime holds it. */
    void *library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    void *found;
    /* Copied bytewise: ISO C has no cast from a data pointer to a function's. */
#define GPU_CUDA_FUNCTION(member, type, name, version, exported) \
    found = gpu_function_find(library, name, version, exported); \
    memcpy(&driver->member, &found, sizeof found);
    GPU_CUDA_FUNCTIONS(GPU_CUDA_FUNCTION)
#undef GPU_CUDA_FUNCTION
    /* Drivers before 11.7 have the first version alone. */
    if (!driver->stream_wait_value || !driver->stream_write_value) {
        found = library ? dlsym(library, "cuStreamWaitValue32") : NULL;
        memcpy(&driver->stream_wait_value, &found, sizeof found);
        found = library ? dlsym(library, "cuStreamWriteValue32") : NULL;
        memcpy(&driver->stream_write_value, &found, sizeof found);
    }
    if (!driver->stream_wait_value)
        driver->stream_wait_value = gpu_stream_value_refuse;
    if (!driver->stream_write_value)
        driver->stream_write_value = gpu_stream_value_refuse;
    if (library)
        dlclose(library);
}

enum status gpu_cuda_need(bool has, const char *function, struct err *err)
{
    if (has)
        return ST_OK;
    return err_set(err, ST_UNAVAILABLE, "update the NVIDIA driver, or use another transport",
                   "this driver has no %s", function);
}

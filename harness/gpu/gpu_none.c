/* gpu_none.c: gpu.h without the CUDA Toolkit: says what is missing, and does nothing else.
 *
 * CMake takes it instead of gpu_cuda.c where there is no toolkit or HANDOFF_CUDA=OFF.
 */
#include "harness/gpu/gpu.h"

enum status gpu_probe(struct gpu_info *info, struct err *err)
{
    char what[200];
    if (gpu_hardware_present(what, sizeof what))
        return err_set(err, ST_UNAVAILABLE,
                       "install the CUDA Toolkit (11.4 or newer; on a Jetson: apt-get install "
                       "nvidia-jetpack), or set CUDACXX to its nvcc, and build again",
                       "built without the CUDA Toolkit, although this machine has a GPU: %s", what);
    return err_set(err, ST_UNAVAILABLE,
                   "for GPU figures, build on a machine with an NVIDIA GPU and the CUDA Toolkit",
                   "built without the CUDA Toolkit, and no NVIDIA GPU shows on this machine");
}

const char *gpu_toolkit_version(void)
{
    return NULL;
}

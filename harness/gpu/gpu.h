/* gpu.h: the one door from C to CUDA.
 *
 * Exactly one of gpu_cuda.c (built with the CUDA Toolkit) and gpu_none.c (without) implements it,
 * so that nothing else needs an #ifdef. A binary built with the toolkit also runs where there is no
 * driver: it then says so.
 *
 * Only roles may call gpu_probe. The first call into CUDA starts the driver in the process, which
 * takes time, creates threads and contexts and does not survive a fork; the runner asks a
 * short-lived role instead.
 */
#ifndef HANDOFF_GPU_H
#define HANDOFF_GPU_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"

/* What a GPU machine is, as CUDA tells it. Versions are 1000 * major + 10 * minor. */
struct gpu_info {
    int device_count;
    char name[256]; /* of device 0, as are the rest */
    int compute_major;
    int compute_minor;
    bool integrated;     /* it shares the CPU's memory, as on a Jetson */
    int runtime_version; /* the CUDA runtime in this binary */
    int driver_version;  /* the newest CUDA that the installed driver can run */
};

/* ST_OK with at least one device in *info, or ST_UNAVAILABLE with the exact reason (built without
 * the toolkit, no driver, a driver too old, no device, …) and its remedy. May take seconds: it
 * starts the driver. Makes no context. */
enum status gpu_probe(struct gpu_info *info, struct err *err);

/* The version of the CUDA Toolkit this was built with ("13.0"), or NULL without one. Never touches
 * a GPU. */
const char *gpu_toolkit_version(void);

/* Is there NVIDIA hardware, whatever was built or installed? Looks at files only, so everybody may
 * ask; false means that none shows (a container may hide it). *what says how it shows, cut to
 * `size` bytes. `root` stands before every path: tests pass a folder, others use
 * gpu_hardware_present. */
bool gpu_hardware_find(const char *root, char *what, size_t size);
static inline bool gpu_hardware_present(char *what, size_t size)
{
    return gpu_hardware_find("", what, size);
}

#endif

/* gpu_report.h: what a role says of its GPU, from the role (role.h) to the launch's file
 * (result.h).
 */
#ifndef HANDOFF_RUN_GPU_REPORT_H
#define HANDOFF_RUN_GPU_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/gpu/gpu.h"

/* What a role's use of the GPU cost apart from any frame, and how it was set. */
struct role_gpu_report {
    bool used;                /* false: the role does not use the GPU; the rest is nothing */
    uint64_t context_ns;      /* starting the driver and making the context */
    uint64_t registration_ns; /* registering host memory; 0: none */
    enum gpu_sync schedule;   /* the device's schedule flag: SPIN, YIELD or BLOCK */
    int mps;                  /* the driver says it shares through MPS: 1, 0; -1: it does not say */
    uint64_t clock_error_ns;  /* what its stamps may be off: the trace's; not sent; 0: no stamps */
};

#endif

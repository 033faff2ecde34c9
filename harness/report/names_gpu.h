/* names_gpu.h: the values of the GPU's axes, and fill gpu, as people say them. Called by names.c.
 */
#ifndef HANDOFF_REPORT_NAMES_GPU_H
#define HANDOFF_REPORT_NAMES_GPU_H

#include <stdbool.h>

/* Writes at most REPORT_AXIS_BYTES; false when the axis is none of them, or the value none that
 * this version knows. */
bool names_gpu_pretty(const char *axis, const char *raw, char *value);

#endif

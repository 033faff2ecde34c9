/* capability.h: what this machine's GPU can really do, each found out by doing it.
 *
 * Attributes mislead (gpu_attributes.def), so every capability is tried by two short-lived processes
 * with verified content and a deadline. `handoff probe` shows all; the probes of transports,
 * accesses and waits ask for the ones they need, through here, in the runner, which never touches
 * CUDA itself: main.c names the asker, run/capability*.c is it and starts the processes.
 */
#ifndef HANDOFF_GPU_CAPABILITY_H
#define HANDOFF_GPU_CAPABILITY_H

#include <stdbool.h>

#include "harness/base/err.h"
#include "harness/gpu/gpu.h"

/* CAPABILITY(key, negative, title, instead)
 * In the order of `handoff probe`. Negative: the claim is that it does not work, and "works" is the
 * surprise. `instead`: what to use where it does not work. */
enum gpu_capability {
#define CAPABILITY(key, negative, title, instead) GPU_CAN_##key,
#include "harness/gpu/capability.def"
#undef CAPABILITY
    GPU_CAPABILITY_COUNT
};

struct gpu_capability_row {
    const char *key; /* "register_shm" */
    bool negative;
    const char *title;
    const char *instead;
};
extern const struct gpu_capability_row gpu_capability_rows[GPU_CAPABILITY_COUNT];

/* ST_OK: it works here. ST_UNAVAILABLE with the reason (CUDA's error, in words) and what to use
 * instead. Blocks for seconds the first time, when an asker is set; without one: ST_UNAVAILABLE, not
 * tried. */
enum status gpu_capability_check(enum gpu_capability capability, struct err *err);

/* Who finds out. It remembers its answers. */
typedef enum status (*gpu_capability_asker)(enum gpu_capability capability, struct err *err);
void gpu_capability_set_asker(gpu_capability_asker asker);

/* What the driver states of an attribute (gpu.h), for what cannot be tried but by a fault: true with
 * *value, which is INT32_MIN where the driver does not know it; false where nobody says. Blocks for a
 * second the first time, when an asker is set, which remembers. */
bool gpu_capability_attribute(enum gpu_attribute attribute, int *value);
typedef bool (*gpu_attribute_asker)(enum gpu_attribute attribute, int *value);
void gpu_capability_set_attribute_asker(gpu_attribute_asker asker);

#endif

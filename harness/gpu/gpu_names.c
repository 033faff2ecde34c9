/* gpu_names.c: the names in gpu.h, whatever implements it. */
#include "harness/gpu/gpu.h"

static const struct gpu_attribute_text {
    const char *name;
    const char *about;
} gpu_attribute_texts[GPU_ATTRIBUTE_COUNT] = {
#define GPU_ATTRIBUTE(key, number, about) {#key, about},
#include "harness/gpu/gpu_attributes.def"
#undef GPU_ATTRIBUTE
};

const char *gpu_attribute_name(enum gpu_attribute attribute)
{
    return gpu_attribute_texts[attribute].name;
}

const char *gpu_attribute_about(enum gpu_attribute attribute)
{
    return gpu_attribute_texts[attribute].about;
}

const char *gpu_share_name(enum gpu_share share)
{
    static const char *const names[] = {
        [GPU_SHARE_IPC] = "ipc", [GPU_SHARE_VMM] = "vmm", [GPU_SHARE_POOL] = "pool"};
    return names[share];
}

/* capability.c: the table's rows, and who is asked about them; see capability.h. */
#include "harness/gpu/capability.h"

#include <stddef.h>

#include "harness/gpu/gpu.h"

const struct gpu_capability_row gpu_capability_rows[GPU_CAPABILITY_COUNT] = {
#define CAPABILITY(key, negative, title, instead) {#key, negative, title, instead},
#include "harness/gpu/capability.def"
#undef CAPABILITY
};

static gpu_capability_asker gpu_asker;
static gpu_attribute_asker gpu_attributes;

void gpu_capability_set_asker(gpu_capability_asker asker)
{
    gpu_asker = asker;
}

enum status gpu_capability_check(enum gpu_capability capability, struct err *err)
{
    struct gpu_info info;
    /* Without a toolkit there is nothing to start processes for, and gpu_probe touches nothing. */
    if (!gpu_toolkit_version())
        return gpu_probe(&info, err);
    if (!gpu_asker)
        return err_set(err, ST_UNAVAILABLE, "see `handoff probe`", "%s: not tried",
                       gpu_capability_rows[capability].title);
    return gpu_asker(capability, err);
}

void gpu_capability_set_attribute_asker(gpu_attribute_asker asker)
{
    gpu_attributes = asker;
}

bool gpu_capability_attribute(enum gpu_attribute attribute, int *value)
{
    return gpu_toolkit_version() && gpu_attributes && gpu_attributes(attribute, value);
}

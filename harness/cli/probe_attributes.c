/* probe_attributes.c: where what the driver states and what was done disagree. See probe.h. */
#include <limits.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/probe.h"

/* Whoever reads the attribute would conclude that the row works exactly where (value & mask). */
static const struct {
    enum gpu_attribute attribute;
    enum gpu_capability row;
    int mask;
} concluded[] = {
    {GPU_ATTRIBUTE_can_map_host_memory, GPU_CAN_register_shm, INT_MAX},
    {GPU_ATTRIBUTE_host_register, GPU_CAN_register_shm, INT_MAX},
    {GPU_ATTRIBUTE_managed_memory, GPU_CAN_managed_copy, INT_MAX},
    {GPU_ATTRIBUTE_pageable_memory_access, GPU_CAN_unregistered_shm, INT_MAX},
    {GPU_ATTRIBUTE_pageable_memory_access, GPU_CAN_unregistered_malloc, INT_MAX},
    {GPU_ATTRIBUTE_stream_memory_operations_v1, GPU_CAN_stream_values, INT_MAX},
    {GPU_ATTRIBUTE_stream_memory_operations, GPU_CAN_stream_values, INT_MAX},
    {GPU_ATTRIBUTE_virtual_memory_management, GPU_CAN_vmm, INT_MAX},
    {GPU_ATTRIBUTE_posix_descriptor_handles, GPU_CAN_vmm, INT_MAX},
    {GPU_ATTRIBUTE_memory_pools, GPU_CAN_pool, INT_MAX},
    {GPU_ATTRIBUTE_memory_pool_handle_types, GPU_CAN_pool, 1},
    {GPU_ATTRIBUTE_dma_buf, GPU_CAN_dmabuf_device, INT_MAX},
    {GPU_ATTRIBUTE_ipc_event, GPU_CAN_ipc_event, INT_MAX},
    {GPU_ATTRIBUTE_ipc_event, GPU_CAN_ipc_memory, INT_MAX},
    {GPU_ATTRIBUTE_mps, GPU_CAN_mps, INT_MAX},
};

bool probe_attribute(const struct probe *probe, enum gpu_attribute attribute, int *value)
{
    int64_t number;
    const cJSON *attributes = json_get(probe->gpu, "attributes");
    if (!json_whole(json_get(attributes, gpu_attribute_name(attribute)), INT_MIN, INT_MAX, &number))
        return false;
    *value = (int)number;
    return true;
}

const char *probe_attribute_misleads(const struct probe *probe, enum gpu_attribute attribute,
                                     char *text, size_t size)
{
    int value;
    text[0] = '\0';
    if (!probe_attribute(probe, attribute, &value))
        return text;
    for (size_t i = 0; i < sizeof concluded / sizeof concluded[0]; i++) {
        const enum capability_outcome outcome = probe->answers[concluded[i].row].outcome;
        const bool says = (value & concluded[i].mask) != 0;
        const size_t used = strlen(text);
        if (concluded[i].attribute != attribute ||
            (outcome != CAPABILITY_WORKS && outcome != CAPABILITY_DOES_NOT) ||
            says == (outcome == CAPABILITY_WORKS))
            continue;
        snprintf(text + used, size - used, "%s%s %s here",
                 used   ? ", and "
                 : says ? "yes, but "
                        : "no, but ",
                 gpu_capability_rows[concluded[i].row].key, probe_outcome_words(outcome));
    }
    if (text[0] && attribute == GPU_ATTRIBUTE_mps)
        snprintf(text + strlen(text), size - strlen(text),
                 ": it tells of the process that asks, not of the machine");
    return text;
}

/* capability_describe.c: what the GPU is, said by a process that may ask CUDA, for results and for
 * `handoff probe`. The asking side is in capability.c.
 */
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/gpu/gpu_sensors.h"
#include "harness/run/capability_trial.h"

static bool describe_sensors(const struct gpu *gpu, cJSON *json)
{
    struct gpu_sensors sensors;
    if (!gpu_sensors_read(gpu_attribute_read(gpu, GPU_ATTRIBUTE_pci_domain),
                          gpu_attribute_read(gpu, GPU_ATTRIBUTE_pci_bus),
                          gpu_attribute_read(gpu, GPU_ATTRIBUTE_pci_device), &sensors))
        return true;
    const struct {
        bool has;
        const char *name;
        double value;
    } figures[] = {
        {sensors.has_sm_clock, "sm_clock_hz", sensors.sm_clock_mhz * 1e6},
        {sensors.has_sm_clock_max, "sm_clock_max_hz", sensors.sm_clock_max_mhz * 1e6},
        {sensors.has_memory_clock, "memory_clock_hz", sensors.memory_clock_mhz * 1e6},
        {sensors.has_memory_clock_max, "memory_clock_max_hz", sensors.memory_clock_max_mhz * 1e6},
        {sensors.has_temperature, "temperature_celsius", sensors.temperature_celsius},
        {sensors.has_power, "power_w", sensors.power_w},
        {sensors.has_energy, "energy_j", sensors.energy_j},
    };
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        if (figures[i].has && !json_add_double(json, figures[i].name, figures[i].value))
            return false;
    if (sensors.has_persistence && !json_add_bool(json, "persistence_mode", sensors.persistence))
        return false;
    if (sensors.driver_version[0] &&
        !json_add_string(json, "driver_release", sensors.driver_version))
        return false;
    if (!sensors.has_clock_limits)
        return true;
    cJSON *limits = cJSON_CreateArray();
    bool ok = json_add(json, "clock_limits", limits);
    for (int bit = 0; bit < GPU_SENSORS_LIMITS && ok; bit++)
        if (sensors.clock_limits >> bit & 1)
            ok = json_append(limits, cJSON_CreateString(gpu_sensors_limit_name(bit)));
    return ok;
}

/* An attribute that the driver does not know is absent. */
static bool describe_attribute(const struct gpu *gpu, enum gpu_attribute attribute,
                               const char *name, cJSON *json)
{
    const int value = gpu_attribute_read(gpu, attribute);
    return value == INT32_MIN || json_add_i64(json, name, value);
}

static bool describe_attributes(const struct gpu *gpu, cJSON *json)
{
    cJSON *attributes = cJSON_CreateObject();
    bool ok = json_add(json, "attributes", attributes);
    for (int i = 0; i < GPU_ATTRIBUTE_COUNT && ok; i++) {
        const int value = gpu_attribute_read(gpu, (enum gpu_attribute)i);
        const char *name = gpu_attribute_name((enum gpu_attribute)i);
        ok = value == INT32_MIN ? json_add(attributes, name, cJSON_CreateNull())
                                : json_add_i64(attributes, name, value);
    }
    return ok;
}

/* "12.4" of 12040. */
static bool describe_version(cJSON *json, const char *name, int version)
{
    char text[24];
    snprintf(text, sizeof text, "%d.%d", version / 1000, version % 1000 / 10);
    return json_add_string(json, name, text);
}

static bool describe_all(struct gpu *gpu, const struct gpu_info *info, uint64_t memory_bytes,
                         cJSON *json)
{
    char compute[24];
    snprintf(compute, sizeof compute, "%d.%d", info->compute_major, info->compute_minor);
    return json_add_string(json, "name", info->name) &&
           json_add_i64(json, "device_count", info->device_count) &&
           json_add_string(json, "compute_capability", compute) &&
           json_add_bool(json, "integrated", info->integrated) &&
           describe_version(json, "cuda_driver", info->driver_version) &&
           describe_version(json, "cuda_runtime", info->runtime_version) &&
           json_add_string(json, "cuda_toolkit", gpu_toolkit_version()) &&
           json_add_u64(json, "memory_bytes", memory_bytes) &&
           describe_attribute(gpu, GPU_ATTRIBUTE_multiprocessors, "multiprocessors", json) &&
           describe_attribute(gpu, GPU_ATTRIBUTE_l2_cache_bytes, "l2_cache_bytes", json) &&
           describe_sensors(gpu, json) && describe_attributes(gpu, json);
}

enum status capability_describe_here(cJSON **json, struct err *err)
{
    struct gpu_info info;
    struct gpu *gpu;
    uint64_t free_bytes, memory_bytes;
    enum status status = gpu_probe(&info, err);
    if (status == ST_OK)
        status = gpu_open(GPU_SYNC_SPIN, &gpu, err);
    if (status != ST_OK)
        return status;
    cJSON *made = cJSON_CreateObject();
    status = gpu_memory_info(gpu, &free_bytes, &memory_bytes, err);
    if (status == ST_OK && !describe_all(gpu, &info, memory_bytes, made))
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory to describe the GPU");
    gpu_close(gpu);
    if (status == ST_OK)
        *json = made;
    else
        cJSON_Delete(made);
    return status;
}

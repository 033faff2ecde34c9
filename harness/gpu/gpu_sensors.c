/* gpu_sensors.c: see gpu_sensors.h. NVML's functions and numbers are those of its API reference; its
 * header is not needed and in no package that everybody has. */
#include "harness/gpu/gpu_sensors.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef struct nvml_device *nvml_device;
typedef int (*nvml_no_arguments)(void);
typedef int (*nvml_text)(char *text, unsigned length);
typedef int (*nvml_by_address)(const char *address, nvml_device *device);
typedef int (*nvml_number)(nvml_device device, unsigned *value);
typedef int (*nvml_number_of)(nvml_device device, unsigned which, unsigned *value);
typedef int (*nvml_wide)(nvml_device device, unsigned long long *value);

enum { NVML_CLOCK_SM = 1, NVML_CLOCK_MEMORY = 2, NVML_TEMPERATURE_GPU = 0 };

const char *gpu_sensors_limit_name(int bit)
{
    static const char *const names[GPU_SENSORS_LIMITS] = {
        "idle",          "applications_clocks_setting", "sw_power_cap",        "hw_slowdown",
        "sync_boost",    "sw_thermal_slowdown",         "hw_thermal_slowdown", "hw_power_brake",
        "display_clock",
    };
    return bit >= 0 && bit < GPU_SENSORS_LIMITS ? names[bit] : NULL;
}

/* A function by name, written through its bytes: ISO C knows no cast from an object pointer. */
static bool sensors_find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

static bool sensors_number(void *library, const char *name, nvml_device device, double scale,
                           double *value)
{
    nvml_number call;
    unsigned number;
    if (!sensors_find(library, name, &call) || call(device, &number) != 0)
        return false;
    *value = number * scale;
    return true;
}

static bool sensors_number_of(void *library, const char *name, nvml_device device, unsigned which,
                              double *value)
{
    nvml_number_of call;
    unsigned number;
    if (!sensors_find(library, name, &call) || call(device, which, &number) != 0)
        return false;
    *value = number;
    return true;
}

static bool sensors_wide(void *library, const char *name, nvml_device device, uint64_t *value)
{
    nvml_wide call;
    unsigned long long number;
    if (!sensors_find(library, name, &call) || call(device, &number) != 0)
        return false;
    *value = number;
    return true;
}

static void sensors_fill(void *library, nvml_device device, struct gpu_sensors *got)
{
    uint64_t energy_mj = 0;
    double persistence = 0;
    nvml_text version;
    if (!sensors_find(library, "nvmlSystemGetDriverVersion", &version) ||
        version(got->driver_version, sizeof got->driver_version) != 0)
        got->driver_version[0] = '\0';
    got->has_sm_clock = sensors_number_of(library, "nvmlDeviceGetClockInfo", device, NVML_CLOCK_SM,
                                          &got->sm_clock_mhz);
    got->has_sm_clock_max = sensors_number_of(library, "nvmlDeviceGetMaxClockInfo", device,
                                              NVML_CLOCK_SM, &got->sm_clock_max_mhz);
    got->has_memory_clock = sensors_number_of(library, "nvmlDeviceGetClockInfo", device,
                                              NVML_CLOCK_MEMORY, &got->memory_clock_mhz);
    got->has_memory_clock_max = sensors_number_of(library, "nvmlDeviceGetMaxClockInfo", device,
                                                  NVML_CLOCK_MEMORY, &got->memory_clock_max_mhz);
    got->has_temperature = sensors_number_of(library, "nvmlDeviceGetTemperature", device,
                                             NVML_TEMPERATURE_GPU, &got->temperature_celsius);
    got->has_power =
        sensors_number(library, "nvmlDeviceGetPowerUsage", device, 1e-3, &got->power_w);
    got->has_persistence =
        sensors_number(library, "nvmlDeviceGetPersistenceMode", device, 1, &persistence);
    got->persistence = persistence != 0;
    got->has_energy =
        sensors_wide(library, "nvmlDeviceGetTotalEnergyConsumption", device, &energy_mj);
    got->energy_j = (double)energy_mj / 1e3;
    /* The newer name first, then what drivers before 535 call it. */
    got->has_clock_limits = sensors_wide(library, "nvmlDeviceGetCurrentClocksEventReasons", device,
                                         &got->clock_limits) ||
                            sensors_wide(library, "nvmlDeviceGetCurrentClocksThrottleReasons",
                                         device, &got->clock_limits);
}

bool gpu_sensors_read(int pci_domain, int pci_bus, int pci_device, struct gpu_sensors *sensors)
{
    struct gpu_sensors got = {.driver_version = ""};
    nvml_no_arguments begin, end;
    nvml_by_address find;
    nvml_device device;
    char address[32];
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
    bool found = sensors_find(library, "nvmlInit_v2", &begin) &&
                 sensors_find(library, "nvmlShutdown", &end) &&
                 sensors_find(library, "nvmlDeviceGetHandleByPciBusId_v2", &find) && begin() == 0;
    if (found) {
        snprintf(address, sizeof address, "%08x:%02x:%02x.0", (unsigned)pci_domain,
                 (unsigned)pci_bus, (unsigned)pci_device);
        found = find(address, &device) == 0;
        if (found)
            sensors_fill(library, device, &got);
        (void)end();
    }
    dlclose(library);
    if (found)
        *sensors = got;
    return found;
}

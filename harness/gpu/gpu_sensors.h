/* gpu_sensors.h: what a discrete GPU's own sensors say: clocks, temperature, power, and what holds
 * its clocks back.
 *
 * By NVML, which is opened when asked for (libnvidia-ml.so.1 comes with the driver) and never linked:
 * the toolkit's stub of it links and does not work. A Jetson has no NVML or half of one; what it
 * does not know is absent here. Called in a short-lived role (run/capability_describe.c).
 */
#ifndef HANDOFF_GPU_GPU_SENSORS_H
#define HANDOFF_GPU_GPU_SENSORS_H

#include <stdbool.h>
#include <stdint.h>

/* Each with `has_…` false where NVML does not say. */
struct gpu_sensors {
    char driver_version[80]; /* "550.54.15"; "" when unknown */
    bool has_sm_clock, has_sm_clock_max, has_memory_clock, has_memory_clock_max;
    bool has_temperature, has_power, has_energy, has_clock_limits, has_persistence;
    double sm_clock_mhz, sm_clock_max_mhz, memory_clock_mhz, memory_clock_max_mhz;
    double temperature_celsius;
    double power_w;
    double energy_j; /* since the driver was loaded */
    bool persistence;
    uint64_t clock_limits; /* bits, see gpu_sensors_limit_name */
};

/* Asks about the device at this PCI address (as attributes tell it: CUDA's device 0 need not be
 * NVML's). False, and *sensors untouched, without NVML or such a device. */
bool gpu_sensors_read(int pci_domain, int pci_bus, int pci_device, struct gpu_sensors *sensors);

/* What bit number `bit` of clock_limits means, "hw_thermal_slowdown"; NULL for one without a
 * meaning known here. */
#define GPU_SENSORS_LIMITS 9
const char *gpu_sensors_limit_name(int bit);

#endif

/* env.h: what machine a result was measured on.
 *
 * Called by run/runner.c before the first and after the last launch; the two objects go into
 * result.json as environment.before and .after. What they mean for measurements is found by
 * fitness.h. What Linux does not show is left out, never guessed. Host name, user and network are
 * left out on purpose: results are made to be published.
 *
 * The object has these members, each absent when nothing of it is known. Keys carry their unit;
 * null means "no limit".
 *   cpu             model, counts, clusters, frequencies, idle states, SMT, isolation, throttling
 *   kernel          release, distribution, clocksource, those boot parameters that move timings
 *   memory          sizes, swap, page size, huge pages, /dev/shm; from the runner cells_bytes, the
 *                   most that a cell of the run keeps in frames
 *   limits          of this process and of its control group
 *   load            load average, busy and stolen time, pressure
 *   virtualisation  hypervisor, container
 *   thermal         zones, mains or battery
 *   gpu             what shows without CUDA: NVIDIA devices and driver. The runner adds what CUDA
 *                   and NVML say, where cells use a GPU (run/capability.h)
 *   gaps            what others took of the CPUs, where the runner has watched (measure/gaps.h)
 *   board           model of device tree machines; L4T release and power rails of a Jetson
 */
#ifndef HANDOFF_ENV_ENV_H
#define HANDOFF_ENV_ENV_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"

/* Collects *env, which the caller deletes with cJSON_Delete. `root` is "" (or NULL) on this
 * machine; tests pass a folder with the /proc, /sys and /etc of another. On this machine it takes a
 * fifth of a second, in which it watches how busy the CPUs are. ST_NO_MEMORY is the only error. */
enum status env_collect(const char *root, cJSON **env, struct err *err);

#endif

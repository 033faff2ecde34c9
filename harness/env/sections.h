/* sections.h: the parts that env.c puts together; each fills one member of the environment.
 *
 * Each adds what it finds below `root` to `section` and returns false only when out of memory.
 */
#ifndef HANDOFF_ENV_SECTIONS_H
#define HANDOFF_ENV_SECTIONS_H

#include <stdbool.h>

#include <cjson/cJSON.h>

bool env_cpu_collect(const char *root, cJSON *section);
bool env_frequency_collect(const char *root, cJSON *section); /* also into "cpu" */
bool env_kernel_collect(const char *root, cJSON *section);
bool env_memory_collect(const char *root, cJSON *section);
bool env_limits_collect(const char *root, cJSON *section);
bool env_cgroup_collect(const char *root, cJSON *section); /* also into "limits" */
bool env_load_collect(const char *root, cJSON *section);
bool env_virtualisation_collect(const char *root, cJSON *section);
bool env_thermal_collect(const char *root, cJSON *section);
bool env_gpu_collect(const char *root, cJSON *section);
bool env_gpu_clients_collect(const char *root, cJSON *section);  /* also into "gpu" */
bool env_board_clocks_collect(const char *root, cJSON *section); /* also into "board" */
bool env_jetson_collect(const char *root, cJSON *section);

#endif

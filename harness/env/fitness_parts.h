/* fitness_parts.h: what the files of fitness share; used only inside env/. */
#ifndef HANDOFF_ENV_FITNESS_PARTS_H
#define HANDOFF_ENV_FITNESS_PARTS_H

#include "harness/env/fitness.h"

#define FITNESS_TEXT_BYTES 640

/* One finding while it is put together. `found` is formatted by fitness_say. */
struct finding {
    const char *id;
    enum fitness_level level;
    const char *effect; /* "" for good and unknown */
    const char *fix;    /* "" where nothing helps */
};

/* Appends it; false when out of memory. */
bool fitness_say(cJSON *findings, struct finding finding, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "found", at FITNESS_GOOD or FITNESS_UNKNOWN. */
bool fitness_good(cJSON *findings, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool fitness_unknown(cJSON *findings, const char *id, const char *found);

/* A number as collected (json_add_u64 leaves raw digits in memory) or as parsed from a file. */
double fitness_number(const cJSON *section, const char *key, double otherwise);
/* How many CPUs the measurement can use; 0: not known. */
double fitness_cpus_usable(const cJSON *env);
/* Commands differ: a Jetson has its own, a container is told when it is started. */
bool fitness_is_jetson(const cJSON *env);
bool fitness_in_container(const cJSON *env);
/* What held the GPU's clocks back when it was asked; "" for nothing that does. */
const char *fitness_gpu_held_back(const cJSON *env);

typedef bool (*fitness_check)(const cJSON *env, cJSON *findings);

/* Each appends its findings, and returns false when out of memory. */
bool fitness_check_cpu(const cJSON *env, cJSON *findings);    /* fitness_cpu.c */
bool fitness_check_clocks(const cJSON *env, cJSON *findings); /* fitness_clocks.c */
bool fitness_check_system(const cJSON *env, cJSON *findings); /* fitness_system.c */
bool fitness_check_limits(const cJSON *env, cJSON *findings); /* fitness_limits.c */
bool fitness_check_heat(const cJSON *env, cJSON *findings);   /* fitness_gpu.c */
bool fitness_check_gpu(const cJSON *env, cJSON *findings);

#endif

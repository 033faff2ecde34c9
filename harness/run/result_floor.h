/* result_floor.h: what the floor of a run means for one of its cells. Called by result.c.
 */
#ifndef HANDOFF_RUN_RESULT_FLOOR_H
#define HANDOFF_RUN_RESULT_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/run/result.h"

/* The least that a cell's work can take on its CPUs and GPU, however it is done; NAN where it is
 * not known. */
struct result_floor {
    double handoff_ns; /* of the interval of this name: half of a two-line round trip; NAN where the
                        * cell has no such interval */
    double latency_ns; /* a hand-off, one copy if the frame must be copied, one read if all is read;
                        * on the GPU starting the kernel, or moving the frame if that takes longer */
};

/* From the `floor` object of a result, for roles on these CPUs (-1: not pinned).
 * `last_level_bytes`: the CPUs' largest cache, 0 = unknown; it decides whether frames that rotate
 * are copied from memory. */
struct result_floor result_floor_of_cell(const cJSON *floor, const struct cell *cell,
                                         int producer_cpu, int consumer_cpu,
                                         uint64_t last_level_bytes);

/* Adds `floor` to a cell's object of result.json, which holds its launches already. Nothing without
 * a floor, for a cell without launches or for a baseline. False only when out of memory. */
bool result_floor_add(const cJSON *floor, const struct result_cell *planned, cJSON *json);

#endif

/* result_floor.c: see result_floor.h. */
#include "harness/run/result_floor.h"

#include <math.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/topology.h"
#include "harness/run/result_parts.h"

/* The pair's two-line round trip: both sides of a ring have a word of their own. */
static double floor_handoff_ns(const cJSON *floor, int producer_cpu, int consumer_cpu)
{
    const cJSON *pairs = json_get(floor, "pairs");
    if (producer_cpu < 0 || consumer_cpu < 0 || producer_cpu == consumer_cpu)
        return NAN;
    for (const cJSON *pair = pairs ? pairs->child : NULL; pair; pair = pair->next)
        if (json_get_number(pair, "producer_cpu", -1) == producer_cpu &&
            json_get_number(pair, "consumer_cpu", -1) == consumer_cpu)
            return json_get_number(json_get(pair, "two_lines"), "p50_ns", NAN) / 2;
    return NAN;
}

/* In the `memory` of the floor, or of its `gpu`. */
static const cJSON *floor_memory_of(const cJSON *floor, size_t bytes)
{
    const cJSON *sizes = json_get(floor, "memory");
    for (const cJSON *size = sizes ? sizes->child : NULL; size; size = size->next)
        if (json_get_number(size, "bytes", 0) == (double)bytes)
            return size;
    return NULL;
}

/* One memcpy from a source frame to where the consumer reads it. Sources rotate, and so do slots:
 * where all of them fit into the cache, they are in it unless flushed on purpose. */
static double floor_copy_ns(const cJSON *memory, const struct cell *cell, uint64_t last_level_bytes)
{
    double cached_ns = json_get_number(memory, "copy_cached_ns", NAN);
    double evicted_ns = json_get_number(memory, "copy_evicted_ns", NAN);
    uint64_t used_bytes =
        (uint64_t)cell_payload_bytes(cell) * ((uint64_t)cell_source_buffers(cell) + cell->slots);
    bool fits = last_level_bytes == 0 || used_bytes <= last_level_bytes;
    if (isnan(evicted_ns) || (fits && cell->frame_state != FRAME_STATE_EVICTED))
        return cached_ns;
    if (!fits && cell->frame_state != FRAME_STATE_CACHED)
        return fmax(cached_ns, evicted_ns);
    if (cell->frame_state == FRAME_STATE_CACHED)
        return cached_ns;
    /* The source is read from memory; the slot may still be in a cache. */
    return fmax(cached_ns, json_get_number(memory, "read_evicted_ns", NAN));
}

static double floor_p50_ns(const cJSON *object, const char *name)
{
    return json_get_number(json_get(object, name), "p50_ns", NAN);
}

/* fmax takes the other one for a NAN. */
static double floor_later(double a_ns, double b_ns)
{
    return isnan(a_ns) || isnan(b_ns) ? NAN : fmax(a_ns, b_ns);
}

/* An empty kernel, from whoever starts it until it is known to be done. */
static double floor_gpu_start_ns(const cJSON *gpu, const struct cell *cell)
{
    if (cell->wait->on_gpu)
        return floor_p50_ns(gpu,
                            strcmp(cell->wait->name, "gpu_kernel") == 0 ? "flag" : "stream_values");
    /* Floors of earlier versions have it in a CUDA call alone. */
    const bool by_word = cell->sync == GPU_SYNC_FLAG && json_get(gpu, "launch_word");
    return floor_p50_ns(gpu, by_word ? "launch_word" : "launch");
}

/* From the frame's arrival until the kernel on the GPU is known to be done. Starting the kernel and
 * moving the bytes may overlap: the longer of the two is the least. */
static double floor_gpu_kernel_ns(const cJSON *floor, const struct cell *cell, size_t bytes)
{
    const cJSON *gpu = json_get(floor, "gpu"), *memory = floor_memory_of(gpu, bytes);
    const char *access = cell->access->name;
    double start_ns = floor_gpu_start_ns(gpu, cell);
    if (bytes == 0 || cell->access->flags & ACCESS_DEVICE)
        return start_ns;
    if (strcmp(access, "managed") == 0) /* copied by the CPU first */
        return start_ns + json_get_number(floor_memory_of(floor, bytes), "copy_cached_ns", NAN);
    if (cell->access->enqueue)
        return floor_later(start_ns, floor_p50_ns(memory, "host_copy"));
    return cell->kernel->flags & KERNEL_READS_ALL
               ? floor_later(start_ns, floor_p50_ns(memory, "mapped_read"))
               : start_ns;
}

/* What getting the frame out of the source's buffer takes. */
static double floor_fill_ns(const cJSON *floor, const struct cell *cell, size_t bytes,
                            uint64_t last_level_bytes)
{
    if (cell->transport->flags & TRANSPORT_DEVICE_MEMORY)
        return floor_p50_ns(floor_memory_of(json_get(floor, "gpu"), bytes), "host_copy");
    const cJSON *memory = floor_memory_of(floor, bytes);
    return memory ? floor_copy_ns(memory, cell, last_level_bytes) : NAN;
}

/* What reading it on a CPU takes. What a GPU wrote can be read faster than what the other CPU did,
 * which has it in caches of its own: how fast has no figure, but no faster than from a cache. */
static const char *floor_read_of(const struct cell *cell)
{
    return cell->fill == FILL_GPU ? "read_cached_ns" : "read_written_elsewhere_ns";
}

struct result_floor result_floor_of_cell(const cJSON *floor, const struct cell *cell,
                                         int producer_cpu, int consumer_cpu,
                                         uint64_t last_level_bytes)
{
    /* There is no `handoff` where the GPU waits, and with order event no figure for what is left:
     * launches and kernels of both sides overlap. */
    if (cell->order == ORDER_EVENT)
        return (struct result_floor){NAN, NAN};
    double handoff_ns =
        cell->wait->on_gpu ? NAN : floor_handoff_ns(floor, producer_cpu, consumer_cpu);
    double latency_ns = cell->wait->on_gpu ? 0 : handoff_ns;
    size_t bytes = cell->transport->flags & TRANSPORT_NO_PAYLOAD ? 0 : cell_payload_bytes(cell);
    if (bytes > 0 && cell->fill == FILL_COPY)
        latency_ns += floor_fill_ns(floor, cell, bytes, last_level_bytes);
    if (cell_kernel_on_gpu(cell))
        latency_ns += floor_gpu_kernel_ns(floor, cell, bytes);
    else if (bytes > 0 && cell->kernel->flags & KERNEL_READS_ALL)
        latency_ns += json_get_number(floor_memory_of(floor, bytes), floor_read_of(cell), NAN);
    return (struct result_floor){handoff_ns, latency_ns};
}

bool result_floor_add(const cJSON *floor, const struct result_cell *planned, cJSON *json)
{
    const cJSON *launches = json_get(json, "launches");
    if (!floor || planned->cell->is_baseline || !launches || !launches->child)
        return true;
    uint64_t last_level_bytes =
        planned->producer_cpu < 0 ? 0
                                  : topology_last_level_bytes("", (uint32_t)planned->producer_cpu);
    struct result_floor least = result_floor_of_cell(floor, planned->cell, planned->producer_cpu,
                                                     planned->consumer_cpu, last_level_bytes);
    cJSON *member = result_add_object(json, "floor");
    return member && json_add_double(member, "handoff_ns", round(least.handoff_ns * 10) / 10) &&
           json_add_double(member, "latency_ns", round(least.latency_ns * 10) / 10);
}

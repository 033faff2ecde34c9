/* floor_gpu_role.c: the lives of the children that measure the GPU's floor. See floor_gpu.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/floor_gpu_parts.h"
#include "harness/run/placement.h"

/* A latency needs no longer, nor do the turns, nor the frames of one size in one way. */
#define FLOOR_GPU_PART_NS 150000000u

/* ---- what both have -------------------------------------------------------------------------- */

enum status floor_gpu_open(struct floor_gpu_bench *bench, struct err *err)
{
    void *host, *device;
    *bench = (struct floor_gpu_bench){.gpu = NULL};
    enum status status = gpu_open(GPU_SYNC_SPIN, &bench->gpu, err);
    if (status == ST_OK)
        status = gpu_stream_open(bench->gpu, &bench->stream, err);
    if (status == ST_OK)
        status = launcher_open(bench->gpu, &bench->launcher, err);
    if (status == ST_OK)
        status = gpu_pinned_alloc(bench->gpu, sizeof *bench->words, &host, &device, err);
    if (status != ST_OK) {
        floor_gpu_close(bench);
        return status;
    }
    bench->words = host;
    bench->device_words = device;
    return ST_OK;
}

void floor_gpu_close(struct floor_gpu_bench *bench)
{
    if (bench->words)
        gpu_pinned_free(bench->gpu, bench->words);
    launcher_close(bench->launcher);
    gpu_stream_close(bench->stream);
    gpu_close(bench->gpu);
    *bench = (struct floor_gpu_bench){.gpu = NULL};
}

struct floor_gpu_setup {
    struct floor_gpu_config config; /* cpus.producer is this process's, whichever it is */
    struct shm_map map;
    struct floor_gpu_turns *turns;
};

static enum status floor_gpu_read_setup(const cJSON *json, struct floor_gpu_setup *setup,
                                        struct err *err)
{
    int64_t cpu, budget_ns, bytes;
    const cJSON *sizes = json_get(json, "sizes");
    bool ok = json_whole(json_get(json, "cpu"), -1, INT32_MAX, &cpu) &&
              json_whole(json_get(json, "budget_ns"), 1, INT64_C(1) << 53, &budget_ns) &&
              cJSON_IsArray(sizes) && cJSON_GetArraySize(sizes) <= FLOOR_SIZES_MAX;
    for (const cJSON *size = ok ? sizes->child : NULL; ok && size; size = size->next) {
        ok = json_whole(size, 1, FRAME_PAYLOAD_MAX, &bytes);
        if (ok)
            setup->config.sizes_bytes[setup->config.size_count++] = (size_t)bytes;
    }
    if (!ok)
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "control message: not a setup of a floor");
    setup->config.cpus.producer = (int)cpu;
    setup->config.budget_ns = (uint64_t)budget_ns;
    return ST_OK;
}

/* Receives the setup, maps the turns, and takes its CPU. */
static enum status floor_gpu_set_up(struct role *role, struct floor_gpu_setup *setup,
                                    struct err *err)
{
    struct channel_message message = {0};
    *setup = (struct floor_gpu_setup){.map = SHM_MAP_NONE};
    enum status status = role_receive(role, "setup", &message, err);
    if (status != ST_OK)
        return status;
    status = floor_gpu_read_setup(message.json, setup, err);
    if (status == ST_OK && message.fd_count != 1)
        status = err_set(err, ST_CORRUPT, NULL, "a setup without its descriptor");
    if (status == ST_OK) {
        int fd = message.fds[0];
        message.fds[0] = -1;
        status = shm_attach(fd, sizeof *setup->turns, &setup->map, err);
    }
    channel_message_clear(&message);
    if (status != ST_OK)
        return status;
    setup->turns = setup->map.bytes;
    return placement_apply(setup->config.cpus.producer, err);
}

/* Tells the runner what went wrong before the process ends. */
static enum status floor_gpu_leave(struct role *role, struct floor_gpu_setup *setup,
                                   struct floor_gpu_bench *bench, enum status status,
                                   struct err *err)
{
    if (status != ST_OK)
        role_send_error(role, err);
    floor_gpu_close(bench);
    if (setup->turns)
        atomic_store(&setup->turns->stop, 1);
    shm_unmap(&setup->map);
    return status;
}

/* ---- the measuring side ---------------------------------------------------------------------- */

static void floor_gpu_warn(struct floor_gpu *floor, const char *what, const struct err *err)
{
    char text[FLOOR_WARNING_BYTES];
    snprintf(text, sizeof text, "floor of the GPU: %s%s%s%s%s", what, what[0] ? ": " : "",
             err->what, err->hint[0] ? ": " : "", err->hint);
    if (floor->warning_count < FLOOR_GPU_WARNINGS_MAX)
        memcpy(floor->warnings[floor->warning_count++], text, sizeof text);
}

static enum status floor_gpu_send(struct role *role, const struct floor_gpu *floor, struct err *err)
{
    cJSON *json = cJSON_CreateObject(), *warnings = cJSON_CreateArray();
    bool ok =
        json_add_string(json, "type", "figures") && json_add(json, "gpu", floor_gpu_to_json(floor));
    for (size_t i = 0; ok && i < floor->warning_count; i++)
        ok = json_append(warnings, cJSON_CreateString(floor->warnings[i]));
    if (!json_add(json, "warnings", warnings) || !ok) {
        cJSON_Delete(json);
        json = NULL;
    }
    return role_send(role, json, err);
}

/* The end of the next part, of so many that share what is left. */
static uint64_t floor_gpu_part_end_ns(uint64_t deadline_ns, size_t parts_left)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t share_ns = now_ns < deadline_ns ? (deadline_ns - now_ns) / parts_left : 0;
    return now_ns + (share_ns < FLOOR_GPU_PART_NS ? share_ns : FLOOR_GPU_PART_NS);
}

static enum status floor_gpu_latencies(struct role *role, struct floor_gpu_bench *bench,
                                       uint64_t deadline_ns, struct floor_gpu *floor,
                                       struct err *err)
{
    const struct {
        const char *what;
        enum status (*measure)(struct floor_gpu_bench *, uint64_t, struct floor_gpu_figure *,
                               struct err *);
        struct floor_gpu_figure *figure;
    } parts[] = {
        {"launch to synchronized", floor_gpu_launch, &floor->launch},
        {"launch to a word in host memory", floor_gpu_launch_word, &floor->launch_word},
        {"a flag there and back", floor_gpu_flag, &floor->flag},
        {"stream wait-value and write-value", floor_gpu_stream_values, &floor->stream_values},
    };
    enum status status = ST_OK;
    for (size_t i = 0; status == ST_OK && i < sizeof parts / sizeof parts[0]; i++) {
        struct err why = {0};
        if (parts[i].measure(bench, floor_gpu_part_end_ns(deadline_ns, 5), parts[i].figure, &why) !=
            ST_OK)
            floor_gpu_warn(floor, parts[i].what, &why);
        status = floor_gpu_send(role, floor, err);
    }
    return status;
}

static enum status floor_gpu_size(struct role *role, struct floor_gpu_bench *bench,
                                  struct floor_gpu_memory *memory, uint64_t deadline_ns,
                                  size_t sizes_left, struct floor_gpu *floor,
                                  struct floor_gpu_size *size, struct err *err)
{
    static const char *const names[FLOOR_GPU_STREAMS] = {
        "copies within device memory", "reading registered memory",
        "copying from registered memory", "fill and invert"};
    struct floor_gpu_figure *const figures[FLOOR_GPU_STREAMS] = {
        &size->device_copy, &size->mapped_read, &size->host_copy, &size->fill_invert};
    for (int i = 0; i < FLOOR_GPU_STREAMS; i++) {
        struct err why = {0};
        bool of_host = i == FLOOR_GPU_MAPPED_READ || i == FLOOR_GPU_HOST_COPY;
        if (!memory->device || (of_host && !memory->mapped))
            continue; /* there is a warning already */
        size_t parts_left = (sizes_left - 1) * FLOOR_GPU_STREAMS + (size_t)(FLOOR_GPU_STREAMS - i);
        if (floor_gpu_stream_measure(bench, memory, (enum floor_gpu_stream)i, size->bytes,
                                     floor_gpu_part_end_ns(deadline_ns, parts_left), figures[i],
                                     &why) != ST_OK)
            floor_gpu_warn(floor, names[i], &why);
    }
    return floor_gpu_send(role, floor, err);
}

static enum status floor_gpu_sizes(struct role *role, struct floor_gpu_bench *bench,
                                   uint64_t deadline_ns, struct floor_gpu *floor, struct err *err)
{
    struct floor_gpu_memory memory;
    struct err why = {0};
    size_t largest = 0;
    for (size_t i = 0; i < floor->size_count; i++)
        largest = floor->sizes[i].bytes > largest ? floor->sizes[i].bytes : largest;
    if (largest == 0)
        return ST_OK;
    if (floor_gpu_memory_make(bench, largest, &memory, &why) != ST_OK)
        floor_gpu_warn(floor, "memory to stream through", &why);
    enum status status = ST_OK;
    for (size_t i = 0; status == ST_OK && i < floor->size_count; i++)
        status = floor_gpu_size(role, bench, &memory, deadline_ns, floor->size_count - i, floor,
                                &floor->sizes[i], err);
    floor_gpu_memory_end(bench, &memory);
    return status;
}

/* With the peer, once the runner says that it is there. */
static enum status floor_gpu_turns(struct role *role, struct floor_gpu_setup *setup,
                                   struct floor_gpu_bench *bench, struct floor_gpu *floor,
                                   struct err *err)
{
    struct channel_message message = {0};
    struct err why = {0};
    enum status status = role_send_type(role, "alone", err);
    if (status == ST_OK)
        status = role_receive(role, "go", &message, err);
    if (status != ST_OK)
        return status;
    channel_message_clear(&message);
    if (gpu_attribute_read(bench->gpu, GPU_ATTRIBUTE_mps) == 1)
        status =
            err_set(&why, ST_UNAVAILABLE, "end the MPS daemon: echo quit | nvidia-cuda-mps-control",
                    "MPS is used, under which there is none");
    else
        status = floor_gpu_turn(bench, setup->turns, clock_now_ns() + 2 * FLOOR_GPU_PART_NS,
                                &floor->turn, &why);
    if (status != ST_OK)
        floor_gpu_warn(floor, "context switch", &why);
    status = floor_gpu_send(role, floor, err);
    return status == ST_OK ? role_send_type(role, "finished", err) : status;
}

static enum status floor_gpu_start(const struct floor_gpu_setup *setup,
                                   struct floor_gpu_bench *bench, struct floor_gpu *floor,
                                   struct err *err)
{
    const struct floor_gpu_figure none = {NAN, 0};
    struct gpu_info info;
    enum status status = gpu_probe(&info, err);
    if (status == ST_OK)
        status = floor_gpu_open(bench, err);
    if (status != ST_OK)
        return status;
    *floor = (struct floor_gpu){
        .launch = none, .launch_word = none, .flag = none, .stream_values = none, .turn = none};
    memcpy(floor->device, info.name, sizeof floor->device);
    floor->size_count = setup->config.size_count;
    for (size_t i = 0; i < floor->size_count; i++)
        floor->sizes[i] =
            (struct floor_gpu_size){setup->config.sizes_bytes[i], none, none, none, none};
    return ST_OK;
}

enum status floor_gpu_main(struct role *role, struct err *err)
{
    struct floor_gpu_setup setup;
    struct floor_gpu_bench *bench = calloc(1, sizeof *bench);
    struct floor_gpu *floor = calloc(1, sizeof *floor);
    enum status status = ST_OK;
    setup = (struct floor_gpu_setup){.map = SHM_MAP_NONE};
    if (!bench || !floor)
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for the floor of the GPU");
    if (status == ST_OK)
        status = floor_gpu_set_up(role, &setup, err);
    if (status == ST_OK)
        status = floor_gpu_start(&setup, bench, floor, err);
    uint64_t deadline_ns = clock_now_ns() + setup.config.budget_ns;
    if (status == ST_OK)
        status = floor_gpu_send(role, floor, err);
    if (status == ST_OK)
        status = floor_gpu_latencies(role, bench, deadline_ns, floor, err);
    if (status == ST_OK)
        status = floor_gpu_sizes(role, bench, deadline_ns, floor, err);
    if (status == ST_OK)
        status = floor_gpu_turns(role, &setup, bench, floor, err);
    if (bench)
        status = floor_gpu_leave(role, &setup, bench, status, err);
    free(bench);
    free(floor);
    return status;
}

/* ---- its peer -------------------------------------------------------------------------------- */

enum status floor_gpu_peer_main(struct role *role, struct err *err)
{
    struct floor_gpu_setup setup;
    struct floor_gpu_bench *bench = calloc(1, sizeof *bench);
    if (!bench)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the floor of the GPU");
    enum status status = floor_gpu_set_up(role, &setup, err);
    if (status == ST_OK)
        status = floor_gpu_open(bench, err);
    if (status == ST_OK)
        status = floor_gpu_launch_once(bench, err); /* its first one loads the kernels */
    if (status == ST_OK)
        status = role_send_type(role, "ready", err);
    if (status == ST_OK)
        status = floor_gpu_answer(bench, setup.turns, clock_now_ns() + FLOOR_GPU_SILENCE_NS, err);
    status = floor_gpu_leave(role, &setup, bench, status, err);
    free(bench);
    return status;
}

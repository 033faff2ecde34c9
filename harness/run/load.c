/* load.c: see load.h. Between looks at its control socket, about every millisecond, it does nothing
 * but its work. */
#include "harness/run/load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/fault.h"
#include "harness/run/placement.h"
#include "harness/run/surroundings.h"

/* Between two looks at the socket. */
#define LOAD_ROUNDS 400000u
#define LOAD_COPY_BYTES ((size_t)2 << 20)
/* Far more than the caches hold, where that is known and affordable. */
#define LOAD_CACHES 4
#define LOAD_BUFFER_BYTES_MIN ((size_t)8 << 20)
#define LOAD_BUFFER_BYTES_MAX ((size_t)64 << 20)

struct load_state {
    struct load_report report;
    uint64_t number;   /* cpu: what the rounds turn */
    uint8_t *buffer;   /* membw */
    size_t next_bytes; /* membw: how far the copying has come */
};

/* ---- messages -------------------------------------------------------------------------------- */

cJSON *load_setup_to_json(enum load kind, int cpu)
{
    cJSON *json = cJSON_CreateObject();
    if (json_add_string(json, "type", "setup") && json_add_u64(json, "load", kind) &&
        json_add_i64(json, "cpu", cpu))
        return json;
    cJSON_Delete(json);
    return NULL;
}

static enum status load_bad_message(const char *name, struct err *err)
{
    return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                   "control message: \"%s\" is missing or out of range", name);
}

static enum status load_receive_setup(struct role *role, struct load_report *report,
                                      struct err *err)
{
    struct channel_message message = {0};
    int64_t kind, cpu;
    enum status status = role_receive(role, "setup", &message, err);
    if (status != ST_OK)
        return status;
    if (!json_whole(json_get(message.json, "load"), LOAD_CPU, LOAD_MEMBW, &kind))
        status = load_bad_message("load", err);
    else if (!json_whole(json_get(message.json, "cpu"), -1, INT32_MAX, &cpu))
        status = load_bad_message("cpu", err);
    else
        *report = (struct load_report){.kind = (enum load)kind, .cpu = (int)cpu};
    channel_message_clear(&message);
    return status;
}

cJSON *load_report_to_json(const struct load_report *report)
{
    cJSON *json = cJSON_CreateObject();
    if (json_add_string(json, "type", "finished") && json_add_u64(json, "load", report->kind) &&
        json_add_i64(json, "cpu", report->cpu) && json_add_u64(json, "rounds", report->rounds) &&
        json_add_u64(json, "bytes", report->bytes) &&
        json_add_u64(json, "buffer_bytes", report->buffer_bytes) &&
        json_add_u64(json, "wall_ns", report->wall_ns) &&
        json_add_u64(json, "cpu_ns", report->cpu_ns))
        return json;
    cJSON_Delete(json);
    return NULL;
}

enum status load_report_from_json(const cJSON *json, struct load_report *report, struct err *err)
{
    enum { KIND, CPU, ROUNDS, BYTES, BUFFER, WALL, SPENT, FIELDS };
    static const char *const names[FIELDS] = {"load",         "cpu",     "rounds", "bytes",
                                              "buffer_bytes", "wall_ns", "cpu_ns"};
    int64_t values[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        int64_t low = i == CPU ? -1 : i == KIND ? LOAD_CPU : 0;
        int64_t high = i == CPU ? INT32_MAX : i == KIND ? LOAD_MEMBW : INT64_C(1) << 53;
        if (!json_whole(json_get(json, names[i]), low, high, &values[i]))
            return load_bad_message(names[i], err);
    }
    *report = (struct load_report){
        .kind = (enum load)values[KIND],
        .cpu = (int)values[CPU],
        .rounds = (uint64_t)values[ROUNDS],
        .bytes = (uint64_t)values[BYTES],
        .buffer_bytes = (uint64_t)values[BUFFER],
        .wall_ns = (uint64_t)values[WALL],
        .cpu_ns = (uint64_t)values[SPENT],
    };
    return ST_OK;
}

/* ---- work ------------------------------------------------------------------------------------ */

/* The largest cache of any CPU here, or 0 where the system describes none: sizes read "32768K". */
static size_t load_cache_bytes(int cpu)
{
    size_t largest_bytes = 0;
    for (int index = 0; index < 16; index++) {
        char path[128];
        unsigned long kib;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index%d/size",
                 cpu < 0 ? 0 : cpu, index);
        FILE *file = fopen(path, "re");
        if (!file)
            break;
        if (fscanf(file, "%luK", &kib) == 1 && kib * 1024u > largest_bytes)
            largest_bytes = kib * 1024u;
        fclose(file);
    }
    return largest_bytes;
}

static enum status load_allocate(struct load_state *state, struct err *err)
{
    size_t bytes = LOAD_CACHES * load_cache_bytes(state->report.cpu);
    if (bytes == 0 || bytes > LOAD_BUFFER_BYTES_MAX)
        bytes = LOAD_BUFFER_BYTES_MAX;
    if (bytes < LOAD_BUFFER_BYTES_MIN)
        bytes = LOAD_BUFFER_BYTES_MIN;
    bytes = bytes / (2 * LOAD_COPY_BYTES) * (2 * LOAD_COPY_BYTES);
    void *buffer = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        return err_set(err, ST_NO_MEMORY, "use load cpu, or end other processes",
                       "no %zu MB of memory for load membw", bytes >> 20);
    /* Not zeros: a page that was only read would be the kernel's one page of zeros. */
    memset(buffer, 0x5a, bytes);
    state->buffer = buffer;
    state->report.buffer_bytes = bytes;
    return ST_OK;
}

/* Multiplies in a register; each round needs the one before. */
static void load_compute(struct load_state *state)
{
    uint64_t number = state->number;
    for (uint32_t i = 0; i < LOAD_ROUNDS; i++) {
        number = number * 0x5851f42d4c957f2du + 1;
        __asm__ volatile("" : "+r"(number)); /* a compiler knows how to do many rounds in one */
    }
    state->number = number;
    state->report.rounds += LOAD_ROUNDS;
}

/* Copies the next piece of one half of the buffer to the other, and the other way the next time
 * round. */
static void load_copy(struct load_state *state)
{
    const size_t half_bytes = state->report.buffer_bytes / 2;
    const size_t at_bytes = state->next_bytes % half_bytes;
    const bool back = state->next_bytes >= half_bytes;
    memcpy(state->buffer + at_bytes + (back ? 0 : half_bytes),
           state->buffer + at_bytes + (back ? half_bytes : 0), LOAD_COPY_BYTES);
    state->next_bytes = (state->next_bytes + LOAD_COPY_BYTES) % state->report.buffer_bytes;
    state->report.bytes += LOAD_COPY_BYTES;
}

static enum status load_work(struct role *role, struct load_state *state, struct err *err)
{
    struct channel_message message = {0};
    struct pollfd socket = {.fd = role->control_fd, .events = POLLIN};
    struct usage begin, end;
    enum status status = role_receive(role, "go", &message, err);
    if (status != ST_OK)
        return status;
    channel_message_clear(&message);
    usage_self(&begin);
    status = role_send_type(role, "working", err);
    if (status != ST_OK)
        return status;
    for (int32_t step = 0; poll(&socket, 1, 0) <= 0; step++) {
        if (state->report.kind == LOAD_MEMBW)
            load_copy(state);
        else
            load_compute(state);
        FAULT_POINT("load", "working", step);
    }
    usage_self(&end);
    const struct usage spent = usage_difference(&begin, &end);
    state->report.wall_ns = spent.wall_ns;
    state->report.cpu_ns = spent.user_ns + spent.system_ns;
    status = role_receive(role, "stop", &message, err);
    channel_message_clear(&message);
    return status;
}

/* Pins itself, becomes an ordinary process where the runner is none, and touches its memory. */
static enum status load_prepare(struct role *role, struct load_state *state, struct err *err)
{
    const struct cell ordinary = {.fifo_priority = 0};
    struct surroundings had;
    enum status status = load_receive_setup(role, &state->report, err);
    if (status == ST_OK)
        status = placement_apply(state->report.cpu, err);
    if (status == ST_OK)
        status = surroundings_apply(&ordinary, err);
    if (status == ST_OK)
        status = surroundings_verify(&ordinary, state->report.cpu, &had, err);
    if (status != ST_OK)
        return status;
    state->report.cpu = state->report.cpu < 0 ? -1 : had.cpu;
    return state->report.kind == LOAD_MEMBW ? load_allocate(state, err) : ST_OK;
}

enum status load_main(struct role *role, struct err *err)
{
    struct load_state state = {.number = clock_now_ns() | 1};
    struct channel_message message = {0};
    struct err ignored;
    enum status status = load_prepare(role, &state, err);
    if (status == ST_OK)
        status = role_send_type(role, "ready", err);
    if (status == ST_OK)
        status = load_work(role, &state, err);
    if (status == ST_OK)
        status = role_send(role, load_report_to_json(&state.report), err);
    if (status != ST_OK) {
        err_context(err, "the load");
        role_send_error(role, err);
    }
    if (role_receive(role, "exit", &message, &ignored) == ST_OK)
        channel_message_clear(&message);
    if (state.buffer)
        munmap(state.buffer, state.report.buffer_bytes);
    return status;
}

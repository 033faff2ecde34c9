/* role_messages.c: what runner and roles tell each other, to JSON and back.
 *
 * Both ends are this program, but a role may be another build or, later, another language: every
 * message is checked as if it came from a stranger.
 */
#include "harness/run/role.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"

/* The clock by its name, since the other end may be built for another processor; its numbers as
 * text, since they have 64 bits. */
static bool message_add_clock(cJSON *json, const struct clock_conversion *clock)
{
    cJSON *member = cJSON_AddObjectToObject(json, "clock");
    return member && json_add_string(member, "name", clock_kind_name(clock->kind)) &&
           json_add_u64_text(member, "counter", clock->counter) &&
           json_add_u64_text(member, "ns", clock->ns) &&
           json_add_u64_text(member, "mult", clock->mult);
}

static enum status message_read_clock(const cJSON *json, struct clock_conversion *clock,
                                      struct err *err)
{
    const cJSON *member = json_get(json, "clock");
    const char *name = json_get_string(member, "name", "");
    const char *counter = clock_kind_name(CLOCK_KIND_COUNTER);
    struct clock_conversion got = {.kind = CLOCK_KIND_MONOTONIC};
    if (counter && strcmp(name, counter) == 0)
        got.kind = CLOCK_KIND_COUNTER;
    else if (strcmp(name, clock_kind_name(CLOCK_KIND_MONOTONIC)) != 0)
        return err_set(err, ST_CORRUPT, "run it with --clock monotonic",
                       "control message: the clock \"%s\" is unknown here", name);
    if (!json_get_u64_text(member, "counter", &got.counter) ||
        !json_get_u64_text(member, "ns", &got.ns) || !json_get_u64_text(member, "mult", &got.mult))
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "control message: a clock without its numbers");
    *clock = got;
    return ST_OK;
}

/* Every choice of the cell as a scenario writes it: what a role in another language reads. */
static bool message_add_axes(cJSON *json, const struct cell *cell)
{
    char text[CELL_AXIS_BYTES];
    cJSON *axes = cJSON_AddObjectToObject(json, "axes");
    bool ok = axes != NULL;
    for (size_t i = 0; ok && i < cell_axis_count(); i++)
        if (cell_axis_in_id(i))
            ok = json_add_string(axes, cell_axis_name(i),
                                 cell_axis_format(cell, i, text, sizeof text));
    return ok;
}

cJSON *role_setup_to_json(const struct role_setup *setup)
{
    const struct cell *cell = &setup->cell;
    uint32_t producer_wait_us;
    const struct wait_strategy *producer_wait = cell_producer_wait(cell, &producer_wait_us);
    cJSON *json = cJSON_CreateObject();
    bool ok =
        json_add_string(json, "type", "setup") &&
        json_add_string(json, "transport", cell->transport->name) &&
        json_add_string(json, "access", cell->access->name) &&
        json_add_string(json, "wait", cell->wait->name) &&
        json_add_u64(json, "wait_us", cell->wait_us) &&
        json_add_string(json, "producer_wait", producer_wait->name) &&
        json_add_u64(json, "producer_wait_us", producer_wait_us) &&
        json_add_string(json, "kernel", cell->kernel->name) &&
        json_add_u64(json, "fill", cell->fill) &&
        json_add_i64(json, "width", cell->geometry.width) &&
        json_add_i64(json, "height", cell->geometry.height) &&
        json_add_i64(json, "channels", cell->geometry.channels) &&
        json_add_u64(json, "pacing", cell->pacing) &&
        json_add_double(json, "rate_hz", cell->rate_hz) &&
        json_add_u64(json, "slots", cell->slots) && json_add_u64(json, "policy", cell->policy) &&
        json_add_u64(json, "frame_state", cell->frame_state) &&
        json_add_u64(json, "phase", cell->phase) &&
        json_add_u64(json, "fifo_priority", cell->fifo_priority) &&
        json_add_u64(json, "timer_slack_ns", cell->timer_slack_ns) &&
        json_add_u64(json, "sync", cell->sync) && json_add_u64(json, "order", cell->order) &&
        json_add_u64(json, "depth", cell->depth) &&
        json_add_u64(json, "register_per_frame", cell->register_per_frame) &&
        json_add_u64(json, "gpu_sharing", cell->gpu_sharing) &&
        json_add_u64(json, "pages", cell->pages) &&
        json_add_u64(json, "library_threads", cell->library_threads) &&
        json_add_u64(json, "load", cell->load) && json_add_u64(json, "frames", setup->frames) &&
        json_add_u64(json, "warmup", setup->warmup) && json_add_u64(json, "seed", setup->seed) &&
        json_add_i64(json, "cpu", setup->cpu) && json_add_u64(json, "listens", setup->listens) &&
        message_add_clock(json, &setup->clock) && message_add_axes(json, cell) &&
        (!cell->detector || json_add_string(json, "detector", cell->detector));
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

/* One whole number of a message. */
struct message_field {
    const char *name;
    int64_t low;
    int64_t high;
    int64_t *value;
};

static enum status message_read_fields(const cJSON *json, const struct message_field *fields,
                                       size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!json_whole(json_get(json, fields[i].name), fields[i].low, fields[i].high,
                        fields[i].value))
            return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                           "control message: \"%s\" is missing or out of range", fields[i].name);
    return ST_OK;
}

/* What the cell chooses by name. */
static enum status setup_read_names(const cJSON *json, struct cell *cell, struct err *err)
{
    *cell = (struct cell){
        .transport = transport_find(json_get_string(json, "transport", "")),
        .access = access_find(json_get_string(json, "access", "")),
        .wait = wait_find(json_get_string(json, "wait", "")),
        .producer_wait = wait_find(json_get_string(json, "producer_wait", "")),
        .kernel = kernel_find(json_get_string(json, "kernel", "")),
        .rate_hz = json_get_number(json, "rate_hz", 0),
    };
    if (!cell->transport || !cell->access || !cell->wait || !cell->producer_wait || !cell->kernel)
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "control message: a transport, access, wait or kernel is unknown here");
    return ST_OK;
}

/* What the cell chooses by number. */
static enum status setup_read_numbers(const cJSON *json, struct cell *cell, struct err *err)
{
    int64_t wait_us, producer_wait_us, fill, width, height, channels, pacing, slots, policy,
        frame_state, phase, fifo_priority, timer_slack_ns, sync, order, depth, register_per_frame,
        gpu_sharing, pages, library_threads, load;
    const struct message_field fields[] = {
        {"wait_us", 0, 1000000, &wait_us},
        {"producer_wait_us", 0, 1000000, &producer_wait_us},
        {"fill", FILL_COPY, FILL_GPU, &fill},
        {"width", 1, INT32_MAX, &width},
        {"height", 1, INT32_MAX, &height},
        {"channels", 1, INT32_MAX, &channels},
        {"pacing", PACING_RATE, PACING_POISSON, &pacing},
        {"slots", 1, 1 << 20, &slots},
        {"policy", POLICY_BLOCK, POLICY_LATEST, &policy},
        {"frame_state", FRAME_STATE_AS_LEFT, FRAME_STATE_EVICTED, &frame_state},
        {"phase", PHASE_FIXED, PHASE_RANDOM, &phase},
        {"fifo_priority", 0, 99, &fifo_priority},
        {"timer_slack_ns", 0, 1000000000, &timer_slack_ns},
        {"sync", GPU_SYNC_SPIN, GPU_SYNC_FLAG, &sync},
        {"order", ORDER_HOST, ORDER_EVENT, &order},
        {"depth", 1, CELL_DEPTH_MAX, &depth},
        {"register_per_frame", 0, 1, &register_per_frame},
        {"gpu_sharing", GPU_SHARING_TIME_SLICED, GPU_SHARING_MPS, &gpu_sharing},
        {"pages", SHM_PAGES_NORMAL, SHM_PAGES_HUGETLB, &pages},
        {"library_threads", LIBRARY_THREADS_ANYWHERE, LIBRARY_THREADS_WITH_ROLE, &library_threads},
        {"load", LOAD_NONE, LOAD_MEMBW, &load},
    };
    const enum status status =
        message_read_fields(json, fields, sizeof fields / sizeof fields[0], err);
    if (status != ST_OK)
        return status;
    cell->wait_us = (uint32_t)wait_us;
    cell->producer_wait_us = (uint32_t)producer_wait_us;
    cell->fill = (enum fill)fill;
    cell->geometry = (struct geometry){(int32_t)width, (int32_t)height, (int32_t)channels};
    cell->pacing = (enum pacing)pacing;
    cell->slots = (uint32_t)slots;
    cell->policy = (enum policy)policy;
    cell->frame_state = (enum frame_state)frame_state;
    cell->phase = (enum phase)phase;
    cell->fifo_priority = (uint32_t)fifo_priority;
    cell->timer_slack_ns = (uint32_t)timer_slack_ns;
    cell->sync = (enum gpu_sync)sync;
    cell->order = (enum order)order;
    cell->depth = (uint32_t)depth;
    cell->register_per_frame = register_per_frame != 0;
    cell->gpu_sharing = (enum gpu_sharing)gpu_sharing;
    cell->pages = (enum shm_pages)pages;
    cell->library_threads = (enum library_threads)library_threads;
    cell->load = (enum load)load;
    return ST_OK;
}

enum status role_setup_from_json(const cJSON *json, struct role_setup *setup, struct err *err)
{
    struct cell cell;
    struct clock_conversion clock;
    int64_t frames, warmup, seed, cpu, listens;
    const struct message_field fields[] = {
        {"frames", 1, INT32_MAX / 2, &frames}, {"warmup", 0, INT32_MAX / 2, &warmup},
        {"seed", 0, INT64_C(1) << 53, &seed},  {"cpu", -1, INT32_MAX, &cpu},
        {"listens", 0, 1, &listens},
    };
    enum status status = setup_read_names(json, &cell, err);
    if (status == ST_OK)
        status = setup_read_numbers(json, &cell, err);
    if (status == ST_OK)
        status = message_read_fields(json, fields, sizeof fields / sizeof fields[0], err);
    if (status == ST_OK)
        status = message_read_clock(json, &clock, err);
    if (status != ST_OK)
        return status;
    *setup = (struct role_setup){
        .cell = cell,
        .frames = (uint32_t)frames,
        .warmup = (uint32_t)warmup,
        .seed = (uint64_t)seed,
        .cpu = (int)cpu,
        .clock = clock,
        .listens = listens != 0,
    };
    return ST_OK;
}

struct wait_pair role_wait_pair(const struct cell *cell)
{
    struct wait_pair pair;
    struct wait_choice *producer = &pair.directions[DIRECTION_WRITE];
    struct wait_choice *consumer = &pair.directions[DIRECTION_READ];
    producer->strategy = cell_producer_wait(cell, &producer->parameter_us);
    producer->fd = -1;
    *consumer = (struct wait_choice){cell->wait, cell->wait_us, -1};
    return pair;
}

cJSON *role_address_to_json(const struct transport_address *address, const struct wait_pair *pair,
                            int *fds, uint32_t *fd_count)
{
    char hex[2 * TRANSPORT_ADDRESS_BYTES + 1] = "";
    for (uint32_t i = 0; i < address->byte_count; i++)
        snprintf(hex + 2 * i, 3, "%02x", address->bytes[i]);
    uint32_t count = 0;
    for (uint32_t i = 0; i < address->fd_count; i++)
        fds[count++] = address->fds[i];
    cJSON *json = cJSON_CreateObject();
    cJSON *waits = json_add_string(json, "type", "address") && json_add_string(json, "bytes", hex)
                       ? cJSON_AddArrayToObject(json, "wait_fds")
                       : NULL;
    bool ok = waits != NULL;
    for (int direction = 0; ok && direction < 2; direction++) {
        const int fd = pair->directions[direction].fd;
        ok = json_append(waits, cJSON_CreateBool(fd >= 0));
        if (fd >= 0)
            fds[count++] = fd;
    }
    *fd_count = count;
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

enum status role_address_from_message(struct channel_message *message,
                                      struct transport_address *address, struct wait_pair *pair,
                                      struct err *err)
{
    const char *hex = json_get_string(message->json, "bytes", "");
    const cJSON *waits = json_get(message->json, "wait_fds");
    size_t digits = strlen(hex);
    uint32_t wait_fds = 0;
    for (int direction = 0; direction < 2; direction++)
        wait_fds += cJSON_IsTrue(cJSON_GetArrayItem(waits, direction)) != 0;
    if (digits % 2 != 0 || digits > 2 * TRANSPORT_ADDRESS_BYTES || message->fd_count < wait_fds ||
        message->fd_count - wait_fds > TRANSPORT_ADDRESS_FDS ||
        strspn(hex, "0123456789abcdef") != digits)
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "control message: not the address of an edge");
    struct transport_address got = {.byte_count = (uint32_t)(digits / 2),
                                    .fd_count = message->fd_count - wait_fds};
    for (uint32_t i = 0; i < got.byte_count; i++) {
        char digit_pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        got.bytes[i] = (uint8_t)strtoul(digit_pair, NULL, 16);
    }
    uint32_t next = 0;
    for (; next < got.fd_count; next++) {
        got.fds[next] = message->fds[next];
        message->fds[next] = -1;
    }
    for (int direction = 0; direction < 2; direction++) {
        if (!cJSON_IsTrue(cJSON_GetArrayItem(waits, direction)))
            continue;
        pair->directions[direction].fd = message->fds[next];
        message->fds[next++] = -1;
    }
    *address = got;
    return ST_OK;
}

cJSON *role_listen_to_json(const struct transport_listen *listen)
{
    char token[2 * sizeof listen->token + 1];
    cJSON *json = cJSON_CreateObject();
    for (size_t i = 0; i < sizeof listen->token; i++)
        snprintf(token + 2 * i, 3, "%02x", listen->token[i]);
    if (json_add_string(json, "type", "listen") && json_add_string(json, "host", listen->host) &&
        json_add_string(json, "token", token))
        return json;
    cJSON_Delete(json);
    return NULL;
}

enum status role_listen_from_json(const cJSON *json, struct transport_listen *listen,
                                  struct err *err)
{
    struct transport_listen got = {.host = ""};
    const char *host = json_get_string(json, "host", ""),
               *token = json_get_string(json, "token", "");
    if (host[0] == 0 || strlen(host) >= sizeof got.host || strlen(token) != 2 * sizeof got.token ||
        strspn(token, "0123456789abcdef") != 2 * sizeof got.token)
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "control message: not where to listen");
    snprintf(got.host, sizeof got.host, "%s", host);
    for (size_t i = 0; i < sizeof got.token; i++) {
        const char pair[3] = {token[2 * i], token[2 * i + 1], 0};
        got.token[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    *listen = got;
    return ST_OK;
}

cJSON *role_report_to_json(const struct role_report *report)
{
    const struct usage *usage = &report->usage;
    cJSON *json = cJSON_CreateObject();
    bool ok = json_add_string(json, "type", "finished") &&
              json_add_u64(json, "user_ns", usage->user_ns) &&
              json_add_u64(json, "system_ns", usage->system_ns) &&
              json_add_u64(json, "wall_ns", usage->wall_ns) &&
              json_add_u64(json, "voluntary_switches", usage->voluntary_switches) &&
              json_add_u64(json, "involuntary_switches", usage->involuntary_switches) &&
              json_add_u64(json, "minor_faults", usage->minor_faults) &&
              json_add_u64(json, "major_faults", usage->major_faults) &&
              json_add_u64(json, "skipped_frames", report->counters.skipped_frames) &&
              json_add_u64(json, "copied_bytes", report->counters.copied_bytes) &&
              json_add_u64(json, "filled_bytes", report->filled_bytes) &&
              json_add_u64(json, "frames", report->frames) &&
              json_add_u64(json, "fifo_priority", report->surroundings.fifo_priority) &&
              json_add_i64(json, "timer_slack_ns", report->surroundings.timer_slack_ns) &&
              json_add_i64(json, "pinned_cpu", report->surroundings.cpu) &&
              json_add_u64(json, "gpu_used", report->gpu.used) &&
              json_add_u64(json, "gpu_context_ns", report->gpu.context_ns) &&
              json_add_u64(json, "gpu_registration_ns", report->gpu.registration_ns) &&
              json_add_u64(json, "gpu_schedule", report->gpu.schedule) &&
              json_add_i64(json, "gpu_mps", report->gpu.mps);
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

enum status role_report_from_json(const cJSON *json, struct role_report *report, struct err *err)
{
    enum { FIELDS = 13 };
    static const char *const names[FIELDS] = {"user_ns",
                                              "system_ns",
                                              "wall_ns",
                                              "voluntary_switches",
                                              "involuntary_switches",
                                              "minor_faults",
                                              "major_faults",
                                              "skipped_frames",
                                              "copied_bytes",
                                              "filled_bytes",
                                              "frames",
                                              "gpu_context_ns",
                                              "gpu_registration_ns"};
    int64_t values[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        struct message_field field = {names[i], 0, INT64_C(1) << 53, &values[i]};
        enum status status = message_read_fields(json, &field, 1, err);
        if (status != ST_OK)
            return status;
    }
    int64_t fifo_priority, timer_slack_ns, cpu, gpu_used, gpu_schedule, gpu_mps;
    const struct message_field rest[] = {
        {"fifo_priority", 0, 99, &fifo_priority},
        {"timer_slack_ns", -1, INT64_C(1) << 53, &timer_slack_ns},
        {"pinned_cpu", -1, INT32_MAX, &cpu},
        {"gpu_used", 0, 1, &gpu_used},
        {"gpu_schedule", GPU_SYNC_SPIN, GPU_SYNC_BLOCK, &gpu_schedule},
        {"gpu_mps", -1, 1, &gpu_mps},
    };
    enum status status = message_read_fields(json, rest, sizeof rest / sizeof rest[0], err);
    if (status != ST_OK)
        return status;
    *report = (struct role_report){
        .usage = {.user_ns = (uint64_t)values[0],
                  .system_ns = (uint64_t)values[1],
                  .wall_ns = (uint64_t)values[2],
                  .voluntary_switches = (uint64_t)values[3],
                  .involuntary_switches = (uint64_t)values[4],
                  .minor_faults = (uint64_t)values[5],
                  .major_faults = (uint64_t)values[6]},
        .counters = {.skipped_frames = (uint64_t)values[7], .copied_bytes = (uint64_t)values[8]},
        .filled_bytes = (uint64_t)values[9],
        .frames = (uint64_t)values[10],
        .surroundings = {.known = true,
                         .fifo_priority = (uint32_t)fifo_priority,
                         .timer_slack_ns = timer_slack_ns,
                         .cpu = (int)cpu},
        .gpu = {.used = gpu_used != 0,
                .context_ns = (uint64_t)values[11],
                .registration_ns = (uint64_t)values[12],
                .schedule = (enum gpu_sync)gpu_schedule,
                .mps = (int)gpu_mps},
    };
    return ST_OK;
}

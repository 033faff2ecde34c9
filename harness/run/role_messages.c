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

cJSON *role_setup_to_json(const struct role_setup *setup)
{
    const struct cell *cell = &setup->cell;
    cJSON *json = cJSON_CreateObject();
    bool ok = json_add_string(json, "type", "setup") &&
              json_add_string(json, "transport", cell->transport->name) &&
              json_add_string(json, "access", cell->access->name) &&
              json_add_string(json, "wait", cell->wait->name) &&
              json_add_u64(json, "wait_us", cell->wait_us) &&
              json_add_string(json, "kernel", cell->kernel->name) &&
              json_add_u64(json, "fill", cell->fill) &&
              json_add_i64(json, "width", cell->geometry.width) &&
              json_add_i64(json, "height", cell->geometry.height) &&
              json_add_i64(json, "channels", cell->geometry.channels) &&
              json_add_u64(json, "pacing", cell->pacing) &&
              json_add_double(json, "rate_hz", cell->rate_hz) &&
              json_add_u64(json, "slots", cell->slots) &&
              json_add_u64(json, "policy", cell->policy) &&
              json_add_u64(json, "frame_state", cell->frame_state) &&
              json_add_u64(json, "frames", setup->frames) &&
              json_add_u64(json, "warmup", setup->warmup) &&
              json_add_u64(json, "seed", setup->seed) && json_add_i64(json, "cpu", setup->cpu);
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

enum status role_setup_from_json(const cJSON *json, struct role_setup *setup, struct err *err)
{
    const struct cell named = {
        .transport = transport_find(json_get_string(json, "transport", "")),
        .access = access_find(json_get_string(json, "access", "")),
        .wait = wait_find(json_get_string(json, "wait", "")),
        .kernel = kernel_find(json_get_string(json, "kernel", "")),
        .rate_hz = json_get_number(json, "rate_hz", 0),
    };
    if (!named.transport || !named.access || !named.wait || !named.kernel)
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "control message: a transport, access, wait or kernel is unknown here");
    int64_t wait_us, fill, width, height, channels, pacing, slots, policy, frame_state, frames,
        warmup, seed, cpu;
    const struct message_field fields[] = {
        {"wait_us", 0, 1000000, &wait_us},
        {"fill", FILL_COPY, FILL_HEADER, &fill},
        {"width", 1, INT32_MAX, &width},
        {"height", 1, INT32_MAX, &height},
        {"channels", 1, INT32_MAX, &channels},
        {"pacing", PACING_RATE, PACING_MAX, &pacing},
        {"slots", 1, 1 << 20, &slots},
        {"policy", POLICY_BLOCK, POLICY_LATEST, &policy},
        {"frame_state", FRAME_STATE_AS_LEFT, FRAME_STATE_EVICTED, &frame_state},
        {"frames", 1, INT32_MAX / 2, &frames},
        {"warmup", 0, INT32_MAX / 2, &warmup},
        {"seed", 0, INT64_C(1) << 53, &seed},
        {"cpu", -1, INT32_MAX, &cpu},
    };
    enum status status = message_read_fields(json, fields, sizeof fields / sizeof fields[0], err);
    if (status != ST_OK)
        return status;
    *setup = (struct role_setup){
        .cell = named,
        .frames = (uint32_t)frames,
        .warmup = (uint32_t)warmup,
        .seed = (uint64_t)seed,
        .cpu = (int)cpu,
    };
    setup->cell.wait_us = (uint32_t)wait_us;
    setup->cell.fill = (enum fill)fill;
    setup->cell.geometry = (struct geometry){(int32_t)width, (int32_t)height, (int32_t)channels};
    setup->cell.pacing = (enum pacing)pacing;
    setup->cell.slots = (uint32_t)slots;
    setup->cell.policy = (enum policy)policy;
    setup->cell.frame_state = (enum frame_state)frame_state;
    return ST_OK;
}

cJSON *role_address_to_json(const struct transport_address *address)
{
    char hex[2 * TRANSPORT_ADDRESS_BYTES + 1] = "";
    for (uint32_t i = 0; i < address->byte_count; i++)
        snprintf(hex + 2 * i, 3, "%02x", address->bytes[i]);
    cJSON *json = cJSON_CreateObject();
    if (json_add_string(json, "type", "address") && json_add_string(json, "bytes", hex))
        return json;
    cJSON_Delete(json);
    return NULL;
}

enum status role_address_from_message(struct channel_message *message,
                                      struct transport_address *address, struct err *err)
{
    const char *hex = json_get_string(message->json, "bytes", "");
    size_t digits = strlen(hex);
    if (digits % 2 != 0 || digits > 2 * TRANSPORT_ADDRESS_BYTES ||
        message->fd_count > TRANSPORT_ADDRESS_FDS || strspn(hex, "0123456789abcdef") != digits)
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "control message: not the address of an edge");
    struct transport_address got = {.byte_count = (uint32_t)(digits / 2),
                                    .fd_count = message->fd_count};
    for (uint32_t i = 0; i < got.byte_count; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        got.bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    for (uint32_t i = 0; i < got.fd_count; i++) {
        got.fds[i] = message->fds[i];
        message->fds[i] = -1;
    }
    *address = got;
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
              json_add_u64(json, "frames", report->frames);
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

enum status role_report_from_json(const cJSON *json, struct role_report *report, struct err *err)
{
    enum { FIELDS = 11 };
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
                                              "frames"};
    int64_t values[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        struct message_field field = {names[i], 0, INT64_C(1) << 53, &values[i]};
        enum status status = message_read_fields(json, &field, 1, err);
        if (status != ST_OK)
            return status;
    }
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
    };
    return ST_OK;
}

/* peer_messages.c: what is told about the other host: to the stub of a launch, and in the result.
 * See peer.h.
 */
#include "harness/run/peer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/fitness.h"
#include "harness/run/result_parts.h"

cJSON *peer_options_to_json(const struct peer_options *options)
{
    char key[2 * sizeof options->key.bytes + 1], run[2 * sizeof options->run + 1];
    cJSON *json = cJSON_CreateObject();
    peer_hex_write(options->key.bytes, sizeof options->key.bytes, key);
    peer_hex_write(options->run, sizeof options->run, run);
    bool ok = json_add_string(json, "host", options->address.host) &&
              json_add_u64(json, "port", options->address.port) &&
              json_add_string(json, "key", key) && json_add_string(json, "run", run) &&
              json_add_u64_text(json, "timeout_ns", options->timeout_ns);
    mac_forget(key, sizeof key);
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

enum status peer_options_from_json(const cJSON *json, struct peer_options *options, struct err *err)
{
    struct peer_options made = {.timeout_ns = 0};
    int64_t port;
    snprintf(made.address.host, sizeof made.address.host, "%s", json_get_string(json, "host", ""));
    if (!json_whole(json_get(json, "port"), 1, 65535, &port) ||
        !peer_hex_read(json_get_string(json, "key", ""), made.key.bytes, sizeof made.key.bytes) ||
        !peer_hex_read(json_get_string(json, "run", ""), made.run, sizeof made.run) ||
        !json_get_u64_text(json, "timeout_ns", &made.timeout_ns))
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "control message: where the other host is is not in it");
    made.address.port = (uint16_t)port;
    *options = made;
    return ST_OK;
}

static bool peer_add_reading(cJSON *json, const char *name,
                             const struct peer_clock_reading *reading)
{
    cJSON *member = result_add_object(json, name);
    return member && json_add_u64_text(member, "at_ns", reading->at_ns) &&
           json_add_u64_text(member, "offset_ns", (uint64_t)reading->offset_ns) &&
           json_add_u64_text(member, "uncertainty_ns", reading->uncertainty_ns) &&
           json_add_u64_text(member, "trip_min_ns", reading->trip_min_ns) &&
           json_add_u64_text(member, "trip_median_ns", reading->trip_median_ns) &&
           json_add_u64(member, "count", reading->count);
}

cJSON *peer_clock_to_json(const struct peer_clock *clock)
{
    cJSON *json = cJSON_CreateObject();
    if (json_add_string(json, "type", "peer") && peer_add_reading(json, "before", &clock->before) &&
        peer_add_reading(json, "after", &clock->after))
        return json;
    cJSON_Delete(json);
    return NULL;
}

static bool peer_get_reading(const cJSON *json, struct peer_clock_reading *reading)
{
    uint64_t offset_ns = 0;
    int64_t count = 0;
    bool ok = json_get_u64_text(json, "at_ns", &reading->at_ns) &&
              json_get_u64_text(json, "offset_ns", &offset_ns) &&
              json_get_u64_text(json, "uncertainty_ns", &reading->uncertainty_ns) &&
              json_get_u64_text(json, "trip_min_ns", &reading->trip_min_ns) &&
              json_get_u64_text(json, "trip_median_ns", &reading->trip_median_ns) &&
              json_whole(json_get(json, "count"), 0, PEER_CLOCK_EXCHANGES_MAX, &count);
    reading->offset_ns = (int64_t)offset_ns;
    reading->count = (uint32_t)count;
    return ok;
}

enum status peer_clock_from_json(const cJSON *json, struct peer_clock *clock, struct err *err)
{
    struct peer_clock made = {.before = {.count = 0}};
    if (!peer_get_reading(json_get(json, "before"), &made.before) ||
        !peer_get_reading(json_get(json, "after"), &made.after))
        return err_set(err, ST_CORRUPT, "do both ends run the same version of handoff?",
                       "control message: two clocks without their numbers");
    *clock = made;
    return ST_OK;
}

bool peer_can_tell(const struct peer_launch *launch, uint64_t time_ns)
{
    return peer_clock_is_known(&launch->clock) &&
           (double)peer_clock_uncertainty_ns(&launch->clock) <= PEER_AGREE_PART * (double)time_ns;
}

cJSON *peer_result_json(const struct peer *peer)
{
    const cJSON *told = peer->description;
    cJSON *json = cJSON_CreateObject();
    const cJSON *environment = json_get(told, "environment");
    struct err ignored;
    cJSON *fitness = NULL;
    bool ok = fitness_make(environment, NULL, &fitness, &ignored) == ST_OK &&
              json_add(json, "fitness", fitness) &&
              json_add_string(json, "host", peer->options.address.host) &&
              json_add_u64(json, "port", peer->options.address.port) &&
              json_add_u64(json, "timeout_ns", peer->options.timeout_ns) &&
              json_add_string(json, "version", json_get_string(told, "version", "")) &&
              json_add_string(json, "commit", json_get_string(told, "commit", "")) &&
              json_add(json, "environment",
                       environment ? cJSON_Duplicate(environment, 1) : cJSON_CreateObject());
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

/* ---- which cells ----------------------------------------------------------------------------- */

static void peer_deny(struct cell *cell, const char *reason, const char *hint)
{
    cell->runnable = ST_NOT_APPLICABLE;
    snprintf(cell->reason, sizeof cell->reason, "%s", reason);
    snprintf(cell->hint, sizeof cell->hint, "%s", hint);
}

/* "transports that cross hosts: tcp, …" */
static void peer_list_transports(char *text, size_t size)
{
    const char *separator = " ";
    size_t used = (size_t)snprintf(text, size, "transports that do:");
    for (size_t i = 0; i < transport_registry_count && used < size; i++) {
        if (!(transport_registry[i]->flags & TRANSPORT_CROSSES_HOSTS))
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s", separator,
                                 transport_registry[i]->name);
        separator = ", ";
    }
}

static void peer_judge(struct cell *cell)
{
    char reason[sizeof cell->reason], hint[sizeof cell->hint];
    if (cell_has_python(cell)) {
        peer_deny(cell, "roles in Python are started on this host only",
                  "use peer c/c, or measure without --peer");
    } else if (!(cell->transport->flags & TRANSPORT_CROSSES_HOSTS)) {
        snprintf(reason, sizeof reason, "transport %s does not reach another host",
                 cell->transport->name);
        peer_list_transports(hint, sizeof hint);
        peer_deny(cell, reason, hint);
    } else if (cell_uses_gpu(cell)) {
        peer_deny(cell, "across two hosts frames are made and read by CPUs",
                  "use fill copy or in_place, access host and a kernel of the CPU");
    } else if (cell->pacing == PACING_SEARCH) {
        peer_deny(cell, "a search holds a one-way time, which two clocks may not be able to tell",
                  "use pacing rate, or pingpong, whose round trips are of one clock");
    } else if (cell->load != LOAD_NONE || cell->idle_latency_held || cell->clocks_locked) {
        peer_deny(cell, "loads, idle latency and clocks are those of one host",
                  "leave load, idle_latency and clocks at their defaults");
    } else if (cell->placement != PLACEMENT_AUTO && cell->placement != PLACEMENT_NONE) {
        peer_deny(cell, "two hosts share no CPUs", "use placement auto or none");
    }
}

void peer_judge_cells(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->cell_count; i++)
        if (scenario->cells[i].runnable == ST_OK)
            peer_judge(&scenario->cells[i]);
}

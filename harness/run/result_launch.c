/* result_launch.c: one launch as a file of its own, written at once and read back at the end.
 *
 * A file is {"schema": "handoff-launch", …, "row": {…}}: the row goes into result.json as is,
 * what stands around it identifies the launch and feeds the totals of its cell.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "harness/base/json.h"
#include "harness/run/result_parts.h"

#define LAUNCH_BYTES_MAX ((size_t)64 << 20)

void result_utc_now(char text[RESULT_UTC_BYTES])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, RESULT_UTC_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* FNV-1a: a file name must not depend on what an id may contain, nor on the cell's number, which
 * `--only` changes. The id itself is inside the file. */
static uint64_t result_id_hash(const char *id)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 0x100000001b3u;
    return hash;
}

enum status result_launch_path(const char *dir, const char *cell_id, uint32_t launch,
                               char path[PATH_MAX], struct err *err)
{
    int used = snprintf(path, PATH_MAX, "%s/launches/%016" PRIx64 "-%04u.json", dir,
                        result_id_hash(cell_id), launch);
    if (used < 0 || used >= PATH_MAX)
        return err_set(err, ST_INVALID, "use a shorter path with --out", "%s: the path is too long",
                       dir);
    return ST_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool launch_add_cpu(cJSON *json, const char *name, int cpu)
{
    return cpu < 0 ? json_add(json, name, cJSON_CreateNull()) : json_add_i64(json, name, cpu);
}

/* What a role's process had, as it read it back itself. */
static bool launch_add_surroundings(cJSON *json, const struct surroundings *had)
{
    char text[32];
    if (!had->known)
        return true;
    return json_add_string(json, "scheduling",
                           surroundings_scheduling_format(had->fifo_priority, text, sizeof text)) &&
           (had->timer_slack_ns < 0 ? json_add(json, "timer_slack_ns", cJSON_CreateNull())
                                    : json_add_i64(json, "timer_slack_ns", had->timer_slack_ns)) &&
           launch_add_cpu(json, "cpu", had->cpu);
}

/* Empty without a load. */
static bool launch_add_loads(cJSON *row, const struct launch_outcome *outcome)
{
    cJSON *loads = outcome->load_count > 0 ? result_add_array(row, "load") : NULL;
    bool ok = outcome->load_count == 0 || loads != NULL;
    for (uint32_t i = 0; ok && i < outcome->load_count; i++) {
        const struct launch_load *load = &outcome->loads[i];
        const bool copies = load->kind == LOAD_MEMBW;
        const double wall_s = load->wall_ns > 0 ? (double)load->wall_ns / 1e9 : INFINITY;
        cJSON *json = cJSON_CreateObject();
        ok = json_append(loads, json) && json_add_string(json, "kind", load_name(load->kind)) &&
             launch_add_cpu(json, "cpu", load->cpu) &&
             json_add_double(json, copies ? "bytes_per_s" : "rounds_per_s",
                             (double)(copies ? load->bytes : load->rounds) / wall_s) &&
             (!copies || json_add_u64(json, "buffer_bytes", load->buffer_bytes)) &&
             json_add_double(json, "cpu_percent", 100.0 * (double)load->cpu_ns / 1e9 / wall_s);
    }
    return ok;
}

static bool launch_add_usage(cJSON *parent, const char *role, const struct usage *usage,
                             const struct surroundings *had)
{
    cJSON *json = result_add_object(parent, role);
    return json && json_add_u64(json, "user_ns", usage->user_ns) &&
           json_add_u64(json, "system_ns", usage->system_ns) &&
           json_add_u64(json, "wall_ns", usage->wall_ns) &&
           json_add_u64(json, "voluntary_switches", usage->voluntary_switches) &&
           json_add_u64(json, "involuntary_switches", usage->involuntary_switches) &&
           json_add_u64(json, "minor_faults", usage->minor_faults) &&
           json_add_u64(json, "major_faults", usage->major_faults) &&
           launch_add_surroundings(json, had);
}

static bool launch_add_usages(cJSON *row, const struct launch_outcome *outcome)
{
    cJSON *usage = result_add_object(row, "usage");
    bool ok = launch_add_usage(usage, "producer", &outcome->producer, &outcome->producer_had) &&
              launch_add_usage(usage, "consumer", &outcome->consumer, &outcome->consumer_had);
    cJSON *system = ok ? result_add_object(usage, "system") : NULL;
    return system && json_add_u64(system, "busy_ns", outcome->system.busy_ns) &&
           json_add_u64(system, "steal_ns", outcome->system.steal_ns) &&
           json_add_u64(system, "wall_ns", outcome->system.wall_ns) &&
           json_add_u64(system, "cpus", outcome->system.cpus);
}

static bool launch_add_role_gpu(cJSON *parent, const char *role, const struct role_gpu_report *gpu)
{
    cJSON *json = gpu->used ? result_add_object(parent, role) : NULL;
    if (!gpu->used)
        return true;
    return json && json_add_u64(json, "context_ns", gpu->context_ns) &&
           json_add_u64(json, "registration_ns", gpu->registration_ns) &&
           json_add_string(json, "schedule", gpu_sync_name(gpu->schedule)) &&
           json_add(json, "mps", gpu->mps < 0 ? cJSON_CreateNull() : cJSON_CreateBool(gpu->mps)) &&
           (gpu->clock_error_ns ? json_add_u64(json, "clock_error_ns", gpu->clock_error_ns)
                                : json_add(json, "clock_error_ns", cJSON_CreateNull()));
}

/* Nothing where no role uses a GPU. */
static bool launch_add_gpu(cJSON *row, const struct launch_outcome *outcome)
{
    if (!outcome->producer_gpu.used && !outcome->consumer_gpu.used)
        return true;
    cJSON *gpu = result_add_object(row, "gpu");
    return gpu && launch_add_role_gpu(gpu, "producer", &outcome->producer_gpu) &&
           launch_add_role_gpu(gpu, "consumer", &outcome->consumer_gpu);
}

/* Nothing where both roles are in C. */
static bool launch_add_python(cJSON *row, const struct launch_outcome *outcome)
{
    if (outcome->clock && !json_add_string(row, "clock", outcome->clock))
        return false;
    if (!outcome->producer_python.used && !outcome->consumer_python.used)
        return true;
    cJSON *python = result_add_object(row, "python");
    return python && python_report_add(python, "producer", &outcome->producer_python) &&
           python_report_add(python, "consumer", &outcome->consumer_python);
}

/* "p50_ns" and so on, null where the launch has too few frames. */
static bool launch_add_quantiles(cJSON *json, const struct hdr *hdr, uint64_t infinite)
{
    for (unsigned i = 0; i < STATS_QUANTILE_COUNT; i++) {
        char key[16];
        double value = NAN;
        stats_launch_quantile(hdr, infinite, (enum stats_quantile)i, &value);
        snprintf(key, sizeof key, "%s_ns", stats_quantiles[i].key);
        if (!result_add_time(json, key, value))
            return false;
    }
    return true;
}

static enum status launch_add_intervals(cJSON *row, const struct fold *fold, struct err *err)
{
    cJSON *intervals = result_add_object(row, "intervals");
    if (!intervals)
        return err_set(err, ST_NO_MEMORY, NULL, "writing a launch: out of memory");
    for (unsigned i = 0; fold && i < INTERVAL_COUNT; i++) {
        const struct hdr *hdr = fold->intervals[i];
        if (hdr_count(hdr) + fold->infinite[i] == 0)
            continue;
        cJSON *json = result_interval_json(hdr, fold->infinite[i], err);
        if (!json)
            return ST_NO_MEMORY;
        bool added = json_add(intervals, interval_name((enum interval)i), json);
        if (!added || !launch_add_quantiles(json, hdr, fold->infinite[i]))
            return err_set(err, ST_NO_MEMORY, NULL, "writing a launch: out of memory");
    }
    return ST_OK;
}

static bool launch_add_reading(cJSON *peer, const char *name,
                               const struct peer_clock_reading *reading)
{
    if (reading->count == 0)
        return json_add(peer, name, cJSON_CreateNull());
    cJSON *json = result_add_object(peer, name);
    return json && json_add_i64(json, "offset_ns", reading->offset_ns) &&
           json_add_u64(json, "uncertainty_ns", reading->uncertainty_ns) &&
           json_add_u64(json, "round_trip_min_ns", reading->trip_min_ns) &&
           json_add_u64(json, "round_trip_median_ns", reading->trip_median_ns) &&
           json_add_u64(json, "exchanges", reading->count);
}

static const char *launch_format_time(uint64_t time_ns, char *text, size_t size)
{
    const bool is_long = time_ns >= 1000000u;
    snprintf(text, size, "%.3g %s", (double)time_ns / (is_long ? 1e6 : 1e3), is_long ? "ms" : "µs");
    return text;
}

/* "the clocks agree only to within 25 ms, latency is 27 ms" */
static bool launch_add_withheld(cJSON *withheld, const struct peer_launch *peer, unsigned index)
{
    char reason[160], agree[32], p50[32];
    cJSON *json = cJSON_CreateObject();
    if (peer_clock_is_known(&peer->clock))
        snprintf(reason, sizeof reason, "the clocks agree only to within %s, %s is %s",
                 launch_format_time(peer_clock_uncertainty_ns(&peer->clock), agree, sizeof agree),
                 peer->withheld[index].interval,
                 launch_format_time(peer->withheld[index].p50_ns, p50, sizeof p50));
    else
        snprintf(
            reason, sizeof reason,
            "the launch broke off before the clocks were compared again: how far they ran apart "
            "is not known");
    return json_append(withheld, json) &&
           json_add_string(json, "interval", peer->withheld[index].interval) &&
           json_add_string(json, "reason", reason);
}

/* How the clocks of two hosts stood to each other, and what is not told for it. Nothing where both
 * roles were on one. */
static bool launch_add_peer(cJSON *row, const struct peer_launch *peer)
{
    const bool known = peer_clock_is_known(&peer->clock);
    if (!peer->used)
        return true;
    cJSON *json = result_add_object(row, "peer");
    bool ok = json &&
              (known ? json_add_u64(json, "uncertainty_ns", peer_clock_uncertainty_ns(&peer->clock))
                     : json_add(json, "uncertainty_ns", cJSON_CreateNull())) &&
              launch_add_reading(json, "before", &peer->clock.before) &&
              launch_add_reading(json, "after", &peer->clock.after);
    cJSON *withheld = ok ? result_add_array(json, "withheld") : NULL;
    ok = withheld != NULL;
    for (unsigned i = 0; ok && i < peer->withheld_count; i++)
        ok = launch_add_withheld(withheld, peer, i);
    return ok;
}

static bool launch_is_withheld(const struct peer_launch *peer, const char *interval)
{
    for (unsigned i = 0; i < peer->withheld_count; i++)
        if (strcmp(peer->withheld[i].interval, interval) == 0)
            return true;
    return false;
}

/* The counts of a launch; all 0 without a fold. */
static bool launch_add_counts(cJSON *row, const struct fold *fold, const struct peer_launch *peer)
{
    static const struct fold nothing = {.steady = true};
    const struct fold *from = fold ? fold : &nothing;
    /* What was late by how much is not known where two clocks cannot tell. */
    const bool knows_late = !launch_is_withheld(peer, "response");
    return json_add_u64(row, "window_ns", from->window_ns) &&
           json_add_u64(row, "frames", from->finished_frames) &&
           json_add_u64(row, "infinite", from->sent_frames - from->finished_frames) &&
           json_add_double(row, "frames_per_s", from->frames_per_s) &&
           json_add_u64(row, "first_frame_ns", from->first_frame_ns) &&
           json_add_bool(row, "steady", from->steady) &&
           json_add_u64(row, "backlog_frames", from->backlog_frames) &&
           (knows_late ? json_add_u64(row, "deadline_missed", from->deadline_missed)
                       : json_add(row, "deadline_missed", cJSON_CreateNull())) &&
           json_add_u64(row, "clamped", from->clamped) &&
           result_add_integrity(row, &from->integrity);
}

enum status result_launch_verdict(const struct launch_outcome *outcome, struct err *verdict)
{
    if (outcome->status != ST_OK)
        return err_set(verdict, outcome->status, outcome->hint, "%s",
                       outcome->reason[0] ? outcome->reason : status_name(outcome->status));
    if (!outcome->fold)
        return err_set(verdict, ST_SYSTEM, "this is a bug of the runner",
                       "the launch left no frames to fold");
    if (outcome->fold->finished_frames == 0)
        return err_set(verdict, ST_CORRUPT, NULL, "not one counted frame was finished");
    return fold_integrity_verdict(&outcome->fold->integrity, verdict);
}

static bool launch_add_khz(cJSON *row, const char *key, int64_t khz)
{
    return khz < 0 ? json_add(row, key, cJSON_CreateNull()) : json_add_i64(row, key, khz);
}

static bool launch_add_clocks(cJSON *row, const struct launch_clocks *clocks)
{
    cJSON *json = clocks->count > 0 ? result_add_object(row, "clocks") : NULL;
    bool ok = clocks->count == 0 || (json && json_add_bool(json, "locked", clocks->locked));
    cJSON *policies = ok && json ? result_add_array(json, "policies") : NULL;
    ok = ok && (!json || policies);
    for (uint32_t i = 0; ok && i < clocks->count; i++) {
        const struct clocks_policy *policy = &clocks->policies[i];
        cJSON *item = cJSON_CreateObject();
        ok = json_append(policies, item) && json_add_string(item, "cpus", policy->cpus) &&
             json_add_string(item, "governor", policy->governor) &&
             json_add_i64(item, "min_khz", policy->min_khz) &&
             json_add_i64(item, "max_khz", policy->max_khz) &&
             launch_add_khz(item, "before_khz", policy->before_khz) &&
             launch_add_khz(item, "after_khz", policy->after_khz);
    }
    return ok;
}

static enum status launch_row(const struct launch_outcome *outcome, const struct err *verdict,
                              bool is_ok, cJSON *row, struct err *err)
{
    bool ok = json_add_u64(row, "launch", outcome->launch) &&
              json_add_u64(row, "order", outcome->order) &&
              json_add_string(row, "status", is_ok ? "ok" : "failed") &&
              json_add_string(row, "reason", is_ok ? "" : verdict->what) &&
              json_add_string(row, "started_utc", outcome->started_utc) &&
              launch_add_counts(row, outcome->fold, &outcome->peer) &&
              launch_add_usages(row, outcome) &&
              json_add_bool(row, "idle_latency_held", outcome->idle_latency_held) &&
              launch_add_clocks(row, &outcome->clocks) && launch_add_gpu(row, outcome) &&
              launch_add_python(row, outcome) && launch_add_loads(row, outcome) &&
              launch_add_peer(row, &outcome->peer) &&
              (!outcome->search || result_add_search(row, outcome->search)) &&
              (!outcome->fold || result_add_timeline(row, &outcome->fold->timeline));
    if (!ok)
        return err_set(err, ST_NO_MEMORY, NULL, "writing a launch: out of memory");
    return launch_add_intervals(row, outcome->fold, err);
}

static enum status launch_to_json(const struct cell *cell, const struct launch_outcome *outcome,
                                  cJSON *json, struct err *err)
{
    struct err verdict = {0};
    enum status status = result_launch_verdict(outcome, &verdict);
    bool ok = json_add_string(json, "schema", "handoff-launch") &&
              json_add_u64(json, "schema_version", RESULT_SCHEMA_VERSION) &&
              json_add_string(json, "cell", cell->id) &&
              json_add_u64(json, "launch", outcome->launch) &&
              json_add_string(json, "status", status_name(status)) &&
              json_add_string(json, "hint", status == ST_OK ? "" : verdict.hint) &&
              json_add_u64(json, "frames", outcome->frames) &&
              json_add_u64(json, "warmup_frames", outcome->warmup) &&
              json_add_u64(json, "deadline_ns", outcome->deadline_ns) &&
              json_add_double(json, "copies_per_frame", outcome->copies_per_frame) &&
              launch_add_cpu(json, "producer_cpu", outcome->producer_cpu) &&
              launch_add_cpu(json, "consumer_cpu", outcome->consumer_cpu);
    cJSON *row = ok ? result_add_object(json, "row") : NULL;
    if (!row)
        return err_set(err, ST_NO_MEMORY, NULL, "writing a launch: out of memory");
    return launch_row(outcome, &verdict, status == ST_OK, row, err);
}

/* mkdir -p. */
static enum status result_make_folder(const char *path, struct err *err)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != 0)
            continue;
        char kept = *at;
        *at = 0;
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return err_set_errno(err, errno, "choose a folder that can be written with --out",
                                 "%s: cannot be created", part);
        *at = kept;
        if (kept == 0)
            return ST_OK;
    }
}

enum status result_launch_write(const char *dir, const struct cell *cell,
                                const struct launch_outcome *outcome, struct err *err)
{
    char path[PATH_MAX];
    enum status status = result_launch_path(dir, cell->id, outcome->launch, path, err);
    if (status != ST_OK)
        return status;
    char *slash = strrchr(path, '/');
    *slash = 0;
    status = result_make_folder(path, err);
    *slash = '/';
    if (status != ST_OK)
        return status;
    cJSON *json = cJSON_CreateObject();
    if (!json)
        return err_set(err, ST_NO_MEMORY, NULL, "writing a launch: out of memory");
    status = launch_to_json(cell, outcome, json, err);
    if (status == ST_OK)
        status = json_write_file(path, json, false, err);
    cJSON_Delete(json);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

enum status result_launch_read(const char *dir, const char *cell_id, uint32_t launch,
                               struct launch_file *file, struct err *err)
{
    char path[PATH_MAX];
    struct stat info;
    enum status status = result_launch_path(dir, cell_id, launch, path, err);
    if (status != ST_OK)
        return status;
    if (stat(path, &info) != 0 && errno == ENOENT)
        return ST_AGAIN;
    cJSON *json = NULL;
    status = json_read_file(path, LAUNCH_BYTES_MAX, &json, err);
    if (status != ST_OK)
        return status;
    cJSON *row = json_get(json, "row");
    bool is_right = strcmp(json_get_string(json, "schema", ""), "handoff-launch") == 0 &&
                    json_get_number(json, "schema_version", 0) == RESULT_SCHEMA_VERSION &&
                    strcmp(json_get_string(json, "cell", ""), cell_id) == 0 &&
                    json_get_number(json, "launch", -1) == launch &&
                    json_get_number(row, "launch", -1) == launch &&
                    cJSON_IsObject(json_get(row, "intervals")) &&
                    cJSON_IsObject(json_get(row, "usage")) &&
                    cJSON_IsObject(json_get(row, "integrity"));
    if (!is_right) {
        cJSON_Delete(json);
        return err_set(err, ST_CORRUPT, "delete it and run again with --resume",
                       "%s: is not launch %u of cell %s", path, launch, cell_id);
    }
    *file = (struct launch_file){
        .json = json,
        .row = row,
        .status = status_from_name(json_get_string(json, "status", "")),
    };
    file->ok = file->status == ST_OK;
    return ST_OK;
}

void result_launch_clear(struct launch_file *file)
{
    cJSON_Delete(file->json);
    *file = (struct launch_file){0};
}

bool result_launch_exists(const char *dir, const struct cell *cell, uint32_t launch,
                          uint32_t frames, uint32_t warmup, enum status *status)
{
    struct launch_file file;
    if (result_launch_read(dir, cell->id, launch, &file, NULL) != ST_OK)
        return false;
    bool same = json_get_number(file.json, "frames", -1) == frames &&
                json_get_number(file.json, "warmup_frames", -1) == warmup &&
                result_search_fits(file.row, cell, file.ok);
    if (same && status)
        *status = file.status;
    result_launch_clear(&file);
    return same;
}

/* result_cell_json.c: one cell's object of result.json, from what its launches add up to.
 *
 * Called by result.c for each cell. The shape is in results/README.md.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/run/result_cell.h"

/* ---- what was chosen ------------------------------------------------------------------------- */

static bool cell_add_axes(cJSON *json, const struct cell *cell)
{
    cJSON *axes = result_add_object(json, "axes");
    bool ok = axes != NULL;
    for (size_t i = 0; ok && i < cell_axis_count(); i++)
        if (cell_axis_in_id(i))
            ok = json_add(axes, cell_axis_name(i), cell_axis_json(cell, i));
    return ok;
}

/* By what the consumer knew that a frame was whole. */
static const char *cell_integrity_method(const struct cell *cell)
{
    if (cell->transport->flags & TRANSPORT_NO_PAYLOAD)
        return "none";
    if (cell_payload_bytes(cell) == 0)
        return "header";
    if (cell->kernel->flags & KERNEL_CHECKSUM)
        return "checksum";
    return cell_payload_bytes(cell) < sizeof(uint64_t) ? "header" : "sampled_tags";
}

static bool cell_add_role(cJSON *roles, const char *name, const struct cell_role_totals *totals)
{
    cJSON *role = cJSON_CreateObject();
    return json_append(roles, role) && json_add_string(role, "name", name) &&
           (totals->has_cpu ? json_add_i64(role, "cpu", totals->cpu)
                            : json_add(role, "cpu", cJSON_CreateNull()));
}

static bool cell_add_roles(cJSON *json, const struct cell *cell, const struct cell_totals *totals)
{
    cJSON *roles = result_add_array(json, "roles");
    cJSON *edges = roles && cell_add_role(roles, "producer", &totals->producer) &&
                           cell_add_role(roles, "consumer", &totals->consumer)
                       ? result_add_array(json, "edges")
                       : NULL;
    cJSON *edge = edges ? cJSON_CreateObject() : NULL;
    return edge && json_append(edges, edge) && json_add_string(edge, "from", "producer") &&
           json_add_string(edge, "to", "consumer") &&
           json_add_string(edge, "transport", cell->transport->name);
}

/* ---- how it went ----------------------------------------------------------------------------- */

static void cell_verdict(const struct result_cell *planned, const struct cell_totals *totals,
                         const char **status, char reason[RESULT_REASON_BYTES], const char **hint)
{
    const struct cell *cell = planned->cell;
    reason[0] = 0;
    *hint = "";
    if (cell->runnable != ST_OK) {
        *status = cell->runnable == ST_NOT_APPLICABLE ? "not_applicable" : "unavailable";
        snprintf(reason, RESULT_REASON_BYTES, "%s", cell->reason);
        *hint = cell->hint;
    } else if (planned->failure[0]) {
        *status = "failed";
        snprintf(reason, RESULT_REASON_BYTES, "%s", planned->failure);
        *hint = planned->failure_hint;
    } else if (totals->failed > 0) {
        *status = "failed";
        snprintf(reason, RESULT_REASON_BYTES, "%s", totals->failure);
        *hint = totals->failure_hint;
    } else if (totals->ok < planned->launches_planned || totals->ok == 0) {
        *status = "incomplete";
        snprintf(reason, RESULT_REASON_BYTES, "%u of %u launches were run", totals->ok,
                 planned->launches_planned);
        *hint = "run the same scenario into the same folder with --resume";
    } else {
        *status = "ok";
    }
}

/* ---- figures --------------------------------------------------------------------------------- */

static enum status cell_add_interval_json(cJSON *intervals, enum interval interval,
                                          const struct cell_interval *from, size_t launches,
                                          bool is_representative, struct err *err)
{
    if (!from->merged)
        return ST_OK;
    cJSON *json = result_interval_json(from->merged, from->infinite, err);
    if (!json)
        return ST_NO_MEMORY;
    bool ok = json_add(intervals, interval_name(interval), json);
    cJSON *quantiles = ok ? result_add_object(json, "quantiles") : NULL;
    for (int q = 0; q < STATS_QUANTILE_COUNT; q++) {
        /* Only if every launch had frames enough: those that happen to qualify are a selection. */
        const struct cell_series *series = &from->quantiles[q];
        size_t count = is_representative && series->count == launches ? series->count : 0;
        ok = ok && result_add_estimate(quantiles, stats_quantiles[q].key,
                                       stats_estimate_log(series->values, count), true);
    }
    return ok ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "writing a result: out of memory");
}

static enum status cell_add_intervals_json(cJSON *json, const struct cell_totals *totals,
                                           struct err *err)
{
    cJSON *intervals = result_add_object(json, "intervals");
    if (!intervals)
        return err_set(err, ST_NO_MEMORY, NULL, "writing a result: out of memory");
    for (int i = 0; i < INTERVAL_COUNT; i++) {
        /* The few frames that were waited for do not speak for many that were not. */
        bool is_representative =
            i != INTERVAL_handoff || 2 * totals->backlog_frames <= totals->frames;
        enum status status = cell_add_interval_json(
            intervals, (enum interval)i, &totals->intervals[i], totals->ok, is_representative, err);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

static bool cell_add_first_frame(cJSON *json, const struct cell_totals *totals)
{
    cJSON *first = result_add_object(json, "first_frame");
    cJSON *latencies = result_add_array(first, "latency_ns");
    bool ok = latencies != NULL;
    for (size_t i = 0; ok && i < totals->first_frame_ns.count; i++)
        ok = json_append(latencies, cJSON_CreateNumber(totals->first_frame_ns.values[i]));
    return ok;
}

/* A rate may be far below 1, where stats_estimate_log would cut it: it is taken in millionths. */
static struct stats_estimate cell_rate_estimate(const struct cell_series *series, double scale)
{
    const double millionths = 1e6;
    for (size_t i = 0; i < series->count; i++)
        series->values[i] *= millionths;
    struct stats_estimate estimate = stats_estimate_log(series->values, series->count);
    for (size_t i = 0; i < series->count; i++)
        series->values[i] /= millionths;
    estimate.value *= scale / millionths;
    estimate.low *= scale / millionths;
    estimate.high *= scale / millionths;
    return estimate;
}

static bool cell_add_throughput(cJSON *json, const struct cell *cell,
                                const struct cell_totals *totals)
{
    const struct cell_series *rate = &totals->metrics[METRIC_FRAMES_PER_S];
    cJSON *throughput = result_add_object(json, "throughput");
    struct stats_estimate frames = cell_rate_estimate(rate, 1.0);
    struct stats_estimate bytes = cell_rate_estimate(rate, (double)cell_payload_bytes(cell));
    return result_add_estimate(throughput, "frames_per_s", frames, false) &&
           result_add_estimate(throughput, "payload_bytes_per_s", bytes, false);
}

static bool cell_add_metric(cJSON *parent, const char *name, const struct cell_totals *totals,
                            enum cell_metric metric)
{
    const struct cell_series *series = &totals->metrics[metric];
    return result_add_estimate(parent, name, stats_estimate_linear(series->values, series->count),
                               false);
}

/* What handing frames over costs the whole machine: its own work is in the baseline as well. */
static bool cell_add_less_null(cJSON *cpu, const struct cell *baseline,
                               const struct cell_totals *totals)
{
    const struct cell_series *series = &totals->metrics[METRIC_SYSTEM_LESS_NULL];
    if (!baseline || series->count == 0)
        return true;
    cJSON *less_null = result_add_object(cpu, "system_less_null");
    return result_add_estimate(less_null, "percent",
                               stats_estimate_signed(series->values, series->count), false) &&
           json_add_string(less_null, "baseline", baseline->id);
}

static bool cell_add_cpu_json(cJSON *json, const struct cell *baseline,
                              const struct cell_totals *totals)
{
    cJSON *cpu = result_add_object(json, "cpu");
    cJSON *producer = result_add_object(cpu, "producer");
    cJSON *consumer = result_add_object(cpu, "consumer");
    cJSON *system = result_add_object(cpu, "system");
    return cell_add_metric(producer, "percent", totals, METRIC_PRODUCER_PERCENT) &&
           cell_add_metric(producer, "ns_per_frame", totals, METRIC_PRODUCER_NS_PER_FRAME) &&
           cell_add_metric(consumer, "percent", totals, METRIC_CONSUMER_PERCENT) &&
           cell_add_metric(consumer, "ns_per_frame", totals, METRIC_CONSUMER_NS_PER_FRAME) &&
           cell_add_metric(system, "percent", totals, METRIC_SYSTEM_PERCENT) &&
           cell_add_less_null(cpu, baseline, totals);
}

static bool cell_add_role_switches(cJSON *parent, const char *name,
                                   const struct cell_role_totals *role, uint64_t frames)
{
    cJSON *json = result_add_object(parent, name);
    double divisor = frames ? (double)frames : NAN; /* null without frames */
    return json &&
           json_add_double(json, "voluntary_per_frame",
                           (double)role->voluntary_switches / divisor) &&
           json_add_double(json, "involuntary_per_frame",
                           (double)role->involuntary_switches / divisor);
}

static bool cell_add_system_costs(cJSON *json, const struct cell_totals *totals)
{
    cJSON *switches = result_add_object(json, "switches");
    bool ok = cell_add_role_switches(switches, "producer", &totals->producer,
                                     totals->frames + totals->unfinished) &&
              cell_add_role_switches(switches, "consumer", &totals->consumer, totals->frames);
    cJSON *faults = ok ? result_add_object(json, "page_faults") : NULL;
    return faults && json_add_u64(faults, "producer", totals->producer.page_faults) &&
           json_add_u64(faults, "consumer", totals->consumer.page_faults);
}

static bool cell_add_integrity_json(cJSON *json, const struct cell *cell,
                                    const struct cell_totals *totals)
{
    return result_add_integrity(json, &totals->integrity) &&
           json_add_string(json_get(json, "integrity"), "method", cell_integrity_method(cell));
}

static bool cell_add_deadline(cJSON *json, const struct cell *cell,
                              const struct cell_totals *totals)
{
    if (!cell_has_schedule(cell) || totals->deadline_unknown)
        return true;
    cJSON *deadline = result_add_object(json, "deadline");
    return deadline && json_add_u64(deadline, "deadline_ns", totals->deadline_ns) &&
           json_add_u64(deadline, "missed", totals->deadline_missed) &&
           json_add_u64(deadline, "frames", totals->frames + totals->unfinished);
}

static bool cell_add_flags(cJSON *json, const struct cell_totals *totals)
{
    cJSON *flags = result_add_array(json, "flags");
    bool ok = flags != NULL;
    /* One launch in four may drift by chance or by a neighbour's doing. */
    if (ok && totals->unsteady > 0 && totals->unsteady * 4 >= totals->ok)
        ok = json_append(flags, cJSON_CreateString("no_steady_state"));
    if (ok && totals->clamped > 0)
        ok = json_append(flags, cJSON_CreateString("clamped_intervals"));
    if (ok && totals->producer.page_faults + totals->consumer.page_faults > 0)
        ok = json_append(flags, cJSON_CreateString("page_faults"));
    if (ok && totals->producer.has_cpu && totals->consumer.has_cpu &&
        totals->producer.cpu == totals->consumer.cpu)
        ok = json_append(flags, cJSON_CreateString("shared_cpu"));
    return ok;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool cell_add_head(cJSON *json, const struct result_cell *planned,
                          const struct cell_totals *totals)
{
    const struct cell *cell = planned->cell;
    const char *status;
    const char *hint;
    char reason[RESULT_REASON_BYTES];
    cell_verdict(planned, totals, &status, reason, &hint);
    return json_add_string(json, "id", cell->id) &&
           json_add_u64(json, "block", cell->block_index) &&
           (!cell->is_baseline || json_add_bool(json, "baseline", true)) &&
           cell_add_axes(json, cell) && json_add_string(json, "status", status) &&
           json_add_string(json, "reason", reason) && json_add_string(json, "hint", hint) &&
           json_add_u64(json, "payload_bytes", cell_payload_bytes(cell)) &&
           json_add_u64(json, "frames", planned->frames) &&
           json_add_u64(json, "warmup_frames", planned->warmup) &&
           json_add_double(json, "copies_per_frame",
                           totals->ok ? totals->copies_per_frame / totals->ok : NAN) &&
           (!cell->transport->copies || json_add_string(json, "copies", cell->transport->copies)) &&
           cell_add_roles(json, cell, totals) && json_add_u64(json, "launches_ok", totals->ok) &&
           json_add_u64(json, "launches_failed", totals->failed) &&
           json_add_u64(json, "launches_planned", planned->launches_planned);
}

static bool cell_add_figures_json(cJSON *json, const struct result_cell *planned,
                                  struct cell_totals *totals)
{
    const struct cell *cell = planned->cell;
    bool ok = json_add_u64(json, "backlog_frames", totals->backlog_frames) &&
              cell_add_first_frame(json, totals) && cell_add_throughput(json, cell, totals) &&
              cell_add_cpu_json(json, planned->baseline, totals) &&
              cell_add_system_costs(json, totals) && cell_add_integrity_json(json, cell, totals) &&
              cell_add_deadline(json, cell, totals) && cell_add_flags(json, totals);
    cJSON *rows = totals->rows;
    totals->rows = NULL;
    if (!ok) {
        cJSON_Delete(rows);
        return false;
    }
    return json_add(json, "launches", rows);
}

enum status result_cell_json(const struct result_cell *planned, const char *dir, cJSON **json,
                             struct err *err)
{
    struct cell_totals totals;
    cJSON *made = NULL;
    enum status status = cell_totals_read(planned, dir, &totals, err);
    if (status != ST_OK)
        goto undo_totals;
    made = cJSON_CreateObject();
    status = ST_NO_MEMORY;
    if (!made || !cell_add_head(made, planned, &totals)) {
        err_set(err, ST_NO_MEMORY, NULL, "writing a result: out of memory");
        goto undo_json;
    }
    status = cell_add_intervals_json(made, &totals, err);
    if (status != ST_OK)
        goto undo_json;
    if (!cell_add_figures_json(made, planned, &totals)) {
        status = err_set(err, ST_NO_MEMORY, NULL, "writing a result: out of memory");
        goto undo_json;
    }
    *json = made;
    made = NULL;
undo_json:
    cJSON_Delete(made);
undo_totals:
    cell_totals_free(&totals);
    return status;
}

/* result_cell.c: gathering the launches of one cell. See result_cell.h; called by result.c. */
#include "harness/run/result_cell.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"

static void series_add(struct cell_series *series, double value)
{
    if (!isnan(value))
        series->values[series->count++] = value;
}

/* Gives each series its room. */
static enum status cell_totals_allocate(struct cell_totals *totals, size_t launches,
                                        struct err *err)
{
    size_t room = launches ? launches : 1;
    size_t series_count = INTERVAL_COUNT * STATS_QUANTILE_COUNT + METRIC_COUNT + 1;
    totals->rows = cJSON_CreateArray();
    totals->storage = calloc(series_count * room, sizeof *totals->storage);
    if (!totals->rows || !totals->storage)
        return err_set(err, ST_NO_MEMORY, NULL, "reading launches: out of memory");
    double *next = totals->storage;
    for (int i = 0; i < INTERVAL_COUNT; i++)
        for (int q = 0; q < STATS_QUANTILE_COUNT; q++, next += room)
            totals->intervals[i].quantiles[q].values = next;
    for (int i = 0; i < METRIC_COUNT; i++, next += room)
        totals->metrics[i].values = next;
    totals->first_frame_ns.values = next;
    return ST_OK;
}

void cell_totals_free(struct cell_totals *totals)
{
    for (int i = 0; i < INTERVAL_COUNT; i++)
        hdr_free(totals->intervals[i].merged);
    free(totals->storage);
    cJSON_Delete(totals->rows);
    memset(totals, 0, sizeof *totals);
}

static void cell_note_failure(struct cell_totals *totals, uint64_t order, const char *reason,
                              const char *hint)
{
    totals->failed++;
    if (totals->failure[0] && totals->failure_order <= order)
        return;
    totals->failure_order = order;
    snprintf(totals->failure, sizeof totals->failure, "%s", reason);
    snprintf(totals->failure_hint, sizeof totals->failure_hint, "%s", hint);
}

/* ---- one launch ------------------------------------------------------------------------------ */

static enum status cell_add_interval(struct cell_totals *totals, enum interval interval,
                                     const cJSON *json, struct err *err)
{
    struct cell_interval *into = &totals->intervals[interval];
    struct hdr *hdr = NULL;
    enum status status = hdr_decode(json_get_string(json, "histogram", ""), &hdr, err);
    if (status != ST_OK)
        return err_context(err, "%s", interval_name(interval));
    into->infinite += result_get_u64(json, "infinite");
    for (int q = 0; q < STATS_QUANTILE_COUNT; q++) {
        double value = NAN;
        stats_launch_quantile(hdr, result_get_u64(json, "infinite"), (enum stats_quantile)q,
                              &value);
        series_add(&into->quantiles[q], value);
    }
    if (into->merged) {
        hdr_merge(into->merged, hdr);
        hdr_free(hdr);
    } else {
        into->merged = hdr;
    }
    return ST_OK;
}

static enum status cell_add_intervals(struct cell_totals *totals, const cJSON *row, struct err *err)
{
    const cJSON *intervals = json_get(row, "intervals");
    for (int i = 0; i < INTERVAL_COUNT; i++) {
        const cJSON *json = json_get(intervals, interval_name((enum interval)i));
        enum status status = json ? cell_add_interval(totals, (enum interval)i, json, err) : ST_OK;
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

/* Across two hosts: which intervals this launch could not tell. */
static void cell_note_withheld(struct cell_totals *totals, const cJSON *row)
{
    const cJSON *peer = json_get(row, "peer"), *one;
    cJSON_ArrayForEach (one, json_get(peer, "withheld"))
        for (int i = 0; i < INTERVAL_COUNT; i++)
            totals->intervals[i].withheld |=
                strcmp(json_get_string(one, "interval", ""), interval_name((enum interval)i)) == 0;
    totals->first_frame_unknown |= peer && result_get_u64(row, "first_frame_ns") == 0;
}

static void cell_drop_withheld(struct cell_totals *totals)
{
    for (int i = 0; i < INTERVAL_COUNT; i++) {
        struct cell_interval *interval = &totals->intervals[i];
        if (!interval->withheld)
            continue;
        hdr_free(interval->merged);
        interval->merged = NULL;
        interval->infinite = 0;
        for (int q = 0; q < STATS_QUANTILE_COUNT; q++)
            interval->quantiles[q].count = 0;
    }
    if (totals->first_frame_unknown)
        totals->first_frame_ns.count = 0;
}

/* CPU time of one role. A role that reported nothing adds nothing. */
static void cell_add_usage(struct cell_role_totals *role, const cJSON *usage, uint64_t frames,
                           struct cell_series *percent, struct cell_series *ns_per_frame)
{
    double wall_ns = json_get_number(usage, "wall_ns", 0.0);
    double cpu_ns =
        json_get_number(usage, "user_ns", 0.0) + json_get_number(usage, "system_ns", 0.0);
    role->voluntary_switches += result_get_u64(usage, "voluntary_switches");
    role->involuntary_switches += result_get_u64(usage, "involuntary_switches");
    role->page_faults +=
        result_get_u64(usage, "minor_faults") + result_get_u64(usage, "major_faults");
    if (wall_ns <= 0.0)
        return;
    series_add(percent, 100.0 * cpu_ns / wall_ns);
    if (frames > 0)
        series_add(ns_per_frame, cpu_ns / (double)frames);
}

/* Percent of one CPU that everything on the machine took over the launch; NAN when unknown. */
static double launch_system_percent(const cJSON *row)
{
    const cJSON *system = json_get(json_get(row, "usage"), "system");
    double wall_ns = json_get_number(system, "wall_ns", 0.0);
    return wall_ns > 0.0 ? 100.0 * json_get_number(system, "busy_ns", 0.0) / wall_ns : NAN;
}

/* Launch k of a cell and of its baseline ran in the same round (plan_order), most of the time
 * minutes apart at most: what else the machine did then is in both. */
static void cell_add_less_null(struct cell_totals *totals, const char *dir,
                               const struct cell *baseline, uint32_t launch, double percent)
{
    struct launch_file file = {0};
    if (!baseline || result_launch_read(dir, baseline->id, launch, &file, NULL) != ST_OK)
        return;
    if (file.ok)
        series_add(&totals->metrics[METRIC_SYSTEM_LESS_NULL],
                   percent - launch_system_percent(file.row));
    result_launch_clear(&file);
}

static void cell_add_figures(struct cell_totals *totals, const struct launch_file *file)
{
    const cJSON *row = file->row;
    const cJSON *usage = json_get(row, "usage");
    uint64_t frames = result_get_u64(row, "frames");
    uint64_t unfinished = result_get_u64(row, "infinite");
    double rate = json_get_number(row, "frames_per_s", 0.0);
    totals->frames += frames;
    totals->unfinished += unfinished;
    totals->backlog_frames += result_get_u64(row, "backlog_frames");
    totals->clamped += result_get_u64(row, "clamped");
    totals->unsteady += !json_get_bool(row, "steady", true);
    totals->deadline_missed += result_get_u64(row, "deadline_missed");
    totals->deadline_unknown |= cJSON_IsNull(json_get(row, "deadline_missed"));
    totals->deadline_ns = result_get_u64(file->json, "deadline_ns");
    totals->copies_per_frame += json_get_number(file->json, "copies_per_frame", 0.0);
    if (rate > 0.0)
        series_add(&totals->metrics[METRIC_FRAMES_PER_S], rate);
    if (result_get_u64(row, "first_frame_ns") > 0)
        series_add(&totals->first_frame_ns, json_get_number(row, "first_frame_ns", 0.0));
    cell_add_usage(&totals->producer, json_get(usage, "producer"), frames + unfinished,
                   &totals->metrics[METRIC_PRODUCER_PERCENT],
                   &totals->metrics[METRIC_PRODUCER_NS_PER_FRAME]);
    cell_add_usage(&totals->consumer, json_get(usage, "consumer"), frames,
                   &totals->metrics[METRIC_CONSUMER_PERCENT],
                   &totals->metrics[METRIC_CONSUMER_NS_PER_FRAME]);
    series_add(&totals->metrics[METRIC_SYSTEM_PERCENT], launch_system_percent(row));
}

static void cell_add_integrity(struct cell_totals *totals, const cJSON *row)
{
    struct fold_integrity one;
    result_read_integrity(json_get(row, "integrity"), &one);
    totals->integrity.frames += one.frames;
    totals->integrity.checked += one.checked;
    totals->integrity.torn += one.torn;
    totals->integrity.lost += one.lost;
    totals->integrity.repeated += one.repeated;
    totals->integrity.reordered += one.reordered;
    totals->integrity.skipped += one.skipped;
}

static void cell_add_cpu(struct cell_role_totals *role, const cJSON *json, const char *name)
{
    const cJSON *cpu = json_get(json, name);
    if (!role->has_cpu && cJSON_IsNumber(cpu)) {
        role->has_cpu = true;
        role->cpu = (int)cpu->valuedouble;
    }
}

/* Takes one launch in; its row moves over to totals->rows. */
static enum status cell_add_launch(struct cell_totals *totals, struct launch_file *file,
                                   struct err *err)
{
    char reason[RESULT_REASON_BYTES];
    uint64_t order = result_get_u64(file->row, "order");
    enum status status = ST_OK;
    cell_add_integrity(totals, file->row);
    cell_add_cpu(&totals->producer, file->json, "producer_cpu");
    cell_add_cpu(&totals->consumer, file->json, "consumer_cpu");
    if (file->ok) {
        status = cell_add_intervals(totals, file->row, err);
        if (status == ST_OK) {
            totals->ok++;
            cell_note_withheld(totals, file->row);
            cell_add_figures(totals, file);
        }
    } else {
        /* People count from 1, as the progress line does. */
        snprintf(reason, sizeof reason, "launch %" PRIu64 ": %s",
                 result_get_u64(file->row, "launch") + 1, json_get_string(file->row, "reason", ""));
        cell_note_failure(totals, order, reason, json_get_string(file->json, "hint", ""));
    }
    if (status != ST_OK)
        return status;
    cJSON *row = cJSON_DetachItemFromObjectCaseSensitive(file->json, "row");
    file->row = NULL;
    return json_append(totals->rows, row) ? ST_OK : ST_NO_MEMORY;
}

enum status cell_totals_read(const struct result_cell *planned, const char *dir,
                             struct cell_totals *totals, struct err *err)
{
    *totals = (struct cell_totals){0};
    enum status status = cell_totals_allocate(totals, planned->launches_planned, err);
    for (uint32_t launch = 0; status == ST_OK && launch < planned->launches_planned; launch++) {
        struct launch_file file = {0};
        struct err bad = {0};
        enum status read = result_launch_read(dir, planned->cell->id, launch, &file, &bad);
        if (read == ST_AGAIN)
            continue;
        if (read == ST_OK && !result_search_fits(file.row, planned->cell, file.ok))
            read = err_set(&bad, ST_CORRUPT, "delete it and run again with --resume",
                           "launch %u: its file has no whole search in it", launch + 1);
        double percent = read == ST_OK && file.ok ? launch_system_percent(file.row) : NAN;
        if (read == ST_OK)
            read = cell_add_launch(totals, &file, &bad);
        if (read == ST_OK)
            cell_add_less_null(totals, dir, planned->baseline, launch, percent);
        result_launch_clear(&file);
        if (read == ST_NO_MEMORY)
            status = err_set(err, ST_NO_MEMORY, NULL, "reading launches: out of memory");
        else if (read != ST_OK)
            cell_note_failure(totals, UINT64_MAX, bad.what, bad.hint);
    }
    cell_drop_withheld(totals);
    return status;
}

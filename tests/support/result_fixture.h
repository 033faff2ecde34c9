/* result_fixture.h: small results with chosen figures, for the tests of the report.
 *
 * Every cell gets one set of per-launch medians; its quantiles, CPU, throughput and integrity
 * follow from them. The caller deletes the result with cJSON_Delete.
 */
#ifndef HANDOFF_TESTS_RESULT_FIXTURE_H
#define HANDOFF_TESTS_RESULT_FIXTURE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/hdr.h"
#include "harness/measure/stats.h"

#define FIXTURE_LAUNCHES_MAX 16

struct fixture_cell {
    const char *transport, *wait, *frame, *pacing;
    int block;
    int launches;
    /* of handoff and of latency, or the time of a frame at max */
    double p50_ns[FIXTURE_LAUNCHES_MAX];
    double response_ns;               /* 0: none */
    double cpu_percent;               /* of the consumer; the producer takes 3 */
    double torn;
    bool no_handoff;
};

static inline cJSON *fixture_estimate(const char *suffix, struct stats_estimate estimate)
{
    char name[16];
    cJSON *json = cJSON_CreateObject();
    snprintf(name, sizeof name, "value%s", suffix);
    json_add_double(json, name, estimate.value);
    snprintf(name, sizeof name, "low%s", suffix);
    json_add_double(json, name, estimate.low);
    snprintf(name, sizeof name, "high%s", suffix);
    json_add_double(json, name, estimate.high);
    json_add_string(json, "spread", stats_spread_name(estimate.spread));
    json_add_u64(json, "launches", estimate.launches);
    return json;
}

/* A histogram of `frames` values around a median, encoded. The caller frees. */
static inline char *fixture_histogram(double median_ns, int frames)
{
    struct hdr *hdr = hdr_new();
    char *text = NULL;
    for (int i = 0; i < frames; i++)
        hdr_record(hdr, (int64_t)(median_ns * (0.9 + 0.2 * i / frames)));
    if (hdr_encode(hdr, &text, NULL) != ST_OK)
        abort();
    hdr_free(hdr);
    return text;
}

static inline void fixture_interval(cJSON *cell_intervals, cJSON *const launch_intervals[],
                                    const char *name, const double *p50_ns, int launches)
{
    cJSON *interval = cJSON_CreateObject(), *quantiles = cJSON_CreateObject();
    for (int i = 0; i < launches; i++) {
        cJSON *launch = cJSON_CreateObject();
        char *histogram = fixture_histogram(p50_ns[i], 40);
        json_add_u64(launch, "count", 40);
        json_add_double(launch, "mean_ns", p50_ns[i]);
        json_add_double(launch, "p50_ns", p50_ns[i]);
        json_add_string(launch, "histogram", histogram);
        free(histogram);
        json_add(launch_intervals[i], name, launch);
    }
    json_add(quantiles, "p50",
             fixture_estimate("_ns", stats_estimate_log(p50_ns, (size_t)launches)));
    char *histogram = fixture_histogram(p50_ns[0], 40 * launches);
    json_add_u64(interval, "count", (uint64_t)(40 * launches));
    json_add_double(interval, "max_ns", p50_ns[0] * 2);
    json_add(interval, "quantiles", quantiles);
    json_add_string(interval, "histogram", histogram);
    free(histogram);
    json_add(cell_intervals, name, interval);
}

static inline cJSON *fixture_axes(const struct fixture_cell *cell)
{
    cJSON *axes = cJSON_CreateObject();
    json_add_string(axes, "transport", cell->transport);
    json_add_string(axes, "wait", cell->wait);
    json_add_string(axes, "frame", cell->frame);
    json_add_string(axes, "pacing", cell->pacing);
    json_add_string(axes, "kernel", "checksum");
    json_add_u64(axes, "slots", 4);
    return axes;
}

static inline double fixture_bytes(const struct fixture_cell *cell)
{
    unsigned width = 0, height = 0, channels = 0;
    if (sscanf(cell->frame, "%ux%ux%u", &width, &height, &channels) != 3)
        abort();
    return (double)width * height * channels;
}

static inline cJSON *fixture_cpu(const struct fixture_cell *cell)
{
    static const char *const roles[] = {"producer", "consumer"};
    const double percents[] = {3, cell->cpu_percent};
    cJSON *cpu = cJSON_CreateObject();
    for (int i = 0; i < 2; i++) {
        cJSON *role = cJSON_CreateObject();
        json_add(role, "percent", fixture_estimate("", stats_estimate_linear(&percents[i], 1)));
        json_add(cpu, roles[i], role);
    }
    return cpu;
}

static inline cJSON *fixture_cell_json(const struct fixture_cell *cell)
{
    cJSON *json = cJSON_CreateObject(), *intervals = cJSON_CreateObject();
    cJSON *launches = cJSON_CreateArray(), *integrity = cJSON_CreateObject();
    cJSON *throughput = cJSON_CreateObject(), *launch_intervals[FIXTURE_LAUNCHES_MAX];
    double rates[FIXTURE_LAUNCHES_MAX], response[FIXTURE_LAUNCHES_MAX];
    char id[160];
    snprintf(id, sizeof id, "%s+%s/frame=%s/pacing=%s", cell->transport, cell->wait, cell->frame,
             cell->pacing);
    json_add_string(json, "id", id);
    json_add_u64(json, "block", (uint64_t)cell->block);
    json_add(json, "axes", fixture_axes(cell));
    json_add_string(json, "status", "ok");
    json_add_double(json, "payload_bytes", fixture_bytes(cell));
    for (int i = 0; i < cell->launches; i++) {
        cJSON *launch = cJSON_CreateObject();
        json_add_u64(launch, "launch", (uint64_t)i);
        json_add_string(launch, "status", "ok");
        json_add_u64(launch, "frames", 40);
        json_add_double(launch, "window_ns", 40 * cell->p50_ns[i]);
        launch_intervals[i] = cJSON_CreateObject();
        json_add(launch, "intervals", launch_intervals[i]);
        json_append(launches, launch);
        rates[i] = 1e9 / cell->p50_ns[i];
        response[i] = cell->response_ns;
    }
    fixture_interval(intervals, launch_intervals, "latency", cell->p50_ns, cell->launches);
    if (!cell->no_handoff)
        fixture_interval(intervals, launch_intervals, "handoff", cell->p50_ns, cell->launches);
    if (cell->response_ns > 0)
        fixture_interval(intervals, launch_intervals, "response", response, cell->launches);
    json_add(json, "intervals", intervals);
    json_add(json, "launches", launches);
    json_add(throughput, "frames_per_s",
             fixture_estimate("", stats_estimate_log(rates, (size_t)cell->launches)));
    json_add(json, "throughput", throughput);
    json_add(json, "cpu", fixture_cpu(cell));
    json_add_u64(integrity, "frames", 400);
    json_add_u64(integrity, "checked", 400);
    json_add_double(integrity, "torn", cell->torn);
    json_add(json, "integrity", integrity);
    return json;
}

/* A result of these cells; block i compares compares[i] ("" for nothing). */
static inline cJSON *fixture_result(const struct fixture_cell *cells, size_t cell_count,
                                    const char *const *compares, size_t block_count)
{
    cJSON *result = cJSON_CreateObject(), *list = cJSON_CreateArray();
    cJSON *blocks = cJSON_CreateArray(), *scenario = cJSON_CreateObject();
    json_add_string(result, "schema", "handoff-result");
    json_add_u64(result, "schema_version", 1);
    json_add_string(scenario, "name", "fixture");
    json_add(result, "scenario", scenario);
    for (size_t i = 0; i < block_count; i++) {
        char name[32];
        cJSON *block = cJSON_CreateObject();
        snprintf(name, sizeof name, "block %zu", i);
        json_add_string(block, "name", name);
        json_add_string(block, "compare", compares[i]);
        json_append(blocks, block);
    }
    for (size_t i = 0; i < cell_count; i++)
        json_append(list, fixture_cell_json(&cells[i]));
    json_add(result, "blocks", blocks);
    json_add(result, "cells", list);
    char *text = cJSON_PrintUnformatted(result); /* as it is read back from its file */
    cJSON_Delete(result);
    result = cJSON_Parse(text);
    cJSON_free(text);
    return result;
}

/* Per-launch medians around `center`, alternating by `wobble` (0.01: 1 %), starting with `sign`. */
static inline void fixture_spread(struct fixture_cell *cell, int launches, double center,
                                  double wobble, int sign)
{
    cell->launches = launches;
    for (int i = 0; i < launches; i++)
        cell->p50_ns[i] = center * (1 + wobble * ((i % 2 ? 1 : -1) * sign) * (1 + i % 3) / 2.0);
}

#endif

/* export_hlog.c: HdrHistogram's interval log, version 1.3: a line per launch, with its histogram.
 * Called by cmd_export.c.
 *
 * Its readers expect rising times, so the launches of all cells stand in the order in which they
 * ran; the tag tells the cells apart.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"
#include "harness/measure/hdr.h"

struct hlog_line {
    struct export_part part;
    const cJSON *launch;
    int64_t start_s;
    double order;
    size_t place; /* keeps intervals of one launch in order */
};

static int hlog_compare(const void *one, const void *other)
{
    const struct hlog_line *a = one, *b = other;
    if (a->start_s != b->start_s)
        return a->start_s < b->start_s ? -1 : 1;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* Calls for every launch that went well and has a histogram; `lines` may be NULL, to count. */
static size_t hlog_collect(const struct export_options *options, const cJSON *result,
                           int64_t base_s, struct hlog_line *lines)
{
    struct export_part part;
    struct export_walk walk = export_walk_start(result);
    size_t count = 0;
    while (export_next_part(options, &walk, &part)) {
        const cJSON *launch;
        cJSON_ArrayForEach (launch, json_get(part.cell, "launches")) {
            if (!export_launch_is_ok(launch) || !export_launch_interval(launch, part.interval))
                continue;
            if (lines)
                lines[count] = (struct hlog_line){
                    part, launch, export_time_s(json_get_string(launch, "started_utc", ""), base_s),
                    json_get_number(launch, "order", 0), count};
            count++;
        }
    }
    return count;
}

/* A tag may hold no comma, space or line break. */
static void hlog_add_tag(const struct export_part *part, struct text *out)
{
    struct text name = {0};
    export_part_name(part, &name);
    text_add(out, "Tag=");
    for (const char *at = text_get(&name); *at; at++)
        text_add_bytes(out, *at == ',' || *at == ' ' || *at == '"' ? "_" : at, 1);
    text_add(out, ",");
    out->failed = out->failed || name.failed;
    text_free(&name);
}

static enum status hlog_add_line(const struct hlog_line *line, int64_t base_s, struct text *out,
                                 struct err *err)
{
    const cJSON *interval = export_launch_interval(line->launch, line->part.interval);
    const char *histogram = json_get_string(interval, "histogram", "");
    struct hdr *hdr = NULL;
    enum status status = hdr_decode(histogram, &hdr, err);
    if (status != ST_OK)
        return err_context(err, "%s of %s", interval_name(line->part.interval),
                           export_cell_id(line->part.cell));
    double infinite = json_get_number(interval, "infinite", 0);
    if (infinite > 0)
        text_addf(out, "#%.0f frames of the next line never finished and are not in it\n",
                  infinite);
    hlog_add_tag(&line->part, out);
    double window_s = json_get_number(line->launch, "window_ns", 0) / 1e9;
    text_addf(out, "%.3f,%.6f,%.6f,", (double)(line->start_s - base_s),
              window_s > 0 && window_s < 1e9 ? window_s : 0, (double)hdr_max_ns(hdr) / 1e6);
    text_add(out, histogram);
    text_add(out, "\n");
    hdr_free(hdr);
    return ST_OK;
}

enum status export_hlog(const struct export_options *options, const cJSON *result, struct text *out,
                        struct err *err)
{
    const char *started = json_get_string(json_get(result, "run"), "started_utc", "");
    int64_t base_s = export_time_s(started, 0);
    size_t count = hlog_collect(options, result, base_s, NULL);
    struct hlog_line *lines = calloc(count ? count : 1, sizeof *lines);
    enum status status = ST_OK;
    if (!lines)
        return err_set(err, ST_NO_MEMORY, NULL, "export: out of memory");
    hlog_collect(options, result, base_s, lines);
    qsort(lines, count, sizeof *lines, hlog_compare);
    if (count && lines[0].start_s < base_s)
        base_s = lines[0].start_s; /* a clock that was set back: readers take no times below 0 */
    text_add(out, "#[Logged with handoff: a line per launch, times in seconds, maxima in ms, "
                  "histograms in ns]\n#[Histogram log format version 1.3]\n");
    text_addf(out, "#[StartTime: %lld.000 (seconds since epoch), ", (long long)base_s);
    text_add_plain(out, started);
    text_addf(out, "]\n#[BaseTime: %lld.000 (seconds since epoch)]\n", (long long)base_s);
    text_add(out, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                  "\"Interval_Compressed_Histogram\"\n");
    for (size_t i = 0; i < count && status == ST_OK; i++)
        status = hlog_add_line(&lines[i], base_s, out, err);
    free(lines);
    return status;
}

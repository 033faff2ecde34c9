/* export_csv.c: a result as a table, for spreadsheets and data frames. Called by cmd_export.c.
 */
#include <math.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"

/* A field, quoted where it must be. A result may have been written by anybody: line breaks become
 * spaces, and what a spreadsheet would take for a formula gets an apostrophe in front. */
static void csv_put_text(const char *text, struct text *out)
{
    struct text plain = {0};
    if (*text && strchr("=+-@\t\r", *text))
        text_add(&plain, "'");
    text_add_plain(&plain, text);
    out->failed = out->failed || plain.failed;
    const char *at = text_get(&plain);
    if (!strpbrk(at, ",\"")) {
        text_add(out, at);
    } else {
        text_add(out, "\"");
        for (; *at; at++)
            text_add_bytes(out, *at == '"' ? "\"\"" : at, *at == '"' ? 2 : 1);
        text_add(out, "\"");
    }
    text_free(&plain);
}

/* A number, "inf", or nothing where there is none. */
static void csv_put_number(const cJSON *object, const char *name, struct text *out)
{
    const cJSON *item = json_get(object, name);
    text_add(out, ",");
    if (cJSON_IsString(item))
        text_add(out, "inf");
    else if (cJSON_IsNumber(item) && item->valuedouble == floor(item->valuedouble))
        text_addf(out, "%.0f", item->valuedouble);
    else if (cJSON_IsNumber(item))
        text_addf(out, "%.3f", item->valuedouble);
}

static void csv_put_row(const cJSON *cell, const cJSON *launch, enum interval interval,
                        struct text *out)
{
    static const char *const columns[] = {"count",  "infinite", "min_ns", "max_ns", "mean_ns",
                                          "p50_ns", "p90_ns",   "p99_ns", "p999_ns"};
    const cJSON *json = export_launch_interval(launch, interval);
    if (!json)
        return;
    csv_put_text(export_cell_id(cell), out);
    csv_put_number(launch, "launch", out);
    text_add(out, ",");
    csv_put_text(json_get_string(launch, "status", ""), out);
    text_addf(out, ",%s", interval_name(interval));
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        csv_put_number(json, columns[i], out);
    text_add(out, "\n");
}

enum status export_csv(const struct export_options *options, const cJSON *result, struct text *out,
                       struct err *err)
{
    (void)err;
    text_add(out, "cell,launch,status,interval,count,infinite,min_ns,max_ns,mean_ns,p50_ns,p90_ns,"
                  "p99_ns,p999_ns\n");
    const cJSON *cell;
    cJSON_ArrayForEach (cell, json_get(result, "cells")) {
        if (!export_takes_cell(options, cell))
            continue;
        const cJSON *launch;
        cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
            for (unsigned i = 0; i < INTERVAL_COUNT; i++)
                if (export_takes_interval(options, (enum interval)i))
                    csv_put_row(cell, launch, (enum interval)i, out);
        }
    }
    return ST_OK;
}

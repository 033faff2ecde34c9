/* export_csv.c: a result as a table, for spreadsheets and data frames. Called by cmd_export.c.
 */
#include <math.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"

/* A field, quoted where it must be: a result file may have been written by anybody. */
static void csv_put_text(const char *text, FILE *file)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

/* A number, "inf", or nothing where there is none. */
static void csv_put_number(const cJSON *object, const char *name, FILE *file)
{
    const cJSON *item = json_get(object, name);
    fputc(',', file);
    if (cJSON_IsString(item))
        fputs("inf", file);
    else if (cJSON_IsNumber(item) && item->valuedouble == floor(item->valuedouble))
        fprintf(file, "%.0f", item->valuedouble);
    else if (cJSON_IsNumber(item))
        fprintf(file, "%.3f", item->valuedouble);
}

static void csv_put_row(const cJSON *cell, const cJSON *launch, enum interval interval, FILE *file)
{
    static const char *const columns[] = {"count",  "infinite", "min_ns", "max_ns", "mean_ns",
                                          "p50_ns", "p90_ns",   "p99_ns", "p999_ns"};
    const char *name = interval_name(interval);
    const cJSON *json = json_get(json_get(launch, "intervals"), name);
    if (!json)
        return;
    csv_put_text(export_cell_id(cell), file);
    csv_put_number(launch, "launch", file);
    fputc(',', file);
    csv_put_text(json_get_string(launch, "status", ""), file);
    fprintf(file, ",%s", name);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        csv_put_number(json, columns[i], file);
    fputs("\n", file);
}

void export_csv(const struct export_options *options, const cJSON *cells, FILE *file)
{
    fputs("cell,launch,status,interval,count,infinite,min_ns,max_ns,mean_ns,p50_ns,p90_ns,p99_ns,"
          "p999_ns\n",
          file);
    const cJSON *cell;
    cJSON_ArrayForEach (cell, cells) {
        if (!export_takes_cell(options, cell))
            continue;
        const cJSON *launch;
        cJSON_ArrayForEach (launch, json_get(cell, "launches")) {
            for (unsigned i = 0; i < INTERVAL_COUNT; i++)
                if (export_takes_interval(options, (enum interval)i))
                    csv_put_row(cell, launch, (enum interval)i, file);
        }
    }
}

/* hdr_tool.c: histograms and their figures, for the Python oracle in tests/python to check.
 *
 * Reads lines from standard input and answers each with one line on standard output:
 *   record V:N V:N …   a histogram of N times the value V, and so on; no pairs: an empty one
 *   merge              the sum of all histograms since the last merge
 *   decode TEXT        what a histogram that another program encoded says
 * The answer is JSON: {"histogram": "…", "count": …, "min_ns": …, "max_ns": …, "mean_ns": …,
 * "stddev_ns": …, "quantiles": [q, value, q, value, …], "hgrm": "…"}.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/hdr.h"

static const double quantiles[] = {0.0,  0.001, 0.1,   0.25,   0.5,     0.75,     0.9, 0.95,
                                   0.99, 0.995, 0.999, 0.9999, 0.99999, 0.999999, 1.0};

static char *hgrm_text(const struct hdr *hdr)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    if (!file)
        return NULL;
    hdr_write_hgrm(hdr, 0, file);
    fclose(file);
    return text;
}

static bool print_answer(const struct hdr *hdr)
{
    char *histogram = NULL;
    char *hgrm = hgrm_text(hdr);
    cJSON *json = cJSON_CreateObject();
    cJSON *values = cJSON_CreateArray();
    bool ok = json && values && hgrm && hdr_encode(hdr, &histogram, NULL) == ST_OK &&
              json_add_string(json, "histogram", histogram) &&
              json_add_u64(json, "count", hdr_count(hdr)) &&
              json_add_i64(json, "min_ns", hdr_min_ns(hdr)) &&
              json_add_i64(json, "max_ns", hdr_max_ns(hdr)) &&
              json_add_double(json, "mean_ns", hdr_mean_ns(hdr)) &&
              json_add_double(json, "stddev_ns", hdr_stddev_ns(hdr)) &&
              json_add_string(json, "hgrm", hgrm);
    for (size_t i = 0; ok && i < sizeof quantiles / sizeof quantiles[0]; i++)
        ok = json_append(values, cJSON_CreateNumber(quantiles[i])) &&
             json_append(values, cJSON_CreateNumber((double)hdr_quantile_ns(hdr, quantiles[i])));
    ok = ok && json_add(json, "quantiles", values);
    char *text = ok ? cJSON_PrintUnformatted(json) : NULL;
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(json);
    free(histogram);
    free(hgrm);
    return text != NULL;
}

/* Values and counts of a "record" line. */
static void record_pairs(struct hdr *hdr, const char *line)
{
    int64_t value;
    uint64_t count;
    int used;
    while (sscanf(line, " %" SCNd64 ":%" SCNu64 "%n", &value, &count, &used) == 2) {
        hdr_record_count(hdr, value, count);
        line += used;
    }
}

static bool answer(char *line, struct hdr *one, struct hdr *sum)
{
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "record", 6) == 0) {
        hdr_reset(one);
        record_pairs(one, line + 6);
        hdr_merge(sum, one);
        return print_answer(one);
    }
    if (strcmp(line, "merge") == 0) {
        bool ok = print_answer(sum);
        hdr_reset(sum);
        return ok;
    }
    if (strncmp(line, "decode ", 7) == 0) {
        struct hdr *decoded = NULL;
        struct err err = {0};
        if (hdr_decode(line + 7, &decoded, &err) != ST_OK) {
            fprintf(stderr, "%s\n", err.what);
            return false;
        }
        bool ok = print_answer(decoded);
        hdr_free(decoded);
        return ok;
    }
    fprintf(stderr, "not understood: %.40s\n", line);
    return false;
}

int main(void)
{
    struct hdr *one = hdr_new();
    struct hdr *sum = hdr_new();
    char *line = NULL;
    size_t room = 0;
    bool ok = one && sum;
    while (ok && getline(&line, &room, stdin) > 0)
        ok = answer(line, one, sum);
    free(line);
    hdr_free(one);
    hdr_free(sum);
    return ok ? 0 : 1;
}

/* columns.c: the columns of a report's table. See columns.h. */
#include "harness/report/columns.h"

#include <string.h>

#include "harness/base/json.h"

#define QUANTILE_COLUMN(interval, quantile)                                             \
    static struct figure column_##interval##_##quantile(const struct report_cell *cell) \
    {                                                                                   \
        return report_quantile(cell, #interval, #quantile);                             \
    }
QUANTILE_COLUMN(latency, p50)
QUANTILE_COLUMN(latency, p99)
QUANTILE_COLUMN(handoff, p50)
QUANTILE_COLUMN(handoff, p99)
QUANTILE_COLUMN(response, p50)
QUANTILE_COLUMN(response, p99)

static struct figure column_max(const struct report_cell *cell)
{
    return report_max(cell, "latency");
}
static struct figure column_frames(const struct report_cell *cell)
{
    return report_throughput(cell, "frames_per_s");
}
static struct figure column_bytes(const struct report_cell *cell)
{
    return report_throughput(cell, "payload_bytes_per_s");
}
static struct figure column_producer(const struct report_cell *cell)
{
    return report_cpu_percent(cell, "producer");
}
static struct figure column_consumer(const struct report_cell *cell)
{
    return report_cpu_percent(cell, "consumer");
}

const struct column report_columns[COLUMN_COUNT] = {
    {"latency", "p50", UNIT_NS, column_latency_p50},
    {"latency", "p99", UNIT_NS, column_latency_p99},
    {"latency", "max", UNIT_NS, column_max},
    {"handoff", "p50", UNIT_NS, column_handoff_p50},
    {"handoff", "p99", UNIT_NS, column_handoff_p99},
    {"response", "p50", UNIT_NS, column_response_p50},
    {"response", "p99", UNIT_NS, column_response_p99},
    {"moved", "frames/s", UNIT_FRAMES_PER_S, column_frames},
    {"moved", "GB/s", UNIT_GB_PER_S, column_bytes},
    {"CPU %", "prod", UNIT_PERCENT, column_producer},
    {"CPU %", "cons", UNIT_PERCENT, column_consumer},
};

bool column_opens_group(size_t index)
{
    return index == 0 || strcmp(report_columns[index].group, report_columns[index - 1].group) != 0;
}

const char *columns_status_words(const struct report_cell *cell)
{
    return strcmp(cell->status, "unavailable") == 0      ? "not available here"
           : strcmp(cell->status, "not_applicable") == 0 ? "does not apply"
           : strcmp(cell->status, "incomplete") == 0     ? "not finished"
           : strcmp(cell->status, "failed") == 0         ? "failed"
                                                         : "no figures";
}

void columns_add_status(const struct report_cell *cell, struct text *text)
{
    const char *reason = json_get_string(cell->json, "reason", "");
    const char *hint = json_get_string(cell->json, "hint", "");
    text_add(text, columns_status_words(cell));
    if (reason[0]) {
        text_add(text, ": ");
        text_add_plain(text, reason);
    }
    if (hint[0]) {
        text_add(text, " (");
        text_add_plain(text, hint);
        text_add(text, ")");
    }
}

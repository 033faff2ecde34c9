/* claims.c: reading claims and judging them. See claims.h. */
#include "harness/report/claims.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/gate.h"
#include "harness/report/claims_words.h"

#define LAUNCHES_MAX 1000
/* Smaller pieces of memory say what a call costs, not how fast bytes move. */
#define MEMORY_BYTES_MIN 4096

void claim_bounds(const struct claim_quote *quote, double *low_ns, double *high_ns)
{
    bool number = quote->low_ns == quote->high_ns;
    *low_ns = number ? quote->low_ns * (1 - CLAIM_NUMBER_MARGIN) : quote->low_ns;
    *high_ns = number ? quote->high_ns * (1 + CLAIM_NUMBER_MARGIN) : quote->high_ns;
}

enum claim_verdict claim_judge(const struct claim_quote *quote,
                               const struct stats_estimate *measured, double bytes_per_s_max)
{
    double low_ns, high_ns;
    claim_bounds(quote, &low_ns, &high_ns);
    if (quote->moved_bytes > 0 && quote->high_ns > 0 && bytes_per_s_max > 0 &&
        quote->moved_bytes * 1e9 / quote->high_ns > CLAIM_IMPOSSIBLE_RATIO * bytes_per_s_max)
        return CLAIM_IMPOSSIBLE;
    if (measured->launches == 0 || isnan(measured->value))
        return CLAIM_UNTESTED;
    if (measured->spread != STATS_SPREAD_CI95)
        return CLAIM_UNDECIDED;
    if (measured->low > high_ns || measured->high < low_ns)
        return CLAIM_NOT_REPRODUCED;
    return measured->low >= low_ns && measured->high <= high_ns ? CLAIM_HOLDS : CLAIM_UNDECIDED;
}

enum claim_verdict claim_verdict_all(const enum claim_verdict *verdicts, size_t count)
{
    /* What says most about a claim that holds nowhere. */
    static const enum claim_verdict order[] = {CLAIM_IMPOSSIBLE, CLAIM_NOT_REPRODUCED,
                                               CLAIM_UNDECIDED};
    size_t seen[CLAIM_IN_PART + 1] = {0};
    for (size_t i = 0; i < count; i++)
        seen[verdicts[i]]++;
    if (seen[CLAIM_HOLDS])
        return seen[CLAIM_HOLDS] + seen[CLAIM_UNTESTED] == count ? CLAIM_HOLDS : CLAIM_IN_PART;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (seen[order[i]])
            return order[i];
    return CLAIM_UNTESTED;
}

/* The most bytes per second that one CPU read, or read and wrote, when the floor was measured. */
static double bytes_per_s_max(const struct report *report)
{
    static const struct {
        const char *name;
        double moves; /* bytes for each byte of the frame */
    } kinds[] = {{"copy_cached_ns", 2},
                 {"copy_evicted_ns", 2},
                 {"read_cached_ns", 1},
                 {"read_evicted_ns", 1},
                 {"read_written_elsewhere_ns", 1}};
    const cJSON *memory;
    double most = 0;
    cJSON_ArrayForEach (memory, json_get(json_get(report->json, "floor"), "memory")) {
        double bytes = json_get_number(memory, "bytes", 0);
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            double ns = json_get_number(memory, kinds[i].name, 0);
            if (bytes >= MEMORY_BYTES_MIN && isfinite(bytes) && ns >= 1 && isfinite(ns))
                most = fmax(most, bytes * kinds[i].moves * 1e9 / ns);
        }
    }
    return most;
}

/* Whether the result's machine is the one that a claim speaks of, as far as its names tell. */
static bool machine_is(const struct report *report, const char *machine)
{
    const cJSON *before = json_get(json_get(report->json, "environment"), "before");
    const cJSON *board = json_get(before, "board");
    const char *const names[] = {json_get_string(board, "model", ""),
                                 json_get_string(board, "l4t", "")[0] ? "Jetson" : "",
                                 json_get_string(json_get(before, "cpu"), "model", "")};
    size_t length = strlen(machine);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (const char *at = names[i]; *at; at++) {
            size_t same = 0;
            while (same < length && at[same] &&
                   tolower((unsigned char)at[same]) == tolower((unsigned char)machine[same]))
                same++;
            if (same == length)
                return true;
        }
    }
    return false;
}

/* One launch's figure; NAN when it has none, INFINITY where frames never finished. */
static double launch_value(const cJSON *launch, const char *interval, const char *which)
{
    char name[64];
    if (strcmp(interval, "period") == 0) {
        double rate_hz = gate_launch_value(gate_find("frames_per_s"), launch);
        return rate_hz > 1e-9 && rate_hz < 1e18 && strcmp(which, "mean") == 0 ? 1e9 / rate_hz : NAN;
    }
    snprintf(name, sizeof name, "%.32s.%.8s", interval, which);
    const struct gate *gate = gate_find(name);
    return gate ? gate_launch_value(gate, launch) : NAN;
}

/* Launches are what varies: a mean of their means, with its interval, and no frame is pooled. */
static struct stats_estimate cell_estimate(const struct report_cell *cell, const char *interval,
                                           const char *which)
{
    double values[LAUNCHES_MAX];
    size_t count = 0;
    bool infinite = false;
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(cell->json, "launches")) {
        double value = launch_value(launch, interval, which);
        if (isnan(value) || count == LAUNCHES_MAX)
            continue;
        infinite = infinite || isinf(value);
        values[count++] = value;
    }
    return strcmp(which, "mean") == 0 && !infinite ? stats_estimate_linear(values, count)
                                                   : stats_estimate_log(values, count);
}

static struct figure figure_of(const struct stats_estimate *estimate)
{
    struct figure figure = {FIGURE_ABSENT, NAN, NAN, NAN, SPREAD_NONE, (int)estimate->launches};
    if (estimate->launches == 0 || isnan(estimate->value))
        return figure;
    figure.state = isinf(estimate->value) ? FIGURE_INFINITE : FIGURE_KNOWN;
    figure.value = estimate->value;
    figure.low = estimate->low;
    figure.high = estimate->high;
    figure.spread = estimate->spread == STATS_SPREAD_CI95    ? SPREAD_CI95
                    : estimate->spread == STATS_SPREAD_RANGE ? SPREAD_RANGE
                                                             : SPREAD_NONE;
    return figure;
}

/* Splits "handoff.mean"; false when it is no figure. */
static bool figure_split(const char *figure, char interval[16], char which[8])
{
    static const char *const known[] = {"mean", "p50", "p90", "p99"};
    if (sscanf(figure, "%15[a-z].%7[a-z0-9]", interval, which) != 2)
        return false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(which, known[i]) == 0 && strlen(interval) + 1 + strlen(which) == strlen(figure))
            return true;
    return false;
}

static bool quote_read(const cJSON *json, struct claim_row *row)
{
    char low[FIGURE_BYTES], high[FIGURE_BYTES];
    row->quote.low_ns = json_get_number(json, "low_ns", NAN);
    row->quote.high_ns = json_get_number(json, "high_ns", NAN);
    row->quote.moved_bytes = fmin(fmax(0, json_get_number(json, "moved_bytes", 0)), 1e18);
    if (!(row->quote.low_ns >= 0 && row->quote.low_ns <= row->quote.high_ns &&
          row->quote.high_ns < 1e18))
        return false;
    format_bound(row->quote.low_ns, low);
    format_bound(row->quote.high_ns, high);
    char *low_unit = strchr(low, ' '), *high_unit = strchr(high, ' ');
    if (low_unit && high_unit && strcmp(low_unit, high_unit) == 0)
        *low_unit = '\0'; /* said once */
    bool range = row->quote.low_ns < row->quote.high_ns, open = range && row->quote.low_ns == 0;
    snprintf(row->quoted, sizeof row->quoted, "%.28s%s%.28s",
             open    ? "at most"
             : range ? low
                     : "",
             open    ? " "
             : range ? "–"
                     : "",
             high);
    return true;
}

static void case_fill(const struct report *report, struct claim_row *row, struct claim_case *one,
                      const char *interval, const char *which)
{
    struct stats_estimate estimate = {NAN, NAN, NAN, STATS_SPREAD_NONE, 0};
    double most = bytes_per_s_max(report);
    if (one->cell && (one->cell->ok || strcmp(one->cell->status, "incomplete") == 0))
        estimate = cell_estimate(one->cell, interval, which);
    one->measured = figure_of(&estimate);
    one->median_ns = NAN;
    if (one->measured.state == FIGURE_KNOWN && strcmp(which, "mean") == 0)
        one->median_ns = report_quantile(one->cell, interval, "p50").value;
    one->verdict = claim_judge(&row->quote, &estimate, most);
    claim_why(&one->why, row, one, most);
}

/* Reads one block's claim; *read is false when it has none that can be understood. */
static bool row_fill(const struct report *report, const struct report_block *block,
                     const cJSON *json, struct claim_row *row, bool *read)
{
    char interval[16], which[8];
    enum claim_verdict *verdicts;
    row->id = json_get_string(json, "id", "");
    row->says = json_get_string(json, "says", "");
    row->where = json_get_string(json, "where", "");
    row->known = json_get_string(json, "known", "");
    *read = row->id[0] && row->says[0] && quote_read(json, row) &&
            figure_split(json_get_string(json, "figure", ""), interval, which);
    if (!*read)
        return true;
    if (strcmp(interval, "period") == 0)
        snprintf(row->figure, sizeof row->figure, "time per frame");
    else
        snprintf(row->figure, sizeof row->figure, "%s of %s", which, interval);
    row->machine = json_get_string(json, "machine", "");
    if (row->machine[0] && machine_is(report, row->machine))
        row->machine = "";
    row->cases = calloc(block->cell_count + 1, sizeof *row->cases);
    verdicts = calloc(block->cell_count + 1, sizeof *verdicts);
    if (row->cases && verdicts) {
        row->case_count = block->cell_count ? block->cell_count : 1;
        for (size_t i = 0; i < row->case_count; i++) {
            row->cases[i].cell = block->cell_count ? &block->cells[i] : NULL;
            case_fill(report, row, &row->cases[i], interval, which);
            verdicts[i] = row->cases[i].verdict;
        }
        row->verdict = claim_verdict_all(verdicts, row->case_count);
    }
    free(verdicts);
    return row->case_count > 0;
}

enum status claims_make(const struct report *report, struct claims **claims, struct err *err)
{
    const cJSON *block;
    size_t index = 0;
    struct claims *made = calloc(1, sizeof *made);
    bool ok = made && (made->rows = calloc(report->block_count + 1, sizeof *made->rows));
    cJSON_ArrayForEach (block, json_get(report->json, "blocks")) {
        bool read = false;
        if (!ok || index == report->block_count)
            break;
        ok = row_fill(report, &report->blocks[index++], json_get(block, "claim"),
                      &made->rows[made->count], &read);
        made->count += read;
        if (!read)
            memset(&made->rows[made->count], 0, sizeof *made->rows);
    }
    if (!ok) {
        claims_free(made);
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory judging claims");
    }
    *claims = made;
    return ST_OK;
}

void claims_free(struct claims *claims)
{
    if (!claims)
        return;
    for (size_t i = 0; i < claims->count; i++) {
        for (size_t j = 0; j < claims->rows[i].case_count; j++)
            text_free(&claims->rows[i].cases[j].why);
        free(claims->rows[i].cases);
    }
    free(claims->rows);
    free(claims);
}

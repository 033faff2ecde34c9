/* choice.c: the figures of each way, and the choice between them. See choice.h. */
#include "harness/report/choice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/compare.h"
#include "harness/measure/gate.h"
#include "harness/measure/hdr.h"
#include "harness/report/tradeoff.h"
#include "harness/report/verdict.h"

#define LAUNCHES_MAX 1000

static const struct figure figure_absent = {FIGURE_ABSENT, NAN, NAN, NAN, SPREAD_NONE, 0};

const char *choice_state_name(enum choice_state state)
{
    static const char *const names[] = {"chosen",   "tied",  "unclear", "slower",
                                        "over_cpu", "habit", "failed",  "not_run"};
    return names[state];
}

/* ---- Figures --------------------------------------------------------------------------------- */

double choice_launch_alone_ns(const cJSON *launch)
{
    const cJSON *consumer = json_get(json_get(launch, "python"), "consumer");
    const double alone_ns = json_get_number(json_get(consumer, "detector"), "alone_p50_ns", NAN);
    return alone_ns > 0 && alone_ns < 1e18 ? alone_ns : NAN;
}

static bool launch_is_ok(const cJSON *launch)
{
    return strcmp(json_get_string(launch, "status", ""), "ok") == 0;
}

/* The detector's p50 in each launch beside its p50 alone, before the frames of the same launch. */
static struct stats_paired detector_slowed(const struct report *report,
                                           const struct report_cell *cell)
{
    double run[LAUNCHES_MAX], alone[LAUNCHES_MAX], sum = 0;
    size_t count = 0;
    const struct gate *gate = gate_find("kernel.p50");
    const cJSON *launch;
    cJSON_ArrayForEach (launch, json_get(cell->json, "launches")) {
        const double alone_ns = choice_launch_alone_ns(launch);
        const double run_ns = gate_launch_value(gate, launch);
        if (count == LAUNCHES_MAX || isnan(alone_ns) || isnan(run_ns))
            continue;
        run[count] = run_ns;
        alone[count++] = alone_ns;
        sum += alone_ns;
    }
    return stats_paired(
        run, alone, count,
        stats_margin(count ? fmax(1, sum / (double)count) : 1, fmax(0, report->tick_ns)));
}

/* A quantile of all launches' frames together. Launches differ, so it has no interval. */
static struct figure pooled_quantile(const struct report_cell *cell, const char *interval,
                                     enum stats_quantile quantile)
{
    struct figure figure = figure_absent;
    double infinite, value_ns;
    struct hdr *hdr = NULL;
    const char *text = report_histogram(cell->json, interval, &infinite);
    if (!text || infinite > 1e15 || hdr_decode(text, &hdr, NULL) != ST_OK)
        return figure;
    if (stats_launch_quantile(hdr, (uint64_t)infinite, quantile, &value_ns)) {
        figure.state = isfinite(value_ns) ? FIGURE_KNOWN : FIGURE_INFINITE;
        figure.value = value_ns;
    }
    hdr_free(hdr);
    return figure;
}

/* Frames whose response was above a deadline that is not the one the run counted by. */
static void misses_from_histogram(struct choice_way *way, double deadline_ns)
{
    double infinite;
    struct hdr *hdr = NULL;
    struct hdr_bin bin;
    size_t index = 0;
    const char *text = report_histogram(way->cell->json, "response", &infinite);
    if (!text || hdr_decode(text, &hdr, NULL) != ST_OK)
        return;
    way->frames = (double)hdr_count(hdr) + infinite;
    way->misses = infinite;
    while (hdr_next_bin(hdr, &index, &bin))
        if ((double)bin.low_ns > deadline_ns)
            way->misses += (double)bin.count;
    hdr_free(hdr);
}

static void misses_count(struct choice_way *way, double deadline_ns)
{
    const cJSON *deadline = json_get(way->cell->json, "deadline");
    const double counted_ns = json_get_number(deadline, "deadline_ns", -1);
    way->misses = way->frames = -1;
    if (fabs(counted_ns - deadline_ns) > 1) {
        misses_from_histogram(way, deadline_ns);
        return;
    }
    way->misses = json_get_number(deadline, "missed", -1);
    way->frames = json_get_number(deadline, "frames", -1);
}

static bool axis_value_differs(const struct report_block *block, const char *axis)
{
    for (size_t i = 0; i < block->varying_count; i++)
        if (strcmp(block->varying[i], axis) == 0)
            return true;
    return false;
}

/* "shm + futex, newest frame": what a way is called. */
static void way_name(struct choice_way *way, const struct report_block *block)
{
    char value[REPORT_AXIS_BYTES];
    const bool latest = report_axis_is(way->cell, "policy", "latest");
    text_add_plain(&way->name, report_axis_pretty(way->cell, "transport", value));
    text_add(&way->name, " + ");
    text_add_plain(&way->name, report_axis_pretty(way->cell, "wait", value));
    if (report_axis_is(way->cell, "transport", "shm") && axis_value_differs(block, "policy") &&
        !latest)
        text_add(&way->name, ", every frame");
    if (!report_axis_is(way->cell, "read", "view") && report_axis(way->cell, "read", value)[0]) {
        text_add(&way->name, ", by ");
        text_add_plain(&way->name, value);
    }
}

static void way_make(struct choice_way *way, const struct report *report,
                     const struct report_block *block, const struct report_cell *cell,
                     double deadline_ns)
{
    char value[REPORT_AXIS_BYTES];
    *way = (struct choice_way){.cell = cell};
    way_name(way, block);
    way->age_p50 = report_quantile(cell, "age", "p50");
    way->age_p99 = pooled_quantile(cell, "age", STATS_P99);
    way->age_worst = report_max(cell, "age");
    way->latency = report_quantile(cell, "latency", "p50");
    way->cpu = tradeoff_cost_of_roles(cell);
    way->slowed = detector_slowed(report, cell);
    misses_count(way, deadline_ns);
    way->skipped = json_get_number(json_get(cell->json, "integrity"), "skipped", -1);
    const struct figure rate = report_throughput(cell, "frames_per_s");
    way->frames_per_s = rate.state == FIGURE_KNOWN ? rate.value : NAN;
    const bool habit = report_axis(cell, "read", value)[0] && !report_axis_is(cell, "read", "view");
    if (strcmp(cell->status, "unavailable") == 0 || strcmp(cell->status, "not_applicable") == 0)
        way->state = CHOICE_NOT_RUN;
    else if (!verdict_cell_is_sound(cell) || way->latency.state != FIGURE_KNOWN)
        way->state = CHOICE_FAILED;
    else
        way->state = habit ? CHOICE_HABIT : CHOICE_UNCLEAR;
}

/* ---- All ways together ----------------------------------------------------------------------- */

static int doubles_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over all launches of all ways: the detector was the same in all of them. */
static double alone_of_all(const struct choice *choice)
{
    size_t count = 0, launches = 0;
    const cJSON *launch;
    for (size_t i = 0; i < choice->count; i++)
        launches += (size_t)cJSON_GetArraySize(json_get(choice->ways[i].cell->json, "launches"));
    double *values = calloc(launches + 1, sizeof *values);
    for (size_t i = 0; values && i < choice->count; i++) {
        cJSON_ArrayForEach (launch, json_get(choice->ways[i].cell->json, "launches")) {
            values[count] = choice_launch_alone_ns(launch);
            count += !isnan(values[count]);
        }
    }
    if (count > 0)
        qsort(values, count, sizeof *values, doubles_compare);
    const double median = count > 0 ? values[count / 2] : NAN;
    free(values);
    return median;
}

/* How much the detector's process grew by each frame that it was given, over all launches. */
static struct figure leak_of_all(const struct choice *choice)
{
    double values[LAUNCHES_MAX];
    size_t count = 0;
    const cJSON *launch;
    for (size_t i = 0; i < choice->count; i++) {
        cJSON_ArrayForEach (launch, json_get(choice->ways[i].cell->json, "launches")) {
            const cJSON *memory = json_get(json_get(launch, "python"), "consumer");
            const double begin = json_get_number(memory, "rss_begin_bytes", NAN);
            const double end = json_get_number(memory, "rss_end_bytes", NAN);
            const double frames = json_get_number(launch, "frames", 0);
            if (!launch_is_ok(launch) || frames < 1 || count == LAUNCHES_MAX ||
                !isfinite(end - begin))
                continue;
            values[count++] = (end - begin) / frames;
        }
    }
    struct figure figure = figure_absent;
    if (count == 0)
        return figure;
    const struct stats_estimate estimate = stats_estimate_signed(values, count);
    figure.state = FIGURE_KNOWN;
    figure.value = estimate.value;
    figure.low = estimate.low;
    figure.high = estimate.high;
    figure.spread = estimate.spread == STATS_SPREAD_CI95 ? SPREAD_CI95 : SPREAD_RANGE;
    figure.launches = (int)count;
    return figure;
}

/* The period of the cells' rate; 0 without one. */
static double period_of(const struct report_cell *cell)
{
    char value[REPORT_AXIS_BYTES];
    const char *colon = strchr(report_axis(cell, "pacing", value), ':');
    const double rate_hz = report_cell_is_scheduled(cell) && colon ? strtod(colon + 1, NULL) : 0;
    return rate_hz > 0 ? 1e9 / rate_hz : 0;
}

static size_t quickest_find(const struct choice *choice)
{
    size_t best = choice->count;
    for (size_t i = 0; i < choice->count; i++) {
        const struct choice_way *way = &choice->ways[i];
        if (way->state == CHOICE_UNCLEAR &&
            (best == choice->count || way->latency.value < choice->ways[best].latency.value))
            best = i;
    }
    return best;
}

/* Whether a way competes: it ran soundly, is no habit, and keeps within --cpu. */
static bool way_competes(const struct choice_way *way)
{
    return way->state != CHOICE_HABIT && way->state != CHOICE_OVER_CPU &&
           way->state != CHOICE_FAILED && way->state != CHOICE_NOT_RUN;
}

/* Whether nothing speaks for the quickest against it: it is tied with it, or not told apart from it
 * and within the same 5 % as far as measured. */
static bool way_is_level(const struct choice_way *way)
{
    return way_competes(way) &&
           (way->beside.verdict == STATS_TIED ||
            (way->beside.verdict == STATS_UNCLEAR && way->beside.ratio <= COMPARE_SAME_RATIO));
}

/* Of those that are level with the quickest, the one that takes the least CPU; of those whose CPU
 * the data does not tell apart, the first, which is the simplest. */
static size_t level_cheapest(const struct choice *choice)
{
    static const struct tradeoff of_roles = {.net = false};
    size_t cheapest = choice->quickest;
    for (size_t i = 0; i < choice->count; i++) {
        const struct choice_way *way = &choice->ways[i];
        if (way_is_level(way) && way->cpu.state == FIGURE_KNOWN &&
            way->cpu.value < choice->ways[cheapest].cpu.value)
            cheapest = i;
    }
    const struct report_cell *cell = choice->ways[cheapest].cell;
    for (size_t i = 0; i < cheapest; i++) {
        const struct choice_way *way = &choice->ways[i];
        if (way_is_level(way) && way->cpu.state == FIGURE_KNOWN &&
            tradeoff_compare(&of_roles, way->cell, cell).verdict != STATS_SLOWER)
            return i;
    }
    return cheapest;
}

/* How every way stands to one of them. */
static void ways_compare(const struct report *report, struct choice *choice, size_t base)
{
    for (size_t i = 0; i < choice->count; i++) {
        struct choice_way *way = &choice->ways[i];
        if (way->state != CHOICE_FAILED && way->state != CHOICE_NOT_RUN)
            way->beside =
                verdict_compare(report, way->cell, choice->ways[base].cell, METRIC_LATENCY);
    }
    /* With itself there is nothing to compare. */
    choice->ways[base].beside.verdict = STATS_TIED;
}

static void cpu_bound_apply(const struct choice_question *question, struct choice *choice)
{
    for (size_t i = 0; question->cpu_percent > 0 && i < choice->count; i++) {
        struct choice_way *way = &choice->ways[i];
        if (way->state != CHOICE_UNCLEAR || way->cpu.state != FIGURE_KNOWN)
            continue;
        if (way->cpu.value > question->cpu_percent)
            way->state = CHOICE_OVER_CPU;
        way->cpu_not_sure = !(way->cpu.high <= question->cpu_percent);
    }
}

static bool any_is_quicker(const struct choice *choice)
{
    for (size_t i = 0; i < choice->count; i++)
        if (way_competes(&choice->ways[i]) && choice->ways[i].beside.verdict == STATS_FASTER)
            return true;
    return false;
}

static void choice_decide(const struct report *report, const struct choice_question *question,
                          struct choice *choice)
{
    cpu_bound_apply(question, choice);
    choice->quickest = choice->chosen = quickest_find(choice);
    if (choice->quickest == choice->count)
        return;
    ways_compare(report, choice, choice->quickest);
    choice->chosen = level_cheapest(choice);
    ways_compare(report, choice, choice->chosen);
    if (any_is_quicker(choice)) {
        choice->chosen = choice->quickest;
        ways_compare(report, choice, choice->chosen);
    }
    for (size_t i = 0; i < choice->count; i++) {
        struct choice_way *way = &choice->ways[i];
        if (way_competes(way))
            way->state = way->beside.verdict == STATS_TIED     ? CHOICE_TIED
                         : way->beside.verdict == STATS_SLOWER ? CHOICE_SLOWER
                                                               : CHOICE_UNCLEAR;
    }
    choice->ways[choice->chosen].state = CHOICE_CHOSEN;
}

enum status choice_make(const struct report *report, const struct choice_question *question,
                        struct choice *choice, struct err *err)
{
    size_t count = 0;
    struct choice made = {.alone_p50_ns = NAN, .leaked = figure_absent};
    for (size_t i = 0; i < report->block_count; i++)
        count += report->blocks[i].cell_count;
    made.ways = calloc(count + 1, sizeof *made.ways);
    if (!made.ways)
        goto no_memory;
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        for (size_t j = 0; j < block->cell_count; j++) {
            const struct report_cell *cell = &block->cells[j];
            if (!report_axis_is(cell, "kernel", CHOICE_KERNEL))
                continue;
            if (made.count == 0)
                made.period_ns = period_of(cell);
            made.deadline_ns = question->deadline_ns > 0 ? question->deadline_ns : made.period_ns;
            way_make(&made.ways[made.count++], report, block, cell, made.deadline_ns);
        }
    }
    if (made.count == 0) {
        choice_free(&made);
        return err_set(err, ST_INVALID, "`handoff choose` makes such a result",
                       "no cell of the result has kernel %s", CHOICE_KERNEL);
    }
    made.alone_p50_ns = alone_of_all(&made);
    made.leaked = leak_of_all(&made);
    choice_decide(report, question, &made);
    if (!choice_add_words(report, question, &made))
        goto no_memory;
    *choice = made;
    return ST_OK;
no_memory:
    choice_free(&made);
    return err_set(err, ST_NO_MEMORY, NULL, "out of memory choosing");
}

void choice_free(struct choice *choice)
{
    for (size_t i = 0; i < choice->count; i++)
        text_free(&choice->ways[i].name);
    for (size_t i = 0; i < choice->note_count; i++)
        text_free(&choice->notes[i]);
    free(choice->ways);
    free(choice->notes);
    text_free(&choice->verdict);
    *choice = (struct choice){.ways = NULL};
}

/* bounds.c: cases, figures against bounds, and their order. See bounds.h. */
#include "harness/report/bounds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/tradeoff.h"
#include "harness/report/verdict.h"

#define RATE_MARGIN 0.005
#define LISTED_MAX 8

/* What somebody who has frames is given; all other axes can be chosen. */
static const char *const given_axes[] = {"pacing",      "frame", "kernel", "fill",
                                         "frame_state", "phase", "load",   "peer"};
#define GIVEN_COUNT (sizeof given_axes / sizeof given_axes[0])

static bool axis_is_given(const char *axis)
{
    for (size_t i = 0; i < GIVEN_COUNT; i++)
        if (strcmp(given_axes[i], axis) == 0)
            return true;
    return false;
}

const char *bounds_state_name(enum bounds_state state)
{
    static const char *const names[] = {"kept", "reached", "missed", "unknown"};
    return names[state];
}

/* ---- Which cells take part ------------------------------------------------------------------- */

/* Frames per second of a schedule; 0 without one. */
static double cell_rate_hz(const struct report_cell *cell)
{
    char value[REPORT_AXIS_BYTES];
    const char *colon = strchr(report_axis(cell, "pacing", value), ':');
    return report_cell_is_scheduled(cell) && colon ? strtod(colon + 1, NULL) : 0;
}

static bool cell_has_rate(const struct report_cell *cell, double rate_hz)
{
    return fabs(cell_rate_hz(cell) - rate_hz) <= RATE_MARGIN * rate_hz;
}

/* Whether one of its intervals tells how late a frame is: in `pingpong` one is in flight, at `max`
 * and in a search it is queues that are measured. */
static const char *cell_interval(const struct report_cell *cell)
{
    if (report_cell_is_scheduled(cell))
        return "response";
    return report_axis_is(cell, "pacing", "pingpong") ? "latency" : NULL;
}

enum left_out {
    TAKEN,
    LEFT_UNSOUND, /* failed, could not run, or frames were not whole */
    LEFT_FLOOR,   /* null: it moves nothing */
    LEFT_PACING,  /* no such interval */
    LEFT_RATE,
    LEFT_FRAME,
    LEFT_COUNT
};

static enum left_out cell_sort_out(const struct report_cell *cell, const struct bounds *bounds)
{
    char value[REPORT_AXIS_BYTES];
    if (verdict_cell_is_floor(cell))
        return LEFT_FLOOR;
    if (bounds->frame && strcmp(report_axis(cell, "frame", value), bounds->frame) != 0)
        return LEFT_FRAME;
    if (!cell_interval(cell))
        return LEFT_PACING;
    if (bounds->rate_hz > 0 && !cell_has_rate(cell, bounds->rate_hz))
        return LEFT_RATE;
    return verdict_cell_is_sound(cell) ? TAKEN : LEFT_UNSOUND;
}

/* ---- Cases ----------------------------------------------------------------------------------- */

static bool cells_have_one_case(const struct report_cell *a, const struct report_cell *b)
{
    char of_a[REPORT_AXIS_BYTES], of_b[REPORT_AXIS_BYTES];
    for (size_t i = 0; i < GIVEN_COUNT; i++) {
        if (report_axis_is_default(a, given_axes[i]) && report_axis_is_default(b, given_axes[i]))
            continue;
        if (strcmp(report_axis(a, given_axes[i], of_a), report_axis(b, given_axes[i], of_b)) != 0)
            return false;
    }
    return true;
}

static void title_add(struct text *text, const char *axis, const char *pretty)
{
    if (!pretty[0])
        return;
    text_add(text, text->used_bytes ? " · " : "");
    if (!report_axis_speaks(axis))
        text_addf(text, "%s ", report_axis_title(axis));
    text_add_plain(text, pretty);
}

static void case_entitle(struct bounds_case *one, const struct report_cell *cell)
{
    char value[REPORT_AXIS_BYTES], size[FIGURE_BYTES];
    const double bytes = json_get_number(cell->json, "payload_bytes", 0);
    for (size_t i = 0; i < GIVEN_COUNT; i++) {
        const char *axis = given_axes[i];
        /* The kernel is always named: it is most of what a frame takes. */
        if (report_axis_is_default(cell, axis) && strcmp(axis, "kernel") != 0)
            continue;
        title_add(&one->title, axis, report_axis_pretty(cell, axis, value));
        if (strcmp(axis, "frame") == 0 && bytes > 0)
            text_addf(&one->title, " (%s)", format_bytes(bytes, size));
    }
    one->interval = cell_interval(cell);
}

static void label_add(struct text *text, const struct report_cell *cell)
{
    char value[REPORT_AXIS_BYTES];
    const cJSON *axis;
    text_add_plain(text, report_axis_pretty(cell, "transport", value));
    text_add(text, " + ");
    text_add_plain(text, report_axis_pretty(cell, "wait", value));
    cJSON_ArrayForEach (axis, json_get(cell->json, "axes")) {
        const char *name = axis->string;
        if (strcmp(name, "transport") == 0 || strcmp(name, "wait") == 0 || axis_is_given(name) ||
            report_axis_is_default(cell, name))
            continue;
        text_add(text, " · ");
        if (!report_axis_speaks(name)) {
            text_add_plain(text, report_axis_title(name));
            text_add(text, " ");
        }
        text_add_plain(text, report_axis_pretty(cell, name, value));
    }
}

static struct bounds_case *case_find(struct bounds_answer *answer, const struct report_cell *cell)
{
    for (size_t i = 0; i < answer->case_count; i++)
        if (cells_have_one_case(answer->cases[i].cells[0].cell, cell))
            return &answer->cases[i];
    struct bounds_case *cases =
        realloc(answer->cases, (answer->case_count + 1) * sizeof *answer->cases);
    if (!cases)
        return NULL;
    answer->cases = cases;
    cases[answer->case_count] = (struct bounds_case){.net = true};
    case_entitle(&cases[answer->case_count], cell);
    return &cases[answer->case_count++];
}

static bool case_add(struct bounds_answer *answer, const struct report_cell *cell)
{
    struct bounds_case *one = case_find(answer, cell);
    if (!one)
        return false;
    struct bounds_cell *cells = realloc(one->cells, (one->count + 1) * sizeof *cells);
    if (!cells) {
        answer->case_count -= one->count == 0;
        return false;
    }
    one->cells = cells;
    struct bounds_cell *added = &cells[one->count++];
    *added = (struct bounds_cell){.cell = cell};
    label_add(&added->label, cell);
    for (int i = 0; i < STATS_QUANTILE_COUNT; i++)
        added->time[i] = report_quantile(cell, one->interval, stats_quantiles[i].key);
    one->net = one->net && cell->baseline && report_cpu_net(cell).state == FIGURE_KNOWN &&
               !tradeoff_net_is_drowned(cell);
    return true;
}

static const char *const quantile_names[STATS_QUANTILE_COUNT] = {"p50", "p90", "p99", "p99.9"};

/* ---- Figures against bounds ------------------------------------------------------------------ */

/* Why a quantile is absent, where its launches are too short for it: what they need. */
static void lacks_add_need(struct text *lacks, const struct report_cell *cell, const char *name)
{
    const double frames = json_get_number(cell->json, "frames", 0);
    char needed[FIGURE_BYTES], had[FIGURE_BYTES];
    for (int i = 0; i < STATS_QUANTILE_COUNT; i++)
        if (strcmp(quantile_names[i], name) == 0 && frames > 0 &&
            frames < (double)stats_quantiles[i].frames_min)
            text_addf(lacks, ": a launch needs %s frames for it and had %s",
                      format_count((double)stats_quantiles[i].frames_min, needed),
                      format_count(frames, had));
}

/* `unit` of the figure; `name` says what it is, "p99". */
static void figure_judge(struct bounds_cell *one, const struct figure *figure, double bound,
                         enum figure_unit unit, const char *name)
{
    struct text *lacks = &one->lacks;
    char value[FIGURE_BYTES], limit[FIGURE_BYTES], sep[4] = "";
    if (bound <= 0)
        return;
    if (lacks->used_bytes)
        strcpy(sep, "; ");
    if (unit == UNIT_NS)
        format_bound(bound, limit);
    else
        snprintf(limit, sizeof limit, "%.4g %%", bound);
    if (figure->state == FIGURE_ABSENT) {
        text_addf(lacks, "%s%s is not known", sep, name);
        lacks_add_need(lacks, one->cell, name);
        one->state = one->state == BOUNDS_MISSED ? BOUNDS_MISSED : BOUNDS_UNKNOWN;
        return;
    }
    const bool infinite = figure->state == FIGURE_INFINITE || !isfinite(figure->value);
    const double excess = infinite ? INFINITY : figure->value / bound;
    format_figure(figure, unit, value);
    if (infinite)
        text_addf(lacks, "%s%s is infinite: frames were never finished", sep, name);
    else if (excess > 2)
        text_addf(lacks, "%s%s is %s%s, %.3g times %s", sep, name, value,
                  unit == UNIT_PERCENT ? " %" : "", excess, limit);
    else if (excess > 1)
        text_addf(lacks, "%s%s is %s%s, %.*f %% above %s", sep, name, value,
                  unit == UNIT_PERCENT ? " %" : "", excess < 1.1 ? 1 : 0, 100 * (excess - 1),
                  limit);
    else if (figure->spread == SPREAD_NONE)
        text_addf(lacks, "%s%s has no interval%s", sep, name,
                  figure->launches == 1 ? ": one launch" : "");
    else if (!(figure->high <= bound))
        text_addf(lacks, "%sthe %s of %s reaches beyond %s", sep,
                  figure->spread == SPREAD_CI95 ? "95 % interval" : "range", name, limit);
    else if (figure->spread == SPREAD_RANGE && figure->launches == 1)
        text_addf(lacks, "%s%s is of one launch; an interval needs %d", sep, name,
                  STATS_LAUNCHES_MIN);
    else if (figure->spread == SPREAD_RANGE)
        text_addf(lacks, "%sthe range of %s is of %d launches; an interval needs %d", sep, name,
                  figure->launches, STATS_LAUNCHES_MIN);
    one->excess = fmax(one->excess, excess);
    if (excess > 1)
        one->state = BOUNDS_MISSED;
    else if (lacks->used_bytes && one->state == BOUNDS_KEPT)
        one->state = BOUNDS_REACHED;
}

static void case_judge(struct bounds_case *one, const struct bounds *bounds)
{
    for (size_t i = 0; i < one->count; i++) {
        struct bounds_cell *cell = &one->cells[i];
        cell->cpu = one->net ? report_cpu_net(cell->cell) : tradeoff_cost_of_roles(cell->cell);
        for (int j = 0; j < STATS_QUANTILE_COUNT; j++)
            figure_judge(cell, &cell->time[j], bounds->time_ns[j], UNIT_NS, quantile_names[j]);
        figure_judge(cell, &cell->cpu, bounds->cpu_percent, UNIT_PERCENT, "CPU");
    }
}

/* Cheaper first; among misses, nearer first. Unknown CPU last. */
static int cells_compare(const void *left, const void *right)
{
    const struct bounds_cell *a = left, *b = right;
    if (a->state != b->state)
        return a->state < b->state ? -1 : 1;
    double of_a = a->cpu.state == FIGURE_KNOWN ? a->cpu.value : INFINITY;
    double of_b = b->cpu.state == FIGURE_KNOWN ? b->cpu.value : INFINITY;
    if (a->state == BOUNDS_MISSED) {
        of_a = a->excess;
        of_b = b->excess;
    }
    return (of_a > of_b) - (of_a < of_b);
}

/* ---- What is left out ------------------------------------------------------------------------ */

struct values {
    struct text list;
    size_t count;
};

/* Adds a value that is not among them yet. */
static void values_add(struct values *values, const char *value)
{
    struct text quoted = {0};
    text_add(&quoted, ", ");
    text_add_plain(&quoted, value);
    struct text there = {0};
    text_addf(&there, ", %s,", text_get(&values->list));
    struct text wanted = {0};
    text_addf(&wanted, "%s,", text_get(&quoted));
    const bool known = !value[0] || strstr(text_get(&there), text_get(&wanted));
    if (!known && values->count < LISTED_MAX)
        text_add(&values->list, text_get(&quoted) + (values->count ? 0 : 2));
    else if (!known && values->count == LISTED_MAX)
        text_add(&values->list, ", …");
    values->count += !known;
    text_free(&quoted);
    text_free(&there);
    text_free(&wanted);
}

static void left_out_add(struct text *text, size_t count, const char *why)
{
    if (count > 0)
        text_addf(text, "%s%zu cell%s %s.", text->used_bytes ? " " : "", count,
                  count == 1 ? "" : "s", why);
}

static void answer_tell_left_out(struct bounds_answer *answer, const size_t counts[LEFT_COUNT],
                                 const struct values *rates, const struct values *frames)
{
    struct text why = {0};
    struct text *text = &answer->left_out;
    left_out_add(text, counts[LEFT_UNSOUND], "failed, could not run here or lost frames");
    text_addf(&why, "came at another rate%s%s%s", rates->count ? " (" : "", text_get(&rates->list),
              rates->count ? ")" : "");
    left_out_add(text, counts[LEFT_RATE], text_get(&why));
    text_free(&why);
    text_addf(&why, "had frames of another size (%s)", text_get(&frames->list));
    left_out_add(text, counts[LEFT_FRAME], text_get(&why));
    text_free(&why);
    left_out_add(text, counts[LEFT_PACING],
                 "ran at the highest rate it could, where a frame's time is that of a queue");
}

/* No cell is left: what there is instead. */
static enum status answer_explain_none(const struct report *report, const struct bounds *bounds,
                                       const size_t counts[LEFT_COUNT], const struct values *rates,
                                       const struct values *frames, struct err *err)
{
    char hint[384], rate[FIGURE_BYTES];
    if (bounds->frame && counts[LEFT_FRAME] && !counts[LEFT_RATE] && !counts[LEFT_UNSOUND]) {
        snprintf(hint, sizeof hint, "there are %s", text_get(&frames->list));
        return err_set(err, ST_INVALID, hint, "advise: no cell was measured with frames of %.40s",
                       bounds->frame);
    }
    if (bounds->rate_hz > 0 && counts[LEFT_RATE]) {
        snprintf(hint, sizeof hint,
                 "%s%s%sa rate is measured with \"pacing\": \"rate:%.6g\" in a scenario",
                 rates->count ? "there are cells at " : "", text_get(&rates->list),
                 rates->count ? "; " : "", bounds->rate_hz);
        snprintf(rate, sizeof rate, "%.6g", bounds->rate_hz);
        return err_set(err, ST_INVALID, hint, "advise: no cell was measured at %s frames/s%s%.40s",
                       rate, bounds->frame ? " of " : "", bounds->frame ? bounds->frame : "");
    }
    if (counts[LEFT_UNSOUND])
        return err_set(err, ST_INVALID, "`handoff report` shows why each failed",
                       "advise: of scenario %.60s no cell that could answer went well",
                       report->scenario);
    return err_set(err, ST_INVALID,
                   "measure some with \"pacing\": \"rate:60\", or one frame in flight with "
                   "\"pingpong\"",
                   "advise: no cell of scenario %.60s says how late a frame is", report->scenario);
}

static bool answer_fill(const struct report *report, const struct bounds *bounds,
                        struct bounds_answer *answer, size_t counts[LEFT_COUNT],
                        struct values *rates, struct values *frames)
{
    char value[REPORT_AXIS_BYTES];
    for (size_t i = 0; i < report->block_count; i++)
        for (size_t j = 0; j < report->blocks[i].cell_count; j++) {
            const struct report_cell *cell = &report->blocks[i].cells[j];
            const enum left_out left = cell_sort_out(cell, bounds);
            counts[left]++;
            if (left == LEFT_RATE && report_cell_is_scheduled(cell))
                values_add(rates, report_axis_pretty(cell, "pacing", value));
            if (left == LEFT_FRAME)
                values_add(frames, report_axis(cell, "frame", value));
            if (left == TAKEN && !case_add(answer, cell))
                return false;
        }
    return true;
}

enum status bounds_answer_make(const struct report *report, const struct bounds *bounds,
                               struct bounds_answer *answer, struct err *err)
{
    struct bounds_answer made = {0};
    struct values rates = {{0}, 0}, frames = {{0}, 0};
    size_t counts[LEFT_COUNT] = {0};
    enum status status = ST_OK;
    if (!answer_fill(report, bounds, &made, counts, &rates, &frames))
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for an answer");
    else if (counts[TAKEN] == 0)
        status = answer_explain_none(report, bounds, counts, &rates, &frames, err);
    if (status == ST_OK) {
        for (size_t i = 0; i < made.case_count; i++) {
            case_judge(&made.cases[i], bounds);
            qsort(made.cases[i].cells, made.cases[i].count, sizeof *made.cases[i].cells,
                  cells_compare);
        }
        answer_tell_left_out(&made, counts, &rates, &frames);
        *answer = made;
    } else {
        bounds_answer_free(&made);
    }
    text_free(&rates.list);
    text_free(&frames.list);
    return status;
}

void bounds_answer_free(struct bounds_answer *answer)
{
    for (size_t i = 0; i < answer->case_count; i++) {
        struct bounds_case *one = &answer->cases[i];
        for (size_t j = 0; j < one->count; j++) {
            text_free(&one->cells[j].label);
            text_free(&one->cells[j].lacks);
        }
        text_free(&one->title);
        free(one->cells);
    }
    free(answer->cases);
    text_free(&answer->left_out);
    memset(answer, 0, sizeof *answer);
}

/* comparison_words.c: what a comparison says in sentences, and under which conditions it holds. See
 * comparison.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/comparison_parts.h"
#include "harness/report/page.h"
#include "harness/report/stamp_clock.h"

#define NAMED_MAX 3
/* A ratio beyond which "it would have been seen" is no comfort. */
#define DETECTABLE_SAID_MAX 2.0

/* ---- The conclusion --------------------------------------------------------------------------- */

/* How much worse, "by 12 % (90 % interval 9.1 %–15 %)"; for a rate by how much less. */
static void change_add(struct text *text, const struct comparison_row *row)
{
    struct comparison_ratio ratio = comparison_ratio(row);
    char by[FIGURE_BYTES];
    double change = row->judged.more_is_better ? 1 / ratio.ratio : ratio.ratio;
    if (!isfinite(change) || !isfinite(ratio.low90) || !isfinite(ratio.high90))
        return;
    text_addf(text, " by %s (90 %% interval of new/base %.4g–%.4g)", format_ratio(change, by),
              ratio.low90, ratio.high90);
}

static void row_name_add(struct text *text, const struct comparison_row *row)
{
    text_addf(text, "%s of ", comparison_gate_name(row));
    text_add_plain(text, row->cell->id);
}

/* A blank between two sentences. */
static void sentence_begin(struct text *text)
{
    if (text->used_bytes)
        text_add(text, " ");
}

static void slower_add(struct text *text, const struct comparison *comparison)
{
    const size_t slower = comparison->verdicts[COMPARE_SLOWER];
    size_t named = 0;
    sentence_begin(text);
    text_addf(text, "%s in %zu of %zu gate%s: ", comparison->axis ? "Slower" : "New is slower",
              slower, comparison->judged_count, comparison->judged_count == 1 ? "" : "s");
    for (size_t i = 0; i < comparison->row_count && named < NAMED_MAX; i++) {
        const struct comparison_row *row = &comparison->rows[i];
        if (row->judged.count == 0 || row->judged.verdict != COMPARE_SLOWER)
            continue;
        text_add(text, named++ ? ", " : "");
        row_name_add(text, row);
        change_add(text, row);
    }
    if (slower > named)
        text_addf(text, " and %zu more", slower - named);
    text_add(text, ".");
}

static void lost_add(struct text *text, const struct comparison *comparison)
{
    size_t lost = comparison->regressions - comparison->verdicts[COMPARE_SLOWER], named = 0;
    if (lost == 0)
        return;
    sentence_begin(text);
    text_addf(text, "%s on base and not on new: ", lost == 1 ? "A cell ran" : "Cells ran");
    for (size_t i = 0; i < comparison->left_count && named < NAMED_MAX; i++) {
        if (!comparison->left[i].is_regression)
            continue;
        text_add(text, named++ ? ", " : "");
        text_add_plain(text, comparison->left[i].id);
    }
    if (lost > named)
        text_addf(text, " and %zu more", lost - named);
    text_add(text, ".");
}

static void rest_add(struct text *text, const struct comparison *comparison)
{
    static const enum compare_verdict rest[] = {COMPARE_SAME, COMPARE_FASTER, COMPARE_UNCLEAR};
    static const char *const words[] = {"the same", "faster", "undecided for want of data"};
    const char *comma = "";
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
        const size_t count = comparison->verdicts[rest[i]];
        if (count == 0)
            continue;
        if (!comma[0])
            sentence_begin(text);
        text_addf(text, "%s%zu %s %s", comma, count, count == 1 ? "gate is" : "gates are",
                  words[i]);
        comma = ", ";
    }
    if (comma[0])
        text_add(text, ".");
}

/* Too few launches everywhere, of which nobody should think that they passed. */
static void too_few_add(struct text *text, const struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->row_count; i++)
        if (comparison->rows[i].judged.paired.pairs >= COMPARE_PAIRS_MIN)
            return;
    sentence_begin(text);
    text_addf(text, "No gate has the %d pairs of launches that a verdict needs: see --launches.",
              COMPARE_PAIRS_MIN);
}

void comparison_conclude(const struct comparison *comparison, struct text *text)
{
    if (comparison->interrupted)
        text_add(text, "Interrupted, so this is of the launches that were made.");
    if (comparison->judged_count == 0) {
        lost_add(text, comparison);
        sentence_begin(text);
        text_add(text, "Nothing could be compared.");
        return;
    }
    if (comparison->verdicts[COMPARE_SLOWER] > 0) {
        slower_add(text, comparison);
    } else {
        sentence_begin(text);
        const char *who = comparison->axis ? "another value" : "new";
        if (comparison->judged_count == 1)
            text_addf(text, "The one gate does not show %s to be slower.", who);
        else
            text_addf(text, "In none of %zu gates is %s shown to be slower.",
                      comparison->judged_count, who);
    }
    lost_add(text, comparison);
    rest_add(text, comparison);
    too_few_add(text, comparison);
    if (comparison->verdicts[COMPARE_SLOWER] == 0 && comparison->detectable < DETECTABLE_SAID_MAX) {
        char by[FIGURE_BYTES];
        sentence_begin(text);
        text_addf(text, "A slowdown by %s would have been seen in any gate, 8 times in 10.",
                  format_ratio(comparison->detectable, by));
    }
}

/* ---- Conditions ------------------------------------------------------------------------------- */

/* What a cell's figures hold under, part by part, so that what is alike for all is said once. */
enum condition { CONDITION_RATE, CONDITION_LOAD, CONDITION_CPUS, CONDITIONS };

static void role_cpus_add(struct text *text, const struct report_cell *cell)
{
    char value[REPORT_AXIS_BYTES];
    const cJSON *role;
    const char *before = "";
    cJSON_ArrayForEach (role, json_get(cell->json, "roles")) {
        double cpu = json_get_number(role, "cpu", -1);
        text_add(text, before);
        before = " and ";
        text_add_plain(text, json_get_string(role, "name", "?"));
        if (cpu >= 0 && cpu < 1e6)
            text_addf(text, " on CPU %.0f", cpu);
        else
            text_add(text, " on no fixed CPU");
    }
    text_add(text, before[0] ? " (placement " : "placement ");
    text_add_plain(text, report_axis(cell, "placement", value));
    text_add(text, before[0] ? ")" : "");
}

static void condition_add(struct text *text, const struct report_cell *cell,
                          enum condition condition)
{
    char value[REPORT_AXIS_BYTES];
    if (condition == CONDITION_RATE) {
        text_add_plain(text, report_axis_pretty(cell, "pacing", value));
    } else if (condition == CONDITION_LOAD) {
        text_add(text, "load ");
        text_add_plain(text, report_axis(cell, "load", value)[0] ? value : "none");
        if (report_axis(cell, "clocks", value)[0]) {
            text_add(text, ", ");
            text_add_plain(text, report_axis_pretty(cell, "clocks", value));
        }
    } else {
        role_cpus_add(text, cell);
    }
}

/* Whether all cells that are compared have the same. */
static bool condition_alike(const struct comparison *comparison, enum condition condition)
{
    struct text first = {0};
    bool alike = true;
    for (size_t i = 0; i < comparison->row_count && alike; i++) {
        struct text words = {0};
        condition_add(&words, comparison->rows[i].cell, condition);
        if (i == 0)
            text_add(&first, text_get(&words));
        alike = strcmp(text_get(&words), text_get(&first)) == 0;
        text_free(&words);
    }
    text_free(&first);
    return alike;
}

unsigned comparison_alike(const struct comparison *comparison)
{
    unsigned alike = 0;
    for (enum condition i = 0; i < CONDITIONS; i++)
        alike |= (unsigned)condition_alike(comparison, i) << i;
    return alike;
}

/* The cell's conditions that are alike for all, or the others. */
static void conditions_of_cell_add(const struct comparison *comparison,
                                   const struct report_cell *cell, bool alike, struct text *text)
{
    const char *comma = "";
    for (enum condition i = 0; i < CONDITIONS; i++) {
        if ((comparison->alike >> i & 1) != (unsigned)alike)
            continue;
        text_add(text, comma);
        condition_add(text, cell, i);
        comma = ", ";
    }
}

void comparison_cell_conditions(const struct comparison *comparison, const struct report_cell *cell,
                                struct text *text)
{
    conditions_of_cell_add(comparison, cell, false, text);
}

/* "; governor performance" or "; governor not known". */
static void governor_add(struct text *text, const struct report *report)
{
    const cJSON *before = json_get(json_get(report->json, "environment"), "before");
    const cJSON *policy;
    struct text seen = {0};
    cJSON_ArrayForEach (policy, json_get(json_get(before, "cpu"), "frequency")) {
        const char *governor = json_get_string(policy, "governor", "");
        if (!governor[0] || (seen.used_bytes && strstr(text_get(&seen), governor)))
            continue;
        text_add(&seen, seen.used_bytes ? ", " : "");
        text_add_plain(&seen, governor);
    }
    text_addf(text, "; governor %s", seen.used_bytes ? text_get(&seen) : "not known here");
    text_free(&seen);
}

void comparison_conditions(const struct comparison *comparison, struct text *text)
{
    const struct report *report = comparison->new_report;
    const cJSON *clock = json_get(json_get(report->json, "run"), "clock");
    page_machine_line(report, text);
    if (!text->used_bytes)
        text_add(text, "Nothing is recorded about the machine");
    text_add(text, "; clock ");
    text_add_plain(text, json_get_string(clock, "name", "not known"));
    if (report->tick_ns > 0 && report->tick_ns < 1e9)
        text_addf(text, ", tick %.3g ns", report->tick_ns);
    const char *other = stamp_clock_other(report->json);
    if (other) {
        text_add(text, ", of cells with a role in Python ");
        text_add_plain(text, other);
    }
    governor_add(text, report);
    text_add(text, ".");
    const char *fitness = json_get_string(json_get(report->json, "fitness"), "verdict", "");
    if (fitness[0]) {
        text_add(text, " The machine was ");
        text_add_plain(text, fitness);
        text_add(text, ".");
    }
    struct text all = {0};
    if (comparison->row_count)
        conditions_of_cell_add(comparison, comparison->rows[0].cell, true, &all);
    if (all.used_bytes)
        text_addf(text, " All cells: %s.", text_get(&all));
    text_free(&all);
}

static void build_add(struct text *text, const char *name, const struct report *report)
{
    static const char *const parts[] = {"version", "commit", "compiler", "build_type"};
    const cJSON *tool = json_get(report->json, "tool");
    text_add(text, name);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *part = json_get_string(tool, parts[i], "");
        if (part[0])
            text_add(text, i < 2 ? " " : ", ");
        text_add_plain(text, part);
    }
}

void comparison_sides(const struct comparison *comparison, struct text *text)
{
    if (comparison->axis) {
        text_add(text, "base: ");
        text_add(text, comparison->base_name);
        return;
    }
    build_add(text, "base: handoff", comparison->base_report);
    build_add(text, "; new: handoff", comparison->new_report);
}

/* choice_words.c: what choice.c found, in sentences that say no more than it. See choice.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/choice.h"
#include "harness/report/tradeoff.h"
#include "harness/report/verdict.h"

#define NOTES_MAX 12
/* Memory that grows by less than this with every frame is an allocator's, not a leak that hurts. */
#define LEAK_BYTES_MIN 4096.0
/* A detector that needs this much of the period leaves no room for one that takes a little longer. */
#define PERIOD_NEARLY 0.9

static void figure_add(struct text *text, const struct figure *figure, enum figure_unit unit)
{
    char value[FIGURE_BYTES], spread[4 * FIGURE_BYTES];
    text_addf(text, "%s%s", format_figure(figure, unit, value), unit == UNIT_PERCENT ? " %" : "");
    format_spread(figure, unit, spread, sizeof spread);
    text_addf(text, " (%s%s%s)", unit == UNIT_NS ? "p50" : "",
              unit == UNIT_NS && spread[0] ? ", " : "", spread);
}

/* "12 % more (95 % interval 10–14 %)" of a ratio above 1. */
static void excess_add(struct text *text, const struct stats_paired *paired)
{
    char ratio[FIGURE_BYTES];
    format_ratio(fmax(1, paired->ratio), ratio);
    text_addf(text, "%s%s", ratio, strchr(ratio, '%') ? " more" : " as long");
    if (isfinite(paired->low90) && isfinite(paired->high90))
        text_addf(text, " (90 %% interval of the ratio %.3g–%.3g)", paired->low90, paired->high90);
}

static struct text *note_new(struct choice *choice)
{
    return choice->note_count < NOTES_MAX ? &choice->notes[choice->note_count++]
                                          : &choice->notes[NOTES_MAX];
}

/* ---- The verdict ----------------------------------------------------------------------------- */

static size_t ways_in(const struct choice *choice, enum choice_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < choice->count; i++)
        count += choice->ways[i].state == state;
    return count;
}

/* "shm + spin (73.1 % of a CPU) and unix + block (61.2 %)": the ways in a state, with their CPU. */
static void list_add(struct text *text, const struct choice *choice, enum choice_state state,
                     bool with_cpu)
{
    const size_t count = ways_in(choice, state);
    size_t listed = 0;
    char value[FIGURE_BYTES];
    for (size_t i = 0; i < choice->count; i++) {
        const struct choice_way *way = &choice->ways[i];
        if (way->state != state)
            continue;
        text_addf(text, "%s%s",
                  listed == 0           ? ""
                  : listed + 1 == count ? " and "
                                        : ", ",
                  text_get(&way->name));
        if (with_cpu && way->cpu.state == FIGURE_KNOWN)
            text_addf(text, " (%s %% of a CPU)", format_figure(&way->cpu, UNIT_PERCENT, value));
        listed++;
    }
}

/* Those shown to be slower: "unix + block takes 10.2 % more (…)". */
static void slower_add(struct text *text, const struct choice *choice)
{
    bool any = false;
    for (size_t i = 0; i < choice->count; i++) {
        const struct choice_way *way = &choice->ways[i];
        if (way->state != CHOICE_SLOWER)
            continue;
        text_addf(text, "%s%s takes ", any ? "; " : " ", text_get(&way->name));
        excess_add(text, &way->beside);
        any = true;
    }
    if (any)
        text_addf(text, ", beside %s.", text_get(&choice->ways[choice->chosen].name));
}

/* What speaks for the chosen one among those that are tied with it: CPU, where it is shown to take less
 * than each of the others; else its place in the order of simplicity, where none that takes no more CPU
 * comes before it; else that it is the quickest (choice.c: level_cheapest, any_is_quicker). */
static const char *reason_among_tied(const struct choice *choice)
{
    static const struct tradeoff of_roles = {.net = false};
    const struct choice_way *chosen = &choice->ways[choice->chosen];
    bool cheaper = true, simplest = true;
    for (size_t i = 0; i < choice->count; i++) {
        const struct choice_way *way = &choice->ways[i];
        if (way->state != CHOICE_TIED)
            continue;
        const enum stats_verdict cpu = tradeoff_compare(&of_roles, way->cell, chosen->cell).verdict;
        cheaper = cheaper && cpu == STATS_SLOWER;
        simplest = simplest && (cpu == STATS_SLOWER || (i > choice->chosen && cpu != STATS_FASTER));
    }
    return cheaper    ? "; it takes the least CPU of them."
           : simplest ? "; none of them is shown to take less CPU, and it is the simplest of those "
                        "that may take as little."
                      : "; it had the lowest median.";
}

/* Why the chosen one, where several are level. */
static void reason_add(struct text *text, const struct choice *choice)
{
    const size_t tied = ways_in(choice, CHOICE_TIED), slower = ways_in(choice, CHOICE_SLOWER);
    const size_t unclear = ways_in(choice, CHOICE_UNCLEAR);
    if (tied > 0) {
        text_add(text, " Tied with it in that time, within 5 %: ");
        list_add(text, choice, CHOICE_TIED, true);
        text_add(text, reason_among_tied(choice));
    } else if (slower > 0 && unclear == 0) {
        text_addf(text, " It is the quickest of the %zu that were compared.", slower + 1);
    } else if (unclear == 0) {
        text_add(text, " There is no other way here that it could be compared with.");
    }
}

static void unclear_add(struct text *text, const struct choice *choice)
{
    const size_t unclear = ways_in(choice, CHOICE_UNCLEAR);
    size_t pairs = SIZE_MAX;
    for (size_t i = 0; i < choice->count; i++)
        if (choice->ways[i].state == CHOICE_UNCLEAR && choice->ways[i].beside.pairs < pairs)
            pairs = choice->ways[i].beside.pairs;
    if (unclear == 0)
        return;
    text_add(text, " The data does not tell it apart from ");
    list_add(text, choice, CHOICE_UNCLEAR, true);
    if (choice->quickest != choice->chosen &&
        choice->ways[choice->quickest].state == CHOICE_UNCLEAR)
        text_addf(text, ", of which %s had the lowest median here",
                  text_get(&choice->ways[choice->quickest].name));
    if (pairs < VERDICT_PAIRS_MIN)
        text_addf(text, "; %zu launch%s of each %s too few for a verdict (%d are needed).", pairs,
                  pairs == 1 ? "" : "es", pairs == 1 ? "is" : "are", VERDICT_PAIRS_MIN);
    else
        text_add(text, "; more launches (--launches) may tell.");
}

static void nothing_add(struct text *text, const struct choice_question *question,
                        const struct choice *choice)
{
    const size_t over = ways_in(choice, CHOICE_OVER_CPU);
    if (over > 0) {
        double least = INFINITY;
        for (size_t i = 0; i < choice->count; i++)
            if (choice->ways[i].state == CHOICE_OVER_CPU)
                least = fmin(least, choice->ways[i].cpu.value);
        text_addf(text,
                  "None keeps within %.4g %% of a CPU: the least that one took is %.3g %%, the "
                  "detector's own included.",
                  question->cpu_percent, least);
    } else {
        text_add(text, "None of the ways can be chosen: none ran without a failure.");
    }
}

static void verdict_add(const struct choice_question *question, struct choice *choice)
{
    struct text *text = &choice->verdict;
    if (choice->chosen == choice->count) {
        nothing_add(text, question, choice);
        return;
    }
    const struct choice_way *chosen = &choice->ways[choice->chosen];
    text_addf(text, "Use %s: ", text_get(&chosen->name));
    if (chosen->age_p50.state == FIGURE_KNOWN) {
        text_add(text, "a frame is ");
        figure_add(text, &chosen->age_p50, UNIT_NS);
        text_add(text, " old when the detector begins, and ");
    } else {
        text_add(text, "a frame is ");
    }
    figure_add(text, &chosen->latency, UNIT_NS);
    text_add(text, " when its result is there.");
    reason_add(text, choice);
    unclear_add(text, choice);
    slower_add(text, choice);
    if (question->cpu_percent > 0 && chosen->cpu_not_sure)
        text_addf(text, " Its CPU is within %.4g %%, but the interval of it reaches beyond.",
                  question->cpu_percent);
}

/* ---- Notes ----------------------------------------------------------------------------------- */

static void detector_note(struct choice *choice)
{
    char alone[FIGURE_BYTES];
    if (isnan(choice->alone_p50_ns))
        return;
    struct text *text = note_new(choice);
    text_addf(text, "The detector by itself takes %s (p50), before any frame is handed over.",
              format_ns(choice->alone_p50_ns, alone));
    if (choice->chosen == choice->count)
        return;
    const struct choice_way *way = &choice->ways[choice->chosen];
    const struct stats_paired *slowed = &way->slowed;
    if (slowed->verdict == STATS_SLOWER) {
        text_addf(text, " Fed by %s it takes ", text_get(&way->name));
        excess_add(text, slowed);
        text_add(text, "; by itself it is called at once again and again, without the pauses "
                       "between frames.");
    } else if (slowed->verdict == STATS_TIED) {
        text_addf(text, " Fed by %s it takes as long, within 5 %%.", text_get(&way->name));
    } else if (slowed->verdict == STATS_FASTER) {
        text_addf(text, " Fed by %s it takes less: %.3g of that (90 %% interval %.3g–%.3g).",
                  text_get(&way->name), slowed->ratio, slowed->low90, slowed->high90);
    } else {
        text_addf(text, " Whether %s slows it the data does not tell", text_get(&way->name));
        if (isfinite(slowed->low90) && isfinite(slowed->high90))
            text_addf(text, " (90 %% interval of the ratio %.3g–%.3g)", slowed->low90,
                      slowed->high90);
        text_add(text, ".");
    }
}

static void period_note(struct choice *choice)
{
    char alone[FIGURE_BYTES], period[FIGURE_BYTES];
    const double share = choice->alone_p50_ns / choice->period_ns;
    if (!(choice->period_ns > 0) || !(share > PERIOD_NEARLY))
        return;
    struct text *text = note_new(choice);
    format_ns(choice->alone_p50_ns, alone);
    format_ns(choice->period_ns, period);
    if (share < 1) {
        text_addf(text,
                  "The detector's %s are nearly all of the %s between two frames: a launch now and "
                  "then will find it busy.",
                  alone, period);
        return;
    }
    text_addf(
        text,
        "The detector takes %s and a frame comes every %s: it cannot see every frame, however "
        "they are handed over.",
        alone, period);
    if (choice->chosen == choice->count)
        return;
    const struct choice_way *way = &choice->ways[choice->chosen];
    if (way->skipped > 0 && isfinite(way->frames_per_s))
        text_addf(text,
                  " With %s %.3g of %.3g frames/s reach it, each the newest there is (policy "
                  "latest); the others are skipped, and count as missed.",
                  text_get(&way->name), way->frames_per_s, 1e9 / choice->period_ns);
    for (size_t i = 0; i < choice->count; i++) {
        const struct choice_way *other = &choice->ways[i];
        char age[FIGURE_BYTES];
        if (i == choice->chosen || other->skipped != 0 || other->age_p50.state != FIGURE_KNOWN ||
            other->state == CHOICE_FAILED || way->age_p50.state != FIGURE_KNOWN)
            continue;
        text_addf(text,
                  " Where every frame is kept, as with %s, they wait in line, and are %s old (p50) "
                  "when their turn comes.",
                  text_get(&other->name), format_figure(&other->age_p50, UNIT_NS, age));
        break;
    }
}

static void leak_note(struct choice *choice)
{
    char bytes[FIGURE_BYTES], hour[FIGURE_BYTES];
    const struct figure *leaked = &choice->leaked;
    if (leaked->state != FIGURE_KNOWN || !(leaked->low > LEAK_BYTES_MIN))
        return;
    struct text *text = note_new(choice);
    format_bytes(leaked->value, bytes);
    text_addf(text, "The detector's process grows by %s with each frame", bytes);
    if (leaked->spread == SPREAD_CI95)
        text_addf(text, " (95 %% interval %.3g–%.3g MB)", leaked->low / 1e6, leaked->high / 1e6);
    text_add(text, ": something keeps what it should let go of");
    if (choice->period_ns > 0)
        text_addf(text, ". At this rate that is %s in an hour",
                  format_bytes(leaked->value * 3600e9 / choice->period_ns, hour));
    text_add(text, ". Look for lists that only grow, and for copies of frames that are kept.");
}

static void habit_note(struct choice *choice)
{
    char bytes[FIGURE_BYTES], value[REPORT_AXIS_BYTES];
    for (size_t i = 0; i < choice->count; i++) {
        const struct choice_way *way = &choice->ways[i];
        if (way->state != CHOICE_HABIT || way->beside.pairs < VERDICT_PAIRS_MIN ||
            choice->chosen == choice->count)
            continue;
        const struct choice_way *chosen = &choice->ways[choice->chosen];
        struct text *text = note_new(choice);
        text_addf(text,
                  "Reading by %s instead of a view copies the frame's %s once more: from a whole "
                  "frame to the result ",
                  report_axis(way->cell, "read", value),
                  format_bytes(json_get_number(way->cell->json, "payload_bytes", 0), bytes));
        if (way->beside.verdict == STATS_SLOWER) {
            text_addf(text, "it takes ");
            excess_add(text, &way->beside);
            text_addf(text, ", beside %s.", text_get(&chosen->name));
        } else if (way->beside.verdict == STATS_TIED) {
            text_addf(text, "that is tied with %s.", text_get(&chosen->name));
        } else if (way->beside.verdict == STATS_FASTER) {
            text_addf(text, "it takes less here: %.3g of what %s takes (90 %% interval %.3g–%.3g).",
                      way->beside.ratio, text_get(&chosen->name), way->beside.low90,
                      way->beside.high90);
        } else {
            text_addf(text, "the data does not tell it apart from %s.", text_get(&chosen->name));
        }
    }
}

static void over_cpu_note(const struct choice_question *question, struct choice *choice)
{
    if (choice->chosen == choice->count || ways_in(choice, CHOICE_OVER_CPU) == 0)
        return;
    struct text *text = note_new(choice);
    text_addf(text, "Above %.4g %% of a CPU, and so not considered: ", question->cpu_percent);
    list_add(text, choice, CHOICE_OVER_CPU, true);
    text_add(text, ".");
}

static void failure_notes(struct choice *choice)
{
    for (size_t i = 0; i < choice->count; i++) {
        const struct choice_way *way = &choice->ways[i];
        if (way->state != CHOICE_FAILED && way->state != CHOICE_NOT_RUN)
            continue;
        struct text *text = note_new(choice);
        const char *reason = json_get_string(way->cell->json, "reason", "");
        const char *hint = json_get_string(way->cell->json, "hint", "");
        text_addf(text, "%s %s", text_get(&way->name),
                  way->state == CHOICE_NOT_RUN ? "could not be tried" : "failed");
        if (reason[0]) {
            text_add(text, ": ");
            text_add_plain(text, reason);
        } else if (report_integrity_errors(way->cell) > 0) {
            text_add(text, ": frames arrived damaged: ");
            report_integrity_text(way->cell, text);
        } else {
            text_add(text, ": too few frames reached the detector for a median");
        }
        if (hint[0]) {
            text_add(text, " (");
            text_add_plain(text, hint);
            text_add(text, ")");
        }
        text_add(text, ".");
    }
}

bool choice_add_words(const struct report *report, const struct choice_question *question,
                      struct choice *choice)
{
    choice->notes = calloc(NOTES_MAX + 1, sizeof *choice->notes);
    if (!choice->notes)
        return false;
    verdict_add(question, choice);
    detector_note(choice);
    period_note(choice);
    leak_note(choice);
    habit_note(choice);
    over_cpu_note(question, choice);
    failure_notes(choice);
    text_free(&choice->notes[NOTES_MAX]); /* what there was no room for */
    for (size_t i = 0; i < choice->note_count; i++)
        if (choice->notes[i].failed)
            return false;
    return !choice->verdict.failed;
}

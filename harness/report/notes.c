/* notes.c: what stands below a comparison. Of waits: which is the cheapest below which bound, how
 * far figures are from what the machine can do at best, and how much launches differ. Where two
 * processes use the GPU: that they take turns on it. Called by conclusions_make.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/axis_changes.h"
#include "harness/report/conclusions.h"
#include "harness/report/spread.h"
#include "harness/report/tradeoff.h"
#include "harness/report/transports.h"

#define NOTES_MAX (TRADEOFF_SENTENCES_MAX + 7)
#define CHANGES_SAID_MAX 4
#define MULTIPLE_BELOW 0.95 /* shown as "0.9×" or less */

static struct text *note_open(struct conclusion *item)
{
    return &item->notes[item->note_count];
}

/* Keeps the note if something was written into it. */
static void note_close(struct conclusion *item)
{
    if (item->notes[item->note_count].used_bytes)
        item->note_count++;
}

/* The cheapest below each bound, as one note, and what its figures are of. */
static void tradeoff_note(const struct report_block *block, const struct report_group *group,
                          struct conclusion *item)
{
    struct tradeoff tradeoff;
    struct text sentences[TRADEOFF_SENTENCES_MAX];
    if (strcmp(block->compare, "wait") != 0 || !tradeoff_make(block, group, &tradeoff))
        return;
    size_t count = tradeoff_sentences(group, &tradeoff, sentences);
    struct text *note = note_open(item);
    for (size_t i = 0; i < count; i++) {
        text_addf(note, "%s%s", i ? " " : "", text_get(&sentences[i]));
        text_free(&sentences[i]);
    }
    if (count)
        text_addf(note, " (%s of response%s; CPU of %s.)", tradeoff.quantile,
                  strcmp(tradeoff.quantile, "p99") == 0 ? "" : ", too few frames for p99",
                  tradeoff.net    ? "the whole machine, less that of a run with nothing but the "
                                    "pacer"
                  : tradeoff.busy ? "both roles together, because other work on the machine hides "
                                    "what they cost beyond that"
                                  : "both roles together");
    note_close(item);
    tradeoff_free(&tradeoff);
}

struct multiple {
    const struct report_cell *cell;
    double value;
    bool by_flag; /* done when a word in host memory says so */
};

static int multiple_compare(const void *a, const void *b)
{
    double x = ((const struct multiple *)a)->value, y = ((const struct multiple *)b)->value;
    return (x > y) - (x < y);
}

/* "As multiples of what this machine can do at best (handoff: 143 ns), p50 is: spin 1.2×, …". */
static void floor_note(const struct report *report, const struct report_block *block,
                       const struct report_group *group, enum metric metric,
                       struct conclusion *item)
{
    const cJSON *gpu = json_get(json_get(report->json, "floor"), "gpu");
    const char *interval = verdict_metric_interval(metric);
    struct multiple *multiples = calloc(group->cell_count + 1, sizeof *multiples);
    size_t count = 0;
    double least = INFINITY, most = 0;
    char text[FIGURE_BYTES];
    for (size_t i = 0; multiples && interval[0] && i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        double multiple = report_floor_multiple(cell, interval);
        if (!cell->ok || verdict_cell_is_floor(cell) || multiple <= 0)
            continue;
        multiples[count++] =
            (struct multiple){cell, multiple, report_axis_is(cell, "sync", "flag")};
        least = fmin(least, report_floor_ns(cell, interval));
        most = fmax(most, report_floor_ns(cell, interval));
    }
    if (count) {
        struct text *note = note_open(item);
        qsort(multiples, count, sizeof *multiples, multiple_compare);
        text_addf(note, "As multiples of what this machine can do at best (%s: %s", interval,
                  format_ns(least, text));
        if (most > least * 1.01)
            text_addf(note, " to %s, each its own", format_ns(most, text));
        text_add(note, "), p50 is: ");
        for (size_t i = 0; i < count; i++)
            text_addf(note, "%s%s %s", i ? ", " : "", multiples[i].cell->short_label,
                      format_multiple(multiples[i].value, text));
        text_add(note, ".");
        if (multiples[0].value < MULTIPLE_BELOW && multiples[0].by_flag &&
            !json_get(gpu, "launch_word")) /* as earlier versions measured it */
            text_add(note, " Below 1×: the floor waits for its kernel in a CUDA call, these cells "
                           "at a word that the kernel writes.");
        note_close(item);
    }
    free(multiples);
}

/* What people take for scheduling overhead when two processes use one GPU. */
static void turns_note(const struct report *report, const struct report_block *block,
                       struct conclusion *item)
{
    const cJSON *gpu = json_get(json_get(report->json, "floor"), "gpu");
    const double switch_ns = json_get_number(gpu, "switch_ns", NAN);
    char time[FIGURE_BYTES];
    size_t turns = 0, mps = 0;
    for (size_t i = 0; i < block->cell_count; i++) {
        turns += report_cell_takes_turns(&block->cells[i]);
        mps += block->cells[i].ok && report_axis_is(&block->cells[i], "gpu_sharing", "mps");
    }
    if (turns == 0)
        return;
    struct text *note = note_open(item);
    text_add(note,
             "Where kernels of both processes run on the GPU, as here, their contexts take turns "
             "on it unless they are under MPS: a change from one to the other costs ");
    if (switch_ns > 0 && switch_ns < 1e12)
        text_addf(note, "%s on this machine (floor)", format_ns(switch_ns, time));
    else
        text_add(note, "over 100 µs on a large GPU");
    text_addf(note,
              ", and a frame that goes there and back needs two. That is what people take for "
              "scheduling overhead, and no wait strategy makes it less; under MPS %s at once.",
              mps ? "both run, as the figures show," : "both would run");
    if (mps) /* plan.c */
        text_add(note, " Launches under MPS came after all others: what drifted meanwhile is in "
                       "the comparison.");
    note_close(item);
}

/* What the axes that are not compared change: a sentence for each of the first few. */
static bool changes_note(const struct report *report, const struct report_block *block,
                         struct conclusion *item)
{
    struct axis_changes changes;
    if (!axis_changes_make(report, block, &changes))
        return false;
    struct text *note = note_open(item);
    for (size_t i = 0; i < changes.count && i < CHANGES_SAID_MAX; i++) {
        text_add(note, i ? " " : "");
        axis_change_add_sentence(note, &changes.items[i]);
    }
    if (changes.count > CHANGES_SAID_MAX)
        text_addf(note, " %zu more such changes stand below its table.",
                  changes.count - CHANGES_SAID_MAX);
    note_close(item);
    axis_changes_free(&changes);
    return true;
}

bool notes_make(const struct report *report, const struct report_block *block,
                const struct report_group *group, struct conclusion *item)
{
    const bool is_last = group == &block->groups[block->group_count - 1];
    enum metric metric = verdict_metric(block, group);
    item->notes = calloc(NOTES_MAX, sizeof *item->notes);
    if (!item->notes)
        return false;
    if (!item->lead.used_bytes)
        return true; /* nothing was compared */
    if (verdict_group_searches(block, group)) {
        text_add(note_open(item), "Each ran at a rate of its own, so their other figures are not "
                                  "compared. A search stops when 5 % are left between a rate "
                                  "that passed and one that did not: smaller differences mean "
                                  "nothing.");
        note_close(item);
    }
    if (is_last) /* once, beside the block's last */
        turns_note(report, block, item);
    transports_level_add(note_open(item), report, block, group, metric);
    note_close(item);
    if (is_last) {
        transports_copies_add(note_open(item), report, block);
        note_close(item);
    }
    if (is_last && block->compare[0] && !changes_note(report, block, item))
        return false;
    if (strcmp(block->compare, "wait") != 0)
        return true;
    tradeoff_note(block, group, item);
    floor_note(report, block, group, metric, item);
    if (is_last) {
        spread_add_sentence(note_open(item), block);
        note_close(item);
    }
    return true;
}

/* transports.c: see transports.h. */
#include "harness/report/transports.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"

#define REFERENCE "shm"
/* Up to so many bytes a frame is a message; what takes longer to copy than to announce is an
 * image. */
#define MESSAGE_BYTES_MAX 4096
/* Where there is no verdict: this near, or nearer, nobody would call it behind. */
#define LEVEL_RATIO 1.05
/* The image of a headline: the size most cameras give, where it was measured. */
#define HEADLINE_IMAGE "1920x1080x3"

struct beside {
    const struct report_cell *cell;
    struct stats_paired paired;
};

static const struct report_cell *reference_find(const struct report_block *block,
                                                const struct report_group *group,
                                                enum metric metric)
{
    char value[REPORT_AXIS_BYTES];
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (strcmp(report_axis(cell, "transport", value), REFERENCE) == 0 &&
            verdict_cell_is_sound(cell) && verdict_figure(cell, metric).state == FIGURE_KNOWN)
            return cell;
    }
    return NULL;
}

bool transports_are_many(const struct report_block *block, const struct report_group *group,
                         enum metric metric)
{
    size_t others = 0;
    if (strcmp(block->compare, "transport") != 0 || metric == METRIC_NONE ||
        !reference_find(block, group, metric))
        return false;
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        others += cell->ok && !verdict_cell_is_floor(cell) &&
                  verdict_figure(cell, metric).state == FIGURE_KNOWN;
    }
    return others >= TRANSPORTS_MANY;
}

static int beside_compare(const void *a, const void *b)
{
    double x = ((const struct beside *)a)->paired.ratio;
    double y = ((const struct beside *)b)->paired.ratio;
    return (x > y) - (x < y);
}

/* All but the reference, from the quickest to the slowest. The caller frees; NULL: no memory. */
static struct beside *beside_make(const struct report *report, const struct report_block *block,
                                  const struct report_group *group, enum metric metric,
                                  size_t *count)
{
    const struct report_cell *reference = reference_find(block, group, metric);
    struct beside *made = calloc(group->cell_count + 1, sizeof *made);
    *count = 0;
    for (size_t i = 0; made && i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (cell == reference || !cell->ok || verdict_cell_is_floor(cell) ||
            verdict_figure(cell, metric).state != FIGURE_KNOWN)
            continue;
        struct stats_paired paired = verdict_compare(report, cell, reference, metric);
        if (paired.pairs > 0 && paired.ratio > 0)
            made[(*count)++] = (struct beside){cell, paired};
    }
    if (made)
        qsort(made, *count, sizeof *made, beside_compare);
    return made;
}

/* "3.1 times", "12 % more", "0.81 times" and, where it is not sure, "?". */
static void ratio_add(struct text *text, const struct beside *beside)
{
    const double ratio = beside->paired.ratio;
    text_addf(text, "%s ", beside->cell->name[0] ? beside->cell->name : beside->cell->label);
    if (ratio >= 99.5)
        text_addf(text, "%.0f", ratio);
    else
        text_addf(text, ratio >= 9.95 ? "%.0f" : ratio >= 1.095 ? "%.1f" : "%.2f", ratio);
}

/* The next of those with this verdict, separated by commas; how many there were. */
static size_t list_add(struct text *text, const struct beside *beside, size_t count,
                       enum stats_verdict verdict, const char *before)
{
    size_t listed = 0;
    for (size_t i = 0; i < count; i++) {
        const bool few = beside[i].paired.pairs < VERDICT_PAIRS_MIN;
        if (report_integrity_errors(beside[i].cell) > 0 ||
            (few ? STATS_SLOWER : beside[i].paired.verdict) != verdict)
            continue;
        text_add(text, listed ? ", " : before);
        ratio_add(text, &beside[i]);
        listed++;
    }
    return listed;
}

static void damaged_add(struct text *text, const struct beside *beside, size_t count)
{
    size_t listed = 0;
    for (size_t i = 0; i < count; i++) {
        if (report_integrity_errors(beside[i].cell) <= 0)
            continue;
        text_addf(text, "%s%s", listed++ ? ", " : "; not compared, since frames arrived damaged: ",
                  beside[i].cell->name);
    }
}

void transports_add(struct text *text, const struct report *report,
                    const struct report_block *block, const struct report_group *group,
                    enum metric metric)
{
    const struct report_cell *reference = reference_find(block, group, metric);
    size_t count, pairs = SIZE_MAX;
    if (!transports_are_many(block, group, metric))
        return;
    struct beside *beside = beside_make(report, block, group, metric, &count);
    if (!beside)
        return;
    for (size_t i = 0; i < count; i++)
        pairs = beside[i].paired.pairs < pairs ? beside[i].paired.pairs : pairs;
    text_addf(text, "as a multiple of %s's ", reference->name);
    conclusions_add_figure(text, reference, metric);
    if (metric == METRIC_FRAMES_PER_S)
        text_add(text, ", by the time that a frame takes");
    size_t listed = list_add(text, beside, count, STATS_SLOWER, ": ");
    listed += list_add(text, beside, count, STATS_TIED, listed ? "; tied with it " : ": tied ");
    listed += list_add(text, beside, count, STATS_FASTER,
                       listed ? "; quicker than it " : ": quicker than it ");
    list_add(text, beside, count, STATS_UNCLEAR,
             listed ? "; not enough data to tell apart " : ": not enough data to tell apart ");
    damaged_add(text, beside, count);
    if (pairs < VERDICT_PAIRS_MIN)
        text_addf(text, " (%zu launch%s of each: too few for verdicts, %d are needed)", pairs,
                  pairs == 1 ? "" : "es", VERDICT_PAIRS_MIN);
    text_add(text, ".");
    free(beside);
}

static double copies_of(const struct report_cell *cell)
{
    return json_get_number(cell->json, "copies_per_frame", NAN);
}

/* Level with the reference, or ahead of it, as far as the launches say. */
static bool is_level(const struct beside *beside)
{
    const struct stats_paired *paired = &beside->paired;
    if (report_integrity_errors(beside->cell) > 0)
        return false;
    if (paired->pairs < VERDICT_PAIRS_MIN || paired->verdict == STATS_UNCLEAR)
        return paired->ratio < LEVEL_RATIO;
    return paired->verdict != STATS_SLOWER;
}

void transports_level_add(struct text *text, const struct report *report,
                          const struct report_block *block, const struct report_group *group,
                          enum metric metric)
{
    size_t count, alike = 0, unlike = 0;
    if (!transports_are_many(block, group, metric))
        return;
    const struct report_cell *reference = reference_find(block, group, metric);
    struct beside *beside = beside_make(report, block, group, metric, &count);
    if (!beside)
        return;
    for (size_t i = 0; i < count; i++) {
        if (!is_level(&beside[i]) || !(copies_of(beside[i].cell) <= copies_of(reference)))
            continue;
        text_addf(text, "%s%s",
                  alike++ ? ", " : "Not behind shared memory: ", beside[i].cell->name);
    }
    if (alike)
        text_addf(
            text,
            ". %s over memory too, so a frame's bytes are copied no more often than with %s "
            "(%.3g per frame); what differs is how the news travels, and in which order memory is "
            "lent again.",
            alike == 1 ? "It hands a frame" : "They hand frames", reference->name,
            copies_of(reference));
    for (size_t i = 0; i < count; i++) {
        if (!is_level(&beside[i]) || !(copies_of(beside[i].cell) > copies_of(reference)))
            continue;
        text_addf(text, "%s%s (%.3g copies per frame)",
                  unlike++ ? ", "
                  : alike  ? " Not behind either: "
                           : "Not behind shared memory: ",
                  beside[i].cell->name, copies_of(beside[i].cell));
    }
    if (unlike)
        text_addf(text,
                  ", although %s more: those copies stay in the caches, or overlap with the other "
                  "role's work.",
                  unlike == 1 ? "it copies" : "they copy");
    free(beside);
}

static const struct report_block *first_of_many(const struct report *report)
{
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        for (size_t j = 0; j < block->group_count; j++)
            if (transports_are_many(block, &block->groups[j],
                                    verdict_metric(block, &block->groups[j])))
                return block;
    }
    return NULL;
}

void transports_copies_add(struct text *text, const struct report *report,
                           const struct report_block *block)
{
    size_t listed = 0;
    if (block != first_of_many(report))
        return;
    const struct report_group *group = &block->groups[0];
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        const char *way = json_get_string(cell->json, "copies", "");
        const double copies = copies_of(cell);
        if (!cell->ok || isnan(copies) || verdict_cell_is_floor(cell))
            continue;
        text_addf(text, "%s%s %.3g",
                  listed++ ? "; " : "How often a frame's bytes are copied: ", cell->name, copies);
        if (way[0])
            text_addf(text, " (%s)", way);
    }
    if (listed)
        text_add(text, ". Counted from what ran; bringing a frame into a slot counts as one.");
}

/* ---- The headlines --------------------------------------------------------------------------- */

static double group_payload_bytes(const struct report_block *block,
                                  const struct report_group *group)
{
    return json_get_number(block->cells[group->cells[0]].json, "payload_bytes", NAN);
}

/* Whether a comparison that is better for a headline than `best` (NULL: none yet). */
static bool headline_prefers(const struct report_block *block, const struct report_group *group,
                             const struct report_block *best_block, const struct report_group *best,
                             bool image)
{
    const struct report_cell *cell = &block->cells[group->cells[0]];
    const double bytes = group_payload_bytes(block, group);
    if (image != (bytes > MESSAGE_BYTES_MAX))
        return false;
    if (!best)
        return true;
    const struct report_cell *best_cell = &best_block->cells[best->cells[0]];
    if (!image)
        return false;
    if (report_axis_is(best_cell, "frame", HEADLINE_IMAGE))
        return false;
    return report_axis_is(cell, "frame", HEADLINE_IMAGE) ||
           bytes > group_payload_bytes(best_block, best);
}

static void headline_add(struct text *text, const struct report *report, bool image)
{
    const struct report_block *best_block = NULL;
    const struct report_group *best = NULL;
    char size[FIGURE_BYTES];
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        for (size_t j = 0; j < block->group_count; j++) {
            const struct report_group *group = &block->groups[j];
            if (verdict_metric(block, group) != METRIC_LATENCY ||
                !transports_are_many(block, group, METRIC_LATENCY) ||
                !report_axis_is(&block->cells[group->cells[0]], "pacing", "pingpong") ||
                !headline_prefers(block, group, best_block, best, image))
                continue;
            best_block = block;
            best = group;
        }
    }
    if (!best)
        return;
    text_addf(text, "%s (%s), from the producer's hands to a finished kernel, ",
              image ? "A whole image" : "A message",
              format_bytes(group_payload_bytes(best_block, best), size));
    transports_add(text, report, best_block, best, METRIC_LATENCY);
}

bool transports_headlines(const struct report *report, struct conclusions *conclusions)
{
    conclusions->headlines = calloc(2, sizeof *conclusions->headlines);
    if (!conclusions->headlines)
        return false;
    for (int image = 0; image < 2; image++) {
        struct text *text = &conclusions->headlines[conclusions->headline_count];
        headline_add(text, report, image);
        conclusions->headline_count += text->used_bytes > 0;
    }
    return true;
}

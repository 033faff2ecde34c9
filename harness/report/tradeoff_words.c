/* tradeoff_words.c: which wait is the cheapest below which bound, in words. See tradeoff.h.
 *
 * "Below" is said where the upper end of a time's interval is below the bound, "the cheapest" where
 * the launches' CPU says so pair by pair. What is tied, what the data does not tell apart, and what
 * may be below the bound or not, is called that.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/tradeoff.h"

#define NAMED_MAX 4 /* of waits in one list */

/* The answer to one bound. */
struct answer {
    double bound_ns;
    const struct tradeoff_point *cheapest;
    size_t below;  /* how many are below the bound */
    bool doubtful; /* whether others may be, for all that is known */
    size_t pairs;  /* of the comparison with the fewest */
    const struct tradeoff_point *tied[NAMED_MAX], *unclear[NAMED_MAX], *perhaps[NAMED_MAX];
    size_t tied_count, unclear_count, perhaps_count;
};

static bool point_is_below(const struct tradeoff_point *point, double bound_ns)
{
    return isfinite(point->time.high) && point->time.high < bound_ns;
}

static void list_add(const struct tradeoff_point **list, size_t *count,
                     const struct tradeoff_point *point)
{
    if (*count < NAMED_MAX)
        list[*count] = point;
    (*count)++;
}

/* False when no point is below the bound beyond doubt. */
static bool answer_make(const struct tradeoff *tradeoff, double bound_ns, struct answer *answer)
{
    memset(answer, 0, sizeof *answer);
    answer->bound_ns = bound_ns;
    answer->pairs = (size_t)-1;
    for (size_t i = 0; i < tradeoff->count; i++) {
        const struct tradeoff_point *point = &tradeoff->points[i];
        if (!point_is_below(point, bound_ns))
            continue;
        answer->below++;
        if (!answer->cheapest || point->cpu.value < answer->cheapest->cpu.value)
            answer->cheapest = point;
    }
    if (!answer->cheapest)
        return false;
    for (size_t i = 0; i < tradeoff->count; i++) {
        const struct tradeoff_point *point = &tradeoff->points[i];
        if (point == answer->cheapest)
            continue;
        if (point_is_below(point, bound_ns)) {
            struct tradeoff_cost cost =
                tradeoff_compare(tradeoff, point->cell, answer->cheapest->cell);
            if (cost.pairs < answer->pairs)
                answer->pairs = cost.pairs;
            if (cost.verdict == STATS_TIED)
                list_add(answer->tied, &answer->tied_count, point);
            else if (cost.verdict != STATS_SLOWER)
                list_add(answer->unclear, &answer->unclear_count, point);
            continue;
        }
        if (point->time.low >= bound_ns)
            continue;
        answer->doubtful = true;
        if (point->time.value < bound_ns && point->cpu.value < answer->cheapest->cpu.value)
            list_add(answer->perhaps, &answer->perhaps_count, point);
    }
    return true;
}

/* "futex (85 µs, 2.1 % of a CPU)". */
static void point_add(struct text *text, const struct tradeoff_point *point)
{
    char time[FIGURE_BYTES], cpu[FIGURE_BYTES];
    text_addf(text, "%s (%s, %s %% of a CPU)", point->cell->short_label,
              format_figure(&point->time, UNIT_NS, time),
              format_figure(&point->cpu, UNIT_PERCENT, cpu));
}

/* "a, b and c", and how many more there are beyond the first few. */
static void points_add(struct text *text, const struct tradeoff_point *const *list, size_t count,
                       const char *last)
{
    size_t named = count < NAMED_MAX ? count : NAMED_MAX;
    for (size_t i = 0; i < named; i++) {
        if (i > 0)
            text_addf(text, i + 1 == count ? " %s " : ", ", last);
        point_add(text, list[i]);
    }
    if (count > named)
        text_addf(text, " %s %zu more", last, count - named);
}

static void answer_add(struct text *text, const struct answer *answer)
{
    if (answer->below == 1) {
        text_add(text, answer->doubtful ? "only " : "there is only ");
        point_add(text, answer->cheapest);
        text_add(text, answer->doubtful ? " is shown to be" : "");
    } else if (answer->pairs < VERDICT_PAIRS_MIN) {
        text_add(text, "the cheapest figure is that of ");
        point_add(text, answer->cheapest);
        text_addf(text, "; %zu launch%s of each %s too few for a verdict", answer->pairs,
                  answer->pairs == 1 ? "" : "es", answer->pairs == 1 ? "is" : "are");
    } else if (answer->tied_count > 0) {
        const struct tradeoff_point *list[NAMED_MAX] = {answer->cheapest};
        for (size_t i = 0; i < answer->tied_count && i + 1 < NAMED_MAX; i++)
            list[i + 1] = answer->tied[i];
        points_add(text, list, answer->tied_count + 1, "and");
        text_add(text, " are tied as the cheapest");
        if (answer->unclear_count) {
            text_add(text, ", and the data does not tell their CPU apart from that of ");
            points_add(text, answer->unclear, answer->unclear_count, "and");
        }
    } else if (answer->unclear_count > 0) {
        text_add(text, "the cheapest figure is that of ");
        point_add(text, answer->cheapest);
        text_add(text, ", but the data does not tell its CPU apart from that of ");
        points_add(text, answer->unclear, answer->unclear_count, "and");
    } else {
        text_add(text, "the cheapest is ");
        point_add(text, answer->cheapest);
    }
    if (answer->perhaps_count) {
        text_add(text, "; the data does not decide whether ");
        points_add(text, answer->perhaps, answer->perhaps_count, "or");
        text_add(text, " would stay below it");
    }
    text_add(text, ".");
}

static int bound_compare(const void *a, const void *b)
{
    double x = ((const struct answer *)a)->bound_ns, y = ((const struct answer *)b)->bound_ns;
    return (x > y) - (x < y);
}

/* Whether a looser bound buys anything: its cheapest costs less, beyond doubt where launches
 * suffice for one. */
static bool answer_is_another(const struct tradeoff *tradeoff, const struct answer *looser,
                              const struct answer *tighter)
{
    if (looser->cheapest == tighter->cheapest)
        return false;
    struct tradeoff_cost cost =
        tradeoff_compare(tradeoff, looser->cheapest->cell, tighter->cheapest->cell);
    return cost.pairs < VERDICT_PAIRS_MIN || cost.verdict == STATS_FASTER;
}

/* The answers to the bounds that the frontier's points just keep, the tightest first; of
 * neighbours with the same answer only the tighter. */
static size_t answers_make(const struct tradeoff *tradeoff, struct answer *answers)
{
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < tradeoff->count; i++) {
        const struct tradeoff_point *point = &tradeoff->points[i];
        if (!point->frontier || point->time.spread == SPREAD_NONE || !isfinite(point->time.high))
            continue;
        if (answer_make(tradeoff, tradeoff_bound_above(point->time.high), &answers[count]))
            count++;
    }
    qsort(answers, count, sizeof *answers, bound_compare);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || answer_is_another(tradeoff, &answers[i], &answers[kept - 1]))
            answers[kept++] = answers[i];
    return kept;
}

/* Leaves the first, the last and, of those between, the one whose cost is most in the middle. */
static size_t answers_thin(struct answer *answers, size_t count)
{
    if (count <= TRADEOFF_SENTENCES_MAX)
        return count;
    double first = log(fmax(0.1, answers[0].cheapest->cpu.value));
    double last = log(fmax(0.1, answers[count - 1].cheapest->cpu.value));
    size_t middle = 1;
    double nearest = INFINITY;
    for (size_t i = 1; i + 1 < count; i++) {
        double away = fabs(log(fmax(0.1, answers[i].cheapest->cpu.value)) - (first + last) / 2);
        if (away < nearest) {
            nearest = away;
            middle = i;
        }
    }
    answers[1] = answers[middle];
    answers[2] = answers[count - 1];
    return 3;
}

size_t tradeoff_sentences(const struct report_group *group, const struct tradeoff *tradeoff,
                          struct text sentences[TRADEOFF_SENTENCES_MAX])
{
    struct answer *answers = calloc(tradeoff->count + 1, sizeof *answers);
    if (!answers)
        return 0;
    size_t count = answers_thin(answers, answers_make(tradeoff, answers));
    for (size_t i = 0; i < count; i++) {
        char bound[FIGURE_BYTES];
        memset(&sentences[i], 0, sizeof sentences[i]);
        if (i == 0)
            text_addf(&sentences[i], "%s, below", group->sentence);
        else
            text_add(&sentences[i], "Below");
        text_addf(&sentences[i], " %s at %s, ", format_bound(answers[i].bound_ns, bound),
                  tradeoff->quantile);
        answer_add(&sentences[i], &answers[i]);
    }
    free(answers);
    return count;
}

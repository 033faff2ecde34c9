/* python_words.c: what Python costs, and what its users should do: advice from blocks that compare
 * languages, ways to read a frame, and the garbage collector on and off.
 *
 * Each sentence is of launches paired by number (verdict.h): a ratio stands where the data shows a
 * difference, "tied" where it shows none of 5 %, and what it does not decide is said to be so.
 * Called by advice.c.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/conclusions.h"

#define LIST_MAX 64

/* What is set beside something else: one cell, and how the two stand. */
struct pair {
    const struct report_cell *cell, *base;
    struct stats_paired paired;
};

struct pairs {
    struct pair items[LIST_MAX];
    size_t count;
};

static bool cell_counts(const struct report_cell *cell)
{
    return verdict_cell_is_sound(cell) && !verdict_cell_is_floor(cell) &&
           verdict_figure(cell, METRIC_LATENCY).state == FIGURE_KNOWN;
}

/* The cell of a group that has a value on an axis; the axis may be absent, as in older results. */
static const struct report_cell *group_find(const struct report_block *block,
                                            const struct report_group *group, const char *axis,
                                            const char *wanted)
{
    char value[REPORT_AXIS_BYTES];
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (cell_counts(cell) && strcmp(report_axis(cell, axis, value), wanted) == 0)
            return cell;
    }
    return NULL;
}

static void pairs_add(struct pairs *pairs, const struct report *report,
                      const struct report_cell *cell, const struct report_cell *base)
{
    if (!cell || !base || cell == base || pairs->count == LIST_MAX)
        return;
    pairs->items[pairs->count++] =
        (struct pair){cell, base, verdict_compare(report, cell, base, METRIC_LATENCY)};
}

/* Those of a block's groups that have both values of the axis. Kernels' own work in another
 * language is another question: only where there is none, or where `kernels`. */
static void pairs_of_axis(struct pairs *pairs, const struct report *report, const char *axis,
                          const char *wanted, const char *base, bool kernels)
{
    pairs->count = 0;
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        for (size_t j = 0; strcmp(block->compare, axis) == 0 && j < block->group_count; j++) {
            const struct report_group *group = &block->groups[j];
            const struct report_cell *found = group_find(block, group, axis, base);
            if (found && kernels == !report_axis_is(found, "kernel", "none"))
                pairs_add(pairs, report, group_find(block, group, axis, wanted), found);
        }
    }
}

/* ---- Words ----------------------------------------------------------------------------------- */

/* "90 % interval 1.31–1.37": what the verdict stands on. */
static void interval_add(struct text *text, const struct stats_paired *paired)
{
    text_addf(text, "90 %% interval %.3g–%.3g", paired->low90, paired->high90);
}

static enum stats_verdict pair_verdict(const struct pair *pair)
{
    return pair->paired.pairs < VERDICT_PAIRS_MIN ? STATS_UNCLEAR : pair->paired.verdict;
}

static size_t pairs_in(const struct pairs *pairs, enum stats_verdict verdict)
{
    size_t count = 0;
    for (size_t i = 0; i < pairs->count; i++)
        count += pair_verdict(&pairs->items[i]) == verdict;
    return count;
}

/* What tells pairs apart: the value of an axis, after a word. */
struct naming {
    const char *preposition, *axis; /* "through", "transport" */
};

static void pair_add_name(struct text *text, const struct pair *pair, const struct naming *naming)
{
    char value[REPORT_AXIS_BYTES];
    text_add_plain(text, report_axis_pretty(pair->cell, naming->axis, value));
}

/* "1.34 times as long through shm (90 % interval 1.31–1.37), 1.1 times through unix (…)": those
 * that are shown to differ. */
static void ratios_add(struct text *text, const struct pairs *pairs, enum stats_verdict verdict,
                       const struct naming *naming)
{
    size_t listed = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *pair = &pairs->items[i];
        if (pair_verdict(pair) != verdict)
            continue;
        text_addf(text, "%s%.3g times%s %s ", listed ? ", " : "", pair->paired.ratio,
                  listed ? "" : " as long", naming->preposition);
        pair_add_name(text, pair, naming);
        text_add(text, " (");
        interval_add(text, &pair->paired);
        text_add(text, ")");
        listed++;
    }
}

/* "through shm, unix and zmq_tcp" */
static void names_add(struct text *text, const struct pairs *pairs, enum stats_verdict verdict,
                      const struct naming *naming)
{
    const size_t count = pairs_in(pairs, verdict);
    size_t listed = 0;
    text_addf(text, "%s ", naming->preposition);
    for (size_t i = 0; i < pairs->count; i++) {
        if (pair_verdict(&pairs->items[i]) != verdict)
            continue;
        text_add(text, listed == 0 ? "" : listed + 1 == count ? " and " : ", ");
        pair_add_name(text, &pairs->items[i], naming);
        listed++;
    }
}

/* All of them as one sentence: which are slower, quicker, tied, and of which the data does
 * not tell. */
static void pairs_add_sentence(struct text *text, const struct pairs *pairs, const char *subject,
                               const struct naming *naming)
{
    const bool ratios = pairs_in(pairs, STATS_SLOWER) + pairs_in(pairs, STATS_FASTER) > 0;
    const bool tied = pairs_in(pairs, STATS_TIED) > 0;
    if (pairs->count == 0)
        return;
    text_addf(text, "%s%s", text->used_bytes ? " " : "", subject);
    if (ratios)
        text_add(text, " takes ");
    ratios_add(text, pairs, STATS_SLOWER, naming);
    if (pairs_in(pairs, STATS_SLOWER) > 0 && pairs_in(pairs, STATS_FASTER) > 0)
        text_add(text, ", but ");
    ratios_add(text, pairs, STATS_FASTER, naming);
    if (tied) {
        text_add(text, ratios ? "; it is tied " : " is tied ");
        names_add(text, pairs, STATS_TIED, naming);
    }
    if (pairs_in(pairs, STATS_UNCLEAR) > 0) {
        text_add(text, ratios || tied ? "; not shown to differ " : " is not shown to differ ");
        names_add(text, pairs, STATS_UNCLEAR, naming);
    }
    text_add(text, ".");
}

/* ---- Rules ----------------------------------------------------------------------------------- */

static const struct naming by_transport = {"through", "transport"};

void advice_of_python_languages(const struct report *report, struct text *text)
{
    static const struct {
        const char *peer, *subject;
    } sides[] = {{"c/python", "a consumer in Python"},
                 {"python/c", "A producer in Python"},
                 {"python/python", "Python on both sides"}};
    static const char lead[] =
        "What Python costs, beside C on both sides with the same transport and "
        "wait, from a frame in the producer's hands until the consumer has it";
    struct pairs pairs;
    struct text made = {0};
    size_t compared = 0, undecided = 0;
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        pairs_of_axis(&pairs, report, "peer", sides[i].peer, "c/c", false);
        compared += pairs.count;
        undecided += pairs_in(&pairs, STATS_UNCLEAR);
        pairs_add_sentence(&made, &pairs, sides[i].subject, &by_transport);
    }
    if (compared == 1 && undecided == 1)
        text_addf(text, "%s, the data does not decide in the one comparison.", lead);
    else if (compared > 0 && undecided == compared)
        text_addf(text, "%s, the data does not decide in any of %zu comparisons.", lead, compared);
    else if (compared > 0)
        text_addf(text, "%s: %s", lead, text_get(&made));
    text_free(&made);
}

/* Whether two cells of a block are alike but for how a frame gets from the one to the other. */
static bool differ_by_transport(const struct report_block *block, const struct report_cell *a,
                                const struct report_cell *b)
{
    for (size_t i = 0; i < block->varying_count; i++) {
        const char *axis = block->varying[i];
        if (strcmp(axis, "transport") != 0 && strcmp(axis, "wait") != 0 &&
            strcmp(axis, "producer_wait") != 0 && a->values[i] != b->values[i])
            return false;
    }
    return true;
}

/* The quickest of the transports that frames from C to Python went through, in the first block that
 * has several for the same frames. */
void advice_of_python_transport(const struct report *report, struct text *text)
{
    struct pairs pairs = {.count = 0};
    const struct report_cell *cells[LIST_MAX], *best = NULL;
    size_t count = 0;
    char value[REPORT_AXIS_BYTES], figure[FIGURE_BYTES];
    for (size_t i = 0; i < report->block_count && count < 2; i++) {
        const struct report_block *block = &report->blocks[i];
        count = 0;
        best = NULL;
        for (size_t j = 0; strcmp(block->compare, "peer") == 0 && j < block->group_count; j++) {
            const struct report_cell *cell =
                group_find(block, &block->groups[j], "peer", "c/python");
            if (!cell || !report_axis_is(cell, "kernel", "none") || count == LIST_MAX ||
                (count > 0 && !differ_by_transport(block, cells[0], cell)))
                continue;
            cells[count++] = cell;
            if (!best || verdict_figure(cell, METRIC_LATENCY).value <
                             verdict_figure(best, METRIC_LATENCY).value)
                best = cell;
        }
    }
    if (count < 2)
        return;
    for (size_t i = 0; i < count; i++)
        pairs_add(&pairs, report, cells[i], best);
    const struct figure latency = verdict_figure(best, METRIC_LATENCY);
    text_add(text, "From C to Python, ");
    text_add_plain(text, report_axis_pretty(best, "transport", value));
    text_addf(text, " %s (%s",
              pairs_in(&pairs, STATS_SLOWER) == pairs.count ? "is the quickest"
                                                            : "had the lowest median",
              format_figure(&latency, UNIT_NS, figure));
    text_addf(text, ", waiting with %s).", report_axis_pretty(best, "wait", value));
    pairs_add_sentence(text, &pairs, "The same frame", &by_transport);
}

/* What a way to read copies for each frame beyond what a view does. */
static double copied_bytes(const struct pair *pair)
{
    const double copies = json_get_number(pair->cell->json, "copies_per_frame", NAN) -
                          json_get_number(pair->base->json, "copies_per_frame", NAN);
    return copies * json_get_number(pair->cell->json, "payload_bytes", NAN);
}

static void habit_add(struct text *text, const struct pair *pair)
{
    char value[REPORT_AXIS_BYTES], bytes[FIGURE_BYTES], time[FIGURE_BYTES];
    const double copied = copied_bytes(pair);
    const double more_ns = verdict_figure(pair->cell, METRIC_LATENCY).value -
                           verdict_figure(pair->base, METRIC_LATENCY).value;
    text_add_plain(text, report_axis_pretty(pair->cell, "read", value));
    if (copied >= 1)
        text_addf(text, " copies %s a frame more and", format_bytes(copied, bytes));
    switch (pair_verdict(pair)) {
    case STATS_SLOWER:
        text_addf(text, " takes %s more (%.3g times, ", format_ns(more_ns, time),
                  pair->paired.ratio);
        interval_add(text, &pair->paired);
        text_add(text, ")");
        break;
    case STATS_TIED:
        text_add(text, " is tied with a view in time");
        break;
    case STATS_FASTER:
        text_addf(text, " takes %.3g times as long (", pair->paired.ratio);
        interval_add(text, &pair->paired);
        text_add(text, ")");
        break;
    default:
        text_add(text, " is not told apart from a view in time");
        break;
    }
}

/* What is done to frames of one size; returns how many ways are shown to be slower. */
static size_t habits_add_group(struct text *text, const struct report *report,
                               const struct report_block *block, const struct report_group *group)
{
    static const char *const habits[] = {"slice", "struct", "tobytes"};
    const struct report_cell *view = group_find(block, group, "read", "view");
    struct pairs pairs = {.count = 0};
    char value[REPORT_AXIS_BYTES];
    for (size_t i = 0; i < sizeof habits / sizeof habits[0]; i++)
        pairs_add(&pairs, report, group_find(block, group, "read", habits[i]), view);
    if (pairs.count == 0)
        return 0;
    text_add(text, text->used_bytes ? "; at " : "At ");
    text_add_plain(text, report_axis_pretty(view, "frame", value));
    for (size_t i = 0; i < pairs.count; i++) {
        text_add(text, ", ");
        habit_add(text, &pairs.items[i]);
    }
    return pairs_in(&pairs, STATS_SLOWER);
}

void advice_of_python_reading(const struct report *report, struct text *text)
{
    struct text made = {0};
    size_t slower = 0;
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        for (size_t j = 0; strcmp(block->compare, "read") == 0 && j < block->group_count; j++)
            slower += habits_add_group(&made, report, block, &block->groups[j]);
    }
    if (made.used_bytes)
        text_addf(text, "%s%s.",
                  slower ? "In Python take frames as views (numpy.frombuffer, or handoff.Reader). "
                         : "Ways to get at a frame in Python, beside a view. ",
                  text_get(&made));
    text_free(&made);
}

void advice_of_python_collector(const struct report *report, struct text *text)
{
    struct pairs pairs;
    static const struct naming by_peer = {"from", "peer"};
    size_t slower = 0, level = 0;
    pairs_of_axis(&pairs, report, "gc", "on", "off", false);
    for (size_t i = 0; i < pairs.count; i++) {
        slower += pair_verdict(&pairs.items[i]) == STATS_SLOWER;
        level += pair_verdict(&pairs.items[i]) == STATS_TIED;
    }
    if (pairs.count == 0)
        return;
    if (level == pairs.count) {
        text_add(text, "Leave Python's garbage collector as it is: with it on and off the median "
                       "latency is tied.");
        return;
    }
    pairs_add_sentence(text, &pairs, "With Python's garbage collector on, the median latency",
                       &by_peer);
    if (slower == 0)
        text_add(text, " No reason to switch it off was seen.");
}

void advice_of_python_kernels(const struct report *report, struct text *text)
{
    static const struct naming by_kernel = {"with", "kernel"};
    struct pairs pairs;
    pairs_of_axis(&pairs, report, "peer", "c/python", "c/c", true);
    pairs_add_sentence(text, &pairs,
                       "A consumer in Python and NumPy that works on the frame, beside one in C,",
                       &by_kernel);
}

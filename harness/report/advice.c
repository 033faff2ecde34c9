/* advice.c: the line a newcomer can repeat: what to use here, and why.
 *
 * Rules. Transport: over the comparisons of transports at image sizes (100 kB and more) with a
 * pacing under which latency means something, the one whose latency was lowest or tied with the
 * lowest everywhere, among those without an integrity error. Wait: in the first comparison of
 * waits, the fastest; and the cheapest in CPU, which is the fastest of those within one percentage
 * point of the smallest share. Sharing a GPU: advice_gpu.c. Python:
 * python_words.c. Called by conclusions_make.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/conclusions.h"

#define IMAGE_BYTES_MIN 100000
#define CPU_SAME_POINTS 1.0
#define CONTENDERS_MAX 16

/* A transport, and where it was lowest or tied with the lowest. */
struct contender {
    char name[REPORT_AXIS_BYTES];
    size_t seen;
    size_t alone; /* lowest, and every other one slower beyond doubt */
    size_t level; /* lowest or tied, alone included */
};

struct contest {
    struct contender contenders[CONTENDERS_MAX];
    size_t count;
    size_t groups;
    size_t undecided;
    /* The first group, to be told as the example. */
    const struct report_block *block;
    const struct report_group *group;
    bool decided_example; /* whether that group is decided */
};

/* The group's context as words, "at 1920×1080×3, 60 frames/s". */
static void context_add(struct text *text, const char *before, const struct report_group *group)
{
    static const char dot[] = " · ";
    const char *at = group->context, *next;
    if (!at[0])
        return;
    text_add(text, before);
    for (; (next = strstr(at, dot)); at = next + sizeof dot - 1) {
        text_add_bytes(text, at, (size_t)(next - at));
        text_add(text, ", ");
    }
    text_add(text, at);
}

static struct contender *contender_get(struct contest *contest, const struct report_cell *cell)
{
    char name[REPORT_AXIS_BYTES];
    report_axis(cell, "transport", name);
    for (size_t i = 0; i < contest->count; i++)
        if (strcmp(contest->contenders[i].name, name) == 0)
            return &contest->contenders[i];
    if (contest->count == CONTENDERS_MAX)
        return NULL;
    struct contender *added = &contest->contenders[contest->count++];
    memset(added, 0, sizeof *added);
    memcpy(added->name, name, sizeof name);
    return added;
}

/* Whether the cell competes: it ran soundly and has a latency. */
static bool cell_competes(const struct report_cell *cell)
{
    return verdict_cell_is_sound(cell) && !verdict_cell_is_floor(cell) &&
           verdict_figure(cell, METRIC_LATENCY).state == FIGURE_KNOWN;
}

static void contest_add_group(struct contest *contest, const struct report *report,
                              const struct report_block *block, const struct report_group *group)
{
    const struct report_cell *best = verdict_best(block, group, METRIC_LATENCY);
    size_t others = 0, slower = 0, undecided = 0;
    if (!best || json_get_number(best->json, "payload_bytes", 0) < IMAGE_BYTES_MIN)
        return;
    for (size_t i = 0; i < group->cell_count; i++)
        others += cell_competes(&block->cells[group->cells[i]]);
    if (others < 2)
        return;
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        struct contender *contender = cell_competes(cell) ? contender_get(contest, cell) : NULL;
        if (!contender)
            continue;
        contender->seen++;
        if (cell == best)
            continue;
        enum stats_verdict verdict = verdict_compare(report, cell, best, METRIC_LATENCY).verdict;
        contender->level += verdict == STATS_TIED;
        slower += verdict == STATS_SLOWER;
        undecided += verdict == STATS_UNCLEAR;
    }
    struct contender *winner = contender_get(contest, best);
    if (winner) {
        winner->level++;
        winner->alone += slower + 1 == others;
    }
    contest->undecided += undecided > 0;
    /* The example is the first comparison that is decided. */
    if (contest->groups++ == 0 || (!contest->decided_example && undecided == 0)) {
        contest->decided_example = undecided == 0;
        contest->block = block;
        contest->group = group;
    }
}

/* "1.9 ms against unix's 3.1 ms" in the contest's first group. */
static void example_add(struct text *text, const struct contest *contest, const char *name)
{
    const struct report_cell *winner = NULL, *other = NULL;
    char value[REPORT_AXIS_BYTES], figure[FIGURE_BYTES];
    for (size_t i = 0; i < contest->group->cell_count; i++) {
        const struct report_cell *cell = &contest->block->cells[contest->group->cells[i]];
        if (!cell_competes(cell))
            continue;
        if (strcmp(report_axis(cell, "transport", value), name) == 0)
            winner = cell;
        else if (!other || verdict_figure(cell, METRIC_LATENCY).value <
                               verdict_figure(other, METRIC_LATENCY).value)
            other = cell;
    }
    if (!winner || !other)
        return;
    struct figure won = verdict_figure(winner, METRIC_LATENCY);
    struct figure lost = verdict_figure(other, METRIC_LATENCY);
    text_addf(text, ", %s", format_figure(&won, UNIT_NS, figure));
    text_add(text, " against ");
    text_add_plain(text, report_axis(other, "transport", value));
    text_addf(text, "'s %s (p50)", format_figure(&lost, UNIT_NS, figure));
    context_add(text, " at ", contest->group);
}

/* Several are lowest or tied with the lowest everywhere: all there are, or those that are named. */
static void tied_add(struct text *text, const struct contest *contest, size_t level_everywhere)
{
    char made[FIGURE_BYTES] = "the one comparison";
    size_t named = 0;
    if (contest->groups > 1)
        snprintf(made, sizeof made, "all %zu comparisons", contest->groups);
    if (level_everywhere == contest->count) {
        text_addf(text,
                  "The transports are tied in %s made here at image sizes: choose by what is "
                  "easier to deploy.",
                  made);
        return;
    }
    text_add(text, "Move image-sized frames with ");
    for (size_t i = 0; i < contest->count; i++) {
        if (contest->contenders[i].level < contest->groups)
            continue;
        named++;
        text_add(text, named == 1 ? "" : named < level_everywhere ? ", " : " or ");
        text_add_plain(text, contest->contenders[i].name);
    }
    text_addf(text,
              ": their latency is tied as the lowest in %s made here, and no frame arrived "
              "damaged. Choose by what is easier to deploy.",
              made);
}

static void transport_advice(const struct report *report, struct text *text)
{
    struct contest contest = {.count = 0};
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        for (size_t j = 0; strcmp(block->compare, "transport") == 0 && j < block->group_count; j++)
            if (verdict_metric(block, &block->groups[j]) == METRIC_LATENCY)
                contest_add_group(&contest, report, block, &block->groups[j]);
    }
    if (contest.groups == 0)
        return;
    const struct contender *winner = NULL;
    size_t level_everywhere = 0;
    for (size_t i = 0; i < contest.count; i++) {
        const struct contender *contender = &contest.contenders[i];
        if (contender->level < contest.groups)
            continue;
        level_everywhere++;
        if (!winner || contender->alone > winner->alone)
            winner = contender;
    }
    const char *plural = contest.groups == 1 ? "" : "s";
    if (winner && level_everywhere == 1 && contest.undecided == 0) {
        text_add(text, "Move image-sized frames with ");
        text_add_plain(text, winner->name);
        if (contest.groups == 1)
            text_add(text, ": its latency was the lowest in the one comparison made here");
        else
            text_addf(text, ": its latency was the lowest%s in all %zu comparisons made here",
                      winner->alone == contest.groups ? "" : ", or tied with it,", contest.groups);
        example_add(text, &contest, winner->name);
        text_add(text, ", and no frame arrived damaged.");
    } else if (winner && contest.undecided == 0) {
        tied_add(text, &contest, level_everywhere);
    } else if (winner && level_everywhere == 1 && winner->alone > 0 &&
               winner->alone + contest.undecided == contest.groups) {
        text_add(text, "Move image-sized frames with ");
        text_add_plain(text, winner->name);
        text_addf(text, ": its latency was the lowest in %zu of %zu comparisons made here",
                  winner->alone, contest.groups);
        example_add(text, &contest, winner->name);
        text_addf(text,
                  ", and no frame arrived damaged; the data does not decide the other%s. More "
                  "launches (--launches) would.",
                  contest.undecided == 1 ? "" : "s");
    } else if (contest.undecided > 0) {
        text_addf(text,
                  "Not enough data to recommend a transport: %zu of %zu comparison%s could "
                  "not be decided. Run more launches (--launches).",
                  contest.undecided, contest.groups, plural);
    } else {
        text_add(text, "No transport had the lowest latency everywhere:");
        for (size_t i = 0; i < contest.count; i++) {
            text_addf(text, "%s ", i ? "," : "");
            text_add_plain(text, contest.contenders[i].name);
            text_addf(text, " in %zu of %zu", contest.contenders[i].level, contest.groups);
        }
        text_add(text, " comparisons. Choose by the one that is like your case.");
    }
}

/* The cheapest in the consumer's CPU; of those that are as cheap, the fastest. */
static const struct report_cell *wait_cheapest(const struct report_block *block,
                                               const struct report_group *group, enum metric metric)
{
    const struct report_cell *cheapest = NULL;
    double smallest = 1e300;
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        struct figure cpu = report_cpu_percent(cell, "consumer");
        if (verdict_cell_is_sound(cell) && cpu.state == FIGURE_KNOWN && cpu.value < smallest)
            smallest = cpu.value;
    }
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        struct figure cpu = report_cpu_percent(cell, "consumer");
        struct figure time = verdict_figure(cell, metric);
        if (!verdict_cell_is_sound(cell) || cpu.state != FIGURE_KNOWN ||
            time.state != FIGURE_KNOWN || cpu.value > smallest + CPU_SAME_POINTS)
            continue;
        if (!cheapest || time.value < verdict_figure(cheapest, metric).value)
            cheapest = cell;
    }
    return cheapest;
}

/* Whether no other costs as little of the consumer's CPU. */
static bool cpu_is_alone(const struct report_block *block, const struct report_group *group,
                         const struct report_cell *cheapest)
{
    const double most = report_cpu_percent(cheapest, "consumer").value + CPU_SAME_POINTS;
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        struct figure cpu = report_cpu_percent(cell, "consumer");
        if (cell != cheapest && verdict_cell_is_sound(cell) && cpu.state == FIGURE_KNOWN &&
            cpu.value <= most)
            return false;
    }
    return true;
}

/* "spin (350 ns, 100 % of a CPU)". */
static void wait_add(struct text *text, const struct report_cell *cell, enum metric metric)
{
    char value[FIGURE_BYTES];
    struct figure time = verdict_figure(cell, metric), cpu = report_cpu_percent(cell, "consumer");
    text_addf(text, "%s (%s", cell->name, format_figure(&time, UNIT_NS, value));
    text_addf(text, ", %s %% of a CPU)", format_figure(&cpu, UNIT_PERCENT, value));
}

/* ", or spin, which is not told apart from it": waits that are neither slower nor the cheapest.
 * True when there are any. */
static bool undecided_add(struct text *text, const struct report *report,
                          const struct report_block *block, const struct report_group *group,
                          const struct report_cell *fastest, const struct report_cell *cheapest)
{
    enum metric metric = verdict_metric(block, group);
    bool any = false;
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (cell == fastest || cell == cheapest || !verdict_cell_is_sound(cell) ||
            verdict_cell_is_floor(cell) || verdict_figure(cell, metric).state != FIGURE_KNOWN ||
            verdict_compare(report, cell, fastest, metric).verdict == STATS_SLOWER)
            continue;
        text_addf(text, "%s%s", any ? " or " : ", or ", cell->name);
        any = true;
    }
    if (any)
        text_add(text, ", which the data does not tell apart from it");
    return any;
}

/* " (block shared-memory)", where several blocks compare waits. */
static void block_add(struct text *text, const struct report *report,
                      const struct report_block *block)
{
    size_t count = 0;
    for (size_t i = 0; i < report->block_count; i++)
        count += strcmp(report->blocks[i].compare, "wait") == 0;
    if (count < 2)
        return;
    text_add(text, " (block ");
    text_add_plain(text, block->name);
    text_add(text, ")");
}

/* What the comparisons of a result say of the wait that was the fastest in one of them. */
struct elsewhere {
    const struct report_group *said; /* that one */
    size_t comparisons, others;      /* with this wait; and without the one that was said */
    size_t slower;                   /* of the others */
    size_t losses; /* of all: another moves far more frames/s, and latency does not say so */
    double most_times;
    const struct report_cell *cell, *most; /* of the greatest loss */
};

static void elsewhere_look(struct elsewhere *found, const struct report *report,
                           const struct report_block *block, const struct report_group *group,
                           const struct report_cell *cell)
{
    const enum metric metric = verdict_metric(block, group);
    const struct report_cell *best = verdict_best(block, group, metric);
    bool loses = false;
    if (!best)
        return;
    found->comparisons++;
    if (group != found->said) {
        found->others++;
        found->slower +=
            cell != best && verdict_compare(report, cell, best, metric).verdict == STATS_SLOWER;
    }
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *other = &block->cells[group->cells[i]];
        const double times = verdict_rate_ratio(cell, other, metric);
        if (!verdict_cell_is_sound(other) || verdict_cell_is_floor(other) ||
            !verdict_loses_rate(cell, other, metric))
            continue;
        loses = true;
        if (times <= found->most_times)
            continue;
        found->most_times = times;
        found->cell = cell;
        found->most = other;
    }
    found->losses += loses;
}

/* " In 1 of the 9 other comparisons made here gpu_kernel is slower than another. In 2 of the 10
 * comparisons gpu_kernel moves far fewer frames/s than another, which latency does not show: 415
 * against 3,402 at worst." */
static void elsewhere_add(struct text *text, const struct report *report,
                          const struct report_group *said, const struct report_cell *fastest)
{
    char wait[REPORT_AXIS_BYTES], value[FIGURE_BYTES], most[FIGURE_BYTES];
    struct elsewhere found = {.said = said};
    report_axis(fastest, "wait", wait);
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        for (size_t j = 0; strcmp(block->compare, "wait") == 0 && j < block->group_count; j++) {
            const struct report_group *group = &block->groups[j];
            for (size_t k = 0; k < group->cell_count; k++) {
                const struct report_cell *cell = &block->cells[group->cells[k]];
                if (report_axis_is(cell, "wait", wait) && verdict_cell_is_sound(cell))
                    elsewhere_look(&found, report, block, group, cell);
            }
        }
    }
    if (found.slower && found.others == 1)
        text_addf(text, " In the one other comparison made here %s is slower.", fastest->name);
    else if (found.slower)
        text_addf(text, " In %zu of the %zu other comparisons made here %s is slower than another.",
                  found.slower, found.others, fastest->name);
    if (found.losses == 0)
        return;
    const enum figure_unit unit = verdict_metric_unit(METRIC_FRAMES_PER_S);
    const struct figure rate = verdict_figure(found.cell, METRIC_FRAMES_PER_S);
    const struct figure most_rate = verdict_figure(found.most, METRIC_FRAMES_PER_S);
    if (found.comparisons == 1)
        text_add(text, " Here ");
    else
        text_addf(text, " In %zu of the %zu comparisons ", found.losses, found.comparisons);
    text_addf(text, "%s moves far fewer frames/s than another, which latency does not show: %s",
              fastest->name, format_figure(&rate, unit, value));
    text_addf(text, " against %s%s.", format_figure(&most_rate, unit, most),
              found.losses > 1 ? " at worst" : "");
}

static void wait_advice(const struct report *report, struct text *text)
{
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        if (strcmp(block->compare, "wait") != 0 || block->group_count == 0)
            continue;
        const struct report_group *group = &block->groups[0];
        enum metric metric = verdict_metric(block, group);
        if (metric == METRIC_NONE || metric == METRIC_FRAMES_PER_S || group->cell_count < 2)
            continue;
        const struct report_cell *fastest = verdict_best(block, group, metric);
        const struct report_cell *cheapest = wait_cheapest(block, group, metric);
        if (!fastest || !cheapest)
            continue;
        text_add(text, "Wait with ");
        wait_add(text, fastest, metric);
        bool undecided = undecided_add(text, report, block, group, fastest, cheapest);
        if (cheapest == fastest) {
            const bool alone = cpu_is_alone(block, group, cheapest);
            text_addf(text, ": %s measured here",
                      alone ? "both the fastest and the cheapest" : "the fastest");
            context_add(text, " with ", group);
            block_add(text, report, block);
            text_add(text, alone ? "." : "; none costs less CPU.");
            elsewhere_add(text, report, group, fastest);
            return;
        }
        enum stats_verdict verdict = verdict_compare(report, cheapest, fastest, metric).verdict;
        text_addf(text, "%s where the consumer can have a CPU to itself, and otherwise with ",
                  undecided ? "," : "");
        wait_add(text, cheapest, metric);
        text_add(text, verdict == STATS_SLOWER ? ": the fastest and the cheapest measured here"
                       : verdict == STATS_TIED ? ": in time the two are tied here"
                                               : ": the data does not decide which is faster");
        context_add(text, " with ", group);
        block_add(text, report, block);
        text_add(text, ".");
        elsewhere_add(text, report, group, fastest);
        return;
    }
}

void advice_make(const struct report *report, struct conclusions *conclusions)
{
    static void (*const rules[])(const struct report *, struct text *) = {
        transport_advice,           wait_advice,
        advice_of_gpu_sharing,      advice_of_python_languages,
        advice_of_python_transport, advice_of_python_reading,
        advice_of_python_collector, advice_of_python_kernels};
    conclusions->advice = calloc(sizeof rules / sizeof rules[0], sizeof *conclusions->advice);
    for (size_t i = 0; conclusions->advice && i < sizeof rules / sizeof rules[0]; i++) {
        struct text *text = &conclusions->advice[conclusions->advice_count];
        rules[i](report, text);
        if (text->used_bytes)
            conclusions->advice_count++;
        else
            text_free(text);
    }
}

/* bounds_words.c: what bounds.c found, in sentences. See bounds.h. */
#include "harness/report/bounds.h"

#include "harness/report/tradeoff.h"

static size_t cells_count(const struct bounds_case *one, enum bounds_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < one->count; i++)
        count += one->cells[i].state == state;
    return count;
}

/* "p99 of response ≤ 200 µs and CPU ≤ 20 %" */
static void bounds_add_list(struct text *text, const struct bounds *bounds,
                            const struct bounds_case *one)
{
    static const char *const names[STATS_QUANTILE_COUNT] = {"p50", "p90", "p99", "p99.9"};
    char limit[FIGURE_BYTES];
    const char *between = "";
    for (int i = 0; i < STATS_QUANTILE_COUNT; i++) {
        if (bounds->time_ns[i] <= 0)
            continue;
        text_addf(text, "%s%s of %s ≤ %s", between, names[i], one->interval,
                  format_bound(bounds->time_ns[i], limit));
        between = " and ";
    }
    if (bounds->cpu_percent > 0)
        text_addf(text, "%sCPU ≤ %.4g %%", between, bounds->cpu_percent);
}

/* "; the cheapest is shm + futex", or those that the data does not tell apart from it. */
static void cheapest_add(struct text *text, const struct bounds_case *one, size_t kept)
{
    const struct tradeoff basis = {.net = one->net};
    size_t tied = 1;
    while (tied < kept &&
           tradeoff_compare(&basis, one->cells[tied].cell, one->cells[0].cell).verdict !=
               STATS_SLOWER)
        tied++;
    text_addf(text, tied == 1 ? "; the cheapest is " : "; the cheapest are ");
    for (size_t i = 0; i < tied; i++)
        text_addf(text, "%s%s",
                  i == 0          ? ""
                  : i + 1 == tied ? " and "
                                  : ", ",
                  text_get(&one->cells[i].label));
    text_add(text, tied == 1 ? "" : ", whose CPU the data does not tell apart");
}

void bounds_add_verdict(struct text *text, const struct bounds *bounds,
                        const struct bounds_case *one)
{
    const size_t kept = cells_count(one, BOUNDS_KEPT), reached = cells_count(one, BOUNDS_REACHED);
    if (kept == 0)
        text_addf(text, "Of %zu measured, none is shown to keep ", one->count);
    else
        text_addf(text, "Of %zu measured, %zu keep%s ", one->count, kept, kept == 1 ? "s" : "");
    bounds_add_list(text, bounds, one);
    if (kept == 1)
        text_addf(text, ": %s", text_get(&one->cells[0].label));
    else if (kept > 1)
        cheapest_add(text, one, kept);
    else if (reached > 0)
        text_addf(text, "; %zu lie%s within but %s not sure to, the cheapest of them %s", reached,
                  reached == 1 ? "s" : "", reached == 1 ? "is" : "are",
                  text_get(&one->cells[0].label));
    text_add(text, ".");
}

void bounds_add_nearest_miss(struct text *text, const struct bounds_case *one)
{
    for (size_t i = 0; i < one->count; i++)
        if (one->cells[i].state == BOUNDS_MISSED) {
            text_addf(text, "The nearest miss is %s: %s.", text_get(&one->cells[i].label),
                      text_get(&one->cells[i].lacks));
            return;
        }
}

/* claims_words.c: verdicts on claims in sentences. See claims.h and claims_words.h. */
#include "harness/report/claims_words.h"

#include <math.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/columns.h"

/* From here on a mean has little to do with the median. */
#define MEAN_FAR_RATIO 2.0

const char *claim_verdict_words(enum claim_verdict verdict)
{
    static const char *const words[] = {
        [CLAIM_UNTESTED] = "cannot be tested here",      [CLAIM_UNDECIDED] = "not decided here",
        [CLAIM_NOT_REPRODUCED] = "not reproduced here",  [CLAIM_HOLDS] = "holds here",
        [CLAIM_IMPOSSIBLE] = "impossible by arithmetic", [CLAIM_IN_PART] = "holds here in part",
    };
    return words[verdict];
}

/* "1.8 times" or "12 % more than", followed by what it is compared with. */
static void times_add(struct text *text, double ratio)
{
    char words[FIGURE_BYTES];
    format_ratio(ratio, words);
    text_addf(text, "%s%s", words, strchr(words, '%') ? " more than" : "");
}

/* By how much, and in which direction, a figure is outside of what is quoted. */
static void outside_add(struct text *text, const struct claim_quote *quote, double value)
{
    if (value > quote->high_ns && quote->high_ns > 0) {
        text_add(text, "Slower here: measured is ");
        times_add(text, value / quote->high_ns);
        text_add(text, quote->low_ns < quote->high_ns ? " the longest that is quoted."
                                                      : " what is quoted.");
    } else if (value > quote->high_ns) {
        text_add(text, "Slower here.");
    } else if (value > 0) {
        text_add(text, quote->low_ns < quote->high_ns
                           ? "Faster here: the shortest that is quoted is "
                           : "Faster here: what is quoted is ");
        times_add(text, quote->low_ns / value);
        text_add(text, " what was measured.");
    } else {
        text_add(text, "Faster here.");
    }
}

static void undecided_add(struct text *text, const struct claim_quote *quote,
                          const struct figure *measured)
{
    double low_ns, high_ns;
    char bound[FIGURE_BYTES];
    claim_bounds(quote, &low_ns, &high_ns);
    if (measured->state == FIGURE_INFINITE) {
        text_add(text, "Frames never finished, so there is no figure to compare.");
        return;
    }
    if (measured->spread != SPREAD_CI95) {
        text_addf(text, "%d launch%s too few for an interval: %d are needed.", measured->launches,
                  measured->launches == 1 ? " is" : "es are", STATS_LAUNCHES_MIN);
        return;
    }
    if (measured->low < low_ns && measured->high > high_ns)
        text_add(text, "The interval is wider than what is quoted: more launches may decide it.");
    else
        text_addf(text,
                  "The interval reaches across %s, the %s end of what is quoted: more launches may "
                  "decide it.",
                  format_ns(measured->low < low_ns ? low_ns : high_ns, bound),
                  measured->low < low_ns ? "lower" : "upper");
}

static void impossible_add(struct text *text, const struct claim_row *row,
                           const struct claim_case *one, double bytes_per_s_max)
{
    char bytes[FIGURE_BYTES], time[FIGURE_BYTES], rate[FIGURE_BYTES], most[FIGURE_BYTES];
    text_addf(text,
              "%s read and written in %s are %s GB/s; the most that one CPU of this machine moved "
              "when the floor was measured is %s GB/s.",
              format_bytes(row->quote.moved_bytes, bytes), format_ns(row->quote.high_ns, time),
              format_count(row->quote.moved_bytes / row->quote.high_ns, rate),
              format_count(bytes_per_s_max / 1e9, most));
    if (one->measured.state == FIGURE_KNOWN && one->measured.value > row->quote.high_ns) {
        text_add(text, " Measured is ");
        times_add(text, one->measured.value / row->quote.high_ns);
        text_add(text, " what is quoted.");
    }
}

static void untested_add(struct text *text, const struct claim_case *one)
{
    if (!one->cell) {
        text_add(text, "No cell of it was run.");
        return;
    }
    const char *reason = json_get_string(one->cell->json, "reason", "");
    if (reason[0])
        text_add_plain(text, reason);
    else if (one->cell->ok)
        text_add(text, "No launch has this figure: too few frames, or it does not exist here");
    else
        text_add(text, columns_status_words(one->cell));
    text_add(text, ".");
}

/* A mean that is not what most frames see: late ones decide it, the machine's or the wait's. */
static void mean_add(struct text *text, const struct claim_case *one)
{
    char value[FIGURE_BYTES];
    if (one->measured.state == FIGURE_KNOWN && isfinite(one->median_ns) &&
        one->measured.value > MEAN_FAR_RATIO * one->median_ns)
        text_addf(text, " A few late frames decide the mean: half took at most %s.",
                  format_ns(one->median_ns, value));
}

void claim_why(struct text *text, const struct claim_row *row, const struct claim_case *one,
               double bytes_per_s_max)
{
    switch (one->verdict) {
    case CLAIM_IMPOSSIBLE:
        impossible_add(text, row, one, bytes_per_s_max);
        break;
    case CLAIM_HOLDS:
    case CLAIM_IN_PART:
        text_add(text, row->quote.low_ns < row->quote.high_ns
                           ? "The whole interval lies within what is quoted."
                           : "The whole interval lies within 5 % of what is quoted.");
        break;
    case CLAIM_NOT_REPRODUCED:
        outside_add(text, &row->quote, one->measured.value);
        break;
    case CLAIM_UNDECIDED:
        undecided_add(text, &row->quote, &one->measured);
        break;
    case CLAIM_UNTESTED:
        untested_add(text, one);
        break;
    }
    mean_add(text, one);
}

const char *claim_case_name(const struct claim_row *row, size_t index)
{
    const struct report_cell *cell = row->cases[index].cell;
    return row->case_count > 1 && cell ? cell->label : "";
}

void claims_add_summary(struct text *text, const struct claims *claims)
{
    static const struct {
        enum claim_verdict verdict;
        const char *one, *more;
    } words[] = {{CLAIM_HOLDS, "holds here", "hold here"},
                 {CLAIM_IN_PART, "holds here in part", "hold here in part"},
                 {CLAIM_NOT_REPRODUCED, "is not reproduced here", "are not reproduced here"},
                 {CLAIM_IMPOSSIBLE, "is impossible by arithmetic", "are impossible by arithmetic"},
                 {CLAIM_UNDECIDED, "is not decided here", "are not decided here"},
                 {CLAIM_UNTESTED, "cannot be tested here", "cannot be tested here"}};
    size_t counts[CLAIM_IN_PART + 1] = {0}, kinds = 0, said = 0;
    for (size_t i = 0; i < claims->count; i++)
        counts[claims->rows[i].verdict]++;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        kinds += counts[i] > 0;
    if (claims->count == 0)
        return;
    text_addf(text, "Of %zu claim%s, ", claims->count, claims->count == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t count = counts[words[i].verdict];
        if (count == 0)
            continue;
        text_add(text, said == 0 ? "" : said + 1 == kinds ? " and " : ", ");
        text_addf(text, "%zu %s", count, count == 1 ? words[i].one : words[i].more);
        said++;
    }
    text_add(text, ".");
}

void claims_add_line(struct text *text, const struct claim_row *row)
{
    char value[FIGURE_BYTES], spread[4 * FIGURE_BYTES];
    text_add_plain(text, row->id);
    text_addf(text, " %s", claim_verdict_words(row->verdict));
    if (row->machine[0]) {
        text_add(text, " (measured on another machine than it speaks of: ");
        text_add_plain(text, row->machine);
        text_add(text, ")");
    }
    text_addf(text, ": said %s (%s), ", row->quoted, row->figure);
    for (size_t i = 0; i < row->case_count; i++) {
        const struct claim_case *one = &row->cases[i];
        text_add(text, i ? "; " : "");
        if (one->measured.state == FIGURE_ABSENT) {
            const char *why = text_get(&one->why);
            size_t bytes = strlen(why);
            text_addf(text, "nothing measured (%.*s)",
                      (int)(bytes && why[bytes - 1] == '.' ? bytes - 1 : bytes), why);
        } else {
            text_addf(text, "%s%s", i ? "" : "measured ",
                      format_figure(&one->measured, UNIT_NS, value));
            /* What the range is stands with the first. */
            if (i == 0 && format_spread(&one->measured, UNIT_NS, spread, sizeof spread)[0])
                text_addf(text, " (%s)", spread);
            else if (i && format_range(&one->measured, UNIT_NS, spread, sizeof spread)[0])
                text_addf(text, " (%s)", spread);
        }
        if (claim_case_name(row, i)[0])
            text_addf(text, " with %s", claim_case_name(row, i));
        if (row->case_count > 1 && one->verdict != row->verdict)
            text_addf(text, ", %s", claim_verdict_words(one->verdict));
    }
    text_add(text, ".");
    const struct claim_case *only = &row->cases[0];
    if (row->case_count == 1 && only->verdict != CLAIM_HOLDS && only->verdict != CLAIM_UNTESTED)
        text_addf(text, " %s", text_get(&only->why));
}

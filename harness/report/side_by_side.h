/* side_by_side.h: what the page and the summary both say of several results beside one another.
 *
 * The figures and verdicts are beside.h's; here are the words. All text is plain UTF-8, not yet
 * escaped for HTML or Markdown.
 */
#ifndef HANDOFF_REPORT_SIDE_BY_SIDE_H
#define HANDOFF_REPORT_SIDE_BY_SIDE_H

#include "harness/report/beside.h"
#include "harness/report/page.h"

#define SIDE_SENTENCES_MAX 48

/* A column's name: what the user called it, or "result 2"; with its number where two have one
 * name. */
void side_label_add(struct text *text, const struct page_part *parts, size_t count, size_t index);
/* "quick: 3 results side by side", the scenarios' names escaped by `escape`. */
void side_title_add(struct text *text, const struct page_part *parts, size_t count,
                    void (*escape)(struct text *, const char *));

/* What every column's head says of its result. */
enum side_fact {
    SIDE_MACHINE,
    SIDE_MEASURED,
    SIDE_VERSION,
    SIDE_LAUNCHES,
    SIDE_FITNESS,
    SIDE_FACTS
};
const char *side_fact_title(enum side_fact fact);
void side_fact_add(struct text *text, const struct page_part *part, enum side_fact fact);

/* "worse", "better", "no difference seen", "not enough data" */
const char *side_verdict_word(enum compare_verdict verdict);

/* What each column is beside the first, the strongest trends, and last what that is worth. Fills
 * `sentences`, of which the caller frees as many as it returns. */
size_t side_sentences(const struct page_part *parts, const struct beside *beside,
                      struct text sentences[SIDE_SENTENCES_MAX]);

#endif

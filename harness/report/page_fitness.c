/* page_fitness.c: was the machine fit to measure on? The warning on the first screen, and every
 * check. See page.h; the findings are of harness/env/fitness.h.
 */
#include <string.h>

#include "harness/base/json.h"
#include "harness/env/fitness.h"
#include "harness/report/page.h"

#define VERDICT_BYTES 512
#define SENTENCE_BYTES 1024

enum fitness_level page_fitness_worst(const struct page_part *part)
{
    const enum fitness_level before = fitness_worst(json_get(part->fitness, "before"));
    const enum fitness_level after = fitness_worst(json_get(part->fitness, "after"));
    return before > after ? before : after;
}

const char *page_fitness_verdict(const struct page_part *part)
{
    return json_get_string(part->fitness, "verdict", "");
}

/* Sentences of the findings that make figures mislead, in both lists. */
static void unfit_add(struct text *out, const cJSON *findings)
{
    const cJSON *finding;
    char sentence[SENTENCE_BYTES];
    cJSON_ArrayForEach (finding, findings) {
        if (fitness_level_of(finding) != FITNESS_UNFIT)
            continue;
        text_add(out, "<li>");
        page_words(out, fitness_sentence(finding, sentence, sizeof sentence));
        text_add(out, "</li>\n");
    }
}

void page_fitness_banner(struct text *out, const struct page_part *part)
{
    if (page_fitness_worst(part) != FITNESS_UNFIT)
        return;
    text_add(out,
             "<aside class=\"notice unfit\">\n<h2>This machine was not fit to measure on</h2>\n"
             "<p>Read the figures below as those of a machine in this state.</p>\n<ul>\n");
    unfit_add(out, json_get(part->fitness, "before"));
    unfit_add(out, json_get(part->fitness, "after"));
    text_add(out, "</ul>\n</aside>\n");
}

static void row_add(struct text *out, const cJSON *finding, bool later)
{
    const enum fitness_level level = fitness_level_of(finding);
    text_addf(out, "<tr class=\"level-%s\"><th scope=\"row\">", fitness_level_name(level));
    text_add_html(out, json_get_string(finding, "id", ""));
    text_addf(out, "</th><td class=\"level\">%s%s</td><td>", fitness_level_name(level),
              later ? "<small>after the run</small>" : "");
    text_add_prose(out, json_get_string(finding, "found", ""));
    text_add(out, "</td><td>");
    page_words(out, json_get_string(finding, "effect", ""));
    const char *fix = json_get_string(finding, "fix", "");
    if (fix[0]) {
        text_add(out, "<small>");
        page_words(out, fix);
        text_add(out, "</small>");
    }
    text_add(out, "</td></tr>\n");
}

/* Findings of both lists within two levels; returns how many. Counts only where `out` is NULL. */
static size_t rows_add(struct text *out, const struct page_part *part, enum fitness_level low,
                       enum fitness_level high)
{
    static const char *const lists[] = {"before", "after"};
    size_t count = 0;
    const cJSON *finding;
    for (size_t i = 0; i < 2; i++) {
        cJSON_ArrayForEach (finding, json_get(part->fitness, lists[i])) {
            const enum fitness_level level = fitness_level_of(finding);
            if (!cJSON_IsObject(finding) || level < low || level > high)
                continue;
            count++;
            if (out)
                row_add(out, finding, i == 1);
        }
    }
    return count;
}

static void table_add(struct text *out, const struct page_part *part, enum fitness_level low,
                      enum fitness_level high)
{
    text_add(out, "<div class=\"scroll\" tabindex=\"0\">\n<table class=\"fitness\">\n<thead><tr>"
                  "<th scope=\"col\">looked at</th><th scope=\"col\"></th><th scope=\"col\">found"
                  "</th><th scope=\"col\">what it does to figures, and what helps</th></tr></thead>"
                  "\n<tbody>\n");
    rows_add(out, part, low, high);
    text_add(out, "</tbody>\n</table>\n</div>\n");
}

void page_fitness(struct text *out, const struct page_part *part)
{
    const char *verdict = page_fitness_verdict(part);
    const size_t quiet = rows_add(NULL, part, FITNESS_GOOD, FITNESS_UNKNOWN);
    const size_t loud = rows_add(NULL, part, FITNESS_NOTE, FITNESS_UNFIT);
    if (quiet + loud == 0)
        return;
    text_add(out, "<section");
    page_id(out, part, "fitness");
    text_add(out, ">\n<h2>Was the machine fit to measure on?</h2>\n");
    if (verdict[0]) {
        text_add(out, "<p>It was ");
        text_add_prose(out, verdict);
        text_add(out, ".</p>\n");
    }
    if (loud)
        table_add(out, part, FITNESS_NOTE, FITNESS_UNFIT);
    if (quiet) {
        text_addf(out, "<details>\n<summary>%zu more check%s: fine, or not known here</summary>\n",
                  quiet, quiet == 1 ? "" : "s");
        table_add(out, part, FITNESS_GOOD, FITNESS_UNKNOWN);
        text_add(out, "</details>\n");
    }
    text_add(out, "</section>\n");
}

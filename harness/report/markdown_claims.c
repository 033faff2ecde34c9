/* markdown_claims.c: claims and validity in the summary for a CI job. See page.h. */
#include "harness/base/json.h"
#include "harness/report/page.h"

static void case_write(struct text *out, const struct claim_row *row, size_t index)
{
    const struct claim_case *one = &row->cases[index];
    char value[FIGURE_BYTES], range[3 * FIGURE_BYTES];
    text_add(out, "| ");
    text_add_markdown(out, index ? "" : row->says);
    text_add(out, " | ");
    text_add_markdown(out, claim_case_name(row, index));
    text_addf(out, " | %s, ", row->quoted);
    text_add_markdown(out, row->figure);
    text_add(out, " | ");
    text_add_markdown(out, format_figure(&one->measured, UNIT_NS, value));
    if (format_range(&one->measured, UNIT_NS, range, sizeof range)[0])
        text_addf(out, " (%s)", range);
    text_addf(out, " | **%s** | ", claim_verdict_words(one->verdict));
    if (row->machine[0]) {
        text_add(out, "Measured on another machine than it speaks of: ");
        text_add_markdown(out, row->machine);
        text_add(out, ". ");
    }
    text_add_markdown(out, text_get(&one->why));
    if (row->known[0] && index + 1 == row->case_count) {
        text_add(out, " Known about it: ");
        text_add_markdown(out, row->known);
    }
    text_add(out, " |\n");
}

void markdown_claims(struct text *out, const struct page_part *part)
{
    struct text summary = {0};
    if (!part->claims || part->claims->count == 0)
        return;
    text_add(out, "### What is said, and what was measured\n\n");
    claims_add_summary(&summary, part->claims);
    text_add_markdown(out, text_get(&summary));
    text_free(&summary);
    text_add(out, "\n\n| said | with | quoted | measured here | verdict | why |\n"
                  "|:--|:--|--:|--:|:--|:--|\n");
    for (size_t i = 0; i < part->claims->count; i++)
        for (size_t j = 0; j < part->claims->rows[i].case_count; j++)
            case_write(out, &part->claims->rows[i], j);
    text_add(out, "\n");
}

void markdown_validity(struct text *out, const struct page_part *part)
{
    const struct validity *validity = part->validity;
    const cJSON *experiment;
    struct text words = {0};
    bool differs;
    if (!validity)
        return;
    text_add(out, "### May these figures be believed?\n\n");
    if (validity->problem[0]) {
        text_add(out, "- ⚠️ The validity file beside the result cannot be used: ");
        text_add_markdown(out, validity->problem);
        text_add(out, "\n\n");
        return;
    }
    validity_add_verdict(&words, validity);
    text_add_markdown(out, text_get(&words));
    text_add(out, "\n\n");
    text_free(&words);
    cJSON_ArrayForEach (experiment, json_get(validity->json, "experiments")) {
        const cJSON *passed = json_get(experiment, "passed");
        text_add(out, cJSON_IsFalse(passed) ? "- ⚠️ **" : "- **");
        text_add_markdown(out, json_get_string(experiment, "title", ""));
        text_add(out, "**: ");
        text_add_markdown(out, json_get_string(experiment, "finding", ""));
        text_add(out, "\n");
    }
    validity_add_origin(&words, validity, json_get(part->report->json, "tool"), &differs);
    text_add(out, differs ? "\n⚠️ " : "\n");
    text_add_markdown(out, text_get(&words));
    text_add(out, "\n\n");
    text_free(&words);
}

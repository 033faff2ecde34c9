/* page_validity.c: may these figures be believed? The validity experiments. See page.h. */
#include "harness/base/json.h"
#include "harness/report/page.h"

static void paragraph_add(struct text *out, const char *class, const char *before,
                          const char *words)
{
    text_addf(out, "<p class=\"%s\">%s", class, before);
    text_add_prose(out, words);
    text_add(out, "</p>\n");
}

/* A first cell names its row; the others are as they were written. */
static void row_add(struct text *out, const cJSON *row)
{
    const cJSON *word;
    bool first = true;
    text_add(out, "<tr>");
    cJSON_ArrayForEach (word, row) {
        text_add(out, first ? "<th scope=\"row\">" : "<td>");
        text_add_prose(out, word->valuestring);
        text_add(out, first ? "</th>" : "</td>");
        first = false;
    }
    text_add(out, "</tr>\n");
}

static void table_add(struct text *out, const cJSON *experiment)
{
    const cJSON *item;
    text_add(out, "<div class=\"scroll\" tabindex=\"0\">\n<table class=\"details trial\">\n"
                  "<thead><tr>");
    bool first = true;
    cJSON_ArrayForEach (item, json_get(experiment, "columns")) {
        text_addf(out, "<th scope=\"col\"%s>", first ? " class=\"words\"" : "");
        text_add_html(out, item->valuestring);
        text_add(out, "</th>");
        first = false;
    }
    text_add(out, "</tr></thead>\n<tbody>\n");
    cJSON_ArrayForEach (item, json_get(experiment, "rows"))
        row_add(out, item);
    text_add(out, "</tbody>\n</table>\n</div>\n");
}

static void experiment_add(struct text *out, const cJSON *experiment)
{
    const cJSON *passed = json_get(experiment, "passed");
    bool failed = cJSON_IsFalse(passed);
    text_add(out, "<h3>");
    text_add_html(out, json_get_string(experiment, "title", ""));
    text_add(out, "</h3>\n");
    paragraph_add(out, "shared", "", json_get_string(experiment, "expectation", ""));
    paragraph_add(out, failed ? "finding failed" : "finding",
                  failed                 ? "<strong class=\"wrong\">Not as expected.</strong> "
                  : cJSON_IsTrue(passed) ? "<strong class=\"right\">As expected.</strong> "
                                         : "",
                  json_get_string(experiment, "finding", ""));
    if (cJSON_GetArraySize(json_get(experiment, "rows")) == 0)
        return;
    /* What went wrong is open; the rest is there for those who ask. */
    text_addf(out, "<details%s>\n<summary>What was measured</summary>\n", failed ? " open" : "");
    table_add(out, experiment);
    text_add(out, "</details>\n");
}

void page_validity(struct text *out, const struct page_part *part)
{
    const struct validity *validity = part->validity;
    const cJSON *experiment;
    struct text words = {0};
    bool differs;
    if (!validity || !validity->json)
        return;
    text_add(out, "<section class=\"block validity\"");
    page_id(out, part, "validity");
    text_add(out, ">\n<h2>May these figures be believed?"
                  "</h2>\n");
    validity_add_verdict(&words, validity);
    paragraph_add(out, "about", "", text_get(&words));
    text_free(&words);
    validity_add_origin(&words, validity, json_get(part->report->json, "tool"), &differs);
    paragraph_add(out, "shared", "", text_get(&words));
    text_free(&words);
    cJSON_ArrayForEach (experiment, json_get(validity->json, "experiments"))
        experiment_add(out, experiment);
    text_add(out, "</section>\n");
}

size_t page_validity_notices(struct text *out, const struct page_part *part)
{
    const struct validity *validity = part->validity;
    const cJSON *experiment;
    struct text words = {0};
    bool differs = false;
    size_t count = 0;
    if (validity && validity->problem[0]) {
        text_addf(out, "<li>The validity file beside the result cannot be used: ");
        text_add_prose(out, validity->problem);
        text_add(out, ".</li>\n");
        return 1;
    }
    if (!validity)
        return 0;
    cJSON_ArrayForEach (experiment, json_get(validity->json, "experiments")) {
        if (!cJSON_IsFalse(json_get(experiment, "passed")))
            continue;
        text_add(out, "<li>A validity experiment did not come out as expected: <a href=\"");
        page_anchor(out, part, "validity");
        text_add(out, "\">");
        text_add_html(out, json_get_string(experiment, "title", ""));
        text_add(out, "</a>.</li>\n");
        count++;
    }
    validity_add_origin(&words, validity, json_get(part->report->json, "tool"), &differs);
    text_free(&words);
    if (differs) {
        text_add(out, "<li>The validity experiments ran with another build than the result: see <a "
                      "href=\"");
        page_anchor(out, part, "validity");
        text_add(out, "\">whether the figures may be believed</a>.</li>\n");
        count++;
    }
    return count;
}

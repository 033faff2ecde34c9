/* page.c: the page as a whole: template, heading, order of sections. See page.h. */
#include "harness/report/page.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/assets.h"
#include "harness/report/side_by_side.h"

/* Of several results: what their pictures and tables begin below, all together. */
#define PAGE_BYTES_MAX 3600000u

void page_words(struct text *out, const char *words)
{
    struct text piece = {0};
    for (bool code = false;; code = !code) {
        const char *end = strchr(words, '`');
        const bool is_pair = code || (end && strchr(end + 1, '`'));
        text_add_bytes(&piece, words, end && is_pair ? (size_t)(end - words) : strlen(words));
        text_add(out, code ? "<code>" : "");
        if (code)
            text_add_html(out, text_get(&piece));
        else
            text_add_prose(out, text_get(&piece));
        text_add(out, code ? "</code>" : "");
        out->failed = out->failed || piece.failed;
        text_free(&piece);
        if (!end || !is_pair)
            return;
        words = end + 1;
    }
}

void page_id(struct text *out, const struct page_part *part, const char *name)
{
    text_addf(out, " id=\"%s%s\"", part->anchor ? part->anchor : "", name);
}

void page_anchor(struct text *out, const struct page_part *part, const char *name)
{
    text_addf(out, "#%s%s", part->anchor ? part->anchor : "", name);
}

static void fact_add(struct text *out, const char *name, const char *value)
{
    if (!value[0])
        return;
    text_addf(out, "<div><dt>%s</dt><dd>", name);
    text_add_html(out, value);
    text_add(out, "</dd></div>\n");
}

void page_date(const char *utc, struct text *text)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    unsigned year, month, day, hour, minute;
    if (sscanf(utc, "%4u-%2u-%2uT%2u:%2u", &year, &month, &day, &hour, &minute) == 5 &&
        month >= 1 && month <= 12)
        text_addf(text, "%u %s %u, %02u:%02u UTC", day, months[month - 1], year, hour, minute);
    else
        text_add_plain(text, utc);
}

/* U+00A0: a figure and its unit stay on one line. */
#define NO_BREAK "\302\240"

/* "14 cells, 140 launches, 2 min 05 s" as far as it is known. */
static void extent_format(const struct report *report, struct text *text)
{
    const cJSON *run = json_get(report->json, "run");
    size_t cells = 0, launches = 0;
    char count[FIGURE_BYTES];
    const struct report_cell *cell;
    for (size_t i = 0; i < report->block_count; i++) {
        for (size_t j = 0; (cell = report_any_cell(&report->blocks[i], j)); j++) {
            cells++;
            launches += (size_t)cJSON_GetArraySize(json_get(cell->json, "launches"));
        }
    }
    text_addf(text, "%zu cell%s, %s launches", cells, cells == 1 ? "" : "s",
              format_count((double)launches, count));
    double wall_s = json_get_number(run, "wall_ns", 0) / 1e9;
    if (wall_s >= 90 && wall_s < 1e7)
        text_addf(text, ", %.0f" NO_BREAK "min" NO_BREAK "%02.0f" NO_BREAK "s",
                  (wall_s - (long)wall_s % 60) / 60, (double)((long)wall_s % 60));
    else if (wall_s > 0 && wall_s < 90)
        text_addf(text, ", %.0f" NO_BREAK "s", wall_s);
}

static void page_heading(struct text *out, const struct report *report)
{
    const cJSON *run = json_get(report->json, "run"), *tool = json_get(report->json, "tool");
    struct text line = {0};
    text_add(out, "<header>\n<p class=\"brand\">handoff</p>\n<h1>");
    text_add_html(out, report->scenario);
    text_add(out, "</h1>\n");
    const char *description =
        json_get_string(json_get(report->json, "scenario"), "description", "");
    if (description[0]) {
        text_add(out, "<p class=\"lede\">");
        text_add_html(out, description);
        text_add(out, "</p>\n");
    }
    text_add(out, "<dl class=\"facts\">\n");
    page_machine_line(report, &line);
    fact_add(out, "Machine", text_get(&line));
    text_free(&line);
    page_date(json_get_string(run, "started_utc", ""), &line);
    fact_add(out, "Measured", text_get(&line));
    text_free(&line);
    extent_format(report, &line);
    fact_add(out, "Extent", text_get(&line));
    text_free(&line);
    const char *commit = json_get_string(tool, "commit", "");
    text_addf(&line, "handoff %s", json_get_string(tool, "version", ""));
    if (commit[0])
        text_addf(&line, " (%s)", commit);
    fact_add(out, "Version", text_get(&line));
    text_free(&line);
    text_add(out, "</dl>\n</header>\n");
}

/* What the reader must know before believing a figure. */
static void page_notices(struct text *out, const struct page_part *part)
{
    const cJSON *json = part->report->json, *run = json_get(json, "run"), *warning;
    const cJSON *warnings = json_get(json, "warnings");
    bool partial =
        !json_get_bool(run, "complete", true) || json_get_bool(run, "interrupted", false);
    size_t not_run = page_not_run_count(part->report, true);
    bool pictures = !part->plots || part->plots->problem.status == ST_OK;
    struct text validity = {0};
    if (page_validity_notices(&validity, part) == 0 && !partial && !not_run && pictures &&
        cJSON_GetArraySize(warnings) == 0)
        return;
    text_add(out, "<aside class=\"notice\">\n<h2>Before you rely on it</h2>\n<ul>\n");
    if (partial)
        text_addf(out, "<li>The run was %s: what follows is what was complete by then.</li>\n",
                  json_get_bool(run, "interrupted", false) ? "interrupted" : "not finished");
    cJSON_ArrayForEach (warning, warnings) {
        if (!cJSON_IsString(warning))
            continue;
        text_add(out, "<li>");
        page_words(out, warning->valuestring);
        text_add(out, "</li>\n");
    }
    if (not_run) {
        text_addf(out, "<li>%zu cell%s without a result: see <a href=\"", not_run,
                  not_run == 1 ? " is" : "s are");
        page_anchor(out, part, "not-run");
        text_add(out, "\">what could not run</a>.</li>\n");
    }
    if (!pictures) {
        text_add(out, "<li>Pictures are missing: ");
        text_add_html(out, part->plots->problem.what);
        if (part->plots->problem.hint[0]) {
            text_add(out, " (");
            text_add_html(out, part->plots->problem.hint);
            text_add(out, ")");
        }
        text_add(out, ".</li>\n");
    }
    text_add(out, text_get(&validity));
    out->failed = out->failed || validity.failed;
    text_free(&validity);
    text_add(out, "</ul>\n</aside>\n");
}

/* The blocks' pictures and tables. Of several results each has its share of the page; what goes
 * beyond it is in a report of that result alone. */
static void blocks_add(struct text *out, const struct page_part *part, size_t bytes_max)
{
    const size_t count = part->report->block_count;
    size_t shown = 0;
    while (shown < count && out->used_bytes < bytes_max)
        page_block(out, part, shown++);
    if (shown < count)
        text_addf(
            out,
            "<p class=\"shared\">Pictures and tables of %zu block%s are left out, so that the "
            "page stays small: a report of this result alone has them.</p>\n",
            count - shown, count - shown == 1 ? "" : "s");
}

/* A new section of the page is a function in a file of its own and its name here. */
static void page_part(struct text *out, const struct page_part *part, size_t bytes_max)
{
    static void (*const sections[])(struct text *, const struct page_part *) = {
        page_deadlines, page_floor,   page_validity, page_integrity,
        page_not_run,   page_fitness, page_machine,  page_reproduce};
    page_heading(out, part->report);
    page_fitness_banner(out, part);
    page_conclusions(out, part);
    page_notices(out, part);
    page_claims(out, part);
    blocks_add(out, part, bytes_max);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        sections[i](out, part);
}

static void page_body(struct text *out, const struct page_part *parts, size_t count,
                      const struct beside *beside)
{
    text_add(out, "<main>\n");
    if (beside)
        page_beside(out, parts, beside);
    for (size_t i = 0; i < count; i++) {
        text_add(out, i || beside ? "<article class=\"next\">\n" : "<article>\n");
        page_part(out, &parts[i], count > 1 ? PAGE_BYTES_MAX / count * (i + 1) : SIZE_MAX);
        text_add(out, "</article>\n");
    }
    page_method(out);
    text_add(out, "</main>\n<footer><p>Written by <code>handoff report</code>. The pictures, their "
                  "data and the gnuplot scripts that draw them are in <code>plots/</code> beside "
                  "this page; every histogram is in <code>result.json</code>.</p></footer>\n");
}

/* Fills the template: {{title}}, {{style}} and {{body}}. */
void page_write(struct text *out, const struct page_part *parts, size_t count,
                const struct beside *beside)
{
    const char *at = (const char *)report_asset_page_html;
    for (;;) {
        const char *open = strstr(at, "{{");
        const char *close = open ? strstr(open, "}}") : NULL;
        if (!close)
            break;
        text_add_bytes(out, at, (size_t)(open - at));
        if (strncmp(open, "{{title}}", 9) == 0) {
            if (beside)
                side_title_add(out, parts, count, text_add_html);
            else
                text_add_html(out, count ? parts[0].report->scenario : "");
            text_add(out, " · handoff");
        } else if (strncmp(open, "{{style}}", 9) == 0) {
            text_add(out, (const char *)report_asset_page_css);
        } else if (strncmp(open, "{{body}}", 8) == 0) {
            page_body(out, parts, count, beside);
        }
        at = close + 2;
    }
    text_add(out, at);
}

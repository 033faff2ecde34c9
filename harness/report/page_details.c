/* page_details.c: what stands behind the main figures of a block, integrity, and the cells that did
 * not run. See page.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/columns.h"
#include "harness/report/page.h"

#define LAUNCHES_MAX 1000
#define NOT_RUN_IDS_MAX 12 /* of one reason */
#define LABEL_LONG 30      /* characters that fit beside the figures of a screen */

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* "812 µs (790 µs–1.20 ms)": the median of the first frames, and their range. */
static void first_frame_add(struct text *out, const struct report_cell *cell)
{
    double values[LAUNCHES_MAX];
    size_t count = 0;
    const cJSON *value;
    cJSON_ArrayForEach (value, json_get(json_get(cell->json, "first_frame"), "latency_ns")) {
        if (cJSON_IsNumber(value) && isfinite(value->valuedouble) && value->valuedouble > 0 &&
            count < LAUNCHES_MAX)
            values[count++] = value->valuedouble;
    }
    if (count == 0) {
        text_add(out, "—");
        return;
    }
    char middle[FIGURE_BYTES], range[3 * FIGURE_BYTES];
    qsort(values, count, sizeof *values, double_compare);
    struct figure figure = {FIGURE_KNOWN,      values[count / 2], values[0],
                            values[count - 1], SPREAD_RANGE,      (int)count};
    text_add(out, format_figure(&figure, UNIT_NS, middle));
    if (format_range(&figure, UNIT_NS, range, sizeof range)[0])
        text_addf(out, "<small>%s</small>", range);
}

/* A number that is there, or "—". */
static void number_add(struct text *out, const cJSON *object, const char *name)
{
    char count[FIGURE_BYTES];
    const cJSON *json = json_get(object, name);
    if (!cJSON_IsNumber(json))
        text_add(out, "—");
    else if (json->valuedouble == floor(json->valuedouble))
        text_add(out, format_count(json->valuedouble, count));
    else
        text_addf(out, "%.3g", json->valuedouble);
}

static void pair_add(struct text *out, const struct report_cell *cell, const char *member,
                     const char *name)
{
    const cJSON *object = json_get(cell->json, member);
    if (name) {
        number_add(out, json_get(object, "producer"), name);
        text_add(out, " / ");
        number_add(out, json_get(object, "consumer"), name);
    } else {
        number_add(out, object, "producer");
        text_add(out, " / ");
        number_add(out, object, "consumer");
    }
}

void page_flags(struct text *out, const struct report_cell *cell)
{
    const cJSON *flag;
    const char *comma = "";
    cJSON_ArrayForEach (flag, json_get(cell->json, "flags")) {
        if (!cJSON_IsString(flag))
            continue;
        text_add(out, comma);
        for (const char *at = flag->valuestring, *end; *at; at = end) { /* no_steady_state: words */
            struct text word = {0};
            end = at + strcspn(at, "_");
            text_add_bytes(&word, at, (size_t)(end - at));
            text_add_html(out, text_get(&word));
            text_free(&word);
            end += strspn(end, "_");
            text_add(out, *end ? " " : "");
        }
        comma = ", ";
    }
}

const char *page_label_class(const char *label)
{
    return text_width(label) > LABEL_LONG ? " class=\"long\"" : "";
}

static void details_row(struct text *out, const struct report_cell *cell)
{
    struct text stages = {0};
    const cJSON *deadline = json_get(cell->json, "deadline");
    text_addf(out, "<tr><th scope=\"row\"%s>", page_label_class(cell->label));
    text_add_html(out, cell->label);
    text_add(out, "</th><td>");
    number_add(out, cell->json, "launches_ok");
    text_add(out, " of ");
    number_add(out, cell->json, "launches_planned");
    text_add(out, "</td><td>");
    number_add(out, cell->json, "frames");
    text_add(out, "</td><td>");
    first_frame_add(out, cell);
    text_add(out, "</td><td>");
    if (cJSON_IsObject(deadline)) {
        number_add(out, deadline, "missed");
        text_add(out, " of ");
        number_add(out, deadline, "frames");
    } else {
        text_add(out, "—");
    }
    text_add(out, "</td><td>");
    number_add(out, cell->json, "backlog_frames");
    text_add(out, "</td><td>");
    number_add(out, cell->json, "copies_per_frame");
    text_add(out, "</td><td>");
    pair_add(out, cell, "switches", "voluntary_per_frame");
    text_add(out, "</td><td>");
    pair_add(out, cell, "page_faults", NULL);
    text_add(out, "</td><td class=\"words\">");
    conclusions_small_stages(cell, &stages);
    text_add(out, stages.used_bytes ? text_get(&stages) : "—");
    text_add(out, "</td><td class=\"words\">");
    page_flags(out, cell);
    text_add(out, "</td></tr>\n");
    text_free(&stages);
}

void page_block_details(struct text *out, const struct report_block *block)
{
    size_t rows = 0;
    for (size_t i = 0; i < block->cell_count; i++)
        rows += block->cells[i].ok;
    if (rows == 0)
        return;
    text_add(out,
             "<details>\n<summary>First frames, deadlines, switches and what does not matter "
             "here</summary>\n<div class=\"scroll\" tabindex=\"0\">\n<table class=\"details\">\n"
             "<thead><tr><td></td><th>launches</th><th>frames each</th><th>first frame</th>"
             "<th>late for deadline</th><th>backlog</th><th>copies per frame</th>"
             "<th>sleeps per frame<br>prod / cons</th><th>page faults<br>prod / cons</th>"
             "<th class=\"words\">stages under 1 %: do not matter here</th>"
             "<th class=\"words\">flags</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < block->cell_count; i++)
        if (block->cells[i].ok)
            details_row(out, &block->cells[i]);
    text_add(out, "</tbody>\n</table>\n</div>\n</details>\n");
}

double page_integrity_sentence(const struct report *report, struct text *text)
{
    double frames = 0, checked = 0, errors = 0;
    char total[FIGURE_BYTES], looked[FIGURE_BYTES], wrong[FIGURE_BYTES];
    for (size_t i = 0; i < report->block_count; i++) {
        for (size_t j = 0; j < report->blocks[i].cell_count; j++) {
            const struct report_cell *cell = &report->blocks[i].cells[j];
            const cJSON *integrity = json_get(cell->json, "integrity");
            frames += fmax(0, json_get_number(integrity, "frames", 0));
            /* Of a transport that moves no bytes, none were looked at. */
            if (strcmp(json_get_string(integrity, "method", ""), "none") != 0)
                checked += fmax(0, json_get_number(integrity, "checked", 0));
            errors += fmax(0, report_integrity_errors(cell));
        }
    }
    format_count(frames, total);
    format_count(checked, looked);
    if (frames <= 0)
        text_add(text, "No frame was counted.");
    else if (errors > 0)
        text_addf(text,
                  "Of %s frames, %s arrived torn, out of order, twice or not at all: the "
                  "cells concerned are no measurements.",
                  total, format_count(errors, wrong));
    else if (checked <= 0)
        text_addf(text,
                  "None of the %s frames was lost, repeated or out of order; their bytes were "
                  "not looked at.",
                  total);
    else if (checked >= frames)
        text_addf(text,
                  "All %s frames were checked: none was torn, lost, repeated or out of order.",
                  total);
    else
        text_addf(text,
                  "None of the %s frames was lost, repeated or out of order, and none of the "
                  "%s whose bytes were checked was torn.",
                  total, looked);
    return errors;
}

void page_integrity(struct text *out, const struct page_part *part)
{
    const struct report *report = part->report;
    struct text sentence = {0};
    double errors = page_integrity_sentence(report, &sentence);
    text_addf(out, "<section>\n<h2>Did the bytes arrive whole?</h2>\n<p%s>%s</p>\n",
              errors > 0 ? " class=\"wrong\"" : "", text_get(&sentence));
    text_free(&sentence);
    for (size_t i = 0; errors > 0 && i < report->block_count; i++) {
        for (size_t j = 0; j < report->blocks[i].cell_count; j++) {
            const struct report_cell *cell = &report->blocks[i].cells[j];
            if (report_integrity_errors(cell) <= 0)
                continue;
            text_add(out, "<p><code>");
            text_add_html(out, cell->id);
            text_add(out, "</code>: ");
            report_integrity_text(cell, out);
            text_add(out, "</p>\n");
        }
    }
    text_add(out, "</section>\n");
}

size_t page_not_run_count(const struct report *report, bool meaningful)
{
    size_t count = 0;
    const struct report_cell *cell;
    for (size_t i = 0; i < report->block_count; i++)
        for (size_t j = 0; (cell = report_any_cell(&report->blocks[i], j)); j++)
            count += !cell->ok && !(meaningful && strcmp(cell->status, "not_applicable") == 0);
    return count;
}

/* Cells that could not run for one reason. */
struct reason {
    const struct report_cell *first;
    size_t count;
};

bool page_reasons_equal(const struct report_cell *a, const struct report_cell *b)
{
    static const char *const members[] = {"reason", "hint"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strcmp(json_get_string(a->json, members[i], ""),
                   json_get_string(b->json, members[i], "")) != 0)
            return false;
    return strcmp(a->status, b->status) == 0;
}

/* A reason and the cells it holds for, all of them where they are few. */
static void reason_add(struct text *out, const struct report *report, const struct reason *reason)
{
    struct text words = {0};
    const struct report_cell *cell;
    size_t shown = 0;
    columns_add_status(reason->first, &words);
    text_add(out, "<li>");
    page_words(out, text_get(&words));
    text_free(&words);
    text_add(out, "<br><small>");
    for (size_t i = 0; i < report->block_count; i++) {
        for (size_t j = 0; (cell = report_any_cell(&report->blocks[i], j)); j++) {
            if (cell->ok || shown == NOT_RUN_IDS_MAX || !page_reasons_equal(cell, reason->first))
                continue;
            text_add(out, shown++ ? ", <code>" : "<code>");
            text_add_html(out, cell->id);
            text_add(out, "</code>");
        }
    }
    if (reason->count > shown)
        text_addf(out, " and %zu more", reason->count - shown);
    text_add(out, "</small></li>\n");
}

void page_not_run(struct text *out, const struct page_part *part)
{
    const struct report *report = part->report;
    const struct report_cell *cell;
    const size_t not_run = page_not_run_count(report, false);
    struct reason *reasons = calloc(not_run + 1, sizeof *reasons);
    size_t count = 0;
    if (!reasons) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < report->block_count; i++) {
        for (size_t j = 0; (cell = report_any_cell(&report->blocks[i], j)); j++) {
            size_t known = 0;
            if (cell->ok)
                continue;
            while (known < count && !page_reasons_equal(reasons[known].first, cell))
                known++;
            if (known == count)
                reasons[count++].first = cell;
            reasons[known].count++;
        }
    }
    if (count) {
        text_add(out, "<section class=\"not-run\"");
        page_id(out, part, "not-run");
        text_add(out, ">\n<h2>What could not run, and why</h2>\n<ul>\n");
    }
    for (size_t i = 0; i < count; i++)
        reason_add(out, report, &reasons[i]);
    if (count)
        text_add(out, "</ul>\n</section>\n");
    free(reasons);
}

/* page_machine.c: the machine before and after, how figures are made, how to repeat them.
 * See page.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/intervals.h"
#include "harness/report/page.h"
#include "harness/report/stamp_clock.h"

#define DEPTH_MAX 6
#define KEY_BYTES 160

void page_machine_line(const struct report *report, struct text *text)
{
    const cJSON *before = json_get(json_get(report->json, "environment"), "before");
    const cJSON *cpu = json_get(before, "cpu"), *kernel = json_get(before, "kernel");
    const char *parts[] = {json_get_string(json_get(before, "board"), "model", ""),
                           json_get_string(cpu, "model", "")};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i][0])
            text_add(text, text->used_bytes ? " · " : "");
        text_add_plain(text, parts[i]);
    }
    double count = json_get_number(cpu, "cpu_count", 0);
    if (count > 0 && count < 1e6)
        text_addf(text, "%s%.0f CPUs", text->used_bytes ? " · " : "", count);
    const char *gpu = json_get_string(json_get(before, "gpu"), "name", "");
    if (gpu[0])
        text_add(text, text->used_bytes ? " · " : "");
    text_add_plain(text, gpu);
    if (json_get_bool(json_get(before, "virtualisation"), "virtual", false))
        text_addf(text, "%svirtual machine", text->used_bytes ? " · " : "");
    const char *release = json_get_string(kernel, "release", "");
    if (release[0]) {
        text_addf(text, "%sLinux ", text->used_bytes ? " · " : "");
        text_add_plain(text, release);
    }
}

/* A value of the environment in words; long lists are cut. */
static void value_add(struct text *text, const cJSON *json)
{
    char number[FIGURE_BYTES];
    if (cJSON_IsString(json)) {
        text_add_plain(text, json->valuestring);
    } else if (cJSON_IsNumber(json)) {
        const char *name = json->string ? json->string : "";
        size_t length = strlen(name);
        if (length > 6 && strcmp(name + length - 6, "_bytes") == 0)
            text_add(text, format_bytes(fmax(0, json->valuedouble), number));
        else if (json->valuedouble == floor(json->valuedouble))
            text_add(text, format_count(json->valuedouble, number));
        else
            text_addf(text, "%.6g", json->valuedouble);
    } else if (cJSON_IsBool(json)) {
        text_add(text, cJSON_IsTrue(json) ? "yes" : "no");
    } else if (cJSON_IsNull(json)) {
        text_add(text, "no limit");
    } else if (json) {
        const cJSON *item;
        size_t shown = 0;
        cJSON_ArrayForEach (item, json) {
            if (shown == 16) {
                text_add(text, ", …");
                return;
            }
            text_add(text, shown++ ? ", " : "");
            if (cJSON_IsObject(json) && item->string) {
                text_add_plain(text, item->string);
                text_add(text, " ");
            }
            if (!cJSON_IsObject(item) && !cJSON_IsArray(item)) {
                value_add(text, item);
            } else {
                text_add(text, "(");
                value_add(text, item);
                text_add(text, ")");
            }
        }
        if (shown == 0)
            text_add(text, "none");
    }
}

/* A table of one section; a value that changed during the run shows both. */
static void section_add(struct text *out, const cJSON *before, const cJSON *after)
{
    const cJSON *member;
    text_add(out, "<table class=\"machine\">\n<caption>");
    text_add_html(out, before->string);
    text_add(out, "</caption>\n");
    cJSON_ArrayForEach (member, before) {
        struct text was = {0}, is = {0};
        const char *name = member->string ? member->string : "";
        const cJSON *later = json_get(after, name);
        value_add(&was, member);
        value_add(&is, later);
        text_add(out, "<tr><th scope=\"row\">");
        text_add_html(out, name);
        text_add(out, "</th><td>");
        text_add_html(out, text_get(&was));
        if (later && strcmp(text_get(&was), text_get(&is)) != 0) {
            text_add(out, "<br><span class=\"after\">after: ");
            text_add_html(out, text_get(&is));
            text_add(out, "</span>");
        }
        text_add(out, "</td></tr>\n");
        text_free(&was);
        text_free(&is);
    }
    text_add(out, "</table>\n");
}

/* What a clock that was not taken would have cost, or why it could not be. */
static void clock_candidate_add(struct text *out, const cJSON *candidate)
{
    const char *reason = json_get_string(candidate, "reason", "");
    double read_ns = json_get_number(candidate, "read_ns", 0);
    if (!json_get_bool(candidate, "usable", false) && reason[0]) {
        text_add(out, " Not on ");
        text_add_html(out, json_get_string(candidate, "name", "another"));
        text_add(out, ": ");
        text_add_html(out, reason);
        text_add(out, ".");
    } else if (read_ns > 0 && read_ns < 1e9) {
        text_add(out, " ");
        text_add_html(out, json_get_string(candidate, "name", "Another clock"));
        text_addf(out, " costs %.1f ns.", read_ns);
    }
}

/* The clock of the stamps (all of them, unless some cells have another), how good it is, and the
 * others. Older results have fewer members. */
static void clock_add(struct text *out, const cJSON *clock, const char *other)
{
    const char *name = json_get_string(clock, "name", "one clock");
    double read_ns = json_get_number(clock, "read_ns", 0);
    double tick_ns = json_get_number(clock, "tick_ns", 0);
    double apart_ns = json_get_number(clock, "cpus_agree_ns", -1);
    double error_ppm = json_get_number(clock, "conversion_error_ppm", -1);
    const cJSON *candidate;
    if (!(read_ns > 0 && read_ns < 1e9))
        return;
    text_add(out, other ? "Stamps are on " : "All stamps are on ");
    text_add_html(out, name);
    text_addf(out, ", which costs %.1f ns to read here", read_ns);
    if (tick_ns > 0)
        text_addf(out, " and steps by %.3g ns", tick_ns);
    text_add(out, ".");
    if (apart_ns >= 0 && error_ppm >= 0)
        text_addf(out,
                  " Two CPUs show it at most %.3g ns apart; its speed against CLOCK_MONOTONIC is "
                  "known to %.2g ppm.",
                  apart_ns, error_ppm);
    cJSON_ArrayForEach (candidate, json_get(clock, "candidates"))
        if (cJSON_IsObject(candidate) && strcmp(json_get_string(candidate, "name", ""), name) != 0)
            clock_candidate_add(out, candidate);
}

void page_machine(struct text *out, const struct page_part *part)
{
    const struct report *report = part->report;
    const cJSON *environment = json_get(report->json, "environment"), *section;
    const cJSON *before = json_get(environment, "before"), *after = json_get(environment, "after");
    const cJSON *clock = json_get(json_get(report->json, "run"), "clock");
    struct text line = {0};
    page_machine_line(report, &line);
    text_add(out, "<section>\n<h2>The machine</h2>\n<p>");
    text_add_html(out, line.used_bytes ? text_get(&line) : "Nothing is recorded about it");
    text_add(out, ". ");
    const char *other = stamp_clock_other(report->json);
    clock_add(out, clock, other);
    if (other) {
        text_add(out, " Cells with a role in Python are stamped by ");
        text_add_html(out, other);
        text_add(out, ", which Python can read.");
    }
    text_add(out, "</p>\n");
    text_free(&line);
    if (cJSON_GetArraySize(before) > 0) {
        text_add(out,
                 "<details>\n<summary>Everything recorded about it, before and after</summary>\n"
                 "<div class=\"columns\">\n");
        cJSON_ArrayForEach (section, before) {
            if (cJSON_IsObject(section) && section->string)
                section_add(out, section, json_get(after, section->string));
        }
        text_add(out, "</div>\n</details>\n");
    }
    text_add(out, "</section>\n");
}

void page_method(struct text *out)
{
    text_add(
        out,
        "<section class=\"method\">\n<h2>How to read this</h2>\n"
        "<p>A cell is one choice of everything that can be chosen. It runs in several "
        "<em>launches</em>, each in fresh processes, interleaved with those of the other cells "
        "in random order. The launch is the unit of statistics: a figure is the geometric mean "
        "of the launches' quantiles, its interval is Student's t over ten launches or more. "
        "With fewer, the smallest and the largest launch are shown and called a range.</p>\n"
        "<p>Two cells are compared launch by launch. <em>Tied</em>: the 90 % interval of their "
        "ratio lies within ±5 %. A cell is called slower when a one-sided paired test at 5 % "
        "puts it beyond 2 % (or two clock ticks). Anything else is <em>not enough data</em>. "
        "A stage under 1 % of the response does not matter here. In the tables the best figure of "
        "a "
        "comparison is green, and so are those that the data does not tell apart from it.</p>\n"
        "<p><em>What else makes a difference</em> holds two cells beside each other that differ in "
        "one axis and in nothing else, as often as there are such two: the ratio is the geometric "
        "mean with its range over these comparisons, or with the 95 % interval over launches where "
        "there is only one. Every comparison is judged for itself: of twenty that are alike, one "
        "may be called different by chance.</p>\n"
        "<p>— means that there are too few samples: a launch needs 368 frames for its p99 and "
        "3,688 for its p99.9. ∞ stands among frames that never finished. GB/s counts payload "
        "bytes once, in 10<sup>9</sup> bytes. CPU is in per cent of one CPU; less baseline, it is "
        "the "
        "whole machine's beyond that of a launch beside it with nothing but the pacer. Two waits' "
        "CPU is tied within half a per cent of a CPU, or 5 %, launch by launch; one is called "
        "cheaper beyond a tenth, or 2 %. A wait is below a bound where the upper end of its "
        "interval is.</p>\n"
        "<p>Intervals are between moments of a frame. ");
    text_add_html(out, interval_stamps_text);
    text_add(out, "</p>\n<dl class=\"intervals\">\n");
    for (size_t i = 0; i < INTERVAL_COUNT; i++) {
        text_addf(out, "<div><dt>%s</dt><dd>", interval_definitions[i].name);
        text_add_html(out, interval_definitions[i].definition);
        text_add(out, "</dd></div>\n");
    }
    text_add(out, "</dl>\n</section>\n");
}

/* A word of a command: plain where a shell needs no quotes, else in single ones. */
static void command_word(struct text *text, const char *word)
{
    bool plain = word[0] != '\0';
    for (const char *at = word; *at && plain; at++)
        plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                (*at >= '0' && *at <= '9') || strchr("_-./:=,+@%", *at);
    struct text quoted = {0};
    if (!plain)
        text_add(&quoted, "'");
    for (const char *at = word; *at; at++) {
        if (*at == '\'')
            text_add(&quoted, "'\\''");
        else
            text_add_bytes(&quoted, at, 1);
    }
    if (!plain)
        text_add(&quoted, "'");
    text_add_plain(text, text_get(&quoted));
    text_free(&quoted);
}

/* A path as one says it from the checkout: a scenario of ours without the folders above. Whoever
 * reads a report has other folders, and what those of its writer are called is nobody's
 * business. */
static const char *path_in_checkout(const char *path)
{
    static const char folder[] = "/scenarios/";
    const char *ours = path[0] == '/' ? strstr(path, folder) : NULL;
    return ours && !strchr(ours + sizeof folder - 1, '/') ? ours + 1 : path;
}

void page_command(const struct report *report, struct text *text)
{
    const cJSON *run = json_get(report->json, "run"), *word;
    bool seeded = false, is_folder = false;
    cJSON_ArrayForEach (word, json_get(run, "command")) {
        if (!cJSON_IsString(word))
            continue;
        const bool skip = is_folder || strcmp(word->valuestring, "--quiet") == 0 ||
                          strncmp(word->valuestring, "--out=", 6) == 0;
        is_folder = !is_folder && strcmp(word->valuestring, "--out") == 0;
        if (skip || is_folder)
            continue; /* where its writer kept it, and how much was said meanwhile */
        if (!text->used_bytes && strcmp(word->valuestring, "run") == 0)
            text_add(text, "handoff"); /* the command's own argv[0] */
        text_add(text, text->used_bytes ? " " : "");
        command_word(text, path_in_checkout(word->valuestring));
        seeded = seeded || strncmp(word->valuestring, "--seed", 6) == 0;
    }
    int64_t seed;
    if (text->used_bytes && !seeded &&
        json_whole(json_get(run, "seed"), 0, (int64_t)1 << 53, &seed))
        text_addf(text, " --seed %lld", (long long)seed);
}

void page_reproduce(struct text *out, const struct page_part *part)
{
    const struct report *report = part->report;
    const cJSON *tool = json_get(report->json, "tool");
    const cJSON *scenario = json_get(report->json, "scenario");
    struct text command = {0};
    page_command(report, &command);
    text_add(out, "<section>\n<h2>Repeat it</h2>\n");
    if (command.used_bytes) {
        text_add(out, "<pre><code>");
        text_add_html(out, text_get(&command));
        text_add(out, "</code></pre>\n");
    }
    text_add(out, "<p>Scenario <code>");
    text_add_html(out, path_in_checkout(json_get_string(scenario, "path", report->scenario)));
    text_add(out, "</code>, handoff ");
    text_add_html(out, json_get_string(tool, "version", "of unknown version"));
    text_add(out, ", commit <code>");
    text_add_html(out, json_get_string(tool, "commit", "unknown"));
    text_add(out, "</code>, built with ");
    text_add_html(out, json_get_string(tool, "compiler", "an unknown compiler"));
    const char *build = json_get_string(tool, "build_type", "");
    if (build[0]) {
        text_add(out, " (");
        text_add_html(out, build);
        text_add(out, ")");
    }
    text_add(out, ".</p>\n</section>\n");
    text_free(&command);
}

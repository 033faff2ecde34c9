/* page_floor.c: what this machine can do at best: the floor that figures are multiples of.
 * See page.h. */
#include <math.h>
#include <stdio.h>

#include "harness/base/json.h"
#include "harness/report/page.h"

/* A time that was measured; false, and nothing written, when it is not there. */
static bool time_format(const cJSON *object, const char *name, char *text)
{
    double ns = json_get_number(object, name, NAN);
    if (!isfinite(ns) || ns < 0)
        return false;
    if (ns < 99.95)
        snprintf(text, FIGURE_BYTES, "%.1f ns", ns);
    else
        format_ns(ns, text);
    return true;
}

/* One row: what, how long, and what it means for a wait. Nothing without a figure. */
static void row_add(struct text *out, const char *what, const cJSON *object, const char *name,
                    const char *means)
{
    char value[FIGURE_BYTES];
    if (!time_format(object, name, value))
        return;
    text_add(out, "<tr><th scope=\"row\">");
    text_add_html(out, what);
    text_addf(out, "</th><td>%s</td><td class=\"words\">%s</td></tr>\n", value, means);
}

static void pairs_add(struct text *out, const cJSON *floor)
{
    const cJSON *pair;
    char what[96];
    cJSON_ArrayForEach (pair, json_get(floor, "pairs")) {
        int64_t producer, consumer;
        if (!json_whole(json_get(pair, "producer_cpu"), 0, 1000000, &producer) ||
            !json_whole(json_get(pair, "consumer_cpu"), 0, 1000000, &consumer))
            continue;
        snprintf(what, sizeof what, "one cache line there and back, CPU %d and %d", (int)producer,
                 (int)consumer);
        row_add(out, what, json_get(pair, "one_line"), "p50_ns",
                "both write the same line: the least that any news takes, twice");
        snprintf(what, sizeof what, "two cache lines there and back, CPU %d and %d", (int)producer,
                 (int)consumer);
        row_add(out, what, json_get(pair, "two_lines"), "p50_ns",
                "each writes a line of its own, as ring and answer do; half of it is the floor of "
                "a handoff");
    }
}

static void futex_add(struct text *out, const cJSON *floor)
{
    const cJSON *futex = json_get(floor, "futex");
    row_add(out, "futex wake, nobody sleeps", futex, "wake_nobody_ns",
            "what a producer pays for waking in vain");
    row_add(out, "futex wake, somebody sleeps", futex, "wake_sleeper_ns",
            "what a producer pays to wake a consumer");
    row_add(out, "futex, from wake to awake", futex, "one_way_ns",
            "how late a sleeper is at best: with idle states as they were found");
}

static void sleeps_add(struct text *out, const cJSON *floor)
{
    const cJSON *sleep;
    char what[96], asked[FIGURE_BYTES], slack[FIGURE_BYTES];
    double slack_ns = json_get_number(floor, "timer_slack_ns", NAN);
    cJSON_ArrayForEach (sleep, json_get(floor, "nanosleep")) {
        double ns = json_get_number(sleep, "requested_ns", NAN);
        if (!isfinite(ns) || ns < 0)
            continue;
        if (isfinite(slack_ns) && slack_ns >= 0)
            snprintf(what, sizeof what, "nanosleep of %.20s, timer slack %.20s",
                     format_bound(ns, asked), format_bound(slack_ns, slack));
        else
            snprintf(what, sizeof what, "nanosleep of %.20s", format_bound(ns, asked));
        row_add(out, what, sleep, "p50_ns", "how long it really is: a poll is no finer");
    }
}

static void clocks_add(struct text *out, const cJSON *floor)
{
    const cJSON *clock;
    cJSON_ArrayForEach (clock, json_get(floor, "clocks")) {
        struct text what = {0};
        char tick[FIGURE_BYTES];
        text_add(&what, "reading ");
        text_add_plain(&what, json_get_string(clock, "name", "a clock"));
        if (time_format(clock, "tick_ns", tick))
            text_addf(&what, ", which steps by %s", tick);
        row_add(out, text_get(&what), clock, "read_ns", "what a stamp costs");
        text_free(&what);
    }
}

/* "388 µs (16.0 GB/s)". */
static void memory_cell_add(struct text *out, const cJSON *memory, const char *name)
{
    char value[FIGURE_BYTES];
    double bytes = json_get_number(memory, "bytes", 0), ns = json_get_number(memory, name, NAN);
    text_add(out, "<td>");
    if (time_format(memory, name, value)) {
        text_add(out, value);
        if (bytes > 0 && ns > 0 && bytes / ns < 1e6)
            text_addf(out, "<small>%.3g GB/s</small>", bytes / ns);
    } else {
        text_add(out, "—");
    }
    text_add(out, "</td>");
}

static void memory_add(struct text *out, const cJSON *floor)
{
    static const char *const columns[] = {"copy_cached_ns", "copy_evicted_ns", "read_cached_ns",
                                          "read_evicted_ns", "read_written_elsewhere_ns"};
    const cJSON *memory, *list = json_get(floor, "memory");
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
        return;
    text_add(out, "<div class=\"scroll\" tabindex=\"0\">\n<table class=\"details\">\n<thead><tr>"
                  "<th scope=\"col\" class=\"words\">bytes of a frame</th>"
                  "<th scope=\"col\">copied, in the cache</th>"
                  "<th scope=\"col\">copied, from memory</th>"
                  "<th scope=\"col\">read, in the cache</th>"
                  "<th scope=\"col\">read, from memory</th>"
                  "<th scope=\"col\">read, written by the other CPU</th></tr></thead>\n<tbody>\n");
    cJSON_ArrayForEach (memory, list) {
        char size[FIGURE_BYTES];
        double bytes = json_get_number(memory, "bytes", NAN);
        if (!isfinite(bytes) || bytes < 0)
            continue;
        text_addf(out, "<tr><th scope=\"row\">%s</th>", format_bytes(bytes, size));
        for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
            memory_cell_add(out, memory, columns[i]);
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody>\n</table>\n</div>\n");
}

void page_floor(struct text *out, const struct page_part *part)
{
    const cJSON *floor = json_get(part->report->json, "floor");
    if (!cJSON_IsObject(floor))
        return;
    text_add(out, "<section>\n<h2>What this machine can do at best</h2>\n<p>Measured in the same "
                  "run, without the suite's roles and transports. The tables give figures as "
                  "multiples of it where they have one: 1.0× could hardly be better here.</p>\n"
                  "<div class=\"scroll\" tabindex=\"0\">\n<table class=\"details floor\">\n"
                  "<tbody>\n");
    pairs_add(out, floor);
    futex_add(out, floor);
    sleeps_add(out, floor);
    row_add(out, "a system call", floor, "system_call_ns",
            "what anything that enters the kernel costs at least");
    clocks_add(out, floor);
    text_add(out, "</tbody>\n</table>\n</div>\n");
    memory_add(out, floor);
    page_floor_gpu(out, floor);
    text_add(out, "</section>\n");
}

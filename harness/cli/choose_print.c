/* choose_print.c: what `handoff choose` found, on a terminal, as Markdown and as JSON. See choose.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/choose.h"
#include "harness/cli/run_summary.h"
#include "harness/report/wrap.h"

#define COLUMNS 8

/* ---- Cells of the table ---------------------------------------------------------------------- */

/* "612 µs (590–640 µs)" */
static void interval_add(struct text *text, const struct figure *figure, enum figure_unit unit)
{
    char value[FIGURE_BYTES], range[4 * FIGURE_BYTES];
    text_add(text, format_figure(figure, unit, value));
    format_range(figure, unit, range, sizeof range);
    if (range[0])
        text_addf(text, " (%s)", range);
}

/* "1.02 (1.00–1.04)": the detector's time in the run beside alone. */
static void slowed_add(struct text *text, const struct stats_paired *slowed)
{
    if (!isfinite(slowed->ratio)) {
        text_add(text, "—");
        return;
    }
    text_addf(text, "×%.2f", slowed->ratio);
    if (isfinite(slowed->low95) && isfinite(slowed->high95))
        text_addf(text, " (%.2f–%.2f)", slowed->low95, slowed->high95);
}

static void count_add(struct text *text, double count)
{
    char value[FIGURE_BYTES];
    text_add(text, count < 0 ? "—" : format_count(count, value));
}

static void misses_add(struct text *text, const struct choice_way *way)
{
    char value[FIGURE_BYTES];
    if (way->misses < 0 || way->frames < 0) {
        text_add(text, "—");
        return;
    }
    text_addf(text, "%s of ", format_count(way->misses, value));
    text_add(text, format_count(way->frames, value));
}

static bool any_p99(const struct choice *choice)
{
    for (size_t i = 0; i < choice->count; i++)
        if (choice->ways[i].age_p99.state != FIGURE_ABSENT)
            return true;
    return false;
}

static const char *state_words(enum choice_state state)
{
    static const char *const words[] = {"chosen",    "tied",     "unclear", "slower",
                                        "above CPU", "contrast", "failed",  "not run"};
    return words[state];
}

static bool way_has_figures(const struct choice_way *way)
{
    return way->state != CHOICE_FAILED && way->state != CHOICE_NOT_RUN;
}

static void heading_make(const struct choice *choice, struct text row[COLUMNS])
{
    static const char *const names[COLUMNS] = {"way",  "age at use, p50", NULL, "detector", "late",
                                               "skip", "CPU %",           ""};
    for (int i = 0; i < COLUMNS; i++)
        text_add(&row[i], names[i] ? names[i] : any_p99(choice) ? "p99" : "worst");
}

static void row_make(const struct choice *choice, const struct choice_way *way,
                     struct text row[COLUMNS])
{
    char value[FIGURE_BYTES];
    text_add(&row[0], text_get(&way->name));
    text_add(&row[7], state_words(way->state));
    if (!way_has_figures(way))
        return;
    interval_add(&row[1], &way->age_p50, UNIT_NS);
    text_add(&row[2],
             format_figure(any_p99(choice) ? &way->age_p99 : &way->age_worst, UNIT_NS, value));
    slowed_add(&row[3], &way->slowed);
    misses_add(&row[4], way);
    count_add(&row[5], way->skipped);
    text_add(&row[6], format_figure(&way->cpu, UNIT_PERCENT, value));
}

static void row_free(struct text row[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++)
        text_free(&row[i]);
}

/* What the columns mean, and of how many launches and frames they are. */
static void legend_add(struct text *text, const struct choose_arguments *arguments,
                       const struct choose_plan *plan, const struct choice *choice)
{
    char deadline[FIGURE_BYTES], needed[FIGURE_BYTES];
    text_addf(text, "%u launch%s of %u frames each. ", plan->launches,
              plan->launches == 1 ? "" : "es", plan->frames);
    if (plan->left_out > 0)
        text_addf(text, "For %zu more way%s there was no time (--seconds). ", plan->left_out,
                  plan->left_out == 1 ? "" : "s");
    if (plan->launches >= STATS_LAUNCHES_MIN)
        text_add(text, "In brackets: 95 % intervals. ");
    else if (plan->launches > 1)
        text_addf(text,
                  "In brackets: of age the range over launches (an interval needs %d), of the "
                  "detector a 95 %% interval. ",
                  STATS_LAUNCHES_MIN);
    text_add(text, "Age at use: from a whole frame in the camera's process until the detector "
                   "begins. ");
    if (!any_p99(choice))
        text_addf(text, "Its p99 takes %s frames of a way. ",
                  format_count((double)stats_quantiles[STATS_P99].frames_min, needed));
    else
        text_add(text, "Its p99 is of all launches' frames together. ");
    text_addf(text,
              "Detector: its time beside that by itself, called at once again and again. Late: "
              "later than %s after the frame was due, skipped ones included. CPU: both processes, "
              "the detector's own included.",
              format_ns(choice->deadline_ns, deadline));
    (void)arguments;
}

/* ---- Terminal -------------------------------------------------------------------------------- */

static void print_padded(const char *text, size_t width)
{
    const size_t used = text_width(text);
    printf("%s%*s", text, used < width ? (int)(width - used) : 0, "");
}

static void print_paragraph(const struct text *text)
{
    if (text->used_bytes == 0)
        return;
    putchar('\n');
    wrap_print(stdout, text_get(text), 0, 0);
}

static void print_rows(const struct choice *choice)
{
    size_t widths[COLUMNS] = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i <= choice->count; i++) {
            struct text row[COLUMNS] = {{0}};
            if (i == 0)
                heading_make(choice, row);
            else
                row_make(choice, &choice->ways[i - 1], row);
            for (int j = 0; j < COLUMNS; j++) {
                const size_t width = text_width(text_get(&row[j]));
                if (pass == 0)
                    widths[j] = width > widths[j] ? width : widths[j];
                else
                    print_padded(text_get(&row[j]),
                                 j + 1 < COLUMNS ? widths[j] + (j < 2 ? 2 : 1) : 0);
            }
            if (pass == 1)
                putchar('\n');
            row_free(row);
        }
    }
}

static void print_code(const char *heading, const struct text *code)
{
    if (code->used_bytes)
        printf("\n%s\n\n%s", heading, text_get(code));
}

void choose_print_table(const struct choose_arguments *arguments, const struct choose_plan *plan,
                        const struct choice *choice)
{
    struct text legend = {0}, reader = {0}, writer = {0}, other = {0};
    print_rows(choice);
    legend_add(&legend, arguments, plan, choice);
    print_paragraph(&legend);
    print_paragraph(&choice->verdict);
    for (size_t i = 0; i < choice->note_count; i++)
        print_paragraph(&choice->notes[i]);
    if (choice->chosen < choice->count) {
        const struct choice_way *way = &choice->ways[choice->chosen];
        choose_code_add_reader(&reader, arguments, way);
        choose_code_add_writer(&writer, arguments, way);
        choose_code_add_other_side(&other, arguments, way);
        print_code("# The detector's process:", &reader);
        print_code("# The camera's process:", &writer);
        print_paragraph(&other);
    }
    text_free(&legend);
    text_free(&reader);
    text_free(&writer);
    text_free(&other);
}

/* ---- Markdown -------------------------------------------------------------------------------- */

static void markdown_paragraph(const struct text *text)
{
    if (text->used_bytes == 0)
        return;
    putchar('\n');
    cli_print_markdown(stdout, text_get(text));
    putchar('\n');
}

static void markdown_code(const char *heading, const struct text *code)
{
    if (code->used_bytes)
        printf("\n%s\n\n```python\n%s```\n", heading, text_get(code));
}

void choose_print_markdown(const struct choose_arguments *arguments, const struct choose_plan *plan,
                           const struct choice *choice)
{
    struct text legend = {0}, reader = {0}, writer = {0}, other = {0};
    for (size_t i = 0; i <= choice->count; i++) {
        struct text row[COLUMNS] = {{0}};
        const char *cells[COLUMNS];
        if (i == 0)
            heading_make(choice, row);
        else
            row_make(choice, &choice->ways[i - 1], row);
        for (int j = 0; j < COLUMNS; j++)
            cells[j] = text_get(&row[j]);
        if (i == 0)
            cli_print_markdown_head(stdout, cells, COLUMNS);
        else
            cli_print_markdown_row(stdout, cells, COLUMNS);
        row_free(row);
    }
    legend_add(&legend, arguments, plan, choice);
    markdown_paragraph(&legend);
    markdown_paragraph(&choice->verdict);
    for (size_t i = 0; i < choice->note_count; i++)
        markdown_paragraph(&choice->notes[i]);
    if (choice->chosen < choice->count) {
        const struct choice_way *way = &choice->ways[choice->chosen];
        choose_code_add_reader(&reader, arguments, way);
        choose_code_add_writer(&writer, arguments, way);
        choose_code_add_other_side(&other, arguments, way);
        markdown_code("The detector's process:", &reader);
        markdown_code("The camera's process:", &writer);
        markdown_paragraph(&other);
    }
    text_free(&legend);
    text_free(&reader);
    text_free(&writer);
    text_free(&other);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static cJSON *number_or_null(double value)
{
    return isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull();
}

static cJSON *figure_json(const struct figure *figure)
{
    if (figure->state == FIGURE_ABSENT)
        return cJSON_CreateNull();
    cJSON *json = cJSON_CreateObject();
    if (figure->state == FIGURE_INFINITE)
        json_add_string(json, "value", "inf");
    else
        json_add_double(json, "value", figure->value);
    json_add(json, "low", number_or_null(figure->low));
    json_add(json, "high", number_or_null(figure->high));
    json_add_string(json, "spread",
                    figure->spread == SPREAD_CI95    ? "ci95"
                    : figure->spread == SPREAD_RANGE ? "range"
                                                     : "none");
    return json;
}

static cJSON *ratio_json(const struct stats_paired *paired)
{
    if (!isfinite(paired->ratio))
        return cJSON_CreateNull();
    cJSON *json = cJSON_CreateObject();
    json_add_double(json, "ratio", paired->ratio);
    json_add(json, "low95", number_or_null(paired->low95));
    json_add(json, "high95", number_or_null(paired->high95));
    json_add_u64(json, "pairs", paired->pairs);
    json_add_string(json, "verdict", stats_verdict_name(paired->verdict));
    return json;
}

static cJSON *count_json(double count)
{
    return count < 0 ? cJSON_CreateNull() : cJSON_CreateNumber(count);
}

static cJSON *way_json(const struct choose_arguments *arguments, const struct choice_way *way)
{
    cJSON *json = cJSON_CreateObject();
    struct text reader = {0}, writer = {0};
    choose_code_add_reader(&reader, arguments, way);
    choose_code_add_writer(&writer, arguments, way);
    json_add_string(json, "id", way->cell->id);
    json_add_string(json, "way", text_get(&way->name));
    json_add_string(json, "state", choice_state_name(way->state));
    json_add(json, "age_p50_ns", figure_json(&way->age_p50));
    json_add(json, "age_p99_ns", figure_json(&way->age_p99));
    json_add(json, "age_worst_ns", figure_json(&way->age_worst));
    json_add(json, "latency_p50_ns", figure_json(&way->latency));
    json_add(json, "beside_chosen", ratio_json(&way->beside));
    json_add(json, "detector_slowed", ratio_json(&way->slowed));
    json_add(json, "deadline_missed", count_json(way->misses));
    json_add(json, "frames", count_json(way->frames));
    json_add(json, "skipped", count_json(way->skipped));
    json_add(json, "frames_per_s", number_or_null(way->frames_per_s));
    json_add(json, "cpu_percent", figure_json(&way->cpu));
    json_add_string(json, "reason", json_get_string(way->cell->json, "reason", ""));
    json_add_string(json, "hint", json_get_string(way->cell->json, "hint", ""));
    json_add_string(json, "detector_code", text_get(&reader));
    json_add_string(json, "camera_code", text_get(&writer));
    text_free(&reader);
    text_free(&writer);
    return json;
}

enum status choose_print_json(const struct choose_arguments *arguments,
                              const struct choose_plan *plan, const struct choice *choice,
                              const cJSON *result, const char *dir, struct err *err)
{
    cJSON *json = cJSON_CreateObject(), *list = cJSON_CreateArray(), *notes = cJSON_CreateArray();
    json_add_string(json, "consumer", arguments->detector);
    json_add_string(json, "producer", arguments->python_producer ? "python" : "c");
    json_add_string(json, "frame", arguments->size);
    json_add_double(json, "rate_hz", arguments->rate_hz);
    json_add_double(json, "deadline_ns", choice->deadline_ns);
    json_add(json, "alone_p50_ns", number_or_null(choice->alone_p50_ns));
    json_add_u64(json, "launches", plan->launches);
    json_add_u64(json, "frames_per_launch", plan->frames);
    json_add_u64(json, "ways_left_out", plan->left_out);
    json_add(json, "grows_by_bytes_per_frame", figure_json(&choice->leaked));
    for (size_t i = 0; i < choice->count; i++)
        json_append(list, way_json(arguments, &choice->ways[i]));
    json_add(json, "ways", list);
    if (choice->chosen < choice->count)
        json_add_string(json, "chosen", choice->ways[choice->chosen].cell->id);
    else
        json_add(json, "chosen", cJSON_CreateNull());
    json_add_string(json, "verdict", text_get(&choice->verdict));
    for (size_t i = 0; i < choice->note_count; i++)
        json_append(notes, cJSON_CreateString(text_get(&choice->notes[i])));
    json_add(json, "notes", notes);
    json_add_string(json, "fitness", run_summary_fitness(result));
    json_add(json, "result", dir ? cJSON_CreateString(dir) : cJSON_CreateNull());
    enum status status = cli_print_json(stdout, json, err);
    cJSON_Delete(json);
    return status;
}

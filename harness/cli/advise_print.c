/* advise_print.c: the answer of `handoff advise` on a terminal, as Markdown and as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/advise.h"
#include "harness/cli/format_option.h"
#include "harness/report/wrap.h"

#define LABEL_WIDTH_MAX 44
#define FIGURE_WIDTH 24

static const char *const quantile_names[STATS_QUANTILE_COUNT] = {"p50", "p90", "p99", "p99.9"};

/* "85.2 µs (80–90 µs)": the figure with its interval. */
static void figure_add(struct text *text, const struct figure *figure, enum figure_unit unit)
{
    char value[FIGURE_BYTES], range[4 * FIGURE_BYTES];
    text_add(text, format_figure(figure, unit, value));
    format_range(figure, unit, range, sizeof range);
    if (range[0])
        text_addf(text, " (%s)", range);
}

static bool column_shown(const struct bounds *bounds, int quantile)
{
    return bounds->time_ns[quantile] > 0;
}

/* In the order of the columns: CPU, then each quantile that is bounded. Returns how many. */
static size_t row_figures(const struct bounds *bounds, const struct bounds_cell *cell,
                          struct text columns[STATS_QUANTILE_COUNT + 1])
{
    size_t count = 0;
    memset(columns, 0, (STATS_QUANTILE_COUNT + 1) * sizeof *columns);
    figure_add(&columns[count++], &cell->cpu, UNIT_PERCENT);
    for (int i = 0; i < STATS_QUANTILE_COUNT; i++)
        if (column_shown(bounds, i))
            figure_add(&columns[count++], &cell->time[i], UNIT_NS);
    return count;
}

static size_t heading_figures(const struct bounds *bounds,
                              struct text columns[STATS_QUANTILE_COUNT + 1])
{
    size_t count = 0;
    memset(columns, 0, (STATS_QUANTILE_COUNT + 1) * sizeof *columns);
    text_add(&columns[count++], "CPU %");
    for (int i = 0; i < STATS_QUANTILE_COUNT; i++)
        if (column_shown(bounds, i))
            text_add(&columns[count++], quantile_names[i]);
    return count;
}

static void columns_free(struct text *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        text_free(&columns[i]);
}

static const char *state_words(enum bounds_state state)
{
    static const char *const words[] = {"keeps the bounds", "not sure to", "misses",
                                        "cannot be told"};
    return words[state];
}

static void print_sentence(const char *text, size_t indent)
{
    for (size_t i = 0; i < indent; i++)
        putchar(' ');
    wrap_print(stdout, text, indent, indent);
}

static const char *cpu_words(const struct bounds_case *one)
{
    return one->net ? "CPU: the whole system's, less what the same schedule takes without a "
                      "hand-over, in per cent of one CPU."
                    : "CPU: that of both roles, in per cent of one CPU.";
}

/* ---- Terminal -------------------------------------------------------------------------------- */

static void print_padded(const char *text, size_t width)
{
    const size_t used = text_width(text);
    printf("%s%*s", text, used < width ? (int)(width - used) : 0, "");
}

static void print_row(const char *label, size_t label_width, const struct text *columns,
                      size_t count)
{
    fputs("  ", stdout);
    print_padded(label, label_width);
    for (size_t i = 0; i < count; i++) {
        fputs("  ", stdout);
        print_padded(text_get(&columns[i]), i + 1 < count ? FIGURE_WIDTH : 0);
    }
    putchar('\n');
}

static void print_case(const struct bounds *bounds, const struct bounds_case *one)
{
    struct text columns[STATS_QUANTILE_COUNT + 1], sentence = {0};
    size_t width = 0;
    enum bounds_state shown = BOUNDS_UNKNOWN + 1;
    for (size_t i = 0; i < one->count; i++) {
        const size_t needed = text_width(text_get(&one->cells[i].label));
        width = needed > width ? needed : width;
    }
    width = width > LABEL_WIDTH_MAX ? LABEL_WIDTH_MAX : width;
    print_sentence(text_get(&one->title), 0);
    bounds_add_verdict(&sentence, bounds, one);
    print_sentence(text_get(&sentence), 0);
    text_free(&sentence);
    putchar('\n');
    size_t count = heading_figures(bounds, columns);
    print_row("", width, columns, count);
    columns_free(columns, count);
    for (size_t i = 0; i < one->count; i++) {
        const struct bounds_cell *cell = &one->cells[i];
        if (cell->state != shown)
            printf("%s:\n", state_words(cell->state));
        shown = cell->state;
        count = row_figures(bounds, cell, columns);
        print_row(text_get(&cell->label), width, columns, count);
        columns_free(columns, count);
        if (cell->lacks.used_bytes)
            print_sentence(text_get(&cell->lacks), 6);
    }
    putchar('\n');
    bounds_add_nearest_miss(&sentence, one);
    if (sentence.used_bytes)
        print_sentence(text_get(&sentence), 0);
    text_free(&sentence);
    print_sentence(cpu_words(one), 0);
}

void advise_print_table(const struct bounds *bounds, const struct bounds_answer *answer)
{
    for (size_t i = 0; i < answer->case_count; i++) {
        if (i)
            putchar('\n');
        print_case(bounds, &answer->cases[i]);
    }
    if (answer->left_out.used_bytes) {
        struct text sentence = {0};
        text_addf(&sentence, "Not considered: %s", text_get(&answer->left_out));
        putchar('\n');
        print_sentence(text_get(&sentence), 0);
        text_free(&sentence);
    }
}

/* ---- Markdown -------------------------------------------------------------------------------- */

static void markdown_print_case(const struct bounds *bounds, const struct bounds_case *one)
{
    struct text columns[STATS_QUANTILE_COUNT + 1], sentence = {0};
    const char *row[STATS_QUANTILE_COUNT + 4] = {"choice"};
    fputs("### ", stdout);
    cli_print_markdown(stdout, text_get(&one->title));
    bounds_add_verdict(&sentence, bounds, one);
    text_add(&sentence, " ");
    bounds_add_nearest_miss(&sentence, one);
    fputs("\n\n", stdout);
    cli_print_markdown(stdout, text_get(&sentence));
    text_free(&sentence);
    fputs("\n\n", stdout);
    size_t count = heading_figures(bounds, columns);
    for (size_t i = 0; i < count; i++)
        row[1 + i] = text_get(&columns[i]);
    row[1 + count] = "";
    row[2 + count] = "why";
    cli_print_markdown_head(stdout, row, count + 3);
    columns_free(columns, count);
    for (size_t i = 0; i < one->count; i++) {
        const struct bounds_cell *cell = &one->cells[i];
        row_figures(bounds, cell, columns);
        row[0] = text_get(&cell->label);
        for (size_t j = 0; j < count; j++)
            row[1 + j] = text_get(&columns[j]);
        row[1 + count] = state_words(cell->state);
        row[2 + count] = text_get(&cell->lacks);
        cli_print_markdown_row(stdout, row, count + 3);
        columns_free(columns, count);
    }
    printf("\n%s\n", cpu_words(one));
}

void advise_print_markdown(const struct bounds *bounds, const struct bounds_answer *answer)
{
    for (size_t i = 0; i < answer->case_count; i++) {
        fputs(i ? "\n" : "", stdout);
        markdown_print_case(bounds, &answer->cases[i]);
    }
    if (answer->left_out.used_bytes) {
        fputs("\nNot considered: ", stdout);
        cli_print_markdown(stdout, text_get(&answer->left_out));
        fputs("\n", stdout);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static cJSON *figure_json(const struct figure *figure)
{
    cJSON *json;
    if (figure->state == FIGURE_ABSENT)
        return cJSON_CreateNull();
    json = cJSON_CreateObject();
    if (figure->state == FIGURE_INFINITE || !isfinite(figure->value))
        json_add_string(json, "value", "inf");
    else
        json_add_double(json, "value", figure->value);
    json_add(json, "low",
             isfinite(figure->low) ? cJSON_CreateNumber(figure->low) : cJSON_CreateNull());
    json_add(json, "high",
             isfinite(figure->high) ? cJSON_CreateNumber(figure->high) : cJSON_CreateNull());
    json_add_string(json, "spread",
                    figure->spread == SPREAD_CI95    ? "ci95"
                    : figure->spread == SPREAD_RANGE ? "range"
                                                     : "none");
    return json;
}

static cJSON *cell_json(const struct bounds *bounds, const struct bounds_cell *cell)
{
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "id", cell->cell->id);
    json_add_string(json, "choice", text_get(&cell->label));
    json_add_string(json, "state", bounds_state_name(cell->state));
    json_add_string(json, "lacks", text_get(&cell->lacks));
    json_add(json, "cpu_percent", figure_json(&cell->cpu));
    for (int i = 0; i < STATS_QUANTILE_COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "%s_ns", stats_quantiles[i].key);
        if (column_shown(bounds, i))
            json_add(json, key, figure_json(&cell->time[i]));
    }
    return json;
}

enum status advise_print_json(const struct report *report, const struct bounds *bounds,
                              const struct bounds_answer *answer, struct err *err)
{
    cJSON *json = cJSON_CreateObject(), *cases = cJSON_CreateArray();
    json_add_string(json, "scenario", report->scenario);
    for (size_t i = 0; i < answer->case_count; i++) {
        const struct bounds_case *one = &answer->cases[i];
        cJSON *item = cJSON_CreateObject(), *cells = cJSON_CreateArray();
        struct text sentence = {0};
        json_add_string(item, "title", text_get(&one->title));
        json_add_string(item, "interval", one->interval);
        json_add_string(item, "cpu", one->net ? "system_less_null" : "roles");
        bounds_add_verdict(&sentence, bounds, one);
        json_add_string(item, "verdict", text_get(&sentence));
        text_free(&sentence);
        bounds_add_nearest_miss(&sentence, one);
        json_add_string(item, "nearest_miss", text_get(&sentence));
        text_free(&sentence);
        for (size_t j = 0; j < one->count; j++)
            json_append(cells, cell_json(bounds, &one->cells[j]));
        json_add(item, "cells", cells);
        json_append(cases, item);
    }
    json_add(json, "cases", cases);
    json_add_string(json, "left_out", text_get(&answer->left_out));
    enum status status = cli_print_json(stdout, json, err);
    cJSON_Delete(json);
    return status;
}

/* cmd_export.c: `handoff export`: a result for other people's tools.
 *
 * Called by main.c. The data goes to standard output or to --out; nothing else does.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"
#include "harness/cli/options.h"
#include "harness/run/result.h"
#include "harness/scenario/suggest.h"

static const struct export_format export_formats[] = {
    {.name = "hgrm", .has_parts = true, .write = export_hgrm},
    {.name = "hlog", .write = export_hlog},
    {.name = "csv", .all_intervals = true, .write = export_csv},
    {.name = "gbench", .write = export_gbench},
    {.name = "gha", .write = export_gha},
    {.name = "gha-bigger", .per_cell = true, .write = export_gha_bigger},
    {.name = "bmf", .write = export_bmf},
    {.name = "junit", .per_cell = true, .of_comparison = true, .write = export_junit},
};
#define EXPORT_FORMATS (sizeof export_formats / sizeof export_formats[0])

static const char *const format_choices[] = {"hgrm",       "hlog", "csv",   "gbench", "gha",
                                             "gha-bigger", "bmf",  "junit", NULL};

static const struct cli_operand export_operands[] = {
    {"RESULT", CLI_FILE, NULL,
     "a result.json, or the folder it is in; for junit also a compare.json of `handoff compare`"},
};

static const struct cli_option export_options[] = {
    {'t', "to", "FORMAT", CLI_CHOICE, format_choices, "one of the formats below", 0},
    {'c', "cell", "ID", CLI_TEXT, NULL, "only this cell; may be given several times", 0},
    {'i', "interval", "NAME", CLI_TEXT, NULL,
     "only this interval, or \"all\"; `handoff help intervals` names them. Without it latency, and "
     "for csv all",
     0},
    {'o', "out", "PATH", CLI_FILE, NULL,
     "write to a file instead of standard output; for hgrm also a folder (that exists, or with a "
     "\"/\" at the end), which gets one file per cell and interval",
     'o'},
};

static const struct cli_exit_code export_exit_codes[] = {
    {EXIT_CODE_OK, "fine"},
    {EXIT_CODE_USAGE, "bad usage, not a result, or nothing in it that the format could hold"},
    {EXIT_CODE_ERROR, "a file cannot be read or written"},
};

/* ---- arguments ------------------------------------------------------------------------------- */

static enum status export_parse_interval(const char *name, struct export_options *options,
                                         struct err *err)
{
    options->all_intervals = strcmp(name, "all") == 0;
    options->interval = interval_find(name);
    if (options->all_intervals || options->interval != INTERVAL_COUNT)
        return ST_OK;
    struct suggest suggest = SUGGEST_START(name);
    for (unsigned i = 0; i < INTERVAL_COUNT; i++)
        suggest_offer(&suggest, interval_name((enum interval)i));
    char hint[160];
    char shown[SUGGEST_SHOWN_BYTES];
    snprintf(hint, sizeof hint, "%s%s%s`handoff help intervals` shows all",
             suggest.nearest ? "did you mean \"" : "", suggest.nearest ? suggest.nearest : "",
             suggest.nearest ? "\"? " : "");
    return err_set(err, ST_INVALID, hint, "export: --interval: unknown interval \"%s\"",
                   suggest_show(name, shown, sizeof shown));
}

/* The defaults, once all options are known. */
static enum status export_settle(const char *interval, struct export_options *options,
                                 struct err *err)
{
    const struct export_format *format = options->format;
    if (!format)
        return err_set(err, ST_INVALID, "`handoff export --help` shows the formats",
                       "export: --to is missing");
    if (interval && format->per_cell)
        return err_set(err, ST_INVALID, "leave --interval out",
                       "export: --interval: %s has one entry per cell, of no interval",
                       format->name);
    if (options->out && !options->out[0])
        return err_set(err, ST_INVALID, NULL, "export: --out is empty");
    if (options->out && strcmp(options->out, "-") == 0)
        options->out = NULL;
    if (options->out) {
        struct stat info;
        bool is_folder = stat(options->out, &info) == 0 && S_ISDIR(info.st_mode);
        options->into_folder = is_folder || options->out[strlen(options->out) - 1] == '/';
        if (options->into_folder && !format->has_parts)
            return err_set(err, ST_INVALID, "name a file in it",
                           "export: --out: %s is a folder, and %s is one file", options->out,
                           format->name);
    }
    return export_parse_interval(interval                ? interval
                                 : format->all_intervals ? "all"
                                                         : "latency",
                                 options, err);
}

static enum status export_parse(int argc, char **argv, struct export_options *options, bool *help,
                                struct err *err)
{
    struct cli_parse parse = {.command = &command_export, .argc = argc, .argv = argv};
    const char *interval = NULL;
    for (int key; (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        if (key == CLI_HELP) {
            *help = true;
            return ST_OK;
        }
        for (size_t i = 0; key == 't' && i < EXPORT_FORMATS; i++)
            if (strcmp(export_formats[i].name, parse.value) == 0)
                options->format = &export_formats[i];
        if (key == 'i')
            interval = parse.value;
        else if (key == 'o')
            options->out = parse.value;
        else if (key == 'c' && options->cell_count == EXPORT_CELLS_MAX)
            return err_set(err, ST_INVALID, "leave --cell out for all",
                           "export: more than %d times --cell", EXPORT_CELLS_MAX);
        else if (key == 'c')
            options->cells[options->cell_count++] = parse.value;
    }
    if (argc - parse.operand_index != 1)
        return err_set(err, ST_INVALID, "`handoff export RESULT --to hgrm`",
                       argc == parse.operand_index ? "export: which result?"
                                                   : "export: only one result at a time");
    options->result_path = argv[parse.operand_index];
    return export_settle(interval, options, err);
}

/* Every --cell must name a cell of the result. */
static enum status export_check_cells(const struct export_options *options, const cJSON *cells,
                                      struct err *err)
{
    for (size_t i = 0; i < options->cell_count; i++) {
        struct suggest suggest = SUGGEST_START(options->cells[i]);
        bool found = false;
        const cJSON *cell;
        cJSON_ArrayForEach (cell, cells) {
            found = found || strcmp(options->cells[i], export_cell_id(cell)) == 0;
            suggest_offer(&suggest, export_cell_id(cell));
        }
        if (found)
            continue;
        char hint[384];
        if (suggest.nearest)
            snprintf(hint, sizeof hint, "did you mean \"%s\"?", suggest.nearest);
        else
            snprintf(hint, sizeof hint,
                     "--to csv without --cell shows the ids in its first column");
        char shown[SUGGEST_SHOWN_BYTES];
        return err_set(err, ST_INVALID, hint, "export: %s has no cell \"%s\"", options->result_path,
                       suggest_show(options->cells[i], shown, sizeof shown));
    }
    return ST_OK;
}

/* ---- output ---------------------------------------------------------------------------------- */

/* FNV-1a. */
static uint32_t text_hash(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

#define EXPORT_NAME_BYTES 170

/* ID and interval as a file name: what a shell or a file system may stumble over becomes '_', and a
 * long id is cut, with a hash of the whole. */
static enum status export_part_path(const struct export_options *options,
                                    const struct export_part *part, char path[PATH_MAX],
                                    struct err *err)
{
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.=+-";
    char name[EXPORT_NAME_BYTES + 48];
    const char *id = export_cell_id(part->cell);
    char hash[16] = "";
    if (strlen(id) > EXPORT_NAME_BYTES)
        snprintf(hash, sizeof hash, "-%08x", text_hash(id));
    snprintf(name, sizeof name, "%.*s%s.%s", EXPORT_NAME_BYTES, id, hash,
             interval_name(part->interval));
    for (char *at = name; *at; at++)
        if (!strchr(kept, *at) || (at == name && *at == '.'))
            *at = '_';
    if (snprintf(path, PATH_MAX, "%s/%s.%s", options->out, name, options->format->name) >= PATH_MAX)
        return err_set(err, ST_INVALID, "choose a shorter --out", "%s: the path is too long",
                       options->out);
    return ST_OK;
}

/* A file for each part: the format's export of a result that has nothing else. */
static enum status export_folder(const struct export_options *options, const cJSON *result,
                                 struct err *err)
{
    struct export_part part;
    struct export_walk walk = export_walk_start(result);
    enum status status = ST_OK;
    if (mkdir(options->out, 0755) != 0 && errno != EEXIST)
        return err_set_errno(err, errno, "choose another --out", "%s: cannot be created",
                             options->out);
    while (status == ST_OK && export_next_part(options, &walk, &part)) {
        char path[PATH_MAX];
        struct text text = {0};
        struct export_options one = *options;
        one.cell_count = 1;
        one.cells[0] = export_cell_id(part.cell);
        one.all_intervals = false;
        one.interval = part.interval;
        status = export_part_path(options, &part, path, err);
        if (status == ST_OK)
            status = one.format->write(&one, result, &text, err);
        if (status == ST_OK)
            status = text_write_file(&text, path, err);
        text_free(&text);
    }
    return status;
}

static bool export_has_parts(const struct export_options *options, const cJSON *result)
{
    struct export_part part;
    struct export_walk walk = export_walk_start(result);
    return export_next_part(options, &walk, &part);
}

/* Into --out or to standard output. */
static enum status export_put(const struct export_options *options, const struct text *text,
                              struct err *err)
{
    if (text->failed)
        return err_set(err, ST_NO_MEMORY, NULL, "export: out of memory");
    if (options->out)
        return text_write_file(text, options->out, err);
    fwrite(text_get(text), 1, text->used_bytes, stdout); /* main.c checks that it arrived */
    return ST_OK;
}

static enum status export_write(const struct export_options *options, const cJSON *result,
                                struct err *err)
{
    const struct export_format *format = options->format;
    enum status status = export_check_cells(options, json_get(result, "cells"), err);
    if (status != ST_OK)
        return status;
    if (!format->per_cell && !format->all_intervals && !export_has_parts(options, result))
        return err_set(err, ST_INVALID, "did every cell fail? `handoff report` shows the reasons",
                       "export: %s has no such histogram", options->result_path);
    if (options->into_folder)
        return export_folder(options, result, err);
    struct text text = {0};
    status = format->write(options, result, &text, err);
    if (status == ST_OK)
        status = export_put(options, &text, err);
    text_free(&text);
    return status;
}

/* Whether the operand is a comparison: by its name, compare.json, or a folder that has one and no
 * result. */
static bool export_finds_comparison(const char *path, char found[PATH_MAX])
{
    char result[PATH_MAX];
    struct stat info;
    const char *slash = strrchr(path, '/');
    if (stat(path, &info) != 0)
        return false;
    if (!S_ISDIR(info.st_mode)) {
        snprintf(found, PATH_MAX, "%s", path);
        return strcmp(slash ? slash + 1 : path, "compare.json") == 0;
    }
    return snprintf(result, sizeof result, "%s/result.json", path) < PATH_MAX &&
           snprintf(found, PATH_MAX, "%s/compare.json", path) < PATH_MAX &&
           stat(result, &info) != 0 && stat(found, &info) == 0;
}

static enum status export_comparison(const struct export_options *options, const char *path,
                                     struct err *err)
{
    cJSON *json = NULL;
    struct text text = {0};
    if (!options->format->of_comparison || options->cell_count)
        return err_set(err, ST_INVALID, "--to junit, without --cell; or name base or new in it",
                       "export: %s is a comparison", options->result_path);
    enum status status = json_read_file(path, RESULT_BYTES_MAX, &json, err);
    if (status == ST_OK && strcmp(json_get_string(json, "schema", ""), "handoff-compare") != 0)
        status = err_set(err, ST_INVALID, "give the compare.json of `handoff compare`",
                         "%s: is not a comparison of handoff", path);
    if (status == ST_OK)
        status = export_junit_gates(json, &text, err);
    if (status == ST_OK)
        status = export_put(options, &text, err);
    text_free(&text);
    cJSON_Delete(json);
    return status;
}

static enum status cmd_export(int argc, char **argv, int *exit_code, struct err *err)
{
    (void)exit_code;
    struct export_options options = {0};
    bool help = false;
    enum status status = export_parse(argc, argv, &options, &help, err);
    if (status == ST_OK && help)
        cli_print_help(&command_export, stdout);
    if (status != ST_OK || help)
        return status;
    char path[PATH_MAX];
    if (export_finds_comparison(options.result_path, path))
        return export_comparison(&options, path, err);
    cJSON *result = NULL;
    status = result_load(options.result_path, &result, err);
    if (status != ST_OK)
        return status;
    status = export_write(&options, result, err);
    cJSON_Delete(result);
    return status;
}

const struct cli_command command_export = {
    .name = "export",
    .synopsis = "RESULT --to FORMAT [--cell ID]... [--interval NAME] [--out PATH]",
    .summary = "write a result for other tools",
    .description = "Writes the figures of a result as other tools read them.",
    .operands = export_operands,
    .operand_count = sizeof export_operands / sizeof export_operands[0],
    .options = export_options,
    .option_count = sizeof export_options / sizeof export_options[0],
    .exit_codes = export_exit_codes,
    .exit_code_count = sizeof export_exit_codes / sizeof export_exit_codes[0],
    .notes =
        "Formats:\n"
        "  hgrm        HdrHistogram's percentile distribution, all launches of a cell merged. "
        "With\n"
        "              several cells each begins with a line \"# cell ID interval NAME\"\n"
        "  hlog        HdrHistogram's interval log 1.3: a line per launch with its histogram, its\n"
        "              tag the cell's id\n"
        "  csv         one row per cell, launch and interval, with its quantiles. Text that a\n"
        "              spreadsheet would take for a formula has an apostrophe in front\n"
        "  gbench      Google Benchmark's JSON, for its compare.py: one row per launch, real_time\n"
        "              its median, cpu_time what both roles' CPUs spent per frame\n"
        "  gha         github-action-benchmark's customSmallerIsBetter: p50 and p99 in ns\n"
        "  gha-bigger  its customBiggerIsBetter: throughput in frames/s\n"
        "  bmf         Bencher Metric Format: latency (the median, ns), latency-p99, throughput,\n"
        "              with bounds where they are a 95 % interval\n"
        "  junit       JUnit XML, a test case per cell: failed cells are failures, incomplete "
        "ones\n"
        "              errors, those that cannot run here skipped. Of a comparison: a test case "
        "per\n"
        "              gate, slower is a failure, what could not be decided skipped\n",
    .run = cmd_export,
};

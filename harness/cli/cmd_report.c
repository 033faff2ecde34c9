/* cmd_report.c: `handoff report`: from results to a page, a summary and pictures.
 *
 * Called by main.c. The work is done in harness/report.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/base/json.h"
#include "harness/cli/options.h"
#include "harness/env/fitness.h"
#include "harness/report/page.h"
#include "harness/run/result.h"

#define RESULTS_MAX 64
#define PATH_BYTES 4096
#define LABEL_BYTES 256 /* of a file's name */

static const struct cli_operand report_operands[] = {
    {"RESULT...", CLI_FILE, NULL, "a result.json, or the folder it is in; several share a page"},
};

static const struct cli_option report_options[] = {
    {'o', "out", "DIR", CLI_FOLDER, NULL,
     "where to write; without it, the folder of the first result", 'o'},
    {'l', "label", "NAME", CLI_TEXT, NULL,
     "what a result is called where several stand side by side: once for each result, in their "
     "order. Without it, the name of its folder",
     0},
    {'v', "validity", "FILE", CLI_FILE, NULL,
     "what scripts/validity found, for the part of the page that says whether the figures may be "
     "believed; without it, validity.json beside the result",
     0},
};

static const struct cli_exit_code report_exit_codes[] = {
    {EXIT_CODE_OK, "fine"},
    {EXIT_CODE_USAGE, "bad usage or not a result"},
    {EXIT_CODE_ERROR, "a file cannot be read or written"},
};

struct report_arguments {
    const char *out;      /* NULL: the folder of the first result */
    const char *validity; /* NULL: what is beside each */
    const char *labels[RESULTS_MAX];
    size_t label_count;
    char **results;
    size_t count;
    bool help;
};

/* One result on its way to the page. */
struct opened {
    cJSON *json;
    struct report *report;
    struct conclusions *conclusions;
    struct plots *plots;
    struct claims *claims;
    struct validity *validity;
    cJSON *fitness;
    char label[LABEL_BYTES];
    char anchor[16]; /* "r2-": before the names of its files and sections */
};

static void opened_close(struct opened *opened)
{
    cJSON_Delete(opened->fitness);
    validity_free(opened->validity);
    claims_free(opened->claims);
    plots_free(opened->plots);
    conclusions_free(opened->conclusions);
    report_free(opened->report);
    cJSON_Delete(opened->json);
}

static enum status opened_read(const char *path, struct opened *opened, struct err *err)
{
    enum status status = result_load(path, &opened->json, err);
    if (status != ST_OK)
        return status;
    status = report_open(opened->json, &opened->report, err);
    if (status == ST_OK)
        status = conclusions_make(opened->report, &opened->conclusions, err);
    if (status == ST_OK)
        status = claims_make(opened->report, &opened->claims, err);
    if (status == ST_OK)
        status = fitness_of_result(opened->json, &opened->fitness, err);
    if (status != ST_OK)
        err_context(err, "%s", path);
    return status;
}

/* The folder of a result given by its file or its folder. */
static void folder_of(const char *path, char *folder)
{
    struct stat info;
    snprintf(folder, PATH_BYTES, "%s", path);
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return;
    char *slash = strrchr(folder, '/');
    if (!slash)
        snprintf(folder, PATH_BYTES, ".");
    else if (slash == folder)
        folder[1] = '\0';
    else
        *slash = '\0';
}

/* The validity file that was named, or the one beside the result. */
static enum status validity_get(const char *named, const char *result, struct validity **validity,
                                struct err *err)
{
    char folder[PATH_BYTES];
    if (named)
        return validity_read(named, validity, err);
    folder_of(result, folder);
    enum status status = validity_find(folder, validity, err);
    if (status == ST_OK && *validity && (*validity)->problem[0]) {
        fputs("warning: ", stderr);
        cli_print_plain(stderr, (*validity)->problem);
        fputs("\nhint:    make it anew with scripts/validity, or remove it\n", stderr);
    }
    return status;
}

/* mkdir -p. */
static enum status folder_make(const char *folder, struct err *err)
{
    char path[PATH_BYTES];
    if ((size_t)snprintf(path, sizeof path, "%s", folder) >= sizeof path - 64)
        return err_set(err, ST_INVALID, "choose a shorter one with --out", "the path is too long");
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return err_set_errno(err, errno, "choose a folder you may write to with --out",
                                 "cannot make the folder %s", path);
        *at = kept;
        if (!kept)
            return ST_OK;
    }
}

/* What a result is called beside others when its user does not say: the last folder of its path, or
 * the file's name where that is not "result.json". "" where the path has none. */
static void label_of_path(const char *path, char *label, size_t size)
{
    char resolved[PATH_BYTES];
    char *full = realpath(path, resolved);
    char *name = full ? strrchr(full, '/') : NULL;
    if (name && strcmp(name, "/result.json") == 0) {
        *name = '\0';
        name = strrchr(full, '/');
    }
    if (!name || !name[1])
        return;
    const size_t length = strlen(name + 1);
    const bool json = length > 5 && strcmp(name + 1 + length - 5, ".json") == 0;
    snprintf(label, size, "%.*s", (int)(json ? length - 5 : length), name + 1);
}

/* Draws the pictures of result `index`, and makes its part of the page. */
static enum status part_make(struct opened *opened, size_t index,
                             const struct report_arguments *arguments, const char *folder,
                             struct page_part *part, struct err *err)
{
    if (arguments->count > 1)
        snprintf(opened->anchor, sizeof opened->anchor, "r%zu-", index + 1);
    enum status status =
        plots_make(opened->report, folder, opened->anchor, arguments->count, &opened->plots, err);
    if (status != ST_OK)
        return status;
    const struct err *problem = &opened->plots->problem;
    if (problem->status != ST_OK)
        fprintf(stderr, "warning: %s\n%s%s%s", problem->what, problem->hint[0] ? "hint:    " : "",
                problem->hint, problem->hint[0] ? "\n" : "");
    label_of_path(arguments->results[index], opened->label, sizeof opened->label);
    *part = (struct page_part){.report = opened->report,
                               .conclusions = opened->conclusions,
                               .plots = opened->plots,
                               .claims = opened->claims,
                               .validity = opened->validity,
                               .label = arguments->label_count ? arguments->labels[index]
                                                               : opened->label,
                               .fitness = opened->fitness,
                               .anchor = arguments->count > 1 ? opened->anchor : NULL};
    return ST_OK;
}

static enum status text_put(struct text *text, const char *folder, const char *name,
                            struct err *err)
{
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    enum status status = text_write_file(text, path, err);
    text_free(text);
    return status;
}

/* Draws, then writes page and summary. */
static enum status report_write(struct opened *opened, const struct report_arguments *arguments,
                                const char *folder, struct err *err)
{
    struct page_part parts[RESULTS_MAX];
    const struct report *reports[RESULTS_MAX];
    const size_t count = arguments->count;
    struct beside *beside = NULL;
    struct text text = {0};
    enum status status = ST_OK;
    for (size_t i = 0; i < count && status == ST_OK; i++) {
        status = part_make(&opened[i], i, arguments, folder, &parts[i], err);
        reports[i] = opened[i].report;
    }
    if (status == ST_OK && count > 1)
        status = beside_make(reports, count, &beside, err);
    if (status == ST_OK) {
        page_write(&text, parts, count, beside);
        status = text_put(&text, folder, "index.html", err);
    }
    if (status == ST_OK) {
        markdown_write(&text, parts, count, beside);
        status = text_put(&text, folder, "report.md", err);
    }
    beside_free(beside);
    if (status == ST_OK)
        printf("%s/index.html\n", folder);
    return status;
}

static enum status arguments_check(const struct report_arguments *arguments, struct err *err)
{
    if (arguments->count == 0)
        return err_set(err, ST_INVALID, "name a result.json or its folder: `handoff report DIR`",
                       "report: no result is named");
    if (arguments->count > RESULTS_MAX)
        return err_set(err, ST_INVALID, NULL, "report: at most %d results fit a page", RESULTS_MAX);
    if (arguments->validity && arguments->count > 1)
        return err_set(err, ST_INVALID, "put a validity.json beside each result instead",
                       "report: --validity is of one result, and %zu are named", arguments->count);
    if (arguments->label_count && arguments->label_count != arguments->count)
        return err_set(err, ST_INVALID, "give --label once for each result, or not at all",
                       "report: %zu results are named, and %zu --label", arguments->count,
                       arguments->label_count);
    if (arguments->out && !arguments->out[0])
        return err_set(err, ST_INVALID, NULL, "report: --out is empty");
    return ST_OK;
}

static enum status arguments_parse(int argc, char **argv, struct report_arguments *arguments,
                                   struct err *err)
{
    struct cli_parse parse = {.command = &command_report, .argc = argc, .argv = argv};
    for (int key; (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        if (key == 'o') {
            arguments->out = parse.value;
        } else if (key == 'v') {
            arguments->validity = parse.value;
        } else if (key == 'l' && arguments->label_count < RESULTS_MAX) {
            arguments->labels[arguments->label_count++] = parse.value;
        } else if (key == CLI_HELP) {
            arguments->help = true;
            return ST_OK;
        }
    }
    arguments->results = argv + parse.operand_index;
    arguments->count = (size_t)(argc - parse.operand_index);
    return arguments_check(arguments, err);
}

static enum status cmd_report(int argc, char **argv, int *exit_code, struct err *err)
{
    (void)exit_code;
    struct opened opened[RESULTS_MAX];
    struct report_arguments arguments = {.help = false};
    char folder[PATH_BYTES];
    enum status status = arguments_parse(argc, argv, &arguments, err);
    if (status == ST_OK && arguments.help)
        cli_print_help(&command_report, stdout);
    if (status != ST_OK || arguments.help)
        return status;
    memset(opened, 0, sizeof opened);
    for (size_t i = 0; i < arguments.count && status == ST_OK; i++)
        status = opened_read(arguments.results[i], &opened[i], err);
    for (size_t i = 0; i < arguments.count && status == ST_OK; i++)
        status = validity_get(arguments.validity, arguments.results[i], &opened[i].validity, err);
    if (arguments.out)
        snprintf(folder, sizeof folder, "%s", arguments.out);
    else
        folder_of(arguments.results[0], folder);
    if (status == ST_OK)
        status = folder_make(folder, err);
    if (status == ST_OK)
        status = report_write(opened, &arguments, folder, err);
    for (size_t i = 0; i < arguments.count; i++)
        opened_close(&opened[i]);
    return status;
}

const struct cli_command command_report = {
    .name = "report",
    .synopsis = "RESULT... [OPTION]...",
    .summary = "write index.html and report.md from results",
    .description =
        "Writes DIR/index.html, one page that needs no other file, DIR/report.md, which fits the "
        "summary of a CI job, and DIR/plots/ with the pictures (SVG and PNG), their data and the "
        "gnuplot scripts that draw them. Prints the path of the page.\n\n"
        "Several results, before and after a change or one of each machine, stand side by side at "
        "the top of the page, cell by cell, each beside the first; below, each has its own part.",
    .operands = report_operands,
    .operand_count = sizeof report_operands / sizeof report_operands[0],
    .options = report_options,
    .option_count = sizeof report_options / sizeof report_options[0],
    .exit_codes = report_exit_codes,
    .exit_code_count = sizeof report_exit_codes / sizeof report_exit_codes[0],
    .run = cmd_report,
};

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
#include "harness/cli/cli.h"
#include "harness/report/page.h"
#include "harness/run/result.h"

static const char usage[] =
    "Usage: handoff report RESULT... [--validity FILE] [--out DIR]\n"
    "\n"
    "Writes DIR/index.html, one page that needs no other file, DIR/report.md, which fits the\n"
    "summary of a CI job, and DIR/plots/ with the pictures (SVG and PNG), their data and the\n"
    "gnuplot scripts that draw them. Prints the path of the page.\n"
    "\n"
    "  RESULT       a result.json, or the folder it is in; several share a page\n"
    "  --validity FILE\n"
    "               what scripts/validity found, for the part of the page that says whether the\n"
    "               figures may be believed; without it, validity.json beside the result\n"
    "  --out DIR    where to write; without it, the folder of the first result\n"
    "  -h, --help   show this text\n"
    "\n"
    "Exit status: 0 fine, 1 a file cannot be read or written, 2 bad usage or not a result.\n";

#define RESULTS_MAX 64
#define PATH_BYTES 4096

/* One result on its way to the page. */
struct opened {
    cJSON *json;
    struct report *report;
    struct conclusions *conclusions;
    struct plots *plots;
    struct claims *claims;
    struct validity *validity;
};

static void opened_close(struct opened *opened)
{
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
    if (status == ST_OK && *validity && (*validity)->problem[0])
        fprintf(stderr, "warning: %s\nhint:    make it anew with scripts/validity, or remove it\n",
                (*validity)->problem);
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

/* Draws, then writes page and summary. */
static enum status report_write(struct opened *opened, size_t count, const char *folder,
                                struct err *err)
{
    struct page_part parts[RESULTS_MAX];
    struct text page = {0}, summary = {0};
    char path[PATH_BYTES + 32], prefix[16];
    enum status status = ST_OK;
    for (size_t i = 0; i < count && status == ST_OK; i++) {
        snprintf(prefix, sizeof prefix, "r%zu-", i + 1);
        status =
            plots_make(opened[i].report, folder, count > 1 ? prefix : "", &opened[i].plots, err);
        if (status == ST_OK && opened[i].plots->problem.status != ST_OK)
            fprintf(stderr, "warning: %s\n%s%s%s", opened[i].plots->problem.what,
                    opened[i].plots->problem.hint[0] ? "hint:    " : "",
                    opened[i].plots->problem.hint, opened[i].plots->problem.hint[0] ? "\n" : "");
        parts[i] = (struct page_part){opened[i].report, opened[i].conclusions, opened[i].plots,
                                      opened[i].claims, opened[i].validity};
    }
    if (status == ST_OK) {
        page_write(&page, parts, count);
        snprintf(path, sizeof path, "%s/index.html", folder);
        status = text_write_file(&page, path, err);
    }
    if (status == ST_OK) {
        markdown_write(&summary, parts, count);
        snprintf(path, sizeof path, "%s/report.md", folder);
        status = text_write_file(&summary, path, err);
    }
    text_free(&page);
    text_free(&summary);
    if (status == ST_OK)
        printf("%s/index.html\n", folder);
    return status;
}

/* Reads the options; *folder stays NULL without --out, and *validity without --validity. *help is set when only help was wanted. */
static enum status options_read(int argc, char **argv, const char **folder, const char **validity,
                                bool *help, struct err *err)
{
    static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                            {"validity", required_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;
    cli_options_begin();
    while ((option = getopt_long(argc, argv, ":ho:v:", options, NULL)) != -1) {
        if (option == 'o')
            *folder = optarg;
        else if (option == 'v')
            *validity = optarg;
        else if (option == 'h')
            *help = true;
        else
            return cli_bad_option(option, argv, err);
    }
    if (*help)
        return ST_OK;
    if (optind == argc)
        return err_set(err, ST_INVALID, "name a result.json or its folder: `handoff report DIR`",
                       "report: no result is named");
    if (argc - optind > RESULTS_MAX)
        return err_set(err, ST_INVALID, NULL, "report: at most %d results fit a page", RESULTS_MAX);
    if (*validity && argc - optind > 1)
        return err_set(err, ST_INVALID, "put a validity.json beside each result instead",
                       "report: --validity is of one result, and %d are named", argc - optind);
    if (*folder && !(*folder)[0])
        return err_set(err, ST_INVALID, NULL, "report: --out is empty");
    return ST_OK;
}

enum status cmd_report(int argc, char **argv, int *exit_code, struct err *err)
{
    struct opened opened[RESULTS_MAX];
    const char *out = NULL, *validity = NULL;
    char folder[PATH_BYTES];
    bool help = false;
    enum status status = options_read(argc, argv, &out, &validity, &help, err);
    if (status != ST_OK)
        return status;
    if (help) {
        fputs(usage, stdout);
        *exit_code = EXIT_CODE_OK;
        return ST_OK;
    }
    size_t count = (size_t)(argc - optind);
    memset(opened, 0, sizeof opened);
    for (size_t i = 0; i < count && status == ST_OK; i++)
        status = opened_read(argv[(size_t)optind + i], &opened[i], err);
    for (size_t i = 0; i < count && status == ST_OK; i++)
        status = validity_get(validity, argv[(size_t)optind + i], &opened[i].validity, err);
    if (out)
        snprintf(folder, sizeof folder, "%s", out);
    else
        folder_of(argv[optind], folder);
    if (status == ST_OK)
        status = folder_make(folder, err);
    if (status == ST_OK)
        status = report_write(opened, count, folder, err);
    for (size_t i = 0; i < count; i++)
        opened_close(&opened[i]);
    if (status == ST_OK)
        *exit_code = EXIT_CODE_OK;
    return status;
}

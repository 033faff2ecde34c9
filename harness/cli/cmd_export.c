/* cmd_export.c: `handoff export`: a result's histograms for other people's tools.
 *
 * Called by main.c. The data goes to standard output or to --out; nothing else does.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/base/json.h"
#include "harness/cli/cli.h"
#include "harness/cli/export.h"
#include "harness/measure/hdr.h"
#include "harness/run/result.h"
#include "harness/scenario/suggest.h"

static const char export_usage[] =
    "Usage: handoff export RESULT --to hgrm|csv [--cell ID] [--interval NAME] [--out PATH]\n"
    "\n"
    "Writes the histograms of a result for other tools. RESULT is a result.json or its folder.\n"
    "\n"
    "  --to hgrm        HdrHistogram's percentile distribution, all launches of a cell merged;\n"
    "                   of `latency` unless --interval says otherwise. With several cells each\n"
    "                   begins with a line \"# cell ID interval NAME\"\n"
    "  --to csv         one row per cell, launch and interval, with its quantiles; of all "
    "intervals\n"
    "                   unless --interval says otherwise\n"
    "  --cell ID        only this cell; may be given several times\n"
    "  --interval NAME  only this interval, or \"all\"; `handoff help intervals` names them\n"
    "  --out PATH       write to a file instead of standard output; for hgrm also a folder (that\n"
    "                   exists, or with a \"/\" at the end), which gets one file per cell and\n"
    "                   interval\n"
    "  -h, --help       show this text\n"
    "\n"
    "Exit status: 0 fine, 1 a file cannot be read or written, 2 bad usage or not a result.\n";

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

/* --to, --interval and their defaults, once all options are known. */
static enum status export_settle(const char *to, const char *interval,
                                 struct export_options *options, struct err *err)
{
    char shown[SUGGEST_SHOWN_BYTES];
    if (!to)
        return err_set(err, ST_INVALID, "add --to hgrm or --to csv", "export: --to is missing");
    options->is_csv = strcmp(to, "csv") == 0;
    if (!options->is_csv && strcmp(to, "hgrm") != 0)
        return err_set(err, ST_INVALID, "there are hgrm and csv",
                       "export: --to: unknown format \"%s\"",
                       suggest_show(to, shown, sizeof shown));
    if (options->out) {
        struct stat info;
        size_t length = strlen(options->out);
        bool is_folder = stat(options->out, &info) == 0 && S_ISDIR(info.st_mode);
        options->into_folder = is_folder || (length > 0 && options->out[length - 1] == '/');
        if (options->into_folder && options->is_csv)
            return err_set(err, ST_INVALID, "name a file; a table has no parts",
                           "export: --out: %s is a folder, and csv is one file", options->out);
    }
    return export_parse_interval(interval          ? interval
                                 : options->is_csv ? "all"
                                                   : "latency",
                                 options, err);
}

static enum status export_parse(int argc, char **argv, struct export_options *options, bool *help,
                                struct err *err)
{
    static const struct option long_options[] = {
        {"to", required_argument, NULL, 't'},  {"cell", required_argument, NULL, 'c'},
        {"out", required_argument, NULL, 'o'}, {"interval", required_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},      {NULL, 0, NULL, 0},
    };
    const char *to = NULL;
    const char *interval = NULL;
    int option;
    cli_options_begin();
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == 't')
            to = optarg;
        else if (option == 'i')
            interval = optarg;
        else if (option == 'o')
            options->out = optarg;
        else if (option == 'c' && options->cell_count < EXPORT_CELLS_MAX)
            options->cells[options->cell_count++] = optarg;
        else if (option == 'c')
            return err_set(err, ST_INVALID, "leave --cell out for all",
                           "export: more than %d times --cell", EXPORT_CELLS_MAX);
        else if (option == 'h')
            *help = true;
        else
            return cli_bad_option(option, argv, err);
    }
    if (*help)
        return ST_OK;
    if (argc - optind != 1)
        return err_set(err, ST_INVALID, "`handoff export RESULT --to hgrm`",
                       argc == optind ? "export: which result?"
                                      : "export: only one result at a time");
    options->result_path = argv[optind];
    return export_settle(to, interval, options, err);
}

/* ---- choosing -------------------------------------------------------------------------------- */

const char *export_cell_id(const cJSON *cell)
{
    return json_get_string(cell, "id", "");
}

bool export_takes_cell(const struct export_options *options, const cJSON *cell)
{
    for (size_t i = 0; i < options->cell_count; i++)
        if (strcmp(options->cells[i], export_cell_id(cell)) == 0)
            return true;
    return options->cell_count == 0;
}

bool export_takes_interval(const struct export_options *options, enum interval interval)
{
    return options->all_intervals || options->interval == interval;
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

/* ---- hgrm ------------------------------------------------------------------------------------ */

/* One cell and interval that has a histogram. */
struct export_part {
    const char *cell_id;
    enum interval interval;
    const cJSON *json;
};

/* Advances to the next part that was asked for; *part starts zeroed with cell NULL. */
static bool export_next_part(const struct export_options *options, const cJSON **cell,
                             unsigned *interval, struct export_part *part)
{
    for (; *cell; *cell = (*cell)->next, *interval = 0) {
        if (!export_takes_cell(options, *cell))
            continue;
        const cJSON *intervals = json_get(*cell, "intervals");
        for (; *interval < INTERVAL_COUNT; (*interval)++) {
            enum interval at = (enum interval) * interval;
            const cJSON *json = json_get(intervals, interval_name(at));
            if (!json || !export_takes_interval(options, at))
                continue;
            *part = (struct export_part){export_cell_id(*cell), at, json};
            (*interval)++;
            return true;
        }
    }
    return false;
}

static size_t export_count_parts(const struct export_options *options, const cJSON *cells)
{
    size_t count = 0;
    const cJSON *cell = cells->child;
    unsigned interval = 0;
    struct export_part part;
    while (export_next_part(options, &cell, &interval, &part))
        count++;
    return count;
}

static enum status hgrm_put(const struct export_part *part, FILE *file, struct err *err)
{
    struct hdr *hdr = NULL;
    enum status status = hdr_decode(json_get_string(part->json, "histogram", ""), &hdr, err);
    if (status != ST_OK)
        return err_context(err, "%s of %s", interval_name(part->interval), part->cell_id);
    hdr_write_hgrm(hdr, (uint64_t)json_get_number(part->json, "infinite", 0), file);
    hdr_free(hdr);
    return ST_OK;
}

static enum status export_hgrm(const struct export_options *options, const cJSON *cells, FILE *file,
                               struct err *err)
{
    /* A comment line in front would keep some readers from finding the header of a single table. */
    bool several = export_count_parts(options, cells) > 1;
    const cJSON *cell = cells->child;
    unsigned interval = 0;
    struct export_part part;
    while (export_next_part(options, &cell, &interval, &part)) {
        if (several)
            fprintf(file, "# cell %s interval %s\n", part.cell_id, interval_name(part.interval));
        enum status status = hgrm_put(&part, file, err);
        if (status != ST_OK)
            return status;
        if (several)
            fputc('\n', file);
    }
    return ST_OK;
}

/* ---- output ---------------------------------------------------------------------------------- */

static enum status export_close(FILE *file, const char *path, struct err *err)
{
    bool failed = ferror(file) != 0;
    int saved = errno;
    if (file == stdout ? fflush(file) != 0 : fclose(file) != 0) {
        saved = errno;
        failed = true;
    }
    return failed ? err_set_errno(err, saved, "is the disk full?", "%s: cannot be written", path)
                  : ST_OK;
}

static enum status export_open(const char *path, FILE **file, struct err *err)
{
    FILE *opened = fopen(path, "we");
    if (!opened)
        return err_set_errno(err, errno, "choose another --out", "%s: cannot be created", path);
    *file = opened;
    return ST_OK;
}

/* ID and interval as a file name: what a shell or a file system may stumble over becomes '_'. */
static enum status export_part_path(const struct export_options *options,
                                    const struct export_part *part, char path[PATH_MAX],
                                    struct err *err)
{
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.=+-";
    char name[512];
    snprintf(name, sizeof name, "%s.%s", part->cell_id, interval_name(part->interval));
    for (char *at = name; *at; at++)
        if (!strchr(kept, *at) || (at == name && *at == '.'))
            *at = '_';
    if (snprintf(path, PATH_MAX, "%s/%s.hgrm", options->out, name) >= PATH_MAX)
        return err_set(err, ST_INVALID, "choose a shorter --out", "%s: the path is too long",
                       options->out);
    return ST_OK;
}

static enum status export_folder(const struct export_options *options, const cJSON *cells,
                                 struct err *err)
{
    if (mkdir(options->out, 0755) != 0 && errno != EEXIST)
        return err_set_errno(err, errno, "choose another --out", "%s: cannot be created",
                             options->out);
    const cJSON *cell = cells->child;
    unsigned interval = 0;
    struct export_part part;
    while (export_next_part(options, &cell, &interval, &part)) {
        char path[PATH_MAX];
        FILE *file = NULL;
        enum status status = export_part_path(options, &part, path, err);
        if (status == ST_OK)
            status = export_open(path, &file, err);
        if (status != ST_OK)
            return status;
        status = hgrm_put(&part, file, err);
        enum status closed = export_close(file, path, status == ST_OK ? err : NULL);
        if (status != ST_OK || closed != ST_OK)
            return status != ST_OK ? status : closed;
    }
    return ST_OK;
}

static enum status export_write(const struct export_options *options, const cJSON *result,
                                struct err *err)
{
    const cJSON *cells = json_get(result, "cells");
    enum status status = export_check_cells(options, cells, err);
    if (status != ST_OK)
        return status;
    if (!options->is_csv && export_count_parts(options, cells) == 0)
        return err_set(err, ST_INVALID, "did every cell fail? `handoff report` shows the reasons",
                       "export: %s has no such histogram", options->result_path);
    if (options->into_folder)
        return export_folder(options, cells, err);
    FILE *file = stdout;
    if (options->out && export_open(options->out, &file, err) != ST_OK)
        return err->status;
    if (options->is_csv)
        export_csv(options, cells, file);
    else
        status = export_hgrm(options, cells, file, err);
    enum status closed = export_close(file, options->out ? options->out : "standard output",
                                      status == ST_OK ? err : NULL);
    return status != ST_OK ? status : closed;
}

enum status cmd_export(int argc, char **argv, int *exit_code, struct err *err)
{
    struct export_options options = {0};
    bool help = false;
    enum status status = export_parse(argc, argv, &options, &help, err);
    if (status != ST_OK)
        return status;
    *exit_code = EXIT_CODE_OK;
    if (help) {
        fputs(export_usage, stdout);
        return ST_OK;
    }
    cJSON *result = NULL;
    status = result_load(options.result_path, &result, err);
    if (status != ST_OK)
        return status;
    status = export_write(&options, result, err);
    cJSON_Delete(result);
    return status;
}

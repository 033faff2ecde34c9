/* cmd_probe.c: `handoff probe`: what this machine's GPU can do between two processes, each found out
 * by doing it. Called by main.c.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cli.h"
#include "harness/cli/probe.h"
#include "harness/scenario/suggest.h"

static const char probe_help[] =
    "Usage: handoff probe [--json] [--only ROW[,ROW]...]...\n"
    "\n"
    "Finds out what this machine's GPU can do between two processes, by doing it: each row in two\n"
    "processes of its own, with verified content and a deadline. Beside the rows: the attributes\n"
    "as the driver states them, those that mislead marked; and what people say, with a verdict.\n"
    "Takes some seconds where there is a GPU; elsewhere it says what is missing.\n"
    "\n"
    "  --only ROW   only these rows (and `device`, on which all depend), without the rest\n"
    "  --json       one JSON object, see results/README.md\n"
    "  -h, --help   show this text\n"
    "\n"
    "Exit status: 0 fine, also without a GPU; 2 bad usage.\n";

struct probe_arguments {
    struct probe probe;
    bool json;
    bool help;
};

static enum status probe_want(struct probe *probe, const char *name, size_t length, struct err *err)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%.*s", (int)(length < 63 ? length : 63), name);
    struct suggest suggest = SUGGEST_START(wanted);
    for (int i = 0; i < GPU_CAPABILITY_COUNT; i++) {
        if (strcmp(wanted, gpu_capability_rows[i].key) == 0) {
            probe->wanted[i] = true;
            return ST_OK;
        }
        suggest_offer(&suggest, gpu_capability_rows[i].key);
    }
    char shown[SUGGEST_SHOWN_BYTES], hint[160];
    return err_set(err, ST_INVALID,
                   suggest_hint(&suggest, "`handoff probe` shows all rows", hint, sizeof hint),
                   "--only: there is no row \"%s\"", suggest_show(wanted, shown, sizeof shown));
}

static enum status probe_want_list(struct probe *probe, const char *names, struct err *err)
{
    enum status status = ST_OK;
    probe->all = false;
    for (const char *at = names; status == ST_OK; at++) {
        const size_t length = strcspn(at, ",");
        status = probe_want(probe, at, length, err);
        at += length;
        if (*at == '\0')
            break;
    }
    return status;
}

static enum status probe_parse(int argc, char **argv, struct probe_arguments *arguments,
                               struct err *err)
{
    static const struct option options[] = {{"only", required_argument, NULL, 'o'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    enum status status = ST_OK;
    cli_options_begin();
    for (int option; (option = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        switch (option) {
        case 'o':
            status = probe_want_list(&arguments->probe, optarg, err);
            break;
        case 'j':
            arguments->json = true;
            break;
        case 'h':
            arguments->help = true;
            return ST_OK;
        default:
            return cli_bad_option(option, argv, err);
        }
        if (status != ST_OK)
            return status;
    }
    if (optind < argc)
        return err_set(err, ST_INVALID, "name rows with --only",
                       "probe: unexpected argument \"%s\"", argv[optind]);
    return ST_OK;
}

static bool probe_finds_jetson(void)
{
    char text[512] = "";
    if (access("/etc/nv_tegra_release", F_OK) == 0)
        return true;
    FILE *file = fopen("/proc/device-tree/compatible", "re");
    if (!file)
        return false;
    /* Several strings, each with its zero. */
    const size_t bytes = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    return memmem(text, bytes, "nvidia,tegra", 12) != NULL;
}

enum status cmd_probe(int argc, char **argv, int *exit_code, struct err *err)
{
    (void)exit_code;
    struct probe_arguments arguments = {.probe = {.all = true}};
    struct probe *probe = &arguments.probe;
    enum status status = probe_parse(argc, argv, &arguments, err);
    if (status != ST_OK)
        return status;
    if (arguments.help) {
        fputs(probe_help, stdout);
        return ST_OK;
    }
    for (int i = 0; i < GPU_CAPABILITY_COUNT; i++)
        probe->wanted[i] |= probe->all || i == GPU_CAN_device;
    probe->is_jetson = probe_finds_jetson();
    probe->answers = capability_ask(probe->wanted);
    if (probe->all && probe->answers[GPU_CAN_device].outcome == CAPABILITY_WORKS)
        (void)capability_describe(&probe->gpu, &probe->why);
    if (arguments.json)
        status = probe_print_json(stdout, probe, err);
    else
        probe_print(stdout, probe);
    cJSON_Delete(probe->gpu);
    return status;
}

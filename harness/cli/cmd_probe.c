/* cmd_probe.c: `handoff probe`: what this machine's GPU can do between two processes, each found
 * out by doing it. Called by main.c.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/probe.h"
#include "harness/scenario/suggest.h"

struct probe_arguments {
    struct probe probe;
    enum cli_format format;
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
    struct cli_parse parse = {.command = &command_probe, .argc = argc, .argv = argv};
    enum status status = ST_OK;
    for (int key; (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        if (key == 'o')
            status = probe_want_list(&arguments->probe, parse.value, err);
        else if (key == 'F')
            arguments->format = cli_format_from_name(parse.value);
        else if (key == 'j')
            arguments->format = CLI_FORMAT_JSON;
        else if (key == CLI_HELP)
            arguments->help = true;
        if (status != ST_OK || arguments->help)
            return status;
    }
    if (parse.operand_index < argc)
        return err_set(err, ST_INVALID, "name rows with --only",
                       "probe: unexpected argument \"%s\"", argv[parse.operand_index]);
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

static enum status cmd_probe(int argc, char **argv, int *exit_code, struct err *err)
{
    (void)exit_code;
    struct probe_arguments arguments = {.probe = {.all = true}};
    struct probe *probe = &arguments.probe;
    enum status status = probe_parse(argc, argv, &arguments, err);
    if (status != ST_OK)
        return status;
    if (arguments.help) {
        cli_print_help(&command_probe, stdout);
        return ST_OK;
    }
    for (int i = 0; i < GPU_CAPABILITY_COUNT; i++)
        probe->wanted[i] |= probe->all || i == GPU_CAN_device;
    probe->is_jetson = probe_finds_jetson();
    probe->answers = capability_ask(probe->wanted);
    if (probe->all && probe->answers[GPU_CAN_device].outcome == CAPABILITY_WORKS)
        (void)capability_describe(&probe->gpu, &probe->why);
    if (arguments.format == CLI_FORMAT_TABLE)
        probe_print(stdout, probe);
    else
        status = probe_print_json(arguments.format, probe, err);
    cJSON_Delete(probe->gpu);
    return status;
}

static const char *const probe_rows[] = {
#define CAPABILITY(key, negative, title, instead) #key,
#include "harness/gpu/capability.def"
#undef CAPABILITY
    NULL};

static const struct cli_option probe_options[] = {
    {'o', "only", "ROW[,ROW]...", CLI_LIST, probe_rows,
     "only these rows (and `device`, on which all depend), without the rest; may be repeated", 0},
    CLI_FORMAT_OPTION('F'),
    CLI_JSON_OPTION('j'),
};

static const struct cli_exit_code probe_exit_codes[] = {{EXIT_CODE_OK, "fine, also without a GPU"},
                                                        {EXIT_CODE_USAGE, "bad usage"}};

const struct cli_command command_probe = {
    .name = "probe",
    .synopsis = "[OPTION]...",
    .summary = "what this machine's GPU can do between two processes, by doing it",
    .description =
        "Finds out what this machine's GPU can do between two processes, by doing it: each row in "
        "two processes of its own, with verified content and a deadline. Beside the rows: the "
        "attributes as the driver states them, those that mislead marked; and what people say, "
        "with a verdict. Takes some seconds where there is a GPU; elsewhere it says what is "
        "missing. The JSON object is described in results/README.md.",
    .options = probe_options,
    .option_count = sizeof probe_options / sizeof probe_options[0],
    .exit_codes = probe_exit_codes,
    .exit_code_count = sizeof probe_exit_codes / sizeof probe_exit_codes[0],
    .run = cmd_probe,
};

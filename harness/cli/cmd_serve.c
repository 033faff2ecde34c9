/* cmd_serve.c: `handoff serve`: the host of the consumer, for measurements across two. */
#include <stdio.h>
#include <string.h>

#include "harness/cli/options.h"
#include "harness/run/peer_key.h"
#include "harness/run/serve.h"

static const struct cli_option serve_options[] = {
    {'l', "listen", "ADDRESS[:PORT]", CLI_TEXT, NULL,
     "where to listen (default: every address of this host, port 9763)", 0},
    {'k', "key-file", "FILE", CLI_FILE, NULL,
     "the key, which both hosts need; without it the environment variable HANDOFF_KEY. At least 16 "
     "bytes; others may not read the file",
     0},
    {'t', "peer-timeout", "SECONDS", CLI_NUMBER, NULL,
     "how long the other host may be silent before it counts as gone and its consumer is ended "
     "(default: 5)",
     0},
    {'o', "once", NULL, CLI_FLAG, NULL, "end when the first run is over, or has gone away", 0},
};

static const struct cli_exit_code serve_exit_codes[] = {
    {EXIT_CODE_OK, "ended by Ctrl-C or --once"},
    {EXIT_CODE_USAGE, "bad usage or key"},
    {EXIT_CODE_ERROR, "it cannot listen"},
    {EXIT_CODE_UNAVAILABLE, "built without OpenSSL"},
};

struct serve_arguments {
    struct serve_options options;
    const char *key_file;
    bool help;
};

static enum status serve_parse(int argc, char **argv, struct serve_arguments *arguments,
                               struct err *err)
{
    struct cli_parse parse = {.command = &command_serve, .argc = argc, .argv = argv};
    uint64_t timeout_s = PEER_TIMEOUT_S_DEFAULT;
    enum status status = ST_OK;
    arguments->options.address.port = PEER_PORT_DEFAULT;
    for (int key; (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        if (key == 'l')
            status = peer_address_parse(parse.value, true, &arguments->options.address, err);
        else if (key == 'k')
            arguments->key_file = parse.value;
        else if (key == 't')
            status = cli_parse_u64("--peer-timeout", parse.value, 1, PEER_TIMEOUT_S_MAX, &timeout_s,
                                   err);
        else if (key == 'o')
            arguments->options.once = true;
        else if (key == CLI_HELP)
            arguments->help = true;
        if (status != ST_OK || arguments->help)
            return status;
    }
    if (parse.operand_index < argc)
        return err_set(err, ST_INVALID, "`handoff serve --help` shows what it takes",
                       "serve: takes options only");
    arguments->options.timeout_ns = timeout_s * 1000000000u;
    return ST_OK;
}

static enum status cmd_serve(int argc, char **argv, int *exit_code, struct err *err)
{
    (void)exit_code;
    struct serve_arguments arguments = {.help = false};
    enum status status = serve_parse(argc, argv, &arguments, err);
    if (status == ST_OK && arguments.help) {
        cli_print_help(&command_serve, stdout);
        return ST_OK;
    }
    if (status == ST_OK)
        status = peer_key_read(arguments.key_file, &arguments.options.key, err);
    if (status == ST_OK)
        status = serve_run(&arguments.options, err);
    mac_forget(&arguments.options.key, sizeof arguments.options.key);
    return status;
}

const struct cli_command command_serve = {
    .name = "serve",
    .synopsis = "[OPTION]...",
    .summary = "the other host of `run --peer`: consumers run here",
    .description =
        "Serves measurements across two hosts: `handoff run SCENARIO --peer HOST` on the other one "
        "produces the frames, and the consumers run here. One run at a time; Ctrl-C ends it.\n\n"
        "Only who proves that it knows the key may start a consumer here, or learns anything of "
        "this host; the key itself is never sent. Control messages are protected against change "
        "and repetition. Nothing is encrypted: frames and figures travel in the clear. Frames "
        "travel on a second connection, which this host makes to the one that runs: its firewall "
        "has to let it in.",
    .options = serve_options,
    .option_count = sizeof serve_options / sizeof serve_options[0],
    .exit_codes = serve_exit_codes,
    .exit_code_count = sizeof serve_exit_codes / sizeof serve_exit_codes[0],
    .notes = "Make a key:  (umask 077; head -c 32 /dev/urandom | base64 > handoff.key)\n",
    .run = cmd_serve,
};

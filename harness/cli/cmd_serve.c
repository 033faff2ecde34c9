/* cmd_serve.c: `handoff serve`: the host of the consumer, for measurements across two. */
#include <stdio.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "harness/run/peer_key.h"
#include "harness/run/serve.h"

static const char serve_help[] =
    "Usage: handoff serve [OPTION]...\n"
    "\n"
    "Serves measurements across two hosts: `handoff run SCENARIO --peer HOST` on the other one\n"
    "produces the frames, and the consumers run here. One run at a time; Ctrl-C ends it.\n"
    "\n"
    "  --listen ADDRESS[:PORT]\n"
    "                   where to listen (default: every address of this host, port 9763)\n"
    "  --key-file FILE  the key, which both hosts need; without it the environment variable\n"
    "                   HANDOFF_KEY. At least 16 bytes; others may not read the file\n"
    "  --peer-timeout SECONDS\n"
    "                   how long the other host may be silent before it counts as gone and its\n"
    "                   consumer is ended (default: 5)\n"
    "  --once           end when the first run is over, or has gone away\n"
    "  --help           show this text\n"
    "\n"
    "Make a key:  (umask 077; head -c 32 /dev/urandom | base64 > handoff.key)\n"
    "\n"
    "Only who proves that it knows the key may start a consumer here, or learns anything of this\n"
    "host; the key itself is never sent. Control messages are protected against change and\n"
    "repetition. Nothing is encrypted: frames and figures travel in the clear. Frames travel on a\n"
    "second connection, which this host makes to the one that runs: its firewall has to let it "
    "in.\n"
    "\n"
    "Exit status: 0 ended by Ctrl-C or --once, 1 it cannot listen, 2 bad usage or key, 77 built\n"
    "without OpenSSL.\n";

struct serve_arguments {
    struct serve_options options;
    const char *key_file;
    bool help;
};

static enum status serve_parse(int argc, char **argv, struct serve_arguments *arguments,
                               struct err *err)
{
    static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                            {"key-file", required_argument, NULL, 'k'},
                                            {"peer-timeout", required_argument, NULL, 't'},
                                            {"once", no_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    uint64_t timeout_s = PEER_TIMEOUT_S_DEFAULT;
    enum status status = ST_OK;
    arguments->options.address.port = PEER_PORT_DEFAULT;
    cli_options_begin();
    for (int option; (option = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        if (option == 'l')
            status = peer_address_parse(optarg, true, &arguments->options.address, err);
        else if (option == 'k')
            arguments->key_file = optarg;
        else if (option == 't')
            status =
                cli_parse_u64("--peer-timeout", optarg, 1, PEER_TIMEOUT_S_MAX, &timeout_s, err);
        else if (option == 'o')
            arguments->options.once = true;
        else if (option == 'h')
            arguments->help = true;
        else
            return cli_bad_option(option, argv, err);
        if (status != ST_OK || arguments->help)
            return status;
    }
    if (optind < argc)
        return err_set(err, ST_INVALID, "`handoff serve --help` shows what it takes",
                       "serve: takes options only");
    arguments->options.timeout_ns = timeout_s * 1000000000u;
    return ST_OK;
}

enum status cmd_serve(int argc, char **argv, int *exit_code, struct err *err)
{
    (void)exit_code;
    struct serve_arguments arguments = {.help = false};
    enum status status = serve_parse(argc, argv, &arguments, err);
    if (status == ST_OK && arguments.help) {
        fputs(serve_help, stdout);
        return ST_OK;
    }
    if (status == ST_OK)
        status = peer_key_read(arguments.key_file, &arguments.options.key, err);
    if (status == ST_OK)
        status = serve_run(&arguments.options, err);
    mac_forget(&arguments.options.key, sizeof arguments.options.key);
    return status;
}

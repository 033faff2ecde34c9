/* main.c: from argv to a command. The only file that prints errors and decides the exit status. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/options.h"
#include "harness/run/build_info.h"
#include "harness/run/capability.h"
#include "harness/run/python_role.h"
#include "harness/run/role.h"

static int main_exit_code(enum status status)
{
    switch (status) {
    case ST_OK:
        return EXIT_CODE_OK;
    case ST_INVALID:
    case ST_NOT_APPLICABLE:
        return EXIT_CODE_USAGE;
    case ST_ROLE_DIED:
        return EXIT_CODE_ROLE_DIED;
    case ST_UNAVAILABLE:
        return EXIT_CODE_UNAVAILABLE;
    case ST_INTERRUPTED:
        return EXIT_CODE_INTERRUPTED;
    default:
        return EXIT_CODE_ERROR;
    }
}

static int main_fail(const struct err *err)
{
    fflush(stdout);
    fputs("error: ", stderr);
    cli_print_plain(stderr, err->what);
    fputs(err->hint[0] ? "\nhint:  " : "", stderr);
    cli_print_plain(stderr, err->hint);
    fputc('\n', stderr);
    return main_exit_code(err->status);
}

/* Makes sure that descriptors 0 to 2 are open: otherwise the next file or socket would get one of
 * these numbers, and what we print would end up in it. Opened so that using them fails as on a
 * closed one. Best effort: without /dev/null there is nothing to be done. */
static void main_open_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* Everything printed must have arrived. */
static enum status main_flush(struct err *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return ST_OK;
    return err_set(err, ST_SYSTEM, "is the disk full, or standard output closed?",
                   "cannot write the output");
}

static void main_print_version(void)
{
    const struct build_info info = build_info();
    printf("handoff %s%s%s (%s, %s)\n", info.version, info.commit[0] ? " " : "", info.commit,
           info.compiler, info.build_type);
}

int main(int argc, char **argv)
{
    struct err err = {.status = ST_OK};
    int exit_code = EXIT_CODE_OK;
    main_open_standard_fds();
    /* Who started us may ignore its children's ends, and exec keeps that: nobody's end could be
     * told, neither by this process nor by its roles. */
    signal(SIGCHLD, SIG_DFL);
    /* A file beyond `ulimit -f` is an error to report, like a full disk. */
    signal(SIGXFSZ, SIG_IGN);
    if (argc < 2)
        err_set(&err, ST_INVALID, "`handoff --help` shows the commands", "no command given");
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        main_print_version();
        return main_flush(&err) == ST_OK ? EXIT_CODE_OK : main_fail(&err);
    }
    /* A role reports to its runner; what it prints would only disturb. */
    if (argc >= 2 && strcmp(argv[1], "--role") == 0)
        return main_exit_code(role_main(argc, argv, &err));
    capability_install();
    python_probe_install();
    enum status status = ST_INVALID;
    if (argc >= 2)
        status = cli_dispatch(argc - 1, argv + 1, &exit_code, &err);
    if (status != ST_OK)
        return main_fail(&err);
    return main_flush(&err) == ST_OK ? exit_code : main_fail(&err);
}

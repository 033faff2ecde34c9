/* cli.c: option parsing shared by the commands. */
#include "harness/cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void cli_options_begin(void)
{
    optind = 0; /* glibc: forget the last parse wholly */
    opterr = 0;
}

enum status cli_bad_option(int option, char **argv, struct err *err)
{
    const char *word = optind > 0 ? argv[optind - 1] : "";
    if (option == ':')
        return err_set(err, ST_INVALID, "`--help` shows what it takes", "%s: %s needs a value",
                       argv[0], word);
    return err_set(err, ST_INVALID, "`--help` shows all options", "%s: unknown option \"%s\"",
                   argv[0], word);
}

enum status cli_parse_u64(const char *option, const char *text, uint64_t low, uint64_t high,
                          uint64_t *value, struct err *err)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || strchr(text, '-') || number < low ||
        number > high)
        return err_set(err, ST_INVALID, "`--help` shows what it takes",
                       "%s takes a whole number from %llu to %llu, not \"%s\"", option,
                       (unsigned long long)low, (unsigned long long)high, text);
    *value = number;
    return ST_OK;
}

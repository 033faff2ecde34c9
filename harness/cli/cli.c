/* cli.c: what commands read off their options. See cli.h. */
#include "harness/cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/text.h"

void cli_print_plain(FILE *file, const char *text)
{
    struct text plain = {0};
    text_add_plain(&plain, text);
    fputs(text_get(&plain), file);
    text_free(&plain);
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

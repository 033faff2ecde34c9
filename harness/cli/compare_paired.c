/* compare_paired.c: see compare.h. */
#include "harness/cli/compare.h"

enum status compare_paired(const struct compare_arguments *arguments, int *exit_code,
                           struct err *err)
{
    (void)arguments;
    (void)exit_code;
    return err_set(err, ST_UNAVAILABLE, NULL, "compare --base: not there yet");
}

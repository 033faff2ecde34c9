/* compare_by.c: see compare.h. */
#include "harness/cli/compare.h"

enum status compare_by(const struct compare_arguments *arguments, int *exit_code, struct err *err)
{
    (void)arguments;
    (void)exit_code;
    return err_set(err, ST_UNAVAILABLE, NULL, "compare --by: not there yet");
}

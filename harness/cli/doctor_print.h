/* doctor_print.h: the findings of `handoff doctor`, for a terminal, for programs and as
 * Markdown. */
#ifndef HANDOFF_CLI_DOCTOR_PRINT_H
#define HANDOFF_CLI_DOCTOR_PRINT_H

#include "harness/cli/format_option.h"

/* `fitness` as fitness_make makes it; `environment` goes into the JSON. ST_NO_MEMORY. */
enum status doctor_print(FILE *file, enum cli_format format, const cJSON *fitness,
                         const cJSON *environment, struct err *err);

#endif

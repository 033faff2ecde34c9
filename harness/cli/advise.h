/* advise.h: how `handoff advise` prints what it found. Within cmd_advise.c and advise_*.c only. */
#ifndef HANDOFF_CLI_ADVISE_H
#define HANDOFF_CLI_ADVISE_H

#include "harness/report/bounds.h"

/* All print to standard output. */
void advise_print_table(const struct bounds *bounds, const struct bounds_answer *answer);
void advise_print_markdown(const struct bounds *bounds, const struct bounds_answer *answer);
enum status advise_print_json(const struct report *report, const struct bounds *bounds,
                              const struct bounds_answer *answer, struct err *err);

#endif

/* claims_words.h: what claims.c says in sentences. Within claims*.c only. */
#ifndef HANDOFF_REPORT_CLAIMS_WORDS_H
#define HANDOFF_REPORT_CLAIMS_WORDS_H

#include "harness/report/claims.h"

/* Why a case has its verdict. `bytes_per_s_max` as in claim_judge. */
void claim_why(struct text *text, const struct claim_row *row, const struct claim_case *one,
               double bytes_per_s_max);

#endif

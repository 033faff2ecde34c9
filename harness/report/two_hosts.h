/* two_hosts.h: what stands below the table of a block that was measured across two hosts: where the
 * consumers were, how well the clocks agree, round trips, and what is not told. Called by table.c,
 * markdown.c and page_blocks.c.
 */
#ifndef HANDOFF_REPORT_TWO_HOSTS_H
#define HANDOFF_REPORT_TWO_HOSTS_H

#include "harness/report/model.h"
#include "harness/report/text.h"

/* Nothing for a result of one host, and for a block of which nothing was measured. */
void two_hosts_add_sentence(struct text *out, const struct report *report,
                            const struct report_block *block);

#endif

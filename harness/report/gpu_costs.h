/* gpu_costs.h: what stands below the table of a block that used a GPU: what starting the driver and
 * registering memory took, which is in no figure, and how far the GPU's stamps may be off. Called by
 * markdown.c and page_blocks.c.
 */
#ifndef HANDOFF_REPORT_GPU_COSTS_H
#define HANDOFF_REPORT_GPU_COSTS_H

#include "harness/report/model.h"
#include "harness/report/text.h"

/* Nothing for a block of whose launches none says what its GPU cost. */
void gpu_costs_add_sentence(struct text *out, const struct report_block *block);

#endif

/* advice_gpu.c: how two processes should share one GPU, where a result compares it and the data
 * decides every comparison alike. Called by advice_make.
 */
#include <math.h>
#include <string.h>

#include "harness/report/conclusions.h"

struct sharing {
    size_t groups, decided;
    double least, most; /* by how much time slicing was worse */
};

static void sharing_add_group(struct sharing *sharing, const struct report *report,
                              const struct report_block *block, const struct report_group *group)
{
    enum metric metric = verdict_metric(block, group);
    const struct report_cell *best = verdict_best(block, group, metric);
    if (metric == METRIC_NONE || !best)
        return;
    for (size_t i = 0; i < group->cell_count; i++) {
        const struct report_cell *cell = &block->cells[group->cells[i]];
        if (cell == best || !verdict_cell_is_sound(cell) ||
            verdict_figure(cell, metric).state != FIGURE_KNOWN)
            continue;
        sharing->groups++;
        struct stats_paired paired = verdict_compare(report, cell, best, metric);
        if (!report_axis_is(best, "gpu_sharing", "mps") || paired.verdict != STATS_SLOWER)
            continue;
        sharing->decided++;
        sharing->least = fmin(sharing->least, paired.ratio);
        sharing->most = fmax(sharing->most, paired.ratio);
    }
}

void advice_of_gpu_sharing(const struct report *report, struct text *text)
{
    struct sharing sharing = {.least = INFINITY};
    char least[FIGURE_BYTES], most[FIGURE_BYTES];
    for (size_t i = 0; i < report->block_count; i++) {
        const struct report_block *block = &report->blocks[i];
        for (size_t j = 0; strcmp(block->compare, "gpu_sharing") == 0 && j < block->group_count;
             j++)
            sharing_add_group(&sharing, report, block, &block->groups[j]);
    }
    if (sharing.groups == 0 || sharing.decided < sharing.groups)
        return;
    text_add(text, "Where two processes work on one GPU, run them under MPS: it was better in ");
    if (sharing.groups > 1)
        text_addf(text, "all %zu comparisons made here, %s to %s.", sharing.groups,
                  format_multiple(sharing.least, least), format_multiple(sharing.most, most));
    else
        text_addf(text, "the one comparison made here, %s.", format_multiple(sharing.least, least));
}

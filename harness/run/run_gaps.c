/* run_gaps.c: see run_gaps.h. */
#include "harness/run/run_gaps.h"

#include <stdlib.h>

#include "harness/base/json.h"
#include "harness/measure/gaps.h"

#define RUN_GAPS_WINDOW_NS_MIN 200000000u
/* Where no role is pinned: enough to see what the machine is like. */
#define RUN_GAPS_CPUS_UNPINNED 8

/* Inserts it in order; false when there is no room. */
static bool run_gaps_insert(int cpu, int *cpus, size_t *count)
{
    size_t at = *count;
    for (size_t i = 0; i < *count; i++)
        if (cpus[i] == cpu)
            return true;
    if (*count == GAPS_CPUS_MAX)
        return false;
    for (; at > 0 && cpus[at - 1] > cpu; at--)
        cpus[at] = cpus[at - 1];
    cpus[at] = cpu;
    (*count)++;
    return true;
}

static size_t run_gaps_pick_allowed(int *cpus)
{
    struct topology *topology = malloc(sizeof *topology);
    struct err ignored;
    size_t count = 0;
    if (topology && topology_read(topology, &ignored) == ST_OK)
        for (uint32_t i = 0; i < topology->count && i < RUN_GAPS_CPUS_UNPINNED; i++)
            (void)run_gaps_insert((int)topology->cpus[i].cpu, cpus, &count);
    free(topology);
    return count;
}

size_t run_gaps_pick(const struct plan *plan, int *cpus)
{
    size_t count = 0;
    bool runs = false;
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct plan_cell *cell = &plan->cells[i];
        const int of_cell[2] = {cell->cpus.producer, cell->cpus.consumer};
        if (cell->result.launches_planned == 0)
            continue;
        runs = true;
        for (int role = 0; role < 2; role++)
            if (of_cell[role] >= 0 && !run_gaps_insert(of_cell[role], cpus, &count))
                return count;
    }
    return runs && count == 0 ? run_gaps_pick_allowed(cpus) : count;
}

uint64_t run_gaps_window_ns(const struct plan *plan, const struct scenario *scenario)
{
    uint64_t total_ns = 0;
    for (size_t i = 0; i < plan->launch_count; i++)
        total_ns += plan_launch_expected_ns(&plan->cells[plan->launches[i].cell], scenario);
    if (total_ns / 10 < RUN_GAPS_WINDOW_NS_MIN)
        return RUN_GAPS_WINDOW_NS_MIN;
    return total_ns / 10 < GAPS_WINDOW_NS ? total_ns / 10 : GAPS_WINDOW_NS;
}

enum status run_gaps_measure_cpus(const int *cpus, size_t count, uint64_t window_ns,
                                  cJSON *environment, struct err *err)
{
    struct err why;
    struct gaps *gaps = malloc(sizeof *gaps);
    if (!gaps)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for the gaps");
    bool measured = gaps_measure(cpus, count, window_ns, gaps, &why) == ST_OK;
    bool ok = !measured || json_add(environment, "gaps", gaps_to_json(gaps));
    free(gaps);
    return ok ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "out of memory for the gaps");
}

enum status run_gaps_measure_into(const struct plan *plan, const struct scenario *scenario,
                                  cJSON *environment, struct err *err)
{
    int cpus[GAPS_CPUS_MAX];
    size_t count = run_gaps_pick(plan, cpus);
    if (count == 0)
        return ST_OK;
    return run_gaps_measure_cpus(cpus, count, run_gaps_window_ns(plan, scenario), environment, err);
}

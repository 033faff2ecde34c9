/* plan.c: see plan.h. */
#include "harness/run/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Starting and ending two processes, and filling their source frames, as seen on a slow board. */
#define PLAN_LAUNCH_OVERHEAD_NS 40000000u
#define PLAN_LAUNCH_OVERHEAD_PER_BYTE_NS 6u
/* A CUDA context in each of them, made at the same time, and taken down: 0.3 to 0.4 s on an
 * H200. */
#define PLAN_GPU_OVERHEAD_NS 500000000u
/* An interpreter and numpy in each, at the same time, and on a slow board more. */
#define PLAN_PYTHON_OVERHEAD_NS 400000000u
/* A frame whose pace nothing sets, where no pilot tells: both sides woken, its bytes gone through
 * four times at 4 GB/s (filled, sent, received, read). */
#define PLAN_FRAME_NS 20000u
#define PLAN_FRAME_PER_BYTE_NS 1u
/* The most that such a frame is given: two contexts take turns on a GPU (0.35 ms on an H200), a
 * message goes through a library with threads of its own, on a slow board. */
#define PLAN_FRAME_MOST_NS 500000u

/* A search has no pilot: its steps take as many frames as their rate needs. What the plan says is
 * the least. */
static void plan_search_counts(struct plan_cell *cell)
{
    if (cell->cell.pacing != PACING_SEARCH)
        return;
    if (cell->cell.frames == 0)
        cell->result.frames = SEARCH_FRAMES_MIN;
    if (cell->cell.warmup == UINT32_MAX)
        cell->result.warmup = SEARCH_WARMUP;
}

/* Joins cells and their baselines: of their own block, if it has one. A baseline that nothing needs
 * here does not run. */
static void plan_find_baselines(struct plan *plan)
{
    for (size_t i = 0; i < plan->cell_count; i++)
        plan->cells[i].baseline = PLAN_NO_BASELINE;
    for (size_t i = 0; i < plan->cell_count; i++) {
        struct plan_cell *baseline = &plan->cells[i];
        bool needed = false;
        if (!baseline->cell.is_baseline || baseline->cell.runnable != ST_OK)
            continue;
        for (size_t j = 0; j < plan->cell_count; j++) {
            struct plan_cell *cell = &plan->cells[j];
            if (cell->cell.runnable != ST_OK || !cell_baseline_serves(&baseline->cell, &cell->cell))
                continue;
            needed = true;
            if (cell->result.baseline && cell->cell.block_index != baseline->cell.block_index)
                continue;
            cell->baseline = (uint32_t)i;
            cell->result.baseline = &baseline->cell;
        }
        if (needed)
            continue;
        baseline->cell.runnable = ST_NOT_APPLICABLE;
        baseline->result.launches_planned = 0;
        snprintf(baseline->cell.reason, sizeof baseline->cell.reason,
                 "no cell that can run here needs it");
        snprintf(baseline->cell.hint, sizeof baseline->cell.hint,
                 "the cells it would serve say why they cannot run");
    }
}

void plan_baseline_counts(struct plan *plan)
{
    for (size_t i = 0; i < plan->cell_count; i++) {
        struct plan_cell *baseline = &plan->cells[i];
        uint32_t frames = 0, warmup = 0, launches = 0;
        if (!baseline->cell.is_baseline || baseline->result.launches_planned == 0)
            continue;
        for (size_t j = 0; j < plan->cell_count; j++) {
            const struct result_cell *served = &plan->cells[j].result;
            if (plan->cells[j].baseline != i || served->launches_planned == 0)
                continue;
            frames = served->frames > frames ? served->frames : frames;
            warmup = served->warmup > warmup ? served->warmup : warmup;
            launches++;
        }
        if (baseline->cell.frames == 0)
            baseline->result.frames = frames;
        if (baseline->cell.warmup == UINT32_MAX)
            baseline->result.warmup = warmup;
        if (launches > 0)
            continue;
        baseline->result.launches_planned = 0;
        snprintf(baseline->result.failure, sizeof baseline->result.failure,
                 "in the pilot: every cell that needs it failed");
    }
}

enum status plan_make(const struct scenario *scenario, uint64_t seed, struct plan *plan,
                      struct err *err)
{
    struct plan made = {.seed = seed, .cell_count = scenario->cell_count};
    made.cells = calloc(scenario->cell_count ? scenario->cell_count : 1, sizeof *made.cells);
    if (!made.cells)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for %zu cells",
                       scenario->cell_count);
    struct topology *topology = calloc(1, sizeof *topology);
    enum status status =
        topology ? topology_read(topology, err) : err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    for (size_t i = 0; i < made.cell_count && status == ST_OK; i++) {
        struct plan_cell *cell = &made.cells[i];
        struct err no_cpus;
        cell->cell = scenario->cells[i];
        cell->result.cell = &cell->cell;
        if (cell->cell.runnable == ST_OK &&
            placement_pick(topology, &cell->cell, &cell->cpus, &no_cpus) != ST_OK) {
            cell->cell.runnable = ST_UNAVAILABLE;
            snprintf(cell->cell.reason, sizeof cell->cell.reason, "%.*s",
                     (int)sizeof cell->cell.reason - 1, no_cpus.what);
            snprintf(cell->cell.hint, sizeof cell->cell.hint, "%.*s",
                     (int)sizeof cell->cell.hint - 1, no_cpus.hint);
        }
        if (cell->cell.runnable != ST_OK)
            continue;
        cell->result.launches_planned = cell->cell.launches;
        cell->result.frames = cell->cell.frames;
        cell->result.warmup = cell->cell.warmup;
        if (cell_has_schedule(&cell->cell))
            cell->frame_ns = (uint64_t)(1e9 / cell->cell.rate_hz);
        plan_search_counts(cell);
    }
    plan_find_baselines(&made);
    free(topology);
    if (status != ST_OK) {
        plan_free(&made);
        return status;
    }
    *plan = made;
    return ST_OK;
}

void plan_free(struct plan *plan)
{
    free(plan->cells);
    free(plan->launches);
    *plan = (struct plan){0};
}

/* splitmix64 (Steele, Lea, Flood 2014). */
uint64_t plan_random(uint64_t *state)
{
    uint64_t mixed = (*state += 0x9e3779b97f4a7c15u);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

/* Fisher-Yates. The bias of the modulo is below 2^-50 for any matrix we accept. */
static void plan_shuffle(struct plan_launch *launches, size_t count, uint64_t *state)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = plan_random(state) % i;
        struct plan_launch kept = launches[i - 1];
        launches[i - 1] = launches[other];
        launches[other] = kept;
    }
}

/* Puts a baseline's launch next to one of those that need it, chosen at random; last, if none does
 * in this round. */
static void plan_insert_baseline(const struct plan *plan, struct plan_launch *launches,
                                 size_t count, struct plan_launch baseline, uint64_t *state)
{
    size_t served = 0, at = count;
    for (size_t i = 0; i < count; i++) {
        if (plan->cells[launches[i].cell].baseline != baseline.cell)
            continue;
        served++;
        if (plan_random(state) % served == 0)
            at = i + plan_random(state) % 2;
    }
    memmove(launches + at + 1, launches + at, (count - at) * sizeof *launches);
    launches[at] = baseline;
}

/* The rounds of the cells that share the GPU through MPS, or of all others. Returns how many
 * launches they have. */
static size_t plan_order_group(const struct plan *plan, bool mps, uint32_t rounds,
                               struct plan_launch *launches, uint64_t *state)
{
    size_t used = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        size_t first = used;
        for (size_t i = 0; i < plan->cell_count; i++)
            if (round < plan->cells[i].result.launches_planned &&
                !plan->cells[i].cell.is_baseline && plan_cell_shares_by_mps(&plan->cells[i]) == mps)
                launches[used++] = (struct plan_launch){(uint32_t)i, round};
        plan_shuffle(launches + first, used - first, state);
        for (size_t i = 0; i < plan->cell_count && !mps; i++) {
            if (round >= plan->cells[i].result.launches_planned || !plan->cells[i].cell.is_baseline)
                continue;
            plan_insert_baseline(plan, launches + first, used - first,
                                 (struct plan_launch){(uint32_t)i, round}, state);
            used++;
        }
    }
    return used;
}

enum status plan_order(struct plan *plan, struct err *err)
{
    size_t count = 0;
    uint32_t rounds = 0;
    for (size_t i = 0; i < plan->cell_count; i++) {
        uint32_t planned = plan->cells[i].result.launches_planned;
        count += planned;
        rounds = planned > rounds ? planned : rounds;
    }
    struct plan_launch *launches = calloc(count ? count : 1, sizeof *launches);
    if (!launches)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for %zu launches", count);
    uint64_t state = plan->seed;
    size_t used = plan_order_group(plan, false, rounds, launches, &state);
    plan_order_group(plan, true, rounds, launches + used, &state);
    free(plan->launches);
    plan->launches = launches;
    plan->launch_count = count;
    return ST_OK;
}

uint64_t plan_launch_seed(const struct plan *plan, uint32_t launch)
{
    return (plan->seed + launch) & ((UINT64_C(1) << 53) - 1);
}

/* Apart from its frames. */
static uint64_t plan_launch_overhead_ns(const struct cell *cell)
{
    uint64_t overhead_ns = PLAN_LAUNCH_OVERHEAD_NS +
                           (uint64_t)cell_payload_bytes(cell) * PLAN_LAUNCH_OVERHEAD_PER_BYTE_NS;
    if (cell_uses_gpu(cell))
        overhead_ns += PLAN_GPU_OVERHEAD_NS;
    if (cell_has_python(cell))
        overhead_ns += PLAN_PYTHON_OVERHEAD_NS;
    return overhead_ns;
}

uint64_t plan_launch_most_ns(const struct plan_cell *cell, const struct scenario *scenario)
{
    const struct block *block = &scenario->blocks[cell->cell.block_index];
    uint64_t overhead_ns = plan_launch_overhead_ns(&cell->cell);
    uint32_t warmup = cell->result.warmup == UINT32_MAX ? 0 : cell->result.warmup;
    if (cell->cell.pacing == PACING_SEARCH)
        return search_steps_max(&cell->cell) * overhead_ns +
               search_expected_ns(&cell->cell, block->launch_seconds, warmup);
    uint64_t frames = (uint64_t)cell->result.frames + warmup;
    if (cell->result.frames && cell->frame_ns)
        return overhead_ns + frames * cell->frame_ns;
    uint64_t launch_ns = (uint64_t)(block->launch_seconds * 1e9);
    if (cell->result.frames) { /* given: they take what they take */
        uint64_t frame_ns =
            PLAN_FRAME_MOST_NS + (uint64_t)cell_payload_bytes(&cell->cell) * PLAN_FRAME_PER_BYTE_NS;
        launch_ns = frames * frame_ns > launch_ns ? frames * frame_ns : launch_ns;
    }
    return overhead_ns + launch_ns;
}

uint64_t plan_launch_expected_ns(const struct plan_cell *cell, const struct scenario *scenario)
{
    uint64_t most_ns = plan_launch_most_ns(cell, scenario);
    if (cell->cell.pacing == PACING_SEARCH || cell->result.frames == 0 || cell->frame_ns)
        return most_ns;
    uint32_t warmup = cell->result.warmup == UINT32_MAX ? 0 : cell->result.warmup;
    uint64_t frame_ns =
        PLAN_FRAME_NS + (uint64_t)cell_payload_bytes(&cell->cell) * PLAN_FRAME_PER_BYTE_NS;
    return plan_launch_overhead_ns(&cell->cell) +
           ((uint64_t)cell->result.frames + warmup) * frame_ns;
}

/* plan.h: what a run is going to do: frame counts per cell, seed, and the order of launches.
 *
 * Written to DIR/plan.json before the first counted launch, so that `--resume` goes on with the
 * same counts and the same order.
 */
#ifndef HANDOFF_RUN_PLAN_H
#define HANDOFF_RUN_PLAN_H

#include "harness/base/err.h"
#include "harness/run/placement.h"
#include "harness/run/result.h"
#include "harness/scenario/scenario.h"

#define PLAN_NO_BASELINE UINT32_MAX

/* One cell of the plan; `result` is what result.h wants to know. */
struct plan_cell {
    struct result_cell result;
    struct cell cell; /* a copy: `runnable` may have been narrowed by this machine's placement */
    struct placement_cpus cpus;
    uint64_t frame_ns; /* what one frame takes, by the pilot or the rate; 0 = unknown */
    uint32_t baseline; /* index of its CPU baseline's cell, or PLAN_NO_BASELINE */
};

struct plan_launch {
    uint32_t cell;   /* index into cells */
    uint32_t launch; /* within the cell */
};

struct plan {
    uint64_t seed;
    const char *clock; /* name of the run's clock, borrowed; NULL: not known */
    /* The user's function of kernel `detector`, by its absolute path, borrowed; NULL: none. */
    const char *detector;
    const char *peer; /* the other host, as it was named, borrowed; NULL: all on this one */
    struct plan_cell *cells;
    size_t cell_count;
    struct plan_launch *launches; /* in the order they run */
    size_t launch_count;
};

/* A plan for the cells of a scenario, without frame counts where a pilot must decide. The scenario
 * must outlive it. The caller frees. */
enum status plan_make(const struct scenario *scenario, uint64_t seed, struct plan *plan,
                      struct err *err);
void plan_free(struct plan *plan);

/* Gives baselines the counts of the cells they serve: the most frames and warm-up of those that
 * have launches. One without such a cell has none either. Called by the pilot, when it has decided
 * the others' counts. */
void plan_baseline_counts(struct plan *plan);

/* The cell's roles share the GPU through the MPS daemon, which starts and stops once for all of
 * them: in pilots as in launches they come behind the others. */
static inline bool plan_cell_shares_by_mps(const struct plan_cell *cell)
{
    return cell->cell.gpu_sharing == GPU_SHARING_MPS;
}

/* The next number of a seeded sequence; *state is the seed at first. */
uint64_t plan_random(uint64_t *state);

/* Lists the launches in rounds: each round has every cell that still has launches once, in an order
 * drawn from the seed, so that launch k of two cells are neighbours. A baseline's launch stands
 * right before or after that of one of the cells it serves. Cells that share the GPU through MPS
 * have rounds of their own behind all others'. Call when the cells are final. */
enum status plan_order(struct plan *plan, struct err *err);

/* The name of the clock that the run in `dir` was begun on; "" where that is not known. */
void plan_read_clock(const char *dir, char *name, size_t size);

/* Writes DIR/plan.json, whole or not at all, before the first counted launch. */
enum status plan_write(const struct plan *plan, const struct scenario *scenario, const char *dir,
                       struct err *err);
/* Takes the seed and the frame counts from DIR/plan.json. ST_INVALID when it is of another scenario
 * or another choice of cells. */
enum status plan_resume(struct plan *plan, const struct scenario *scenario, const char *dir,
                        struct err *err);

/* Takes the seed, and for each cell of the same id the frame counts, from the plan of another run,
 * maybe of another build, so that both have the same. A cell that the other does not run has no
 * launches here either, and says why. ST_INVALID when the plan is of another scenario, machine or
 * clock, or contradicts counts that the scenario gives. */
enum status plan_take(struct plan *plan, const struct scenario *scenario, const char *dir,
                      struct err *err);

/* The seed of launch k, the same for all cells: those that are compared had the same frames and,
 * where gaps are random, the same schedule. Below 2^53. */
uint64_t plan_launch_seed(const struct plan *plan, uint32_t launch);

/* Nanoseconds one launch of a cell should take, processes started and ended included: what people
 * are told. Where the scenario gives frames and nothing gives their pace it is guessed from their
 * size. */
uint64_t plan_launch_expected_ns(const struct plan_cell *cell, const struct scenario *scenario);

/* The same with a guess that a slow board keeps too, and at least the block's launch_seconds: what
 * the deadline of a launch is counted from. */
uint64_t plan_launch_most_ns(const struct plan_cell *cell, const struct scenario *scenario);

#endif

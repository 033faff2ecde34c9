/* run_choice.h: what of a scenario is to be run: its file, --only and --launches, and what a run is
 * given where nobody chose: a seed, a folder. Shared by `handoff run` and `handoff compare`.
 */
#ifndef HANDOFF_CLI_RUN_CHOICE_H
#define HANDOFF_CLI_RUN_CHOICE_H

#include "harness/scenario/scenario.h"

#define RUN_FILTERS_MAX 32
#define RUN_LAUNCHES_MAX 1000
#define RUN_SEED_MAX ((UINT64_C(1) << 53) - 1)

struct run_choice {
    const char *scenario;
    struct scenario_filter filters[RUN_FILTERS_MAX];
    size_t filter_count;
    uint64_t launches;    /* 0: as the scenario says */
    const char *detector; /* FILE:FUNCTION; NULL: none */
};

/* "AXIS=VALUE[,VALUE...]" of --only; cuts the text in place, which must outlive the choice. */
enum status run_choice_add_filter(struct run_choice *choice, char *text, struct err *err);

/* Where a scenario is that was given by name: "quick" is scenarios/quick.json here, or the one that
 * was installed with the program. A path, and a file that exists, is taken as it is, and so is what
 * is found nowhere: opening it says why. A folder of that name is no scenario. */
const char *run_choice_find_scenario(const char *given, char *path, size_t size);

/* Finds, reads, filters and overrides. ST_INVALID also for a file that cannot be read. The caller
 * frees. */
enum status run_choice_load(const struct run_choice *choice, struct scenario **scenario,
                            struct err *err);

/* Below 2^53, so that it survives any JSON reader. */
uint64_t run_choice_random_seed(void);

/* "results/runs/<time>-<scenario>". */
void run_choice_default_out(const struct scenario *scenario, char *path, size_t size);

#endif

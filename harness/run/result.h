/* result.h: what a run leaves behind: one file per launch, and result.json assembled from them.
 *
 * The runner writes each launch as soon as it is over, so that a crash loses one launch and
 * `--resume` runs what is missing; it assembles the result at the end, and after an interrupt. The
 * shape of both is in results/README.md and results/schema.json.
 */
#ifndef HANDOFF_RUN_RESULT_H
#define HANDOFF_RUN_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/measure/clock_choice.h"
#include "harness/measure/fold.h"
#include "harness/measure/usage.h"
#include "harness/run/clocks.h"
#include "harness/run/gpu_report.h"
#include "harness/run/peer.h"
#include "harness/run/python_report.h"
#include "harness/run/search.h"
#include "harness/run/surroundings.h"
#include "harness/scenario/scenario.h"

#define RESULT_SCHEMA_VERSION 1
/* A result larger than this is not read back. */
#define RESULT_BYTES_MAX ((size_t)1 << 30)

#define RESULT_UTC_BYTES 24

/* What one load process did beside the roles, from before the first frame to after the last. */
#define LAUNCH_LOADS_MAX 2
struct launch_load {
    enum load kind;
    int cpu;               /* -1: not pinned */
    uint64_t rounds;       /* load cpu */
    uint64_t bytes;        /* load membw: copied */
    uint64_t buffer_bytes; /* load membw */
    uint64_t wall_ns;
    uint64_t cpu_ns; /* the processor time it got in that */
};

/* How one launch of one cell ended. Everything in it is the caller's. */
struct launch_outcome {
    uint32_t launch; /* from 0, within its cell */
    uint32_t order;  /* from 0, within the run: launches of cells are interleaved */
    enum status status;
    char reason[512]; /* empty when ok */
    char hint[384];
    char started_utc[RESULT_UTC_BYTES]; /* result_utc_now */
    uint32_t frames;                    /* as planned: the pilot's or the scenario's */
    uint32_t warmup;
    uint64_t deadline_ns; /* with a schedule: fold_config.deadline_ns; else 0 */
    /* NULL when there is nothing to fold. A fold with bad integrity makes the launch failed even if
     * `status` says ok. */
    const struct fold *fold;
    struct usage producer; /* over the role's counted window; all 0 when it died before its end */
    struct usage consumer;
    struct usage_system system; /* over the same stretch, all processes */
    int producer_cpu;           /* -1: not pinned */
    int consumer_cpu;
    struct surroundings producer_had; /* not `known` for a role that died before its end */
    struct surroundings consumer_had;
    struct role_gpu_report producer_gpu; /* not `used` by a role that has no GPU, or died */
    struct role_gpu_report consumer_gpu;
    struct role_python_report producer_python; /* not `used` by a role in C, or that died */
    struct role_python_report consumer_python;
    /* The clock of the stamps, where a role is in Python and that is not the run's; NULL: the
     * run's. */
    const char *clock;
    bool idle_latency_held; /* from before the roles began to after they ended */
    struct launch_clocks clocks;
    struct launch_load loads[LAUNCH_LOADS_MAX];
    uint32_t load_count;
    double copies_per_frame; /* payload copies, counted from what ran */
    struct peer_launch peer; /* not `used` where both roles were on this host */
    /* Pacing search: what was tried; the rest is of the highest rate that passed. Else NULL. */
    const struct search *search;
};

/* The time now as "2026-11-20T10:00:00Z". */
void result_utc_now(char text[RESULT_UTC_BYTES]);

/* What the launch counts as: its own end, or what its frames say about the transport. */
enum status result_launch_verdict(const struct launch_outcome *outcome, struct err *verdict);

/* Writes DIR/launches/<hash of the cell's id>-<launch>.json, whole or not at all; makes the folders
 * that are missing. Replaces a file of the same launch. */
enum status result_launch_write(const char *dir, const struct cell *cell,
                                const struct launch_outcome *outcome, struct err *err);

/* True when DIR has a readable file of this launch of this cell, with the same frame counts and,
 * for pacing search, a whole search in it; then *status (may be NULL) is how it ended. For
 * --resume. */
bool result_launch_exists(const char *dir, const struct cell *cell, uint32_t launch,
                          uint32_t frames, uint32_t warmup, enum status *status);

/* One cell as it was planned. */
struct result_cell {
    const struct cell *cell;
    uint32_t launches_planned; /* 0 for a cell that cannot run */
    uint32_t frames;           /* per launch, as decided by the pilot or the scenario */
    uint32_t warmup;
    const struct cell *baseline; /* its CPU baseline among the run's cells, or NULL */
    int producer_cpu;            /* -1: not pinned */
    int consumer_cpu;
    /* A reason why the whole cell failed before any launch (a pilot that died), or "". */
    char failure[512];
    char failure_hint[384];
};

/* Everything about a run that is not in its launch files. All pointers are the caller's and stay
 * so; strings may be NULL for "". */
struct result_context {
    const char *tool_version;
    const char *tool_commit;
    const char *tool_compiler;
    const char *tool_build_type;
    const struct scenario *scenario; /* name, description, path, blocks */
    const char *started_utc;
    const char *ended_utc;
    uint64_t seed;
    uint64_t wall_ns;
    bool interrupted;
    const char *const *command; /* argv of the run */
    size_t command_count;
    const struct clock_choice *clock;
    const cJSON *floor;              /* run_floor.h; NULL: none was measured */
    const cJSON *peer;               /* peer_result_json; NULL: all on this host */
    const cJSON *environment_before; /* NULL: {} */
    const cJSON *environment_after;
    const cJSON *fitness; /* fitness_make; NULL: not looked at */
    const char *const *warnings;
    size_t warning_count;
    const struct result_cell *cells; /* in the scenario's order */
    size_t cell_count;
};

/* What assembling found, for the exit code and the table at the end. */
struct result_summary {
    size_t cells_ok;
    size_t cells_failed;
    size_t cells_incomplete;
    size_t cells_not_run; /* unavailable or not applicable */
};

/* Reads the launch files of DIR back and writes DIR/result.json. A cell with a failed launch is
 * failed, with the first reason; one with fewer launches than planned is incomplete. A launch file
 * that cannot be read makes its cell failed with that reason and the rest goes on. *json (may be
 * NULL) gets the result, to be deleted by the caller with cJSON_Delete; *summary may be NULL. */
enum status result_assemble(const struct result_context *context, const char *dir,
                            struct result_summary *summary, cJSON **json, struct err *err);

/* Reads a result file back and checks that it is one of ours, of a version we know. The path may be
 * a result.json or the folder it is in. The caller deletes *json. */
enum status result_load(const char *path, cJSON **json, struct err *err);

#endif

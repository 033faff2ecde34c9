/* scenario.h: a scenario file, read, checked and expanded into cells.
 *
 * Called by `handoff run`, by the tests and by the fuzzer. Parsing never touches the machine;
 * scenario_probe, which scenario_load calls, asks the registries what can run here.
 */
#ifndef HANDOFF_SCENARIO_H
#define HANDOFF_SCENARIO_H

#include <stddef.h>

#include "harness/base/err.h"
#include "harness/scenario/cell.h"
#include "harness/scenario/claim.h"
#include "harness/scenario/gates.h"

/* A scenario file is at most this long. */
#define SCENARIO_FILE_BYTES_MAX (256 * 1024)
/* More cells than this in one scenario are an error: nobody waits for them. */
#define SCENARIO_CELLS_MAX 4096

struct block {
    char *name;
    char *description; /* "" when absent */
    /* The axis this block was written to compare ("wait", "transport", …), or "". */
    char *compare;
    /* What a launch should last when `frames` is "auto": the pilot picks the count, the same for
     * all cells of the block that differ only in the compared axis. */
    double launch_seconds;
    bool cpu_baseline;   /* its cells have baselines behind them: baseline.h */
    struct claim *claim; /* what this block checks, or NULL */
};

struct scenario {
    char *name;        /* "name" of the file, or the file's stem */
    char *description; /* "" when absent */
    char *path;        /* as given; shown in errors */
    /* By what a comparison of two builds may fail; none declared: latency.p50, and frames_per_s where
     * latency is queue depth. */
    const struct gate *gates[COMPARE_METRICS_MAX];
    size_t gate_count;
    struct block *blocks;
    size_t block_count;
    char *detector;     /* scenario_set_detector's, or NULL */
    struct cell *cells; /* of all blocks in order, excluded ones left out, each id once */
    size_t cell_count;
};

/* One `--only AXIS=VALUE[,VALUE…]`: keeps the cells whose axis has one of the values. */
struct scenario_filter {
    const char *axis;
    const char *values; /* comma-separated */
};

/* Reads and checks a file, or text of `bytes` bytes (named `path` in errors). The caller frees with
 * scenario_free. Errors: ST_INVALID with "path: blocks[0].axes.wait[2]: …" and a hint; ST_SYSTEM
 * when the file cannot be read. *scenario is set only on ST_OK. Cells that make no sense are
 * ST_NOT_APPLICABLE in `runnable`; scenario_load also calls scenario_probe. For scenario_parse,
 * text[bytes] must be 0. */
enum status scenario_load(const char *path, struct scenario **scenario, struct err *err);
enum status scenario_parse(const char *path, const char *text, size_t bytes,
                           struct scenario **scenario, struct err *err);

/* Asks every transport, wait, access and kernel that a runnable cell uses, once each, whether it is
 * usable here, and whether this process may do what the axes want, and marks the cells of those that
 * are not ST_UNAVAILABLE with the reason. Baselines that serve no cell that can run are dropped.
 * Only ST_NO_MEMORY is an error. */
enum status scenario_probe(struct scenario *scenario, struct err *err);

/* Names the user's function, "my.py:detect", for cells of kernel `detector`; NULL: there is none, and
 * they are ST_UNAVAILABLE. ST_INVALID when the text is not of that form, the file cannot be read,
 * or no cell would call it. The function is looked up only by the consumer that calls it. */
enum status scenario_set_detector(struct scenario *scenario, const char *detector, struct err *err);
/* "/home/me/my.py:detect" of "my.py:detect", which must be of that form and name a file that can be read:
 * ST_INVALID otherwise. The caller frees. */
enum status scenario_resolve_detector(const char *text, char **resolved, struct err *err);

/* Keeps only the cells that pass every filter, and the baselines of those that can run. Values are compared in their canonical form, with
 * ":" for "," ("cpus:0:1"); one without a parameter stands for all ("poll" for "poll:100"), and
 * "block=NAME" keeps a block. ST_INVALID for an unknown axis, for a value that no cell has (with
 * the values there are as the hint) and when no cell is left; the scenario is then unchanged. */
enum status scenario_filter(struct scenario *scenario, const struct scenario_filter *filters,
                            size_t filter_count, struct err *err);

/* Safe on NULL. */
void scenario_free(struct scenario *scenario);

#endif

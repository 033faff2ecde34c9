/* paired_side.h: one of the two runs of a comparison, as the process that orders its launches sees
 * it. Part of paired.c.
 */
#ifndef HANDOFF_RUN_PAIRED_SIDE_H
#define HANDOFF_RUN_PAIRED_SIDE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/run/process.h"
#include "harness/scenario/cell.h"

#define PAIRED_LINE_BYTES 1024
/* As many as a scenario may have. */
#define PAIRED_CELLS_MAX 4096

struct paired_side_cell {
    char id[CELL_ID_BYTES];
    uint32_t launches; /* 0: cannot run there */
};

struct paired_side {
    const char *name;      /* "base" */
    const char *program;   /* as it is executed */
    int signal_fd;         /* what asks to stop */
    char log[PATH_MAX];    /* what it says on standard error */
    char result[PATH_MAX]; /* the file that it writes at its end, and that is not there before */
    off_t log_start; /* where that begins: before it is what was said in a run that is resumed */
    struct process process;
    char read[PAIRED_LINE_BYTES];
    size_t read_bytes;
    struct paired_side_cell *cells;
    size_t cell_count;
    bool is_ready; /* takes orders, and has said nothing that is none of its answers */
};

/* Starts `program` with these arguments, NULL-terminated, of which the first is its name. Its
 * standard input and output are ours, standard error goes to side->log, to its end. It is asked to
 * stop (SIGTERM) when this process dies. */
enum status paired_side_start(struct paired_side *side, const char *const *arguments,
                              struct err *err);

/* "ready" and the cells. ST_INVALID with the reason when it ends before, or says something else. */
enum status paired_side_wait_ready(struct paired_side *side, struct err *err);

/* Orders one launch and waits for its answer; *failed tells, and `reason` of PAIRED_LINE_BYTES says
 * why. ST_ROLE_DIED when it ends, ST_INTERRUPTED when a signal asks to stop: the launch then ends
 * soon, too. */
enum status paired_side_launch(struct paired_side *side, uint32_t cell, uint32_t launch,
                               bool *failed, char *reason, struct err *err);

/* How long a side may take to end once there are no more orders. */
struct paired_patience {
    uint64_t result_ns; /* until its result is written */
    uint64_t exit_ns;   /* from then on */
    uint64_t asked_ns;  /* from when a signal asks to stop */
};
extern const struct paired_patience paired_patience;

/* No more orders: waits until it has written its result and ended, and kills it, with what it
 * started, when patience is at its end. ST_ROLE_DIED when it did not end in order before its result
 * was written. Safe on one that was never started, and twice. */
enum status paired_side_finish(struct paired_side *side, const struct paired_patience *patience,
                               struct err *err);
void paired_side_free(struct paired_side *side);

/* The lines of the protocol; false when a line is another. */
bool paired_parse_ready(const char *line, uint32_t *cells, uint32_t *launches);
bool paired_parse_cell(const char *line, uint32_t index, struct paired_side_cell *cell);

#endif

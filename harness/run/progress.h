/* progress.h: tells the user how far a run is: one line that is rewritten on a terminal, plain
 * lines elsewhere. Always on stderr; stdout is for data.
 */
#ifndef HANDOFF_RUN_PROGRESS_H
#define HANDOFF_RUN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool quiet;
    bool terminal; /* stderr is one: rewrite the line */
    bool colour;   /* a terminal and NO_COLOR is not set */
    uint64_t begun_ns;
    uint64_t total_ns; /* expected for everything */
    uint64_t done_ns;  /* expected for what is done: remaining time is scaled by how it went */
    uint64_t shown_ns;
    uint32_t shown_permille;
};

/* Begins to count; total_ns is what all steps should take together. With `quiet` nothing is
 * shown. */
void progress_begin(struct progress *progress, bool quiet, uint64_t total_ns);
/* About to do `label` ("launch 3 of 250", a cell's id), which should take expected_ns. */
void progress_step(struct progress *progress, const char *phase, uint32_t index, uint32_t count,
                   const char *label, uint64_t expected_ns);
/* Clears the rewritten line, so that something else can be printed. */
void progress_clear(struct progress *progress);
/* "1 min 40 s", "12 s", "0.4 s" into text. */
const char *progress_duration(uint64_t duration_ns, char *text, unsigned size);

#endif

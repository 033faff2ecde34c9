/* python_report.h: what a Python role says of itself, from its "finished" (role.h) to the launch's
 * file (result.h).
 */
#ifndef HANDOFF_RUN_PYTHON_REPORT_H
#define HANDOFF_RUN_PYTHON_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

/* Where a role says nothing of a figure it is 0, of a text "". */
struct role_python_report {
    bool used;        /* the role was a Python one; else the rest is nothing */
    char version[24]; /* "3.11.2" */
    char numpy[24], pyzmq[24], cupy[24], torch[24]; /* of those it imported */
    uint64_t clock_cost_ns; /* of two stamps one after the other, the median */
    /* Resident memory before the first counted frame and after the last. */
    uint64_t rss_begin_bytes, rss_end_bytes;
    /* Kernel `detector`: the user's function called in the same process on frames of its own
     * memory, before anything is handed over. */
    uint64_t alone_p50_ns, alone_min_ns, alone_max_ns, alone_count;
};

/* Reads the optional members of "finished"; leaves out what is absent or makes no sense. */
void python_report_read(const cJSON *finished, struct role_python_report *report);

/* Adds it as member `role` of a launch's "python"; nothing where it was not `used`. False when out
 * of memory. */
bool python_report_add(cJSON *python, const char *role, const struct role_python_report *report);

#endif

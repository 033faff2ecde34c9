/* load.h: a process that only keeps a CPU, or the memory, busy while a cell is measured.
 *
 * The session starts one per CPU that the cell's roles use (`handoff --role load`) and watches it
 * like a role. Over its control socket:
 *
 *   session → load  setup     what to do, where
 *   load → session  ready     its memory is touched, it is pinned
 *   session → load  go        begin
 *   load → session  working   it has begun; only now the roles get their go
 *   session → load  stop      enough
 *   load → session  finished  what it did, or at any time: error
 *   session → load  exit
 *
 * It is an ordinary process (SCHED_OTHER, the runner's nice level), whatever the roles are.
 */
#ifndef HANDOFF_RUN_LOAD_H
#define HANDOFF_RUN_LOAD_H

#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/run/role.h"

/* What one load did between go and stop. */
struct load_report {
    enum load kind;
    int cpu;               /* the CPU it was pinned to, as the kernel says; -1: none */
    uint64_t rounds;       /* cpu: multiplications, each waiting for the one before */
    uint64_t bytes;        /* membw: copied; the memory carries each twice */
    uint64_t buffer_bytes; /* membw: what it copied around in */
    uint64_t wall_ns;
    uint64_t cpu_ns; /* the processor time it got */
};

/* The messages. Reading trusts nothing: ST_CORRUPT. NULL when out of memory. */
cJSON *load_setup_to_json(enum load kind, int cpu);
cJSON *load_report_to_json(const struct load_report *report);
enum status load_report_from_json(const cJSON *json, struct load_report *report, struct err *err);

/* The life of a load process; `role` has its control socket. Ends when it is told to, and when the
 * session is gone. */
enum status load_main(struct role *role, struct err *err);

#endif

/* role.h: one process of a measurement, and what the runner tells it.
 *
 * A role is this same program, re-executed with `--role NAME --control-fd N`. It talks JSON over
 * its control socket (base/channel.h):
 *
 *   runner → role   setup   what to do; descriptor: its trace
 *   consumer → …    listen  across two hosts only (peer.h): where the producer is to make the edge,
 *                           and for whom; relayed to the producer
 *   producer → …    address opaque bytes and descriptors of the edge, relayed to the consumer
 *   role → runner   ready   everything is allocated, touched, pinned
 *   runner → role   go      when the schedule starts, and the deadline
 *   role → runner   finished  usage and counters, or
 *                   error     what and hint
 *   runner → role   exit
 */
#ifndef HANDOFF_RUN_ROLE_H
#define HANDOFF_RUN_ROLE_H

#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/channel.h"
#include "harness/base/shm.h"
#include "harness/measure/clock.h"
#include "harness/measure/trace.h"
#include "harness/measure/usage.h"
#include "harness/run/gpu_report.h"
#include "harness/run/placement.h"
#include "harness/run/python_report.h"
#include "harness/run/surroundings.h"
#include "harness/run/wait_loop.h"
#include "harness/scenario/cell.h"

/* How long a role waits for the runner's next word before it gives up. */
#define ROLE_SILENCE_NS 120000000000u

/* The choices of a cell that a role needs, and its own part. */
struct role_setup {
    struct cell cell; /* id, launches, runnable are not sent */
    uint32_t frames;  /* counted frames */
    uint32_t warmup;  /* frames before them; ids run from 0 to warmup + frames - 1 */
    uint64_t seed;    /* of the source content */
    int cpu;          /* -1: not pinned */
    /* The launch's, for clock_apply before anything is stamped. */
    struct clock_conversion clock;
    /* producer: the consumer is on another host; "listen" says where to listen for it */
    bool listens;
};

static inline uint32_t role_setup_total(const struct role_setup *setup)
{
    return setup->warmup + setup->frames;
}

/* Frames a broken transport may repeat before the consumer gives up. */
#define ROLE_REPEATS 64
/* Records that the trace of such a role has room for. */
static inline uint32_t role_trace_capacity(const struct role_setup *setup)
{
    return role_setup_total(setup) + ROLE_REPEATS;
}

/* The message, and its inverse, which trusts nothing. It has the choices twice: as numbers for this
 * program, and in "axes" as a scenario writes them, for roles in other languages. */
cJSON *role_setup_to_json(const struct role_setup *setup);
enum status role_setup_from_json(const cJSON *json, struct role_setup *setup, struct err *err);

/* The edge's address as a message ("bytes" in hexadecimal; descriptors travel beside: first the
 * transport's, then the waits'), and back. `fds` has room for CHANNEL_FDS_MAX and stays borrowed.
 * Reading sets the fds of the pair's directions and leaves the rest of it alone; the caller then
 * owns them (wait_pair_close) as well as the address. */
cJSON *role_address_to_json(const struct transport_address *address, const struct wait_pair *pair,
                            int *fds, uint32_t *fd_count);
enum status role_address_from_message(struct channel_message *message,
                                      struct transport_address *address, struct wait_pair *pair,
                                      struct err *err);

/* The strategies of a cell's edge, without fds yet. */
struct wait_pair role_wait_pair(const struct cell *cell);

/* Where to listen, as a message and back. */
cJSON *role_listen_to_json(const struct transport_listen *listen);
enum status role_listen_from_json(const cJSON *json, struct transport_listen *listen,
                                  struct err *err);

/* What a role counted over its window, as it reports when finished. */
struct role_report {
    struct usage usage;
    struct transport_counters counters;
    uint64_t filled_bytes;            /* payload bytes the role itself copied: fill, access */
    uint64_t frames;                  /* frames sent, or acquired, warm-up included */
    struct surroundings surroundings; /* as read back before the first frame and after the last */
    struct role_gpu_report gpu;
    /* Not `used` by roles in C: whether a role is one in Python, the runner knows. */
    struct role_python_report python;
};
/* The caller deletes it; NULL when out of memory. */
cJSON *role_report_to_json(const struct role_report *report);
/* ST_CORRUPT where a member is missing or out of range; *report is set on ST_OK only. */
enum status role_report_from_json(const cJSON *json, struct role_report *report, struct err *err);

/* What every role has while it runs. */
struct role {
    int control_fd;
    struct role_setup setup;
    struct placement_set allowed; /* the CPUs before the role was pinned */
    struct shm_map trace_map;
    struct trace *trace;
    uint64_t start_ns;    /* what the schedule counts from */
    uint64_t deadline_ns; /* of the whole launch */
};

/* One kind of role: how it prepares, runs and cleans up. `state` is its own. */
struct role_kind {
    const char *name;
    /* Allocates and touches everything and exchanges the edge's address. */
    enum status (*prepare)(struct role *role, void **state, struct err *err);
    /* The hot path, from go to the last frame. */
    enum status (*run)(struct role *role, void *state, struct role_report *report, struct err *err);
    /* After all roles have finished their frames, before anything is torn down: what would disturb
     * them earlier. NULL: nothing. Its failure is the role's, by its exit code. */
    enum status (*conclude)(struct role *role, void *state, struct err *err);
    /* Safe on NULL and on what prepare left half-built. */
    void (*clean_up)(void *state);
};
extern const struct role_kind role_producer;
extern const struct role_kind role_consumer;
/* The same roles where they use a GPU (cell_producer_uses_gpu, cell_consumer_uses_gpu). */
extern const struct role_kind role_producer_gpu;
extern const struct role_kind role_consumer_gpu;

/* The whole life of a role process: `handoff --role NAME --control-fd FD`. Errors go to the runner;
 * what cannot be told is returned. */
enum status role_main(int argc, char **argv, struct err *err);

/* Waits for a message of type `type` from the runner; ST_PEER_GONE when the runner is gone. */
enum status role_receive(const struct role *role, const char *type, struct channel_message *message,
                         struct err *err);

/* Sends a message and deletes it; NULL (it could not be made) is ST_NO_MEMORY. */
enum status role_send(const struct role *role, cJSON *json, struct err *err);
/* One that consists of its type. */
enum status role_send_type(const struct role *role, const char *type, struct err *err);
/* Tells the runner why this role cannot go on. Best effort: the runner may be gone. */
void role_send_error(const struct role *role, const struct err *failure);

/* Appends a record to the role's trace; a full trace counts the overflow and says false. */
static inline struct trace_record *role_record(struct trace *trace)
{
    uint32_t index = atomic_load_explicit(&trace->count, memory_order_relaxed);
    if (index >= trace->capacity) {
        trace->overflowed++;
        return NULL;
    }
    return &trace->records[index];
}
static inline void role_record_publish(struct trace *trace)
{
    uint32_t index = atomic_load_explicit(&trace->count, memory_order_relaxed);
    atomic_store_explicit(&trace->count, index + 1, memory_order_release);
}

#endif

/* clocks.h: the CPUs' frequency, fixed for a launch whose cell says `clocks` `locked`, and what it
 * really was in every launch.
 *
 * Locked: no turbo where there is a switch for it, governor performance, and the lowest frequency
 * of each policy raised to its highest, for the CPUs that the roles use. The guard process writes
 * it, for it has to write back what was found however the runner ends; a runner whose guard was
 * killed writes it back itself. The memory's and the GPU's clocks are not touched: `jetson_clocks`
 * and `nvidia-smi` fix them for the whole machine, which is the user's to decide. Called by
 * session.c.
 */
#ifndef HANDOFF_RUN_CLOCKS_H
#define HANDOFF_RUN_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/run/placement.h"

struct guard;

/* A frequency policy: CPUs whose clock changes together. */
struct clocks_policy {
    char cpus[64]; /* "0 1 2 3" */
    char governor[32];
    int64_t min_khz;
    int64_t max_khz;
    int64_t before_khz; /* as the kernel says, before the roles' first frame; -1: it does not */
    int64_t after_khz;  /* after their last */
};

/* Those that the roles use; of unpinned ones as many as fit. */
#define CLOCKS_POLICIES_MAX 8
struct launch_clocks {
    bool locked;
    uint32_t count; /* 0: this system tells nothing */
    struct clocks_policy policies[CLOCKS_POLICIES_MAX];
};

/* What is owed to clocks_restore. Of two runs at once the later one would take the settings of the
 * other's launch for what was there before, and leave the machine with them: they take turns. */
struct clocks_held {
    cJSON *settings; /* what was changed; NULL: nothing is held */
    int turn_fd;     /* has the lock that one run has at a time; the guard has it, too */
};
#define CLOCKS_NOT_HELD ((struct clocks_held){.settings = NULL, .turn_fd = -1})

/* Waits until no other run has clocks locked, fixes the frequency of these CPUs (-1: all) and waits
 * until it has settled, about 10 ms. clocks_restore is owed from then on. ST_UNAVAILABLE with what
 * could not be had, or when it is another run's turn for a minute; then all is as it was found.
 * ST_INTERRUPTED when signal_fd (-1: none) became readable meanwhile. */
enum status clocks_lock(struct guard *guard, struct placement_cpus cpus, int signal_fd,
                        struct clocks_held *held, struct err *err);
/* Writes back what was found and lets others have their turn; does nothing when nothing is held. */
void clocks_restore(struct guard *guard, struct clocks_held *held);

/* What the policies of these CPUs are now. */
void clocks_read(struct placement_cpus cpus, struct launch_clocks *clocks);
/* Takes the frequencies of the end, and whether the policies are still the same. ST_UNAVAILABLE,
 * naming the change, for locked ones that somebody changed meanwhile. */
enum status clocks_read_again(struct placement_cpus cpus, struct launch_clocks *clocks,
                              struct err *err);

/* For the guard: writes what `settings` says to be set, or what it says was found, last first. On
 * an error of the former everything is written back. */
enum status clocks_write(const cJSON *settings, struct err *err);
void clocks_write_back(const cJSON *settings);

/* For tests: the folder that stands for "/", "" from the start; how long to wait for a turn. */
void clocks_set_root(const char *root);
void clocks_set_patience(uint64_t patience_ns);

#endif

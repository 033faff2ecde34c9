/* process.h: starting this program again as a role, and seeing it end.
 */
#ifndef HANDOFF_RUN_PROCESS_H
#define HANDOFF_RUN_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/base/err.h"

/* How long an orderly end may take before it is a kill: a role gives back large segments, and under
 * a sanitizer looks for leaks. */
#define PROCESS_GRACE_NS 10000000000u

/* Where a role finds its control socket. */
#define PROCESS_CONTROL_FD 3
/* The exit status of a child whose program could not be executed, as in shells. */
#define PROCESS_NOT_EXECUTED 127
#define PROCESS_EMULATOR_WORDS_MAX 16

enum process_lifetime {
    PROCESS_DIES_WITH_US, /* PR_SET_PDEATHSIG: the kernel kills it when the runner dies */
    PROCESS_OUTLIVES_US,  /* in a process group of its own; the guard */
    /* Dies with us, and whatever it has started dies with it: they are a process group. */
    PROCESS_DIES_WITH_ITS_OWN,
};

struct process {
    pid_t pid;        /* 0: none, or reaped */
    int pidfd;        /* readable when it has ended; -1 where the kernel has none */
    int control_fd;   /* our end of its control socket; end-of-file when it is gone */
    int wait_status;  /* of waitpid, once reaped */
    bool leads_group; /* PROCESS_DIES_WITH_ITS_OWN */
};

#define PROCESS_NONE ((struct process){.pid = 0, .pidfd = -1, .control_fd = -1})

/* Cuts the value of HANDOFF_EMULATOR into words in place, which go in front of a command line.
 * Returns how many. */
size_t process_emulator_words(char *emulator, const char *argv[PROCESS_EMULATOR_WORDS_MAX]);

/* Executes /proc/self/exe with `--role NAME --control-fd 3`, behind the words of HANDOFF_EMULATOR
 * if that is set ("qemu-aarch64 -L /usr/aarch64-linux-gnu"). It has no other descriptor of ours but
 * standard input, output and error. The caller ends it with process_end. */
enum status process_start(const char *role, enum process_lifetime lifetime, struct process *process,
                          struct err *err);
/* The same with an environment changed as process_environment says; NULL: as it is. */
enum status process_start_with(const char *role, enum process_lifetime lifetime,
                               const char *const *changes, struct process *process,
                               struct err *err);

/* The same with another program in a role's place: `argv`, ending with NULL, begins with its
 * absolute path. It finds its control socket as descriptor PROCESS_CONTROL_FD. `name` is for
 * messages. */
enum status process_start_program(const char *const *argv, const char *name,
                                  enum process_lifetime lifetime, const char *const *changes,
                                  struct process *process, struct err *err);

/* This process's environment with changes, for execve: "NAME=value" sets and "NAME" takes away; the
 * list ends with NULL. It borrows all texts; the caller frees the list. NULL when out of memory. */
char **process_environment(const char *const *changes);

/* Asks the kernel once more, in a role after its exec, to be killed when its runner dies: an exec
 * of a program with file capabilities (`setcap`) forgets the wish made before it. A runner that
 * died in between has closed its socket, which the role's first message finds. Best effort: where
 * the kernel refuses, the guard is left. */
void process_die_with_runner(void);

/* Closes our end of the control socket, which tells an idle role to go. */
void process_hang_up(struct process *process);

/* Waits up to grace_ns for the process to end by itself, then kills it; reaps it and closes
 * everything. Safe on PROCESS_NONE and twice. */
void process_end(struct process *process, uint64_t grace_ns);

/* Reaps without waiting: true once it has ended. */
bool process_has_ended(struct process *process);

/* "was killed by signal 9 (Killed)" or "exited with status 3" of a reaped process; "closed its
 * control socket" of one that has not ended. */
const char *process_end_format(const struct process *process, char *text, size_t size);

#endif

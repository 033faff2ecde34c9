/* capability.h: finding out what this machine's GPU can do, by having two processes do it.
 *
 * The runner's side of gpu/capability.h: each row of capability.def is tried by a pair of
 * short-lived processes (`--role capability`), which capability_rows*.c describes; here they are
 * started, watched and believed. A row that breaks a context, dies or hangs hurts only its own
 * pair. Called by main.c, `handoff probe`, and for a result's environment.
 */
#ifndef HANDOFF_RUN_CAPABILITY_H
#define HANDOFF_RUN_CAPABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "harness/base/err.h"
#include "harness/gpu/capability.h"

enum capability_outcome {
    CAPABILITY_UNASKED,  /* nobody wanted to know yet */
    CAPABILITY_WORKS,    /* with verified content */
    CAPABILITY_DOES_NOT, /* `why` says what happened: CUDA's error, a wrong byte, a death, a hang */
    CAPABILITY_NOT_TRIED, /* `why` says what was missing */
};

struct capability_answer {
    enum capability_outcome outcome;
    char verified[320]; /* WORKS: what was seen, in words */
    struct err why;     /* else; its hint is CUDA's, not `instead` */
    uint64_t took_ns;   /* from the first process's start to the outcome; 0 when there was none */
    bool had_context;   /* DOES_NOT: whoever failed had its context, or needs none, before it did */
};

/* Makes this process's gpu_capability_check and gpu_capability_attribute ask here. Starts
 * nothing. */
void capability_install(void);

/* Finds out the wanted rows (and `device`, on which all depend) that are not known yet, several
 * pairs at a time, and returns what is known of all GPU_CAPABILITY_COUNT rows; valid until
 * capability_forget. Blocks: some seconds where there is a GPU. That a pair gets no contexts beside
 * others, on a GPU with little memory, is no answer: it is tried once more, alone. What could not
 * be found out is NOT_TRIED with the reason; it is not tried again. Starts nothing without the
 * toolkit, and nothing but `device` where that fails. */
const struct capability_answer *capability_ask(const bool wanted[GPU_CAPABILITY_COUNT]);

/* What the GPU is, asked in a process of its own: the object `gpu` of a result's environment, and
 * `attributes` beside; see results/README.md. The caller deletes *json. Blocks for a second.
 * ST_UNAVAILABLE with the reason where there is none. */
enum status capability_describe(cJSON **json, struct err *err);
/* Adds what a result says of the GPU to the object `gpu` of an environment (env.h): where there is
 * one that cannot be used, `unusable` with the reason. Nothing where there is none. False when out
 * of memory. */
bool capability_describe_into(cJSON *environment);

/* capability_attribute.c: as gpu_capability_attribute. */
bool capability_attribute(enum gpu_attribute attribute, int *value);
void capability_attributes_forget(void);

/* For tests: forgets all answers, and how long a pair may take. */
void capability_forget(void);
struct capability_limits {
    /* until both sides have their context: a new GPU's kernels are compiled */
    uint64_t starting_ns;
    uint64_t trying_ns;   /* and then for the row */
    uint64_t negative_ns; /* for one that is expected to fail */
    uint64_t ending_ns; /* after the outcome, until they are killed: contexts take a while to go */
};
void capability_set_limits(const struct capability_limits *limits);

#endif

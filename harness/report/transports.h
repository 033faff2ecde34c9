/* transports.h: many transports beside one: shared memory, which everybody compares with.
 *
 * Called by conclusions.c. Sentences are plain UTF-8, as all conclusions.
 */
#ifndef HANDOFF_REPORT_TRANSPORTS_H
#define HANDOFF_REPORT_TRANSPORTS_H

#include "harness/report/conclusions.h"

/* A group that compares so many transports or more says so in one sentence instead of a list. */
#define TRANSPORTS_MANY 6

/* Whether the group compares transports, many of them, and `shm` among them is sound. */
bool transports_are_many(const struct report_block *block, const struct report_group *group,
                         enum metric metric);

/* "Beside shm's 350 ns (p50): memfd 3.1 times as long, unix 5.2, …": each by the paired ratio of
 * its launches, the nearest first. Those tied, quicker, damaged or too few for a verdict are named
 * as such. Nothing where transports_are_many is false. */
void transports_add(struct text *text, const struct report *report,
                    const struct report_block *block, const struct report_group *group,
                    enum metric metric);

/* Why some are level with shm or ahead of it; nothing where none is. */
void transports_level_add(struct text *text, const struct report *report,
                          const struct report_block *block, const struct report_group *group,
                          enum metric metric);

/* "Copies of a frame's bytes: shm 1, unix 2 (send() into the kernel, recv() out of it), …": of the
 * first block that compares many transports; nothing for the others. */
void transports_copies_add(struct text *text, const struct report *report,
                           const struct report_block *block);

/* The answers to "how much slower is it than shared memory?", for a message and for an image apart:
 * one sentence for each, of the first comparisons in ping-pong. False when out of memory. */
bool transports_headlines(const struct report *report, struct conclusions *conclusions);

#endif

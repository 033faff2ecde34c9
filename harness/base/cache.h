/* cache.h: getting bytes out of the processor's caches.
 *
 * For frames that must come from memory (run/source_frames.c) and for the floor of reading and
 * copying such frames (measure/floor_memory.c).
 */
#ifndef HANDOFF_BASE_CACHE_H
#define HANDOFF_BASE_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/* False on processors whose caches a program may not flush. */
bool cache_can_flush(void);

/* Writes back and drops every line of `count` bytes from all caches of all CPUs, and waits until it
 * is done: about a millisecond for a 4K frame. Does nothing where cache_can_flush is false. */
void cache_flush(const void *bytes, size_t count);

#endif

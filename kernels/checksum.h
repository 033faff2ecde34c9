/* checksum.h: the ways checksum.c has of summing up a payload, for its tests and its benchmark.
 *
 * The consumer role uses the kernel through kernel.h and gets the fastest; tests compare each with
 * frame_checksum_reference, which all must equal.
 */
#ifndef HANDOFF_KERNELS_CHECKSUM_H
#define HANDOFF_KERNELS_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t (*checksum_function)(const uint8_t *payload, size_t payload_bytes);

struct checksum_pass {
    const char *name; /* the instruction set it is for */
    checksum_function function;
};

#define CHECKSUM_PASSES_MAX 2

/* Fills `passes` with those this processor can run, the fastest last, and returns how many. */
size_t checksum_passes(struct checksum_pass passes[CHECKSUM_PASSES_MAX]);

#endif

/* doorbell.h: the bits of a doorbell's word, for source.h and for CUDA, which has no C atomics. */
#ifndef HANDOFF_BASE_DOORBELL_H
#define HANDOFF_BASE_DOORBELL_H

/* Bit 0: this side sends no more. The count of events stands above it. */
#define DOORBELL_CLOSED 1u
#define DOORBELL_STEP 2u

#endif

/* writer.h: what tests need of writer.c beside handoff_frames.h.
 */
#ifndef HANDOFF_FRAMES_WRITER_H
#define HANDOFF_FRAMES_WRITER_H

#include "transports/frames/handoff_frames.h"

/* handoff_writer_create, with a count of frames that begins elsewhere than at 0: near 2^31 or 2^32
 * the words wrap around. */
int writer_create(const char *name, const struct handoff_writer_options *options,
                  uint64_t first_sequence, handoff_writer **writer, struct handoff_error *error);

#endif

/* dds_types.h: the two types that cross an edge of transport dds (dds_frame.idl), in C.
 *
 * By hand, as idlc names and lays them out: a build needs only the library, on any host, and the
 * description stays the same with every version of idlc.
 */
#ifndef HANDOFF_TRANSPORTS_DDS_TYPES_H
#define HANDOFF_TRANSPORTS_DDS_TYPES_H

#include <dds/dds.h>
#include <stdint.h>

#include "harness/base/frame.h"

struct dds_frame {
    uint8_t header[FRAME_HEADER_BYTES];
    dds_sequence_t payload;
};

struct dds_credit {
    uint32_t frames;
};

extern const dds_topic_descriptor_t dds_frame_descriptor;
extern const dds_topic_descriptor_t dds_credit_descriptor;

#endif

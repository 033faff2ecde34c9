/* dds_types.c: see dds_types.h. The same as `idlc -t dds_frame.idl` makes. */
#include "transports/dds_types.h"

#include <stddef.h>

static const uint32_t dds_frame_ops[] = {
    DDS_OP_ADR | DDS_OP_TYPE_ARR | DDS_OP_SUBTYPE_1BY,
    offsetof(struct dds_frame, header),
    FRAME_HEADER_BYTES,
    DDS_OP_ADR | DDS_OP_TYPE_SEQ | DDS_OP_SUBTYPE_1BY,
    offsetof(struct dds_frame, payload),
    DDS_OP_RTS,
};

const dds_topic_descriptor_t dds_frame_descriptor = {
    .m_size = sizeof(struct dds_frame),
    .m_align = _Alignof(struct dds_frame),
    .m_typename = "handoff::Frame",
    .m_nops = 3,
    .m_ops = dds_frame_ops,
    .m_meta = "",
};

static const uint32_t dds_credit_ops[] = {
    DDS_OP_ADR | DDS_OP_TYPE_4BY,
    offsetof(struct dds_credit, frames),
    DDS_OP_RTS,
};

const dds_topic_descriptor_t dds_credit_descriptor = {
    .m_size = sizeof(struct dds_credit),
    .m_align = _Alignof(struct dds_credit),
#ifdef DDS_TOPIC_FIXED_SIZE
    .m_flagset = DDS_TOPIC_FIXED_SIZE,
#endif
    .m_typename = "handoff::Credit",
    .m_nops = 2,
    .m_ops = dds_credit_ops,
    .m_meta = "",
};

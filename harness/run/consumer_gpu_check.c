/* consumer_gpu_check.c: what became of a frame that the GPU worked on.
 *
 * Between done and released, outside of every interval. A checksum tells of every byte; the other
 * kernels look at the frame's tags as they go and report wrong ones; where no kernel reads the
 * frame, the CPU samples its tags in host memory, and LAUNCH_CHECK those it cannot reach. After an
 * invert in place, the CPU sees as well that the slot really has the inverted bytes.
 */
#include "harness/run/consumer_gpu.h"

/* Tags that the CPU looks at. */
#define CONSUMER_TAG_SAMPLES 8

enum status consumer_gpu_launch_check(const struct consumer_gpu *consumer,
                                      const struct flight *flight, int32_t id,
                                      struct launcher *launcher, struct gpu_stream *stream,
                                      const uint32_t *abandon, struct err *err)
{
    const struct launch_work work = {
        .kind = LAUNCH_CHECK,
        .payload = flight->accessed.device_payload,
        .payload_bytes = consumer->payload_bytes,
        .geometry = consumer->cell->geometry,
        .frame_id = id,
        .report = consumer_gpu_on_device(consumer, flight->check),
        .done_value = flight->value,
        .abandon = abandon,
    };
    const enum status status = launcher_enqueue(launcher, stream, &work, err);
    return status == ST_OK ? ST_OK : err_context(err, "checking the frame");
}

/* The GPU looks, after the kernel is done or right behind it. Set up as the CPU waits for kernels:
 * with spin, yield and block CUDA does. */
static enum status check_by_kernel(const struct consumer_gpu *consumer, const struct role *role,
                                   const struct flight *flight, int32_t id, bool *whole,
                                   struct err *err)
{
    const struct role_gpu_lane *lane = &consumer->check_lane;
    struct role_gpu_watch watch = {.stream =
                                       consumer->check_ahead ? consumer->gpu.stream : lane->stream,
                                   .deadline_ns = role->deadline_ns};
    enum status status = ST_OK;
    if (!consumer->check_ahead) {
        status = consumer_gpu_launch_check(consumer, flight, id, lane->launcher, lane->stream, NULL,
                                           err);
        if (status == ST_OK && consumer->cell->sync <= GPU_SYNC_BLOCK)
            status = gpu_stream_synchronize(lane->stream, err);
    }
    if (status == ST_OK)
        status = role_gpu_await_word(&watch, &flight->check->done, flight->value,
                                     "the check of the frame", err);
    if (status == ST_OK)
        *whole = flight->check->torn_tags == 0;
    return status;
}

uint32_t consumer_gpu_shape(const struct consumer_gpu *consumer, const struct frame *frame)
{
    const struct geometry *geometry = &consumer->cell->geometry;
    struct frame_header header;
    if (consumer->transport->flags & TRANSPORT_NO_PAYLOAD)
        return 0;
    frame_header_decode(frame->header, &header);
    const bool right = header.width == geometry->width && header.height == geometry->height &&
                       header.channels == geometry->channels;
    return right ? 0 : TRACE_FRAME_BAD_SHAPE;
}

/* The CPU's look at a slot that the GPU inverted in place. (With order event the slot may be
 * another frame's by now, but those lie in device memory.) */
static bool inverted_in_slot(const struct consumer_gpu *consumer, const struct flight *flight,
                             int32_t id)
{
    if (!(consumer->cell->kernel->flags & KERNEL_INVERTS) || !flight->frame.payload ||
        !(consumer->access->flags & ACCESS_IN_PLACE))
        return true;
    return frame_tags_check_sample(flight->frame.payload, consumer->payload_bytes, id, true,
                                   CONSUMER_TAG_SAMPLES);
}

enum status consumer_gpu_check(struct consumer_gpu *consumer, const struct role *role,
                               const struct flight *flight, int32_t id, uint32_t *flags,
                               struct err *err)
{
    enum status status = ST_OK;
    bool whole = true;
    switch (consumer->integrity) {
    case INTEGRITY_NONE:
        break;
    case INTEGRITY_VALUE:
        whole = flight->report->value ==
                frame_checksum_expected(consumer->checksums[(uint32_t)id % CELL_SOURCE_FRAMES],
                                        consumer->weights, frame_tag(id));
        break;
    case INTEGRITY_REPORT:
        whole = flight->report->torn_tags == 0 && inverted_in_slot(consumer, flight, id);
        break;
    case INTEGRITY_HOST:
        whole = frame_tags_check_sample(flight->frame.payload, consumer->payload_bytes, id, false,
                                        CONSUMER_TAG_SAMPLES);
        break;
    case INTEGRITY_KERNEL:
        status = check_by_kernel(consumer, role, flight, id, &whole, err);
        break;
    }
    if (status != ST_OK)
        return status;
    *flags |= TRACE_FRAME_CHECKED | (whole ? 0 : TRACE_FRAME_TORN);
    /* With order event it was looked at before the frame was given back. */
    if (consumer->cell->order == ORDER_HOST)
        *flags |= consumer_gpu_shape(consumer, &flight->frame);
    return ST_OK;
}

/* invert.c: replaces every byte of the payload by its complement, in place.
 *
 * Called by the consumer role through kernel.h. The cheapest work that reads and writes all bytes:
 * it shows what a frame costs whose cache lines the consumer takes for itself, and must then go
 * back to the producer. Inverting twice gives the frame back.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/kernel.h"
#include "kernels/pending.h"

struct kernel_state {
    struct kernel_pending pending;
};

static void invert_payload(uint8_t *payload, size_t payload_bytes)
{
    /* Whole words first; the compiler makes vectors of them. */
    size_t end = payload_bytes / sizeof(uint64_t) * sizeof(uint64_t);
    for (size_t i = 0; i < end; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, payload + i, sizeof word);
        word = ~word;
        memcpy(payload + i, &word, sizeof word);
    }
    for (size_t i = end; i < payload_bytes; i++)
        payload[i] = (uint8_t)~payload[i];
}

static enum status invert_probe(struct err *err)
{
    return ST_OK;
}

static enum status invert_open(const struct kernel_config *config, struct kernel_state **state,
                               struct err *err)
{
    if (config->payload_bytes == 0)
        return err_set(err, ST_INVALID, "use kernel `none`, or a fill that moves a payload",
                       "kernel invert: these frames have no payload");
    struct kernel_state *made = malloc(sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "kernel invert: no memory for its state");
    kernel_pending_init(&made->pending);
    *state = made;
    return ST_OK;
}

static enum status invert_enqueue(struct kernel_state *state, const struct frame *frame,
                                  struct gpu_stream *stream)
{
    if (kernel_pending_full(&state->pending))
        return ST_AGAIN;
    invert_payload(frame->payload, frame->payload_bytes);
    kernel_pending_push(&state->pending, 0);
    return ST_OK;
}

static enum status invert_poll_done(struct kernel_state *state, struct kernel_result *result)
{
    return kernel_pending_pop(&state->pending, result);
}

static void invert_close(struct kernel_state *state)
{
    free(state);
}

const struct kernel kernel_invert = {
    .name = "invert",
    .summary = "complements every byte in place",
    .flags = KERNEL_READS_PAYLOAD | KERNEL_READS_ALL | KERNEL_WRITES_PAYLOAD | KERNEL_INVERTS,
    .gpu_kind = LAUNCH_INVERT,
    .probe = invert_probe,
    .open = invert_open,
    .enqueue = invert_enqueue,
    .poll_done = invert_poll_done,
    .close = invert_close,
};

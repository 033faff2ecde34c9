/* layout.c: what a segment with a name is made of, and whether a file is one. See named.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transports/frames/named.h"

#define NAMED_MAGIC UINT64_C(0x316d6172666f6468) /* "hdofram1" */
#define NAMED_VERSION 1u
#define NAMED_SLOTS_DEFAULT 4

extern const struct transport transport_shm;

/* FNV-1a: tells damage, not malice. */
uint64_t named_layout_checksum(const struct named_layout *layout)
{
    const unsigned char *bytes = (const unsigned char *)layout;
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < offsetof(struct named_layout, checksum); i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

struct transport_config named_layout_config(const struct named_layout *layout)
{
    return (struct transport_config){
        .payload_bytes = (size_t)layout->pixel_bytes,
        .slots = layout->slots,
        .max_held = 1,
        .policy = layout->policy == HANDOFF_LATEST ? POLICY_LATEST : POLICY_BLOCK,
    };
}

/* What transport shm could not carry either, and a geometry that is none. */
static enum status named_layout_possible(const struct named_layout *layout, struct err *err)
{
    if (layout->width < 1 || layout->height < 1 || layout->channels < 1)
        return err_set(err, ST_INVALID, "all three are at least 1", "frames of %dx%dx%d",
                       (int)layout->width, (int)layout->height, (int)layout->channels);
    const uint64_t area = (uint64_t)layout->width * (uint64_t)layout->height;
    if (area > FRAME_PAYLOAD_MAX || area * (uint64_t)layout->channels > FRAME_PAYLOAD_MAX)
        return err_set(err, ST_INVALID, "choose a smaller frame",
                       "frames of %dx%dx%d are above the limit of %zu bytes", (int)layout->width,
                       (int)layout->height, (int)layout->channels, FRAME_PAYLOAD_MAX);
    if (layout->policy != HANDOFF_EVERY && layout->policy != HANDOFF_LATEST)
        return err_set(err, ST_INVALID, "use HANDOFF_EVERY or HANDOFF_LATEST", "no policy %d",
                       (int)layout->policy);
    const struct transport_config config = named_layout_config(layout);
    return transport_config_check(&transport_shm, &config, err);
}

enum status named_layout_make(const struct handoff_writer_options *options,
                              struct named_layout *layout, struct err *err)
{
    struct named_layout made = {
        .magic = NAMED_MAGIC,
        .version = NAMED_VERSION,
        .layout_bytes = sizeof made,
        .width = options->width,
        .height = options->height,
        .channels = options->channels,
        .slots = options->slots ? options->slots : NAMED_SLOTS_DEFAULT,
        .policy = options->policy,
        .writer_pid = (uint32_t)getpid(),
    };
    const char *wait = options->wait ? options->wait : "futex";
    struct wait_choice choice;
    enum status status = named_layout_possible(&made, err);
    if (status == ST_OK)
        status = frames_wait_find(wait, true, &choice, err);
    if (status != ST_OK)
        return status;
    if (strlen(wait) >= sizeof made.wait)
        return err_set(err, ST_INVALID, NULL, "the wait \"%.40s\" is too long", wait);
    memcpy(made.wait, wait, strlen(wait));
    made.pixel_bytes = (uint64_t)made.width * (uint64_t)made.height * (uint64_t)made.channels;
    made.slot_bytes = transport_slot_bytes((size_t)made.pixel_bytes);
    made.total_bytes = NAMED_SLOTS_OFFSET + made.slots * made.slot_bytes;
    made.checksum = named_layout_checksum(&made);
    *layout = made;
    return ST_OK;
}

enum status named_layout_check(const struct named_layout *layout, uint64_t file_bytes,
                               struct err *err)
{
    static const char hint[] =
        "run both programs with the same version of libhandoff_frames, and let "
        "nothing else write into the file";
    if (layout->magic != NAMED_MAGIC || layout->version != NAMED_VERSION ||
        layout->layout_bytes != sizeof *layout)
        return err_set(err, ST_CORRUPT, hint, "the file is not a segment of layout version %u",
                       NAMED_VERSION);
    if (layout->checksum != named_layout_checksum(layout) ||
        layout->wait[sizeof layout->wait - 1] != '\0')
        return err_set(err, ST_CORRUPT, hint, "the description of the segment is damaged");
    /* Made once more from the few figures that the rest follows from: one way to calculate. */
    const struct handoff_writer_options options = {
        .size = sizeof options,
        .width = layout->width,
        .height = layout->height,
        .channels = layout->channels,
        .slots = layout->slots,
        .policy = layout->policy,
        .wait = layout->wait,
    };
    struct named_layout wanted;
    enum status status = named_layout_make(&options, &wanted, err);
    if (status == ST_UNAVAILABLE)
        return status; /* a wait that this processor does not have */
    if (status == ST_OK && layout->slots == wanted.slots &&
        layout->pixel_bytes == wanted.pixel_bytes && layout->slot_bytes == wanted.slot_bytes &&
        layout->total_bytes == wanted.total_bytes && file_bytes == wanted.total_bytes)
        return ST_OK;
    return err_set(err, ST_CORRUPT, hint,
                   "the segment says %dx%dx%d in %u slots, %" PRIu64
                   " bytes; the file has %" PRIu64,
                   (int)layout->width, (int)layout->height, (int)layout->channels, layout->slots,
                   layout->total_bytes, file_bytes);
}

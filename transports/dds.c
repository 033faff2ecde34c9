/* dds.c: DDS by Eclipse Cyclone, through its C interface, as ROS 2 programs get it.
 *
 * A frame is a sample of a type with a header and an octet sequence (dds_frame.idl), written with
 * dds_write and taken with dds_take: serialization is part of it, as it is of what people measure.
 * Between two processes of one host it crosses the loopback interface as UDP packets, which the
 * library cuts, acknowledges, and sends again where the socket's buffer was full. The library's
 * defaults are kept; dds_party.c says what is set, and why.
 *
 * The writer keeps a frame until it is acknowledged, and would wait, in dds_write, while too much
 * is not: its water mark is set above all that credits let be under way, so that it never does.
 * Should it all the same (frames of gigabytes), dds_write answers at once, after serializing for
 * nothing, and send_frame tries again when all has been acknowledged.
 *
 * Copies of a payload: dds_write serializes it into a buffer of the library and sends that in
 * packets; the receiving thread takes these from the socket and puts the fragments together in one
 * buffer; dds_take deserializes that into the slot. Five in all.
 */
#include <dds/dds.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "transports/config.h"
#include "transports/dds_party.h"
#include "transports/dds_types.h"
#include "transports/messages.h"

/* A credit that says only that the consumer is there. */
#define DDS_CREDIT_HELLO UINT32_MAX

#define DDS_MAGIC 0x7364646666646e68u /* "hndffdds" */

#define DDS_COPIES_SENT 2
#define DDS_COPIES_TAKEN 3

/* How long a producer that is closed waits for what was sent to arrive: 500 ms in all. The library
 * asks for an acknowledgement after 100 ms, and longer after that; credits may come earlier. */
#define DDS_LINGER_TRIES 250
#define DDS_LINGER_TRY_MS 2

/* How long a consumer looks for its producer. */
#define DDS_ATTACH_MS 5000

/* CDR: encapsulation, the header, the sequence's length; padding. */
#define DDS_WIRE_EXTRA_BYTES (4 + FRAME_HEADER_BYTES + 4 + 3)

/* A slot for what is taken: one byte more than a frame has, so that a longer one is seen to be. */
#define DDS_SURPLUS_BYTES 1

/* The address's bytes. */
struct dds_address {
    struct messages_address base;
    uint64_t place_sum; /* a damaged place is refused: strangers are not called on */
    struct dds_party_place place;
};

struct dds_link {
    struct dds_party party;
    bool producing;
    /* Producer. */
    bool throttled;           /* the last frame was refused: all must be acknowledged first */
    uint64_t under_way_count; /* frames written, less the credits for them */
    struct dds_frame out;     /* all zero until the first frame: the hello */
    /* Consumer. */
    bool ended;               /* the last sample's writer has said goodbye */
    struct shm_map slots;     /* private */
    struct dds_frame *frames; /* what each slot holds; their sequences point into it */
};

extern const struct transport transport_dds;

static enum status dds_probe(struct err *err)
{
    return ST_OK;
}

/* ---- Producer ------------------------------------------------------------------------------- */

/* May a frame be written now? */
static bool dds_may_write(struct dds_link *link)
{
    if (__builtin_expect(link->throttled, 0))
        link->throttled = dds_wait_for_acks(link->party.writer, 0) != DDS_RETCODE_OK;
    return !link->throttled && dds_party_is_matched(&link->party);
}

/* What the library said of a write, or a dispose. */
static enum status dds_written(struct dds_link *link, dds_return_t result, const char *what,
                               struct err *err)
{
    if (__builtin_expect(result == DDS_RETCODE_OK, 1))
        return ST_OK;
    if (result != DDS_RETCODE_TIMEOUT)
        return dds_party_failed(result, what, err);
    link->throttled = true;
    return ST_AGAIN;
}

static enum status dds_send_frame(void *self, const struct frame *frame, uint32_t slot,
                                  uint64_t *copied_bytes, struct err *err)
{
    struct dds_link *link = self;
    if (!dds_may_write(link))
        return ST_AGAIN;
    memcpy(link->out.header, frame->header, FRAME_HEADER_BYTES);
    link->out.payload = (dds_sequence_t){
        ._maximum = (uint32_t)frame->payload_bytes,
        ._length = (uint32_t)frame->payload_bytes,
        ._buffer = frame->payload,
        ._release = false,
    };
    const enum status status =
        dds_written(link, dds_write(link->party.writer, &link->out), "writing a frame", err);
    if (status != ST_OK)
        return status;
    link->under_way_count++;
    *copied_bytes += DDS_COPIES_SENT * frame->payload_bytes;
    return ST_OK;
}

/* A topic without a key has one instance, and disposing of it is what says that it has ended. */
static enum status dds_send_goodbye(void *self, struct err *err)
{
    struct dds_link *link = self;
    /* Nobody has come, or nobody is left: the end of the domain is goodbye enough. */
    if (!dds_party_is_matched(&link->party))
        return ST_OK;
    return dds_written(link, dds_dispose(link->party.writer, &link->out), "ending the frames", err);
}

static enum status dds_take_credit(void *self, uint32_t *credit, struct err *err)
{
    struct dds_link *link = self;
    struct dds_credit taken;
    void *samples[1] = {&taken};
    dds_sample_info_t info;
    const dds_return_t count = dds_take(link->party.reader, samples, &info, 1, 1);
    if (count < 0)
        return dds_party_failed(count, "taking a credit", err);
    if (count == 0)
        return ST_AGAIN;
    if (info.valid_data && taken.frames == DDS_CREDIT_HELLO)
        return dds_take_credit(self, credit, err); /* there is one, and nothing before it */
    *credit = info.valid_data ? taken.frames : MESSAGE_CREDIT_GOODBYE;
    link->under_way_count -= *credit < link->under_way_count ? *credit : link->under_way_count;
    return ST_OK;
}

/* ---- Consumer ------------------------------------------------------------------------------- */

static enum status dds_take_frame(void *self, uint32_t slot, struct frame *frame, bool *goodbye,
                                  uint64_t *copied_bytes, struct err *err)
{
    struct dds_link *link = self;
    struct dds_frame *taken = &link->frames[slot];
    void *samples[1] = {taken};
    dds_sample_info_t info;
    const dds_return_t count = dds_take(link->party.reader, samples, &info, 1, 1);
    if (count < 0)
        return dds_party_failed(count, "taking a frame", err);
    if (count == 0 && !link->ended)
        return ST_AGAIN;
    if (count > 0)
        link->ended = info.instance_state != DDS_IST_ALIVE;
    if (count == 0 || !info.valid_data) {
        *goodbye = true;
        return ST_OK;
    }
    frame->header = taken->header;
    frame->payload = taken->payload._buffer;
    frame->payload_bytes = taken->payload._length;
    *copied_bytes += DDS_COPIES_TAKEN * (uint64_t)taken->payload._length;
    return ST_OK;
}

static void dds_drop(void *self, uint32_t slot)
{
    /* The next frame is deserialized over it. */
}

static enum status dds_send_credit(void *self, uint32_t credit, struct err *err)
{
    struct dds_link *link = self;
    const struct dds_credit sent = {credit};
    return dds_written(link, dds_write(link->party.writer, &sent), "writing a credit", err);
}

/* ---- Both ----------------------------------------------------------------------------------- */

/* Until there is a message to take, or, where a frame was refused, until the others have been
 * acknowledged. */
static enum status dds_native_wait(void *self, int timeout_ms)
{
    struct dds_link *link = self;
    const dds_duration_t timeout_ns = DDS_MSECS(timeout_ms);
    dds_return_t result;
    if (link->throttled) {
        result = dds_wait_for_acks(link->party.writer, timeout_ns);
        if (result == DDS_RETCODE_OK)
            return ST_OK;
    } else {
        dds_attach_t news[4];
        result = dds_waitset_wait(link->party.waitset, news, 4, timeout_ns);
        if (result > 0)
            return ST_OK;
    }
    return result == DDS_RETCODE_OK || result == DDS_RETCODE_TIMEOUT ? ST_TIMEOUT : ST_SYSTEM;
}

static void dds_wait_source(void *self, enum direction direction, struct wait_source *source)
{
    *source = (struct wait_source){
        .kind = SOURCE_NATIVE,
        .fd = -1,
        .native_wait = dds_native_wait,
        .native_self = self,
    };
}

/* Takes the credits that are there. A goodbye is credit for everything. */
static void dds_credits_drain(struct dds_link *link)
{
    struct err ignored;
    uint32_t credit = 0;
    while (link->under_way_count > 0 && dds_take_credit(link, &credit, &ignored) == ST_OK)
        if (credit == MESSAGE_CREDIT_GOODBYE)
            link->under_way_count = 0;
}

/* Producer: waits until the consumer has all frames: acknowledged, or given credit for. */
static void dds_link_linger(struct dds_link *link)
{
    bool lingering = true;
    dds_credits_drain(link);
    for (int i = 0; i < DDS_LINGER_TRIES && lingering && link->under_way_count > 0; i++) {
        lingering = !dds_party_linger(&link->party, DDS_LINGER_TRY_MS);
        dds_credits_drain(link);
    }
}

static void dds_link_close(void *self)
{
    struct dds_link *link = self;
    if (!link)
        return;
    dds_link_linger(link);
    dds_party_close(&link->party);
    shm_unmap(&link->slots);
    free(link->frames);
    free(link);
}

static const struct message_link dds_message_link = {
    .send_frame = dds_send_frame,
    .send_goodbye = dds_send_goodbye,
    .take_credit = dds_take_credit,
    .take_frame = dds_take_frame,
    .drop = dds_drop,
    .send_credit = dds_send_credit,
    .wait_source = dds_wait_source,
    .close = dds_link_close,
};

/* Slots to deserialize into: nothing is allocated for a frame on this side, but by the library. */
static enum status dds_slots_make(struct dds_link *link, const struct transport_config *config,
                                  struct err *err)
{
    const size_t room_bytes = config->payload_bytes + DDS_SURPLUS_BYTES;
    const size_t slot_bytes = transport_slot_bytes(room_bytes);
    link->frames = calloc(config->max_held, sizeof *link->frames);
    if (!link->frames)
        return err_set(err, ST_NO_MEMORY, NULL, "transport dds: no memory for %u frames",
                       config->max_held);
    const enum status status = shm_create_private("handoff-dds", config->max_held * slot_bytes,
                                                  config->pages, &link->slots, err);
    for (uint32_t i = 0; i < config->max_held && status == ST_OK; i++)
        link->frames[i].payload = (dds_sequence_t){
            ._maximum = (uint32_t)room_bytes,
            ._buffer = (uint8_t *)link->slots.bytes + i * slot_bytes,
            ._release = false,
        };
    return status;
}

static enum status dds_link_new(const struct transport_config *config, bool producing,
                                struct dds_link **link, struct err *err)
{
    struct dds_link *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "transport dds: no memory for an endpoint");
    made->producing = producing;
    made->slots = SHM_MAP_NONE;
    const enum status status = producing ? ST_OK : dds_slots_make(made, config, err);
    if (status != ST_OK) {
        dds_link_close(made);
        return status;
    }
    *link = made;
    return ST_OK;
}

/* Depths: as many frames as may be under way; a credit for each, and a goodbye; a hello. */
static struct dds_party_topics dds_topics(const struct transport_config *config,
                                          struct dds_link *link)
{
    static const struct dds_credit hello = {DDS_CREDIT_HELLO};
    const int32_t frames = (int32_t)config->slots + 1, credits = (int32_t)config->slots + 2;
    const size_t frames_bytes = (size_t)frames * (DDS_WIRE_EXTRA_BYTES + config->payload_bytes);
    if (link->producing)
        return (struct dds_party_topics){
            .written = "frames",
            .written_type = &dds_frame_descriptor,
            .written_depth = frames,
            .written_bytes = frames_bytes,
            .hello = &link->out,
            .read = "credits",
            .read_type = &dds_credit_descriptor,
            .read_depth = credits,
        };
    return (struct dds_party_topics){
        .written = "credits",
        .written_type = &dds_credit_descriptor,
        .written_depth = credits,
        .hello = &hello,
        .read = "frames",
        .read_type = &dds_frame_descriptor,
        .read_depth = frames,
        .heard = &link->frames[0],
    };
}

/* Where to listen: on this host alone, known to nobody, unless the other side is on another. */
static enum status dds_place(const struct transport_config *config, struct dds_party_place *place,
                             struct err *err)
{
    *place = (struct dds_party_place){.host = "127.0.0.1"};
    if (config->listen) {
        memcpy(place->host, config->listen->host, sizeof place->host);
        memcpy(place->tag, config->listen->token, sizeof place->tag);
        return ST_OK;
    }
    if (getrandom(place->tag, sizeof place->tag, 0) != sizeof place->tag)
        return err_set_errno(err, errno, NULL, "transport dds: no random tag");
    return ST_OK;
}
_Static_assert(sizeof((struct dds_party_place *)0)->host ==
                       sizeof((struct transport_listen *)0)->host &&
                   DDS_PARTY_TAG_BYTES == TRANSPORT_TOKEN_BYTES,
               "a place holds what listen says");

/* FNV-1a. */
static uint64_t dds_place_sum(const struct dds_party_place *place)
{
    const uint8_t *bytes = (const uint8_t *)place;
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof *place; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3u;
    return sum;
}
_Static_assert(sizeof(struct dds_party_place) == 64 + 4 + DDS_PARTY_TAG_BYTES,
               "a place is summed byte by byte, and has none between its members");

static enum status dds_create_edge(const struct transport_config *config,
                                   struct endpoint **endpoint, struct transport_address *address,
                                   struct err *err)
{
    enum status status = transport_config_check(&transport_dds, config, err);
    if (status != ST_OK)
        return status;
    struct dds_link *link = NULL;
    status = dds_link_new(config, true, &link, err);
    if (status != ST_OK)
        return status;
    struct dds_address bytes = {.base = messages_address_of(DDS_MAGIC, config)};
    const struct dds_party_topics topics = dds_topics(config, link);
    status = dds_place(config, &bytes.place, err);
    if (status == ST_OK)
        status = dds_party_listen(&link->party, &topics, &bytes.place, err);
    if (status != ST_OK) {
        dds_link_close(link);
        return status;
    }
    bytes.place_sum = dds_place_sum(&bytes.place);
    status = messages_open(&transport_dds, &dds_message_link, config, true, link, endpoint, err);
    if (status != ST_OK)
        return status;
    memset(address, 0, sizeof *address);
    memcpy(address->bytes, &bytes, sizeof bytes);
    address->byte_count = sizeof bytes;
    return ST_OK;
}

static enum status dds_attach_edge(const struct transport_config *config,
                                   struct transport_address *address, struct endpoint **endpoint,
                                   struct err *err)
{
    struct dds_address bytes;
    struct dds_link *link = NULL;
    enum status status = transport_config_check(&transport_dds, config, err);
    if (status == ST_OK)
        status = messages_address_check(&transport_dds, DDS_MAGIC, config, address, sizeof bytes, 0,
                                        err);
    if (status != ST_OK)
        goto done;
    memcpy(&bytes, address->bytes, sizeof bytes);
    if (bytes.place_sum != dds_place_sum(&bytes.place) ||
        !memchr(bytes.place.host, '\0', sizeof bytes.place.host) || bytes.place.port > UINT16_MAX) {
        status = err_set(err, ST_CORRUPT, "give it an address that transport dds made",
                         "transport dds: what the address says of the producer is damaged");
        goto done;
    }
    status = dds_link_new(config, false, &link, err);
    if (status != ST_OK)
        goto done;
    const struct dds_party_topics topics = dds_topics(config, link);
    status = dds_party_join(&link->party, &topics, &bytes.place, DDS_ATTACH_MS, err);
    if (status != ST_OK)
        dds_link_close(link);
    else
        status =
            messages_open(&transport_dds, &dds_message_link, config, false, link, endpoint, err);
done:
    transport_address_close(address);
    return status;
}

const struct transport transport_dds = {
    .name = "dds",
    .summary = "DDS by Cyclone, as ROS 2 uses it",
    .copies = "serialized, send() into the kernel, recv() out of it, fragments put together, "
              "deserialized",
    .flags = TRANSPORT_SENDS_SOURCE | TRANSPORT_MOVES_BYTES | TRANSPORT_DELAYS |
             TRANSPORT_NATIVE_WAIT | TRANSPORT_OWN_THREADS | TRANSPORT_DEATH_UNSEEN |
             TRANSPORT_CROSSES_HOSTS,
    .sources = SOURCE_NATIVE,
    .policies = POLICY_BLOCK,
    .slots_min = 1,
    .slots_max = MESSAGES_SLOTS_MAX,
    .probe = dds_probe,
    .create = dds_create_edge,
    .attach = dds_attach_edge,
    .reserve = messages_reserve,
    .commit = messages_commit,
    .acquire = messages_acquire,
    .release = messages_release,
    .wait_source = messages_wait_source,
    .counters = messages_counters,
    .hang_up = messages_hang_up,
    .destroy = messages_destroy,
};

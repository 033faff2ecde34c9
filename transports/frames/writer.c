/* writer.c: the writer of a segment with a name. See handoff_frames.h, and session.h for how
 * readers come and go.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "transports/frames/session.h"
#include "transports/frames/writer.h"

/* How long to wait for a reader to take up what it asked for, before looking what it does. */
#define WRITER_ENTRY_NS UINT64_C(5000000)

struct handoff_writer {
    struct named_side side;
    uint64_t committed; /* frames, through all sessions */
    uint64_t skipped;   /* in the sessions before this one */
    uint32_t session;   /* the last request answered */
    bool granted;       /* a reader has the session; with HANDOFF_LATEST, the mailbox is in order */
    bool offered;       /* HANDOFF_EVERY: its reader has not entered it yet */
    bool reserved;
    bool reader_lost; /* HANDOFF_EVERY: found in a look while committing; not told yet */
    uint32_t slot;    /* reserved */
    uint64_t look_at_ns;
};

uint32_t handoff_abi(void)
{
    return HANDOFF_ABI;
}

/* ---- Making ---------------------------------------------------------------------------------- */

static int writer_options_take(const struct handoff_writer_options *options,
                               struct handoff_writer_options *taken, struct handoff_error *error)
{
    if (!options || options->size < sizeof *taken)
        return frames_fail_as(HANDOFF_INVALID, error, "set options.size to sizeof options",
                              "options of %u bytes, not %zu", options ? options->size : 0,
                              sizeof *taken);
    const unsigned char *bytes = (const unsigned char *)options;
    for (size_t i = sizeof *taken; i < options->size; i++)
        if (bytes[i])
            return frames_fail_as(HANDOFF_INVALID, error, "use the library that the header is of",
                                  "options that this version of libhandoff_frames does not know");
    *taken = *options;
    return HANDOFF_OK;
}

static int writer_name(const char *name, struct named_side *side, struct handoff_error *error)
{
    uint64_t random;
    char made[32];
    if (!name) {
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
            return frames_fail_as(HANDOFF_SYSTEM, error, NULL, "getrandom: %s", strerror(errno));
        snprintf(made, sizeof made, "%016llx", (unsigned long long)random);
        name = made;
    }
    int status = named_path(name, side->path, error);
    if (status == HANDOFF_OK)
        snprintf(side->name, sizeof side->name, "%s", name);
    return status;
}

/* A ring or a mailbox that nobody has touched, from the writer's count on. */
static enum status writer_session_make(handoff_writer *writer, uint64_t first_sequence,
                                       struct err *err)
{
    struct named_side *side = &writer->side;
    struct transport_config config = named_layout_config(&side->layout);
    config.first_sequence = first_sequence;
    writer->skipped += exchange_skipped(&side->endpoint.exchange);
    exchange_producer_init(&side->endpoint.exchange, &side->control->ring, &config);
    atomic_store_explicit(&side->control->first_sequence, first_sequence, memory_order_relaxed);
    return wait_pair_create(&side->waits, &transport_named, &side->endpoint, err);
}

/* The file, its lock and its name. */
static int writer_file_make(handoff_writer *writer, struct handoff_error *error)
{
    struct named_side *side = &writer->side;
    struct err err = {0};
    int fd = -1, lock_fd = -1;
    /* Asked before the memory is made, which takes long. */
    int status = named_file_clear(side->path, NULL, error);
    if (status == HANDOFF_OK)
        status = named_file_make(&side->layout, &fd, &side->bytes, error);
    if (status != HANDOFF_OK)
        return status;
    named_fork_hold();
    status = named_file_reopen(fd, &lock_fd, error);
    if (status == HANDOFF_OK)
        named_side_keep(side, lock_fd);
    named_fork_let();
    if (status == HANDOFF_OK && named_lock_take(lock_fd, NAMED_LOCK_WRITER) != 0)
        status =
            frames_fail(err_set_errno(&err, errno, NULL, "locking %s", side->path), &err, error);
    if (status == HANDOFF_OK)
        status = named_side_open(side, DIRECTION_WRITE, error);
    if (status == HANDOFF_OK)
        status = frames_fail(writer_session_make(writer, writer->committed, &err), &err, error);
    if (status == HANDOFF_OK)
        status = named_file_link(fd, side->path, error);
    close(fd);
    return status;
}

int writer_create(const char *name, const struct handoff_writer_options *options,
                  uint64_t first_sequence, handoff_writer **writer, struct handoff_error *error)
{
    struct err err = {0};
    struct handoff_writer_options taken;
    int status = writer_options_take(options, &taken, error);
    if (status != HANDOFF_OK)
        return status;
    handoff_writer *made = calloc(1, sizeof *made);
    if (!made)
        return frames_fail_as(HANDOFF_NO_MEMORY, error, NULL, "no memory for a writer");
    made->side.lock_fd = -1;
    made->committed = first_sequence;
    made->granted = taken.policy == HANDOFF_LATEST;
    status = writer_name(name, &made->side, error);
    if (status == HANDOFF_OK)
        status = frames_fail(named_layout_make(&taken, &made->side.layout, &err), &err, error);
    if (status == HANDOFF_OK)
        status = writer_file_make(made, error);
    if (status != HANDOFF_OK) {
        handoff_writer_free(made);
        return status;
    }
    *writer = made;
    return HANDOFF_OK;
}

int handoff_writer_create(const char *name, const struct handoff_writer_options *options,
                          handoff_writer **writer, struct handoff_error *error)
{
    return writer_create(name, options, 0, writer, error);
}

const char *handoff_writer_name(const handoff_writer *writer)
{
    return writer->side.name;
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static int writer_reader_gone(handoff_writer *writer, struct handoff_error *error)
{
    writer->granted = false;
    writer->reader_lost = false;
    writer->side.look_at_ns = 0;
    return frames_fail_as(HANDOFF_PEER_GONE, error, "reserve again to wait for the next reader",
                          "segment %s: its reader closed or died", writer->side.name);
}

/* W2 to W4. */
static int writer_grant(handoff_writer *writer, uint32_t request, struct handoff_error *error)
{
    struct named_side *side = &writer->side;
    const bool latest = side->layout.policy == HANDOFF_LATEST;
    const bool asked = named_lock_held(side->lock_fd, NAMED_LOCK_READER);
    struct err err;
    writer->session = request;
    writer->offered = false;
    if (!asked && !latest)
        return HANDOFF_OK;
    enum status status = writer_session_make(writer, writer->committed, &err);
    if (status != ST_OK)
        return named_side_fail(side, status, &err, error);
    writer->granted = latest;
    writer->offered = !latest;
    side->look_at_ns = 0;
    writer->look_at_ns = 0;
    atomic_store_explicit(&side->control->grant.word, request, memory_order_release);
    session_notify(&side->control->grant);
    return HANDOFF_OK;
}

/* W5. Who asked comes at once, or has given up and may be asking again, or is dead. */
static enum status writer_entry_wait(handoff_writer *writer, uint32_t entered, uint64_t deadline_ns)
{
    struct named_side *side = &writer->side;
    const uint64_t look_at_ns = clock_now_ns() + WRITER_ENTRY_NS;
    if (deadline_ns <= look_at_ns)
        return session_idle(&side->control->entered, entered, deadline_ns);
    enum status status = session_idle(&side->control->entered, entered, look_at_ns);
    if (status != ST_TIMEOUT)
        return status;
    writer->offered = named_lock_held(side->lock_fd, NAMED_LOCK_READER);
    return ST_OK;
}

/* Before a reserve that has no session, or finds another request than it has answered. HANDOFF_OK:
 * there is a session. */
static int __attribute__((cold, noinline))
writer_session(handoff_writer *writer, uint64_t deadline_ns, struct handoff_error *error)
{
    struct named_side *side = &writer->side;
    struct doorbell *bell = &side->control->request;
    if (writer->granted && side->layout.policy == HANDOFF_EVERY)
        return writer_reader_gone(writer, error); /* another one asks, so it has the lock */
    for (;;) {
        const uint32_t request = session_word(bell);
        if (request != writer->session) {
            int status = writer_grant(writer, request, error);
            if (status != HANDOFF_OK)
                return status;
        }
        const uint32_t entered = session_word(&side->control->entered);
        if (writer->offered && entered == writer->session) {
            writer->offered = false;
            writer->granted = true;
        }
        if (writer->granted)
            return HANDOFF_OK;
        if (session_word(bell) != writer->session)
            continue;
        enum status status = ST_TIMEOUT;
        if (deadline_ns != 0)
            status = writer->offered ? writer_entry_wait(writer, entered, deadline_ns)
                                     : session_idle(bell, writer->session, deadline_ns);
        if (status == ST_TIMEOUT)
            return frames_fail_as(HANDOFF_TIMEOUT, error, "start the reader",
                                  "segment %s: nobody reads it yet", side->name);
        if (status != ST_OK)
            return session_idle_failed(side, error);
    }
}

/* Nothing to fill just now: waits for a slice, or says why not. HANDOFF_OK: look again. */
static int __attribute__((cold, noinline))
writer_wait(handoff_writer *writer, enum status status, struct err *err, uint64_t deadline_ns,
            struct handoff_error *error)
{
    struct named_side *side = &writer->side;
    if (status == ST_PEER_GONE && side->layout.policy == HANDOFF_LATEST) {
        /* The reader closed, or the next one is about to ask. */
        status = writer_session_make(writer, writer->committed, err);
        return status == ST_OK ? HANDOFF_OK : named_side_fail(side, status, err, error);
    }
    if (status == ST_AGAIN) {
        struct frame ignored;
        side->loop.deadline_ns = named_side_slice(side, clock_now_ns(), deadline_ns);
        status = deadline_ns == 0 ? ST_TIMEOUT : wait_loop_reserve(&side->loop, &ignored, err);
    }
    if (status == ST_OK) {
        side->look_at_ns = 0;
        return HANDOFF_OK;
    }
    if (status == ST_TIMEOUT) {
        const uint64_t now_ns = clock_now_ns();
        if (!named_side_peer_dead(side, now_ns, NAMED_LOCK_READER))
            return now_ns < deadline_ns
                       ? HANDOFF_OK
                       : frames_fail_as(HANDOFF_TIMEOUT, error, "is the reader slow, or stuck?",
                                        "segment %s: no slot became free before the deadline",
                                        side->name);
        status = ST_PEER_GONE;
    }
    return status == ST_PEER_GONE ? writer_reader_gone(writer, error)
                                  : named_side_fail(side, status, err, error);
}

/* ---- The verbs ------------------------------------------------------------------------------- */

int handoff_writer_reserve(handoff_writer *writer, uint64_t deadline_ns,
                           struct handoff_frame *frame, struct handoff_error *error)
{
    struct named_side *side = &writer->side;
    struct err err;
    uint64_t sequence = writer->committed;
    if (!RING_LIKELY(named_side_usable(side)))
        return named_side_unusable(side, error);
    while (!writer->reserved) {
        if (!RING_LIKELY(writer->granted &&
                         session_word(&side->control->request) == writer->session)) {
            int status = writer_session(writer, deadline_ns, error);
            if (status != HANDOFF_OK)
                return status;
        }
        if (!RING_LIKELY(!writer->reader_lost))
            return writer_reader_gone(writer, error);
        enum status tried =
            exchange_reserve(&side->endpoint.exchange, &writer->slot, &sequence, &err);
        writer->reserved = tried == ST_OK;
        if (!RING_LIKELY(tried == ST_OK)) {
            int status = writer_wait(writer, tried, &err, deadline_ns, error);
            if (status != HANDOFF_OK)
                return status;
        }
    }
    named_side_lend(side, writer->slot, sequence, 0, frame);
    return HANDOFF_OK;
}

/* A writer that never waits still learns of a death: ten looks a second, where the time is
 * known. */
static void writer_look(handoff_writer *writer, uint64_t now_ns)
{
    if (RING_LIKELY(now_ns < writer->look_at_ns))
        return;
    const bool first = writer->look_at_ns == 0;
    writer->look_at_ns = now_ns + NAMED_SLICE_NS;
    if (!first && writer->side.layout.policy == HANDOFF_EVERY)
        writer->reader_lost = !named_lock_held(writer->side.lock_fd, NAMED_LOCK_READER);
}

int handoff_writer_commit(handoff_writer *writer, struct handoff_frame *frame,
                          struct handoff_error *error)
{
    struct named_side *side = &writer->side;
    struct err err;
    if (!RING_LIKELY(named_side_usable(side)))
        return named_side_unusable(side, error);
    if (!RING_LIKELY(writer->reserved && frame->sequence == writer->committed))
        return frames_fail_as(HANDOFF_INVALID, error, "commit the frame that reserve gave, once",
                              "segment %s: commit of a frame that is not reserved", side->name);
    const uint64_t now_ns = clock_now_ns();
    const struct frame_header header = {
        .timestamp_ns = frame->timestamp_ns ? frame->timestamp_ns : (int64_t)now_ns,
        .width = side->layout.width,
        .height = side->layout.height,
        .channels = side->layout.channels,
        .frame_id = (int32_t)(writer->committed & 0x7fffffff),
    };
    frame_header_encode(&header, named_side_slot(side, writer->slot));
    frame->timestamp_ns = header.timestamp_ns;
    enum status status = exchange_commit(&side->endpoint.exchange, &err);
    writer->reserved = false;
    writer->committed++;
    if (!RING_LIKELY(status == ST_OK))
        return named_side_fail(side, status, &err, error);
    wait_loop_notify(&side->loop);
    writer_look(writer, now_ns);
    return HANDOFF_OK;
}

/* ---- The rest -------------------------------------------------------------------------------- */

uint64_t handoff_writer_skipped(const handoff_writer *writer)
{
    return writer->skipped + exchange_skipped(&writer->side.endpoint.exchange);
}

int handoff_writer_has_reader(handoff_writer *writer)
{
    return named_side_usable(&writer->side) &&
           named_lock_held(writer->side.lock_fd, NAMED_LOCK_READER);
}

uint8_t *handoff_writer_pixels(const handoff_writer *writer, uint32_t slot)
{
    return slot < writer->side.layout.slots
               ? named_side_slot(&writer->side, slot) + FRAME_PAYLOAD_OFFSET
               : NULL;
}

void handoff_writer_close(handoff_writer *writer)
{
    if (!writer || !named_side_usable(&writer->side))
        return;
    struct named_side *side = &writer->side;
    wait_loop_hang_up(&side->loop);
    if (side->control) {
        atomic_fetch_or_explicit(&side->control->grant.word, DOORBELL_CLOSED, memory_order_release);
        session_notify(&side->control->grant);
    }
    named_file_unlink(side->lock_fd, side->path);
    named_side_close(side);
}

void handoff_writer_free(handoff_writer *writer)
{
    if (!writer)
        return;
    handoff_writer_close(writer);
    named_side_free(&writer->side);
    free(writer);
}

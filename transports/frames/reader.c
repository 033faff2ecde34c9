/* reader.c: the reader of a segment with a name. See handoff_frames.h, and session.h for how it
 * comes to its frames.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transports/frames/session.h"

/* How often to look for a writer that is not there. */
#define READER_LOOK_NS UINT64_C(5000000)
#define READER_CLOSED_NS UINT64_C(500000)

struct handoff_reader {
    struct named_side side;
    struct stat file;
    bool writer_dead; /* seen; what it committed is still there */
    bool held;
    struct frame frame; /* held: its slot and sequence */
};

/* ---- Opening --------------------------------------------------------------------------------- */

static int reader_absent(const handoff_reader *reader, struct handoff_error *error)
{
    return frames_fail_as(HANDOFF_ABSENT, error, "start the writer, or wait longer for it",
                          "segment %s: its writer is gone", reader->side.name);
}

/* The file of a living writer, checked and locked. */
static int reader_file_open(handoff_reader *reader, struct handoff_error *error)
{
    struct named_side *side = &reader->side;
    struct err err = {0};
    int fd = -1;
    named_fork_hold();
    int status = named_file_open(side->path, &fd, &reader->file, error);
    if (status == HANDOFF_OK)
        named_side_keep(side, fd);
    named_fork_let();
    if (status != HANDOFF_OK)
        return status;
    if (!named_lock_held(fd, NAMED_LOCK_WRITER))
        return reader_absent(reader, error);
    const ssize_t got = pread(fd, &side->layout, sizeof side->layout, 0);
    enum status checked =
        got == (ssize_t)sizeof side->layout
            ? named_layout_check(&side->layout, (uint64_t)reader->file.st_size, &err)
            : err_set(&err, ST_CORRUPT, "let nothing else write into the file",
                      "the file has only %lld bytes", (long long)reader->file.st_size);
    if (checked != ST_OK)
        return named_side_fail(side, checked, &err, error);
    if (named_lock_take(fd, NAMED_LOCK_READER) == 0)
        return HANDOFF_OK;
    if (errno == EAGAIN || errno == EACCES)
        return frames_fail_as(
            HANDOFF_BUSY, error, "one reader at a time: end the other one",
            "segment %s is read by another process, or another reader of this one", side->name);
    return named_side_fail(side, err_set_errno(&err, errno, NULL, "locking"), &err, error);
}

static int reader_map(handoff_reader *reader, struct handoff_error *error)
{
    struct named_side *side = &reader->side;
    struct err err = {0};
    int fd = -1;
    int status = named_file_reopen(side->lock_fd, &fd, error);
    if (status != HANDOFF_OK)
        return status;
    enum status mapped = shm_map_file(fd, (size_t)side->layout.total_bytes, &side->bytes, &err);
    close(fd);
    return mapped == ST_OK ? named_side_open(side, DIRECTION_READ, error)
                           : named_side_fail(side, mapped, &err, error);
}

/* R2, and when a reader gives up. */
static void reader_tail_close(struct named_side *side)
{
    atomic_fetch_or_explicit(&side->control->ring.tail.word, DOORBELL_CLOSED, memory_order_acq_rel);
    wait_loop_notify(&side->loop);
}

/* R2 to R8. */
static int reader_session(handoff_reader *reader, uint64_t deadline_ns, struct handoff_error *error)
{
    struct named_side *side = &reader->side;
    struct doorbell *grant = &side->control->grant;
    reader_tail_close(side);
    const uint32_t ticket = session_word(&side->control->request) + DOORBELL_STEP;
    atomic_store_explicit(&side->control->request.word, ticket, memory_order_release);
    session_notify(&side->control->request);
    for (;;) {
        const uint32_t granted = session_word(grant);
        if (granted == ticket)
            break;
        const uint64_t now_ns = clock_now_ns();
        /* A closed bell is believed when the lock is free, too: the writer lets go of it a moment
         * later, and whatever else wrote there does not keep every reader out. */
        const bool closed = granted & DOORBELL_CLOSED;
        if (closed ? !named_lock_held(side->lock_fd, NAMED_LOCK_WRITER)
                   : named_side_peer_dead(side, now_ns, NAMED_LOCK_WRITER))
            return reader_absent(reader, error);
        if (now_ns >= deadline_ns) {
            reader_tail_close(side);
            return frames_fail_as(HANDOFF_TIMEOUT, error, "the writer answers when it reserves",
                                  "segment %s: its writer did not take note before the deadline",
                                  side->name);
        }
        if (closed)
            clock_sleep_until_ns(now_ns + READER_CLOSED_NS);
        else if (session_idle(grant, granted, named_side_slice(side, now_ns, deadline_ns)) ==
                 ST_SYSTEM)
            return session_idle_failed(side, error);
    }
    side->look_at_ns = 0;
    struct transport_config config = named_layout_config(&side->layout);
    config.first_sequence =
        atomic_load_explicit(&side->control->first_sequence, memory_order_relaxed);
    exchange_consumer_init(&side->endpoint.exchange, &side->control->ring, &config);
    atomic_store_explicit(&side->control->entered.word, ticket, memory_order_release);
    session_notify(&side->control->entered);
    return HANDOFF_OK;
}

/* HANDOFF_ABSENT: no living writer now. */
static int reader_try(const char *name, uint64_t deadline_ns, handoff_reader **reader,
                      struct handoff_error *error)
{
    handoff_reader *made = calloc(1, sizeof *made);
    if (!made)
        return frames_fail_as(HANDOFF_NO_MEMORY, error, NULL, "no memory for a reader");
    made->side.lock_fd = -1;
    int status = named_path(name, made->side.path, error);
    if (status == HANDOFF_OK) {
        memcpy(made->side.name, name, strlen(name) + 1);
        status = reader_file_open(made, error);
    }
    if (status == HANDOFF_OK)
        status = reader_map(made, error);
    if (status == HANDOFF_OK)
        status = reader_session(made, deadline_ns, error);
    if (status != HANDOFF_OK) {
        handoff_reader_free(made);
        return status;
    }
    *reader = made;
    return HANDOFF_OK;
}

int handoff_reader_open(const char *name, uint64_t deadline_ns, handoff_reader **reader,
                        struct handoff_error *error)
{
    for (;;) {
        int status = reader_try(name, deadline_ns, reader, error);
        if (status != HANDOFF_ABSENT)
            return status;
        const uint64_t now_ns = clock_now_ns();
        if (now_ns >= deadline_ns)
            return status;
        const uint64_t left_ns = deadline_ns - now_ns;
        clock_sleep_until_ns(now_ns + (left_ns < READER_LOOK_NS ? left_ns : READER_LOOK_NS));
    }
}

/* ---- The verbs ------------------------------------------------------------------------------- */

static int reader_writer_gone(const handoff_reader *reader, bool dead, struct handoff_error *error)
{
    int status =
        frames_fail_as(HANDOFF_PEER_GONE, error, "open it again to wait for another writer",
                       "segment %s: its writer %s, and every frame was taken", reader->side.name,
                       dead ? "died" : "closed");
    if (error && dead)
        error->system_errno = EOWNERDEAD;
    return status;
}

/* Nothing to take just now: waits for a slice, or says why not. HANDOFF_OK: look again, or, with
 * `held`, there is a frame. */
static int __attribute__((cold, noinline))
reader_wait(handoff_reader *reader, enum status status, struct err *err, uint64_t deadline_ns,
            struct handoff_error *error)
{
    struct named_side *side = &reader->side;
    if (status == ST_AGAIN && reader->writer_dead)
        return reader_writer_gone(reader, true, error);
    if (status == ST_AGAIN) {
        struct wait_loop_stamps stamps;
        side->loop.deadline_ns = named_side_slice(side, clock_now_ns(), deadline_ns);
        status = deadline_ns == 0 ? ST_TIMEOUT
                                  : wait_loop_acquire(&side->loop, &reader->frame, &stamps, err);
    }
    if (status == ST_OK) {
        side->look_at_ns = 0;
        reader->held = true;
        return HANDOFF_OK;
    }
    if (status == ST_PEER_GONE)
        return reader_writer_gone(reader, false, error);
    if (status != ST_TIMEOUT)
        return named_side_fail(side, status, err, error);
    const uint64_t now_ns = clock_now_ns();
    if (named_side_peer_dead(side, now_ns, NAMED_LOCK_WRITER)) {
        /* Nobody else would, and its memory would stay until the name is used again. */
        reader->writer_dead = true;
        (void)named_file_clear(side->path, &reader->file, NULL);
        return HANDOFF_OK;
    }
    return now_ns < deadline_ns
               ? HANDOFF_OK
               : frames_fail_as(HANDOFF_TIMEOUT, error, "is the writer slow, or stuck?",
                                "segment %s: no frame came before the deadline", side->name);
}

int handoff_reader_acquire(handoff_reader *reader, uint64_t deadline_ns,
                           struct handoff_frame *frame, struct handoff_error *error)
{
    struct named_side *side = &reader->side;
    struct err err;
    if (!RING_LIKELY(named_side_usable(side)))
        return named_side_unusable(side, error);
    if (!RING_LIKELY(!reader->held))
        return frames_fail_as(HANDOFF_INVALID, error, "release it first",
                              "segment %s: a frame is held already", side->name);
    while (!reader->held) {
        enum status tried = exchange_acquire(&side->endpoint.exchange, &reader->frame.slot,
                                             &reader->frame.sequence, &err);
        reader->held = tried == ST_OK;
        if (!RING_LIKELY(tried == ST_OK)) {
            int status = reader_wait(reader, tried, &err, deadline_ns, error);
            if (status != HANDOFF_OK)
                return status;
        }
    }
    struct frame_header header;
    frame_header_decode(named_side_slot(side, reader->frame.slot), &header);
    named_side_lend(side, reader->frame.slot, reader->frame.sequence, header.timestamp_ns, frame);
    if (RING_LIKELY(header.frame_id == frame->id))
        return HANDOFF_OK;
    (void)handoff_reader_release(reader, frame, NULL);
    return frames_fail_as(HANDOFF_CORRUPT, error,
                          "let nothing but the writer write into its frames",
                          "segment %s: the header in slot %u is of frame %d, not of %d", side->name,
                          frame->slot, (int)header.frame_id, (int)frame->id);
}

int handoff_reader_release(handoff_reader *reader, struct handoff_frame *frame,
                           struct handoff_error *error)
{
    struct named_side *side = &reader->side;
    struct err err;
    if (!RING_LIKELY(named_side_usable(side)))
        return named_side_unusable(side, error);
    if (!RING_LIKELY(reader->held && frame->sequence == reader->frame.sequence))
        return frames_fail_as(HANDOFF_INVALID, error, "release the frame that acquire gave, once",
                              "segment %s: release of a frame that is not held", side->name);
    enum status status = exchange_release(&side->endpoint.exchange, &reader->frame, &err);
    if (!RING_LIKELY(status == ST_OK))
        return named_side_fail(side, status, &err, error);
    reader->held = false;
    wait_loop_notify(&side->loop);
    return HANDOFF_OK;
}

/* ---- The rest -------------------------------------------------------------------------------- */

void handoff_reader_shape(const handoff_reader *reader, struct handoff_shape *shape)
{
    const struct named_layout *layout = &reader->side.layout;
    *shape = (struct handoff_shape){
        .width = layout->width,
        .height = layout->height,
        .channels = layout->channels,
        .slots = layout->slots,
        .policy = layout->policy,
        .pixel_bytes = layout->pixel_bytes,
    };
}

uint8_t *handoff_reader_pixels(const handoff_reader *reader, uint32_t slot)
{
    return slot < reader->side.layout.slots
               ? named_side_slot(&reader->side, slot) + FRAME_PAYLOAD_OFFSET
               : NULL;
}

void handoff_reader_close(handoff_reader *reader)
{
    if (reader)
        named_side_close(&reader->side);
}

void handoff_reader_free(handoff_reader *reader)
{
    if (!reader)
        return;
    named_side_free(&reader->side);
    free(reader);
}

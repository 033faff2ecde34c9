/* wait_loop.c: take the word's value, try, and only then idle with the value taken. */
#include "harness/run/wait_loop.h"

#include <unistd.h>

#include "harness/measure/clock.h"

static struct wait_source wait_loop_source(const struct transport *transport,
                                           struct endpoint *endpoint, enum direction direction)
{
    struct wait_source source;
    transport->wait_source(endpoint, direction, &source);
    return source;
}

enum status wait_pair_create(struct wait_pair *pair, const struct transport *transport,
                             struct endpoint *endpoint, struct err *err)
{
    for (int direction = 0; direction < 2; direction++)
        pair->directions[direction].fd = -1;
    for (int direction = 0; direction < 2; direction++) {
        struct wait_choice *choice = &pair->directions[direction];
        struct wait_source source =
            wait_loop_source(transport, endpoint, (enum direction)direction);
        struct doorbell *bell = source.kind == SOURCE_WORD ? source.bell : NULL;
        enum status status = wait_create(choice->strategy, bell, &choice->fd, err);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

void wait_pair_close(struct wait_pair *pair)
{
    for (int direction = 0; direction < 2; direction++) {
        if (pair->directions[direction].fd >= 0)
            close(pair->directions[direction].fd);
        pair->directions[direction].fd = -1;
    }
}

static enum status wait_choice_open(const struct wait_choice *choice, struct wait_state *state,
                                    struct err *err)
{
    const struct wait_config config = {.parameter_us = choice->parameter_us, .fd = choice->fd};
    if (choice->strategy->on_gpu)
        return ST_OK;
    return choice->strategy->open(&config, state, err);
}

enum status wait_loop_open(struct wait_loop *loop, const struct transport *transport,
                           struct endpoint *endpoint, const struct wait_pair *pair,
                           enum direction waits, struct err *err)
{
    const enum direction announces = waits == DIRECTION_READ ? DIRECTION_WRITE : DIRECTION_READ;
    *loop =
        (struct wait_loop){.transport = transport, .endpoint = endpoint, .deadline_ns = UINT64_MAX};
    enum status status = wait_choice_open(&pair->directions[waits], &loop->state, err);
    if (status != ST_OK)
        return status;
    loop->strategy = pair->directions[waits].strategy;
    status = wait_choice_open(&pair->directions[announces], &loop->notify_state, err);
    if (status != ST_OK) {
        wait_loop_close(loop);
        return status;
    }
    loop->notifier = pair->directions[announces].strategy;
    loop->notify_source = wait_loop_source(transport, endpoint, announces);
    loop->notifies = loop->notify_source.kind == SOURCE_WORD && !loop->notifier->on_gpu;
    return ST_OK;
}

void wait_loop_hang_up(struct wait_loop *loop)
{
    if (!loop->transport)
        return;
    loop->transport->hang_up(loop->endpoint);
    wait_loop_notify(loop);
}

void wait_loop_close(struct wait_loop *loop)
{
    if (loop->strategy)
        loop->strategy->close(&loop->state);
    if (loop->notifier)
        loop->notifier->close(&loop->notify_state);
    *loop = (struct wait_loop){0};
}

/* The failure of an idle call, told so that the user knows what did not come. */
static enum status __attribute__((cold))
wait_loop_idle_failed(enum status status, const char *awaited, struct err *err)
{
    if (status == ST_TIMEOUT)
        return err_set(err, ST_TIMEOUT, "is the machine overloaded, or the other role stuck?",
                       "no %s came before the deadline of the launch", awaited);
    return err_set(err, status, NULL, "waiting for a %s failed (%s)", awaited, status_name(status));
}

/* One step of waiting: idle until there may be news since `seen`. */
static inline enum status wait_loop_idle(struct wait_loop *loop, const struct wait_source *source,
                                         uint32_t seen)
{
    enum status status = loop->strategy->idle(&loop->state, source, seen, loop->deadline_ns);
    /* A strategy that never sleeps returns at once on a descriptor and leaves the deadline to
     * us. */
    if (status == ST_OK && source->kind != SOURCE_WORD && !loop->strategy->sleeps &&
        clock_now_ns() > loop->deadline_ns)
        return ST_TIMEOUT;
    return status;
}

typedef enum status (*wait_loop_verb)(struct endpoint *, struct frame *, struct err *);

/* The loop for the verbs that need no stamps in between. The first try does without the word: its
 * line is mostly in the other role's cache, and where there is nothing to wait for, nobody has to
 * fetch it. A descriptor has no value to take before a try, so it is not tried twice. */
static enum status wait_loop_call(struct wait_loop *loop, wait_loop_verb verb,
                                  enum direction direction, const char *awaited,
                                  struct frame *frame, struct err *err)
{
    enum status status = verb(loop->endpoint, frame, err);
    while (status == ST_AGAIN) {
        struct wait_source source;
        loop->transport->wait_source(loop->endpoint, direction, &source);
        uint32_t seen = wait_source_value(&source);
        if (source.kind == SOURCE_WORD) {
            status = verb(loop->endpoint, frame, err);
            if (status != ST_AGAIN)
                return status;
        }
        status = wait_loop_idle(loop, &source, seen);
        if (status != ST_OK)
            return wait_loop_idle_failed(status, awaited, err);
        status = verb(loop->endpoint, frame, err);
    }
    return status;
}

enum status wait_loop_reserve(struct wait_loop *loop, struct frame *frame, struct err *err)
{
    return wait_loop_call(loop, loop->transport->reserve, DIRECTION_WRITE, "free slot", frame, err);
}

enum status wait_loop_commit(struct wait_loop *loop, struct frame *frame, struct err *err)
{
    return wait_loop_call(loop, loop->transport->commit, DIRECTION_WRITE, "room to send", frame,
                          err);
}

enum status wait_loop_release(struct wait_loop *loop, struct frame *frame, struct err *err)
{
    return wait_loop_call(loop, loop->transport->release, DIRECTION_READ, "room to return a frame",
                          frame, err);
}

enum status wait_loop_acquire(struct wait_loop *loop, struct frame *frame,
                              struct wait_loop_stamps *stamps, struct err *err)
{
    stamps->waiting_ns = stamp_now_ns();
    stamps->seen_ns = stamps->waiting_ns;
    const bool told_by_try = !(loop->transport->sources & SOURCE_WORD) &&
                             !(loop->transport->flags & TRANSPORT_MOVES_BYTES);
    enum status status = loop->transport->acquire(loop->endpoint, frame, err);
    while (status == ST_AGAIN) {
        struct wait_source source;
        loop->transport->wait_source(loop->endpoint, DIRECTION_READ, &source);
        uint32_t seen = wait_source_value(&source);
        if (source.kind == SOURCE_WORD) {
            status = loop->transport->acquire(loop->endpoint, frame, err);
            if (status != ST_AGAIN) {
                stamps->seen_ns = stamps->waiting_ns; /* it came before the wait */
                return status;
            }
        }
        /* An early return is not news: only with a new value has the wait returned. */
        do {
            status = wait_loop_idle(loop, &source, seen);
            if (status != ST_OK)
                return wait_loop_idle_failed(status, "frame", err);
        } while (source.kind == SOURCE_WORD && wait_source_value(&source) == seen);
        /* Without a word to look at, only the try tells news from an early return: a stamp before
         * it could lie before the frame itself. Where the try moves bytes there is no `handoff`,
         * and when it began matters more. */
        if (!told_by_try && frame->progress_bytes == 0)
            stamps->seen_ns = stamp_now_ns();
        status = loop->transport->acquire(loop->endpoint, frame, err);
        if (told_by_try && status == ST_OK)
            stamps->seen_ns = stamp_now_ns();
    }
    return status;
}

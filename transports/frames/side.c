/* side.c: what writer and reader have alike, and what becomes of it in the child of a fork. See
 * named.h.
 *
 * A forked child has copies of the descriptors, and with them the locks would outlive the parent.
 * So the child closes them before fork() returns in it (pthread_atfork), and everything it still
 * has of a side is memory. A child of vfork or posix_spawn does not run this: its copies close at
 * its exec.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transports/frames/named.h"

/* ---- The verbs that run/wait_loop.c waits with ----------------------------------------------- */

static enum status named_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return exchange_reserve(&endpoint->exchange, &frame->slot, &frame->sequence, err);
}

static enum status named_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return exchange_acquire(&endpoint->exchange, &frame->slot, &frame->sequence, err);
}

static void named_wait_source(struct endpoint *endpoint, enum direction direction,
                              struct wait_source *source)
{
    *source = (struct wait_source){
        .kind = SOURCE_WORD,
        .bell = direction == DIRECTION_READ ? &endpoint->ring->head : &endpoint->ring->tail,
        .fd = -1,
    };
}

static void named_hang_up(struct endpoint *endpoint)
{
    exchange_hang_up(&endpoint->exchange);
}

const struct transport transport_named = {
    .name = "named",
    .sources = SOURCE_WORD,
    .reserve = named_reserve,
    .acquire = named_acquire,
    .wait_source = named_wait_source,
    .hang_up = named_hang_up,
};

/* ---- The list of a process ------------------------------------------------------------------- */

static pthread_mutex_t named_list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct named_side *named_list;

static void named_list_hold(void)
{
    pthread_mutex_lock(&named_list_lock);
}

static void named_list_let(void)
{
    pthread_mutex_unlock(&named_list_lock);
}

static void named_list_child(void)
{
    for (struct named_side *side = named_list; side; side = side->next) {
        if (side->lock_fd >= 0)
            close(side->lock_fd);
        side->lock_fd = -1;
        side->forked = true;
    }
    pthread_mutex_unlock(&named_list_lock);
}

static pthread_once_t named_list_once = PTHREAD_ONCE_INIT;
static int named_list_failed;

static void named_list_start(void)
{
    named_list_failed = pthread_atfork(named_list_hold, named_list_let, named_list_child);
}

void named_fork_hold(void)
{
    (void)pthread_once(&named_list_once, named_list_start);
    named_list_hold();
}

void named_fork_let(void)
{
    named_list_let();
}

void named_side_keep(struct named_side *side, int fd)
{
    side->lock_fd = fd;
    side->next = named_list;
    if (named_list)
        named_list->previous = side;
    named_list = side;
}

static void named_list_remove(struct named_side *side)
{
    named_list_hold();
    if (side->previous)
        side->previous->next = side->next;
    else if (named_list == side)
        named_list = side->next;
    if (side->next)
        side->next->previous = side->previous;
    side->next = side->previous = NULL;
    named_list_let();
}

/* ---- A side ---------------------------------------------------------------------------------- */

int named_side_open(struct named_side *side, enum direction waits, struct handoff_error *error)
{
    struct err err = {0};
    uint8_t *bytes = side->bytes;
    side->control = (struct named_control *)(void *)(bytes + NAMED_CONTROL_OFFSET);
    side->slots = bytes + NAMED_SLOTS_OFFSET;
    side->endpoint.ring = &side->control->ring;
    struct wait_choice choice;
    enum status status = frames_wait_find(side->layout.wait, true, &choice, &err);
    if (status == ST_OK) {
        side->waits.directions[DIRECTION_READ] = side->waits.directions[DIRECTION_WRITE] = choice;
        status = wait_loop_open(&side->loop, &transport_named, &side->endpoint, &side->waits, waits,
                                &err);
    }
    if (status == ST_OK && named_list_failed)
        status = err_set(&err, ST_NO_MEMORY, NULL, "no memory for pthread_atfork");
    return status == ST_OK ? HANDOFF_OK : named_side_fail(side, status, &err, error);
}

void named_side_close(struct named_side *side)
{
    if (side->lock_fd < 0)
        return;
    wait_loop_hang_up(&side->loop);
    /* A child that another thread forks just now finds both done or neither: it would close
     * whatever has the number by then. */
    named_list_hold();
    close(side->lock_fd);
    side->lock_fd = -1;
    named_list_let();
}

void named_side_free(struct named_side *side)
{
    named_side_close(side);
    named_list_remove(side);
    wait_loop_close(&side->loop);
    if (side->bytes)
        munmap(side->bytes, (size_t)side->layout.total_bytes);
}

int named_side_unusable(const struct named_side *side, struct handoff_error *error)
{
    if (side->forked)
        return frames_fail_as(HANDOFF_INVALID, error, "open it in the process that uses it",
                              "segment %s was opened by the parent of this process", side->name);
    return frames_fail_as(HANDOFF_INVALID, error, NULL, "segment %s is closed already", side->name);
}

int named_side_fail(const struct named_side *side, enum status status, struct err *err,
                    struct handoff_error *error)
{
    if (error)
        err_context(err, "segment %s", side->name);
    return frames_fail(status, err, error);
}

/* eventfd.c: sleeps in poll() on an eventfd that the notifier writes to.
 *
 * What programs with an event loop do: a descriptor can stand in poll() beside others. It costs the
 * waiter two calls, poll for the deadline and read to clear it; a read alone has no deadline.
 *
 *   notifier:  W1  change the word            waiter:  S1  sleepers += 1
 *              W2  read-modify-write sleepers          S2  load the word; if it is unchanged,
 *              W3  write if it was > 0                     poll until it is readable, and read
 * The gate (S1, S2, W1, W2) is futex.c's, and so is the proof. Between S2 and the sleep the counter
 * keeps the news. As with the semaphore's tokens, a count left over from earlier is never news, only
 * a reason to look once more, and the read clears all of it, so it cannot keep the waiter spinning.
 * The read comes before the next look at the word: a change after that look has a write of its own.
 *
 * The look after the sleep must not be done ahead of the read that cleared the counter: it would
 * find the old value with the only write used up (tests/model, relook_early). The kernel sees to
 * that: it takes the counter's lock for the write and for the read. The transport's load of the
 * word, with acquire order, is what makes the frame's bytes visible.
 *
 * Both sides share one file description, and the counter lives in the kernel: a role that is killed
 * at any moment leaves nothing half done. It does not block: a write at a full counter fails, and
 * then there is enough to read.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

static enum status eventfd_make(int *fd, struct err *err)
{
    int made = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made < 0)
        return err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                             "wait eventfd: eventfd");
    *fd = made;
    return ST_OK;
}

static enum status eventfd_probe(struct err *err)
{
    int fd = -1;
    if (eventfd_make(&fd, err) != ST_OK) {
        if (err)
            err->status = ST_UNAVAILABLE;
        return ST_UNAVAILABLE;
    }
    close(fd);
    return ST_OK;
}

static enum status eventfd_create(struct doorbell *bell, int *fd, struct err *err)
{
    return eventfd_make(fd, err);
}

static enum status eventfd_open(const struct wait_config *config, struct wait_state *state,
                                struct err *err)
{
    if (config->fd < 0)
        return err_set(err, ST_INVALID, NULL, "wait eventfd: opened without its descriptor");
    *state = (struct wait_state){.fd = config->fd};
    return ST_OK;
}

/* Sleeps until the counter is not 0 or the deadline, and clears it. ST_OK may be early. */
static enum status eventfd_sleep(int fd, uint64_t deadline_ns)
{
    uint64_t now_ns = clock_now_ns();
    if (now_ns >= deadline_ns)
        return ST_TIMEOUT;
    uint64_t left_ns = deadline_ns - now_ns;
    struct timespec left = {
        .tv_sec = (time_t)(left_ns / 1000000000u),
        .tv_nsec = (long)(left_ns % 1000000000u),
    };
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int count = ppoll(&ready, 1, &left, NULL);
    if (count < 0 && errno != EINTR)
        return ST_SYSTEM;
    if (count <= 0)
        return ST_OK;
    uint64_t counter;
    if (read(fd, &counter, sizeof counter) < 0 && errno != EAGAIN && errno != EINTR)
        return ST_SYSTEM;
    return ST_OK;
}

static enum status eventfd_idle(struct wait_state *state, const struct wait_source *source,
                                uint32_t seen, uint64_t deadline_ns)
{
    struct doorbell *bell = source->bell;
    enum status status = ST_OK;
    atomic_fetch_add_explicit(&bell->sleepers, 1, memory_order_acq_rel); /* S1 */
    while (status == ST_OK &&
           atomic_load_explicit(&bell->word, memory_order_relaxed) == seen) /* S2 */
        status = eventfd_sleep(state->fd, deadline_ns);
    /* Relaxed: a notifier that still reads the old count writes for nothing. */
    atomic_fetch_sub_explicit(&bell->sleepers, 1, memory_order_relaxed);
    return status;
}

static void eventfd_notify(struct wait_state *state, const struct wait_source *source)
{
    const uint64_t one = 1;
    if (atomic_fetch_add_explicit(&source->bell->sleepers, 0, memory_order_acq_rel) > 0 && /* W2 */
        write(state->fd, &one, sizeof one) < 0) {                                          /* W3 */
        /* EAGAIN: the counter is full, so the waiter has enough to wake for. */
    }
}

static void eventfd_close(struct wait_state *state)
{
}

const struct wait_strategy wait_eventfd = {
    .name = "eventfd",
    .summary = "sleeps in poll() on an eventfd; the notifier writes to it",
    .cost = "two calls to sleep, a call to wake a sleeper",
    .parameter = WAIT_PARAMETER_NONE,
    .sources = SOURCE_WORD,
    .sleeps = true,
    .probe = eventfd_probe,
    .create = eventfd_create,
    .open = eventfd_open,
    .idle = eventfd_idle,
    .notify = eventfd_notify,
    .close = eventfd_close,
};

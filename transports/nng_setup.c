/* nng_setup.c: transport nng's socket of one side: what it is told, whom it lets in, and its end.
 * Called by nng.c before the first message, and at the end by messages.c.
 *
 * Closing: nng forgets what has not left, and when a connection ends, its reader forgets what it
 * has not read. So close waits until everything is in the kernel, until the kernel's queue of the
 * connection is empty, and a little longer for the last hand-over between the reader's threads.
 * (Of a producer that is killed, the last frames may be lost whole.)
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>

#include "transports/nng_pair.h"
#include "transports/unix_queue.h"

#define PAIR_HOPS_BYTES 4 /* what the protocol puts before each message */

/* How long close waits, in all, for what was sent to leave; for the last hand-over on the other
 * side; and how long a producer whose frames are all there waits for the rest of the credits. */
#define PAIR_LEAVE_MS 1000
#define PAIR_HAND_OVER_MS 3
#define PAIR_CREDITS_MS 20
/* And how long nng may take to close, which it does at once or not at all. */
#define PAIR_CLOSE_S 1

/* ---- The connection -------------------------------------------------------------------------- */

/* nng calls these on a thread of its own. */
static void pair_peer_comes(nng_pipe pipe, nng_pipe_ev event, void *argument)
{
    struct pair *pair = argument;
    uint64_t user = 0;
    int nobody = 0;
    const int error = nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &user);
    const bool mine = error == 0 && user == geteuid();
    if (mine && atomic_compare_exchange_strong(&pair->peer, &nobody, nng_pipe_id(pipe)))
        return;
    /* A consumer closes its whole socket instead, in attach. */
    if (pair->producing)
        nng_pipe_close(pipe);
}

static void pair_peer_goes(nng_pipe pipe, nng_pipe_ev event, void *argument)
{
    struct pair *pair = argument;
    if (nng_pipe_id(pipe) != atomic_load(&pair->peer))
        return;
    atomic_store(&pair->gone, true);
    nng_aio_cancel(pair->receive);
}

/* For the queue of what comes: a greeting, all frames or credits that can be under way, a
 * goodbye. */
static int pair_options(struct pair *pair, uint32_t slots)
{
    const size_t bytes =
        pair->producing ? MESSAGE_CREDIT_BYTES : PAIR_FRAME_OFFSET + pair->payload_bytes;
    const nng_duration never = 24 * 3600 * 1000;
    int error = nng_socket_set_int(pair->socket, NNG_OPT_RECVBUF, (int)slots + 3);
    if (error == 0)
        error = nng_socket_set_int(pair->socket, NNG_OPT_SENDBUF, 0);
    if (error == 0)
        error = nng_socket_set_size(pair->socket, NNG_OPT_RECVMAXSZ, PAIR_HOPS_BYTES + bytes);
    if (error == 0)
        error = nng_socket_set_ms(pair->socket, NNG_OPT_RECONNMINT, never);
    if (error == 0)
        error = nng_socket_set_ms(pair->socket, NNG_OPT_RECONNMAXT, never);
    if (error == 0)
        error = nng_pipe_notify(pair->socket, NNG_PIPE_EV_ADD_PRE, pair_peer_comes, pair);
    if (error == 0)
        error = nng_pipe_notify(pair->socket, NNG_PIPE_EV_REM_POST, pair_peer_goes, pair);
    return error;
}

static int pair_aios_make(struct pair *pair)
{
    int error = nng_aio_alloc(&pair->receive, NULL, NULL);
    for (uint32_t i = 0; error == 0 && i < pair->send_count; i++)
        error = nng_aio_alloc(&pair->sends[i], NULL, NULL);
    return error;
}

enum status pair_new(const struct transport_config *config, bool producing, struct pair **pair,
                     struct err *err)
{
    struct pair *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "transport nng: no memory for an endpoint");
    made->producing = producing;
    made->receive_fd = -1;
    made->payload_bytes = config->payload_bytes;
    made->send_count = config->slots + 2; /* a greeting, frames or credits, a goodbye */
    made->held_count = producing ? 0 : config->max_held;
    made->sends = calloc(made->send_count, sizeof(nng_aio *));
    made->held = calloc(config->max_held, sizeof(nng_msg *));
    if (!made->sends || !made->held) {
        pair_close(made);
        return err_set(err, ST_NO_MEMORY, NULL, "transport nng: no memory for an endpoint");
    }
    int error = pair_aios_make(made);
    if (error == 0)
        error = nng_pair1_open(&made->socket);
    made->open = error == 0;
    if (error == 0)
        error = pair_options(made, config->slots);
    if (error == 0)
        error = nng_socket_get_int(made->socket, NNG_OPT_RECVFD, &made->receive_fd);
    if (error != 0) {
        pair_close(made);
        return pair_error(err, error, "opening a socket");
    }
    *pair = made;
    return ST_OK;
}

/* ---- Closing --------------------------------------------------------------------------------- */

static uint64_t pair_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pair_sleep_us(long us)
{
    const struct timespec pause = {.tv_nsec = us * 1000};
    nanosleep(&pause, NULL);
}

/* Nobody has come whom the messages could reach, or he has gone. */
static bool pair_is_alone(const struct pair *pair)
{
    return atomic_load(&pair->gone) || atomic_load(&pair->peer) == 0;
}

/* Until nng has written all: with no room in its own queue, the socket takes one more message only
 * when the last one is written. */
static void pair_wait_written(const struct pair *pair, uint64_t until_ms)
{
    struct pollfd ready = {.events = POLLIN};
    if (nng_socket_get_int(pair->socket, NNG_OPT_SENDFD, &ready.fd) != 0)
        return;
    while (!pair_is_alone(pair) && pair_now_ms() < until_ms)
        if (poll(&ready, 1, 1) > 0)
            return;
}

/* Until the last bytes that the other side's reader took are a message in its queue. Who has all
 * frames credited knows that they were. */
static void pair_wait_handed_over(struct pair *pair, uint64_t until_ms)
{
    struct err ignored;
    uint32_t credit = 1;
    uint64_t now_ms;
    if (!pair->producing || pair->under_way == 0) {
        pair_sleep_us(PAIR_HAND_OVER_MS * 1000);
        return;
    }
    const uint64_t stop_ms = pair_now_ms() + PAIR_CREDITS_MS;
    while (pair->under_way > 0 && credit != MESSAGE_CREDIT_GOODBYE && !atomic_load(&pair->gone) &&
           (now_ms = pair_now_ms()) < (stop_ms < until_ms ? stop_ms : until_ms)) {
        if (pair_native_wait(pair, (int)(stop_ms - now_ms)) != ST_OK ||
            pair_take_credit(pair, &credit, &ignored) != ST_OK)
            return;
    }
}

static void pair_flush(struct pair *pair)
{
    const uint64_t until_ms = pair_now_ms() + PAIR_LEAVE_MS;
    if (pair_is_alone(pair))
        return;
    pair_wait_written(pair, until_ms);
    while (!pair_is_alone(pair) && !unix_queue_is_empty(pair->name) && pair_now_ms() < until_ms)
        pair_sleep_us(100);
    if (!pair_is_alone(pair))
        pair_wait_handed_over(pair, until_ms);
}

/* Closes and frees all; from a thread of its own where a socket is open. */
static void *pair_end(void *self)
{
    struct pair *pair = self;
    struct err ignored;
    if (pair->open)
        nng_close(pair->socket); /* ends what waits in an nng_aio */
    for (uint32_t i = 0; pair->sends && i < pair->send_count && pair->sends[i]; i++) {
        pair_send_ready(pair->sends[i], &ignored);
        nng_aio_free(pair->sends[i]);
    }
    if (pair->receive)
        nng_aio_free(pair->receive);
    if (pair->stash)
        nng_msg_free(pair->stash);
    for (uint32_t i = 0; pair->held && i < pair->held_count; i++)
        if (pair->held[i])
            nng_msg_free(pair->held[i]);
    free(pair->sends);
    free(pair->held);
    free(pair);
    return NULL;
}

/* nng_close may never return: seen with 1.5.2, twice in some 200 launches on a busy machine. By its
 * source: where the beginning of a message has come and the connection is closed before nng asks
 * for the rest, it asks in vain and then waits for the answer (ipc_pipe_recv_cb). So it gets its
 * time, and is then left to itself and to the end of the process. */
void pair_close(void *self)
{
    struct pair *pair = self;
    sigset_t all, before;
    pthread_t thread;
    struct timespec until;
    if (!pair)
        return;
    if (!pair->open) {
        pair_end(pair);
        return;
    }
    pair_flush(pair);
    /* Signals are for the role's own thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&thread, NULL, pair_end, pair);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        pair_end(pair);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PAIR_CLOSE_S;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0)
        pthread_detach(thread);
}

/* serve.c: see serve.h.
 *
 * Strangers cost little here: a place among SERVE_GUESTS for SERVE_HANDSHAKE_NS, some bytes, two
 * codes, and a line on standard error that is not written more often than once a second. Whoever
 * proves the key gets a process of its own (peer_server.c), so that nobody else's connection
 * disturbs a measurement.
 */
#include "harness/run/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/base/channel.h"
#include "harness/base/json.h"
#include "harness/measure/clock.h"
#include "harness/run/peer_server.h"
#include "harness/run/process.h"

#define SERVE_GUESTS 32
#define SERVE_LISTENERS_MAX 8
/* At most; a shorter --peer-timeout is one for this, too. */
#define SERVE_HANDSHAKE_NS 5000000000u
#define SERVE_LOG_NS 1000000000u
/* With --once: how long after its turn is over a run that said no goodbye may still come back. */
#define SERVE_AWAY_NS 2000000000u
/* For a process of a connection to end its consumer. */
#define SERVE_END_NS 2000000000u

/* A connection that has not proved the key yet. */
struct serve_guest {
    int fd; /* -1: nobody */
    char from[64];
    uint64_t until_ns;
    bool greeted;                    /* its hello came, ours went */
    uint8_t bytes[PEER_PROOF_BYTES]; /* of hello or proof, so far */
    size_t count;
    struct peer_handshake handshake;
};
_Static_assert(PEER_PROOF_BYTES >= PEER_HELLO_BYTES, "both fit into a guest's bytes");

struct serve {
    const struct serve_options *options;
    int signal_fd;
    sigset_t signals_before;
    int listen_fds[SERVE_LISTENERS_MAX];
    size_t listener_count;
    struct serve_guest guests[SERVE_GUESTS];
    struct process worker; /* of the connection that is served; PROCESS_NONE */
    bool has_run;
    uint8_t run[PEER_RUN_BYTES]; /* whose turn it is */
    uint64_t lease_ns;           /* until when, while no connection of it is served */
    char run_from[64];
    uint64_t logged_ns;
    unsigned unlogged;
    bool over;
};

/* A line about a stranger, at most one a second. */
static void serve_log(struct serve *serve, const char *from, const char *what)
{
    const uint64_t now_ns = clock_monotonic_ns();
    if (serve->logged_ns != 0 && now_ns < serve->logged_ns + SERVE_LOG_NS) {
        serve->unlogged++;
        return;
    }
    if (serve->unlogged > 0)
        fprintf(stderr, "%s: refused: %s (and %u more like it since the last line)\n", from, what,
                serve->unlogged);
    else
        fprintf(stderr, "%s: refused: %s\n", from, what);
    serve->unlogged = 0;
    serve->logged_ns = now_ns;
}

/* ---- listening ------------------------------------------------------------------------------- */

static int serve_listen_on(const struct addrinfo *info)
{
    const int on = 1;
    const int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, 2 * SERVE_GUESTS) == 0)
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Says on which port, which may have been left to the kernel. */
static void serve_announce(const struct serve *serve)
{
    struct sockaddr_storage own = {0};
    socklen_t own_bytes = sizeof own;
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    (void)getsockname(serve->listen_fds[0], (struct sockaddr *)&own, &own_bytes);
    (void)getnameinfo((struct sockaddr *)&own, own_bytes, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    fprintf(stderr, "serving on %s, port %s; Ctrl-C ends it\n",
            serve->options->address.host[0] ? host : "every address", port);
}

static enum status serve_open_listeners(struct serve *serve, struct err *err)
{
    const struct peer_address *address = &serve->options->address;
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];
    int error = 0;
    snprintf(port, sizeof port, "%u", address->port);
    const int failed = getaddrinfo(address->host[0] ? address->host : NULL, port, &wanted, &found);
    if (failed)
        return err_set(err, ST_INVALID, "give an address of this host with --listen",
                       "cannot listen on %s: %s", address->host, gai_strerror(failed));
    for (const struct addrinfo *info = found; info; info = info->ai_next) {
        /* A port that the kernel picks for one family may be taken in the other. */
        if (serve->listener_count == SERVE_LISTENERS_MAX ||
            (address->port == 0 && serve->listener_count == 1))
            break;
        const int fd = serve_listen_on(info);
        if (fd >= 0)
            serve->listen_fds[serve->listener_count++] = fd;
        else
            error = errno;
    }
    freeaddrinfo(found);
    if (serve->listener_count == 0)
        return err_set_errno(
            err, error,
            error == EADDRNOTAVAIL ? "give an address of this host with --listen: `ip address` "
                                     "shows those it has"
                                   : "choose another port with --listen ADDRESS:PORT",
            "cannot listen on %s%sport %s", address->host, address->host[0] ? ", " : "", port);
    serve_announce(serve);
    return ST_OK;
}

static enum status serve_open_signals(struct serve *serve, struct err *err)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &wanted, &serve->signals_before) != 0)
        return err_set_errno(err, errno, NULL, "cannot watch signals");
    serve->signal_fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (serve->signal_fd >= 0)
        return ST_OK;
    const int error = errno;
    sigprocmask(SIG_SETMASK, &serve->signals_before, NULL);
    return err_set_errno(err, error, NULL, "cannot watch signals");
}

/* ---- the run that is served ------------------------------------------------------------------ */

/* Ends the process of the connection, which ends its consumer. */
static void serve_end_worker(struct serve *serve)
{
    if (serve->worker.pid > 0) {
        process_hang_up(&serve->worker);
        process_end(&serve->worker, SERVE_END_NS);
    }
    process_end(&serve->worker, 0);
    serve->worker = PROCESS_NONE;
    /* A run that does not come back for as long as it may be silent has ended without a word. */
    serve->lease_ns = clock_monotonic_ns() + serve->options->timeout_ns;
}

/* Whose turn it is: the run's that came first, until it says goodbye or is away for too long. */
static bool serve_is_busy(const struct serve *serve, const uint8_t run[PEER_RUN_BYTES])
{
    return serve->has_run && memcmp(serve->run, run, PEER_RUN_BYTES) != 0 &&
           (serve->worker.pid > 0 || clock_monotonic_ns() < serve->lease_ns);
}

/* Gives the connection to a process of its own. The guest's socket is closed here in any case. */
static enum status serve_start_worker(struct serve *serve, struct serve_guest *guest,
                                      enum peer_purpose purpose, struct err *err)
{
    struct peer_session session;
    enum status status = peer_session_make(&guest->handshake, &session, err);
    if (status == ST_OK)
        status = process_start("serving", PROCESS_DIES_WITH_US, &serve->worker, err);
    cJSON *json = status == ST_OK ? peer_server_setup_json(&session, purpose, guest->from,
                                                           serve->options->timeout_ns)
                                  : NULL;
    if (json)
        status = channel_send(serve->worker.control_fd, json, &guest->fd, 1, err);
    else if (status == ST_OK)
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for a control message");
    cJSON_Delete(json);
    mac_forget(&session, sizeof session);
    return status;
}

static void serve_take_turn(struct serve *serve, const struct serve_guest *guest,
                            const uint8_t run[PEER_RUN_BYTES])
{
    if (!serve->has_run || memcmp(serve->run, run, PEER_RUN_BYTES) != 0)
        fprintf(stderr, "%s: a run begins\n", guest->from);
    /* A connection of the same run that is left over: whoever had it is gone. */
    serve_end_worker(serve);
    serve->has_run = true;
    memcpy(serve->run, run, PEER_RUN_BYTES);
    snprintf(serve->run_from, sizeof serve->run_from, "%s", guest->from);
}

static void serve_say_goodbye(struct serve *serve, const uint8_t run[PEER_RUN_BYTES])
{
    if (!serve->has_run || memcmp(serve->run, run, PEER_RUN_BYTES) != 0)
        return;
    fprintf(stderr, "%s: the run is over\n", serve->run_from);
    serve_end_worker(serve);
    serve->has_run = false;
    serve->over = serve->options->once;
}

/* ---- guests ---------------------------------------------------------------------------------- */

static void serve_dismiss(struct serve_guest *guest)
{
    if (guest->fd >= 0)
        close(guest->fd);
    mac_forget(guest, sizeof *guest);
    guest->fd = -1;
}

/* A free place, or that of who has been there longest of those who came from where most did:
 * whoever calls and calls again turns himself out, and not the other host, whose proof takes a
 * round trip. */
static struct serve_guest *serve_find_place(struct serve *serve)
{
    struct serve_guest *place = NULL;
    int most = 0;
    for (int i = 0; i < SERVE_GUESTS; i++) {
        struct serve_guest *guest = &serve->guests[i];
        int alike = 0;
        if (guest->fd < 0)
            return guest;
        for (int j = 0; j < SERVE_GUESTS; j++)
            alike += strcmp(serve->guests[j].from, guest->from) == 0;
        if (alike > most || (alike == most && guest->until_ns < place->until_ns)) {
            place = guest;
            most = alike;
        }
    }
    return place;
}

/* Somebody who is at the door. */
static void serve_welcome(struct serve *serve, int fd, const struct sockaddr *address,
                          socklen_t address_bytes)
{
    struct serve_guest *place = serve_find_place(serve);
    if (place->fd >= 0)
        serve_log(serve, place->from, "others came while it proved nothing");
    serve_dismiss(place);
    place->fd = fd;
    place->until_ns = clock_monotonic_ns() + (serve->options->timeout_ns < SERVE_HANDSHAKE_NS
                                                  ? serve->options->timeout_ns
                                                  : SERVE_HANDSHAKE_NS);
    place->handshake.key = serve->options->key;
    char host[48] = "?", port[8] = "?";
    (void)getnameinfo(address, address_bytes, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(place->from, sizeof place->from, "%s", host);
}

static void serve_accept(struct serve *serve, int listen_fd)
{
    for (int i = 0; i < SERVE_GUESTS; i++) {
        struct sockaddr_storage address = {0};
        socklen_t address_bytes = sizeof address;
        const int fd = accept4(listen_fd, (struct sockaddr *)&address, &address_bytes,
                               SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            /* Without a free descriptor the caller stays at the door, and poll would tell of it
             * again at once; guests go within seconds. */
            if (errno == EMFILE || errno == ENFILE)
                usleep(50000);
            return;
        }
        serve_welcome(serve, fd, (struct sockaddr *)&address, address_bytes);
    }
}

/* Few bytes: they fit into any socket's buffer, or the connection is not worth keeping. */
static bool serve_send(const struct serve_guest *guest, const void *bytes, size_t count)
{
    return send(guest->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)count;
}

/* Its hello is whole: it gets ours. Another version gets it as well, so that it can say so;
 * whatever is no hello gets nothing. */
static bool serve_greet(struct serve *serve, struct serve_guest *guest, struct err *err)
{
    uint8_t hello[PEER_HELLO_BYTES];
    enum status status = peer_hello_read(guest->bytes, guest->handshake.client_nonce, err);
    if (status != ST_OK && status != ST_INVALID)
        return false;
    if (peer_nonce_make(guest->handshake.server_nonce, err) != ST_OK)
        return false;
    peer_hello_write(guest->handshake.server_nonce, hello);
    if (!serve_send(guest, hello, sizeof hello) || status != ST_OK)
        return false;
    guest->greeted = true;
    guest->count = 0;
    return true;
}

/* Its proof is whole and right. */
static void serve_let_in(struct serve *serve, struct serve_guest *guest, enum peer_purpose purpose,
                         const uint8_t run[PEER_RUN_BYTES])
{
    uint8_t answer[PEER_ANSWER_BYTES];
    struct err failure = {0};
    const bool busy = serve_is_busy(serve, run);
    if (!busy && purpose != PEER_GOODBYE)
        serve_take_turn(serve, guest, run);
    enum status status =
        peer_answer_write(&guest->handshake, busy ? PEER_BUSY : PEER_WELCOME, answer, &failure);
    if (status == ST_OK && !serve_send(guest, answer, sizeof answer))
        status = ST_PEER_GONE;
    if (busy)
        serve_log(serve, guest->from, "busy with another run");
    else if (purpose == PEER_GOODBYE)
        serve_say_goodbye(serve, run);
    else if (status == ST_OK)
        status = serve_start_worker(serve, guest, purpose, &failure);
    if (status != ST_OK && failure.what[0])
        fprintf(stderr, "%s: %s\n", guest->from, failure.what);
    serve_dismiss(guest);
}

/* Reads what there is of a guest's hello or proof. */
static void serve_hear_guest(struct serve *serve, struct serve_guest *guest)
{
    struct err err = {.what = "it hung up before it proved the key"};
    enum peer_purpose purpose;
    uint8_t run[PEER_RUN_BYTES];
    const size_t wanted = guest->greeted ? PEER_PROOF_BYTES : PEER_HELLO_BYTES;
    const ssize_t got = recv(guest->fd, guest->bytes + guest->count, wanted - guest->count, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    guest->count += got > 0 ? (size_t)got : 0;
    bool stays = got > 0;
    if (stays && guest->count == wanted && guest->greeted) {
        stays = peer_proof_read(&guest->handshake, guest->bytes, &purpose, run, &err) == ST_OK;
        if (stays) {
            serve_let_in(serve, guest, purpose, run);
            return;
        }
    } else if (stays && guest->count == wanted) {
        stays = serve_greet(serve, guest, &err);
    }
    if (stays)
        return;
    serve_log(serve, guest->from, err.what);
    serve_dismiss(guest);
}

/* ---- the loop -------------------------------------------------------------------------------- */

enum { SERVE_FDS = 2 + SERVE_LISTENERS_MAX + SERVE_GUESTS };

/* With --once: when a run that is away has ended without a word. UINT64_MAX: it is not away. */
static uint64_t serve_away_ns(const struct serve *serve)
{
    return serve->options->once && serve->has_run && serve->worker.pid <= 0
               ? serve->lease_ns + SERVE_AWAY_NS
               : UINT64_MAX;
}

static enum status serve_once_around(struct serve *serve, struct err *err)
{
    struct pollfd fds[SERVE_FDS];
    const size_t guests = 2 + serve->listener_count;
    uint64_t now_ns = clock_monotonic_ns(), until_ns = UINT64_MAX;
    fds[0] = (struct pollfd){.fd = serve->signal_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = serve->worker.control_fd, .events = POLLIN};
    for (size_t i = 0; i < serve->listener_count; i++)
        fds[2 + i] = (struct pollfd){.fd = serve->listen_fds[i], .events = POLLIN};
    for (size_t i = 0; i < SERVE_GUESTS; i++) {
        const struct serve_guest *guest = &serve->guests[i];
        fds[guests + i] = (struct pollfd){.fd = guest->fd, .events = POLLIN};
        if (guest->fd >= 0 && guest->until_ns < until_ns)
            until_ns = guest->until_ns;
    }
    const uint64_t away_ns = serve_away_ns(serve);
    until_ns = until_ns < away_ns ? until_ns : away_ns;
    const int wait_ms = until_ns == UINT64_MAX ? -1
                        : until_ns > now_ns    ? (int)((until_ns - now_ns) / 1000000u) + 1
                                               : 0;
    if (poll(fds, (nfds_t)(guests + SERVE_GUESTS), wait_ms) < 0)
        return errno == EINTR
                   ? ST_OK
                   : err_set_errno(err, errno, "allow it more open files (ulimit -n)",
                                   "serve cannot wait on %zu descriptors", guests + SERVE_GUESTS);
    serve->over |= fds[0].revents != 0;
    if (fds[1].revents) /* it says nothing: it has ended */
        serve_end_worker(serve);
    now_ns = clock_monotonic_ns();
    if (now_ns > serve_away_ns(serve)) {
        fprintf(stderr, "%s: the run went away without a goodbye\n", serve->run_from);
        serve->over = true;
    }
    for (size_t i = 0; i < SERVE_GUESTS; i++) {
        struct serve_guest *guest = &serve->guests[i];
        if (guest->fd >= 0 && fds[guests + i].revents)
            serve_hear_guest(serve, guest);
        if (guest->fd >= 0 && now_ns > guest->until_ns) {
            serve_log(serve, guest->from, "it proved nothing in time");
            serve_dismiss(guest);
        }
    }
    for (size_t i = 0; i < serve->listener_count; i++)
        if (fds[2 + i].revents)
            serve_accept(serve, serve->listen_fds[i]);
    return ST_OK;
}

enum status serve_run(const struct serve_options *options, struct err *err)
{
    struct serve serve = {.options = options, .signal_fd = -1, .worker = PROCESS_NONE};
    for (int i = 0; i < SERVE_GUESTS; i++)
        serve.guests[i].fd = -1;
    enum status status = serve_open_signals(&serve, err);
    if (status != ST_OK)
        return status;
    signal(SIGPIPE, SIG_IGN);
    status = serve_open_listeners(&serve, err);
    while (status == ST_OK && !serve.over)
        status = serve_once_around(&serve, err);
    serve_end_worker(&serve);
    for (int i = 0; i < SERVE_GUESTS; i++)
        serve_dismiss(&serve.guests[i]);
    for (size_t i = 0; i < serve.listener_count; i++)
        close(serve.listen_fds[i]);
    struct signalfd_siginfo taken; /* meant for us: it must not kill what comes after */
    while (read(serve.signal_fd, &taken, sizeof taken) > 0)
        continue;
    close(serve.signal_fd);
    sigprocmask(SIG_SETMASK, &serve.signals_before, NULL);
    return status;
}

/* nng.c: nng's PAIR protocol over a UNIX socket: frames one way, credits back, on one connection.
 *
 * PAIR and not PUSH and PULL, as PULL keeps one message outside of its queue and forgets it when
 * the connection ends; and its version 1, as sockets of version 0 leak the descriptors that they
 * are polled by (up to nng 1.5).
 *
 * What nng is: a message is an nng_msg; its own threads (a poller, two for each CPU, some more;
 * born in create and attach) read and write the socket. They stay, idle, until the process ends, as
 * nng_fini comes before what nng's reaper thread still does (seen with 1.5.2: a panic). Counting
 * and credits are in messages.c; frames and credits as nng's messages in nng_pair.c; the socket,
 * and how it closes, in nng_setup.c; here is how the two sides find each other.
 *
 * Copies: nng sends nothing but messages that it has allocated, so a frame is copied into one
 * (from the source buffer), then by send() into the kernel and by recv() out of it; the
 * consumer's kernel works in the message that came. The message is new for each frame on both
 * sides, as a message that was sent belongs to nng and one that came is of its making; nng clears
 * it first, which is no copy, but goes through memory. nng_aio are made once and used again,
 * where nng_sendmsg and nng_recvmsg make one for each call.
 *
 * Sending never says "again": each message under way has an nng_aio of its own, and nng keeps
 * those that the socket does not take yet in order. Receiving goes into a queue that holds all
 * that can be under way, so that nng's threads read on whatever the role does.
 *
 * Wait `block` polls the descriptor that nng offers (NNG_OPT_RECVFD): nng raises and clears it
 * under the lock of its queue, so that it tells neither too little nor too much. Nothing raises
 * it when the peer is killed (TRANSPORT_DEATH_UNSEEN); the verbs and wait `native` see it.
 *
 * Who may come: the socket has an abstract name, of which a SIGKILL leaves nothing. It is random,
 * but /proc/net/unix shows it to all. So each side takes one peer in its life, and none but a
 * process of its own user, of which the kernel vouches (NNG_OPT_IPC_PEER_UID).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "transports/config.h"
#include "transports/nng_pair.h"

#define PAIR_MAGIC 0x676e6e6666666e68u /* "hnfffnng" */
#define PAIR_NAME_BYTES 16             /* random */
#define PAIR_PREFIX "handoff-"
#define PAIR_URL_BYTES 64

#define PAIR_GREETING_BYTES 1
#define PAIR_GREETING_STEP_MS 20
#define PAIR_GREETING_STEPS 500

static const char pair_version_hint[] = "install nng 1.5 or later (libnng-dev), and build again";

/* The address's bytes. */
struct pair_address {
    struct messages_address edge;
    uint8_t name[PAIR_NAME_BYTES];
};

extern const struct transport transport_nng;

/* Asks nothing that would start its threads. */
static enum status pair_probe(struct err *err)
{
    int major = 0, minor = 0;
    if (sscanf(nng_version(), "%d.%d", &major, &minor) == 2 &&
        (major > 1 || (major == 1 && minor >= 5)))
        return ST_OK;
    return err_set(err, ST_UNAVAILABLE, pair_version_hint,
                   "transport nng: nng %s has no abstract sockets", nng_version());
}

/* The producer's first message, which tells the consumer that its side of the connection stands.
 * nng leaks a connection that is neither new nor in use when its listener closes. */
static enum status pair_send_greeting(struct pair *pair, struct err *err)
{
    nng_msg *message = NULL;
    const enum status status = pair_message_make(pair, PAIR_GREETING_BYTES, &message, err);
    return status == ST_OK ? pair_send(pair, message, err) : status;
}

static enum status pair_take_greeting(struct pair *pair, struct err *err)
{
    nng_msg *message = NULL;
    enum status status = ST_AGAIN;
    /* In steps: the end of the connection may come just before a step, which it then does not
     * end. */
    for (int i = 0; i < PAIR_GREETING_STEPS && status == ST_AGAIN && !atomic_load(&pair->gone); i++)
        status = pair_receive_once(pair, PAIR_GREETING_STEP_MS, &message, err);
    if (status == ST_AGAIN && atomic_load(&pair->gone))
        return err_set(err, ST_SYSTEM, "run both roles as one user, and one consumer",
                       "transport nng: the producer ended the connection");
    if (status == ST_AGAIN)
        return err_set(err, ST_SYSTEM, NULL, "transport nng: the producer does not answer");
    if (status != ST_OK)
        return status;
    const size_t length = nng_msg_len(message);
    nng_msg_free(message);
    return length == PAIR_GREETING_BYTES
               ? ST_OK
               : err_set(err, ST_CORRUPT, NULL, "transport nng: %zu bytes are no greeting", length);
}

/* "abstract://handoff-00112233…" */
static void pair_url(struct pair *pair, const uint8_t name[PAIR_NAME_BYTES],
                     char url[PAIR_URL_BYTES])
{
    size_t used = (size_t)snprintf(pair->name, sizeof pair->name, PAIR_PREFIX);
    for (size_t i = 0; i < PAIR_NAME_BYTES; i++)
        used += (size_t)snprintf(pair->name + used, sizeof pair->name - used, "%02x", name[i]);
    snprintf(url, PAIR_URL_BYTES, "abstract://%.*s", (int)used, pair->name);
}

static enum status pair_create(const struct transport_config *config, struct endpoint **endpoint,
                               struct transport_address *address, struct err *err)
{
    struct pair *pair = NULL;
    char url[PAIR_URL_BYTES];
    struct pair_address bytes = {.edge = messages_address_of(PAIR_MAGIC, config)};
    enum status status = transport_config_check(&transport_nng, config, err);
    if (status == ST_OK && getrandom(bytes.name, sizeof bytes.name, 0) != sizeof bytes.name)
        status = err_set_errno(err, errno, NULL, "transport nng: no random name for a socket");
    if (status == ST_OK)
        status = pair_probe(err);
    if (status == ST_OK)
        status = pair_new(config, true, &pair, err);
    if (status != ST_OK)
        return status;
    pair_url(pair, bytes.name, url);
    const int error = nng_listen(pair->socket, url, NULL, 0);
    status = error == 0 ? pair_send_greeting(pair, err) : pair_error(err, error, "listening");
    if (status != ST_OK) {
        pair_close(pair);
        return status;
    }
    struct endpoint *made = NULL;
    status = messages_open(&transport_nng, &pair_link, config, true, pair, &made, err);
    if (status != ST_OK)
        return status;
    memset(address, 0, sizeof *address);
    memcpy(address->bytes, &bytes, sizeof bytes);
    address->byte_count = sizeof bytes;
    *endpoint = made;
    return ST_OK;
}

/* nng_dial returns when the connection stands here, and was let in or not. */
static enum status pair_dial(struct pair *pair, const char *url, struct err *err)
{
    const int error = nng_dial(pair->socket, url, NULL, 0);
    if (error != 0)
        return pair_error(err, error, "connecting to the producer");
    if (atomic_load(&pair->peer) == 0)
        return err_set(err, ST_SYSTEM, "run both roles as one user",
                       "transport nng: the producer is a process of another user");
    return pair_take_greeting(pair, err);
}

static enum status pair_attach(const struct transport_config *config,
                               struct transport_address *address, struct endpoint **endpoint,
                               struct err *err)
{
    struct pair *pair = NULL;
    char url[PAIR_URL_BYTES];
    struct pair_address bytes;
    enum status status = transport_config_check(&transport_nng, config, err);
    if (status == ST_OK)
        status = pair_probe(err);
    if (status == ST_OK)
        status = messages_address_check(&transport_nng, PAIR_MAGIC, config, address, sizeof bytes,
                                        0, err);
    if (status == ST_OK)
        status = pair_new(config, false, &pair, err);
    if (status != ST_OK)
        goto undo_address;
    memcpy(&bytes, address->bytes, sizeof bytes);
    pair_url(pair, bytes.name, url);
    status = pair_dial(pair, url, err);
    if (status == ST_OK)
        status = messages_open(&transport_nng, &pair_link, config, false, pair, endpoint, err);
    else
        pair_close(pair);
undo_address:
    transport_address_close(address);
    return status;
}

const struct transport transport_nng = {
    .name = "nng",
    .summary = "nng (nanomsg) PAIR over a UNIX socket",
    .copies = "memcpy() into nng's message, send() into the kernel, recv() out of it",
    .flags = TRANSPORT_MOVES_BYTES | TRANSPORT_DELAYS | TRANSPORT_SENDS_SOURCE |
             TRANSPORT_NATIVE_WAIT | TRANSPORT_OWN_THREADS | TRANSPORT_DEATH_UNSEEN,
    .sources = SOURCE_FD,
    .policies = POLICY_BLOCK,
    .slots_min = 1,
    .slots_max = MESSAGES_SLOTS_MAX,
    .probe = pair_probe,
    .create = pair_create,
    .attach = pair_attach,
    .reserve = messages_reserve,
    .commit = messages_commit,
    .acquire = messages_acquire,
    .release = messages_release,
    .wait_source = messages_wait_source,
    .counters = messages_counters,
    .hang_up = messages_hang_up,
    .destroy = messages_destroy,
};

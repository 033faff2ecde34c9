/* ucx.c: UCX between two processes of one host: UCP's active messages, over the shared memory that
 * UCX finds quickest there. Moving messages is in ucx_link.c, the set-up in ucx_setup.c.
 *
 * Active messages, not tagged ones: the frame's header travels as UCX's own message header, so that
 * the payload is sent from where it lies and in one message; the receiver is told which protocol
 * brought it; and a payload of one piece may stay in UCX's queue until the frame is released. They
 * need UCX 1.12 (Ubuntu 22.04, Debian 12).
 *
 * What moves a payload is UCX's choice, by size and by what it finds (UCX_TLS, UCX_RNDV_THRESH and its
 * other variables are the user's):
 * - eager, up to some 8 KiB by default: the sender's UCX copies it into shared memory. Up to some 90
 *   bytes it lies inside a queue's element and is copied out at once; above, it is lent to us in place.
 * - rendezvous with CMA: it is announced, and the receiver's UCX reads it out of the sender's memory
 *   (process_vm_readv): one copy, by the kernel, and the producer need not run for that, while it
 *   sleeps until its next frame. So commit is over with the announcement, and the source stays lent
 *   (TRANSPORT_BORROWS_SOURCE).
 * - rendezvous without CMA (where ptrace is forbidden): the sender must help, and commit answers
 *   ST_AGAIN until the payload is gone.
 * Which one it is the consumer sees and tells with every credit. As long as the producer does not know,
 * it takes the last for granted, so the first commits of large frames end when the frame has been
 * read; those are warm-up. copied_bytes is counted from what the consumer saw.
 *
 * Waits: UCX's descriptor says something only after ucp_worker_arm, after which a sender must make
 * a system call to wake. A transport is not told whether a role will sleep; arming after each try
 * would cost every spinning role's peer that call. So there is no wait `block`; `native` arms and
 * sleeps on the descriptor, as UCX's manual has it. Being able to (UCP_FEATURE_WAKEUP) cost nothing
 * that could be seen on the machine it was developed on.
 *
 * Death: UCX's error handling between peers takes TCP instead of shared memory, and without it UCX
 * ends the process that reads from a dead one's memory (ucx_setup.c prevents that). A socket pair
 * beside the edge ends when the other side hangs up or dies; it is looked at now and then. It also
 * carries the consumer's worker address to the producer, which UCX itself could not do before both
 * have run.
 *
 * A role that was killed leaves nothing behind: UCX removes its segments' names as it makes them,
 * and one that was killed in between is swept up after (run/leftovers.c). That holds for the
 * transports of UCX that are used unless UCX_TLS says otherwise (ucx_setup.c); not for its `posix`.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "transports/config.h"
#include "transports/ucx_link.h"

#define UCX_MAGIC 0x787863756666616eu

static enum status ucx_probe(struct err *err)
{
    return ST_OK;
}

static enum status ucx_create(const struct transport_config *config, struct endpoint **endpoint,
                              struct transport_address *address, struct err *err)
{
    enum status status = transport_config_check(&transport_ucx, config, err);
    if (status != ST_OK)
        return status;
    struct ucx_link *link = NULL;
    status = ucx_link_new(config, true, &link, err);
    if (status != ST_OK)
        return status;
    const struct messages_address head = messages_address_of(UCX_MAGIC, config);
    struct transport_address made = {0};
    _Static_assert(sizeof head + sizeof link->own <= sizeof made.bytes, "an address fits");
    const size_t own_bytes = UCX_WORKER_ADDRESS_HEAD + link->own.byte_count;
    memcpy(made.bytes, &head, sizeof head);
    memcpy(made.bytes + sizeof head, &link->own, own_bytes);
    made.byte_count = (uint32_t)(sizeof head + own_bytes);
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        status = err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                               "transport ucx: no socket pair");
        ucx_link_free(link);
        return status;
    }
    link->socket_fd = fds[0];
    made.fds[0] = fds[1];
    made.fd_count = 1;
    status = messages_open(&transport_ucx, &ucx_message_link, config, true, link, endpoint, err);
    if (status == ST_OK)
        *address = made;
    else
        transport_address_close(&made);
    return status;
}

static bool ucx_socket_usable(int fd)
{
    int domain = 0, type = 0;
    socklen_t bytes = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) != 0 || domain != AF_UNIX)
        return false;
    bytes = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_SEQPACKET;
}

static enum status ucx_attach(const struct transport_config *config,
                              struct transport_address *address, struct endpoint **endpoint,
                              struct err *err)
{
    const size_t head_bytes = sizeof(struct messages_address);
    struct ucx_link *link = NULL;
    struct ucx_worker_address peer = {0};
    enum status status = transport_config_check(&transport_ucx, config, err);
    if (status == ST_OK)
        status = messages_address_check(&transport_ucx, UCX_MAGIC, config, address, 0, 1, err);
    if (status != ST_OK)
        goto done;
    if (!ucx_address_whole(address->bytes + head_bytes, address->byte_count - head_bytes)) {
        status = err_set(err, ST_CORRUPT, "give it an address that transport ucx made",
                         "transport ucx: the address of the other side's worker is damaged");
        goto done;
    }
    if (!ucx_socket_usable(address->fds[0])) {
        status = err_set(err, ST_CORRUPT, "give it an address that transport ucx made",
                         "transport ucx: the address's descriptor is not a socket of its own");
        goto done;
    }
    memcpy(&peer, address->bytes + head_bytes, address->byte_count - head_bytes);
    status = ucx_link_new(config, false, &link, err);
    if (status != ST_OK)
        goto done;
    link->socket_fd = transport_address_take(address, 0);
    status = ucx_link_connect(link, &peer, err);
    if (status == ST_OK)
        status = ucx_link_greet(link, err);
    if (status != ST_OK) {
        ucx_link_free(link);
        goto done;
    }
    status = messages_open(&transport_ucx, &ucx_message_link, config, false, link, endpoint, err);
done:
    transport_address_close(address);
    return status;
}

const struct transport transport_ucx = {
    .name = "ucx",
    .summary = "UCX, by the shared memory it finds quickest",
    .copies = "UCX into shared memory, up to some 8 KiB; above, process_vm_readv() by the consumer",
    .flags = TRANSPORT_MOVES_BYTES | TRANSPORT_DELAYS | TRANSPORT_SENDS_SOURCE |
             TRANSPORT_BORROWS_SOURCE | TRANSPORT_OWN_THREADS,
    .sources = SOURCE_NATIVE,
    .policies = POLICY_BLOCK,
    .slots_min = 1,
    .slots_max = UCX_SLOTS_MAX,
    .probe = ucx_probe,
    .create = ucx_create,
    .attach = ucx_attach,
    .reserve = messages_reserve,
    .commit = messages_commit,
    .acquire = messages_acquire,
    .release = messages_release,
    .wait_source = messages_wait_source,
    .counters = messages_counters,
    .hang_up = messages_hang_up,
    .destroy = messages_destroy,
};

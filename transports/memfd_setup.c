/* memfd_setup.c: transport memfd before its first frame: the pool of segments, the socket between
 * the two sides, and the address, which attach takes from anybody and believes nothing of. Called
 * through transport_memfd; see memfd.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transports/config.h"
#include "transports/memfd_parts.h"

#define MEMFD_MAGIC 0x64666d6566666e68u /* "hnffemfd" */

/* The address's bytes. */
struct memfd_address {
    uint64_t magic;
    uint64_t payload_bytes;
    uint64_t first_sequence;
    uint32_t slots;
    uint32_t max_in_flight;
};

static enum status memfd_socket_pair(int fds[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return err_set_errno(err, errno, MEMFD_LIMIT_HINT, "transport memfd: no socket pair");
    return ST_OK;
}

enum status memfd_probe(struct err *err)
{
    int fds[2];
    struct shm_map map = SHM_MAP_NONE;
    enum status status = memfd_socket_pair(fds, err);
    if (status == ST_OK) {
        close(fds[0]);
        close(fds[1]);
        status = shm_create("handoff-probe", TRANSPORT_PAGE_BYTES, &map, err);
        shm_unmap(&map);
    }
    if (status == ST_OK)
        return ST_OK;
    err_context(err, "transport memfd");
    if (err)
        err->status = ST_UNAVAILABLE;
    return ST_UNAVAILABLE;
}

static struct memfd_address memfd_address_of(const struct transport_config *config)
{
    return (struct memfd_address){
        .magic = MEMFD_MAGIC,
        .payload_bytes = config->payload_bytes,
        .first_sequence = config->first_sequence,
        .slots = config->slots,
        .max_in_flight = config->max_in_flight,
    };
}

/* A slot in whole pages of this machine, whose pages may be larger than those of the layout. */
static size_t memfd_segment_bytes(const struct transport_config *config)
{
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    const size_t slot_bytes = transport_slot_bytes(config->payload_bytes);
    return (slot_bytes + page_bytes - 1) / page_bytes * page_bytes;
}

static enum status memfd_endpoint_new(const struct transport_config *config, bool producing,
                                      struct endpoint **endpoint, struct err *err)
{
    struct endpoint *made = calloc(1, sizeof *made);
    struct memfd_slot *pool = calloc(config->slots, sizeof *pool);
    if (!made || !pool) {
        free(made);
        free(pool);
        return err_set(err, ST_NO_MEMORY, NULL, "transport memfd: no memory for an endpoint");
    }
    for (uint32_t i = 0; i < config->slots; i++)
        pool[i].map = SHM_MAP_NONE;
    made->fd = -1;
    made->producing = producing;
    made->payload_bytes = config->payload_bytes;
    made->segment_bytes = memfd_segment_bytes(config);
    made->slots = config->slots;
    made->begun = config->first_sequence;
    made->ended = config->first_sequence;
    made->limit = transport_config_limit(config);
    made->max_held = config->max_held;
    made->pool = pool;
    *endpoint = made;
    return ST_OK;
}

static enum status memfd_pool_make(struct endpoint *endpoint, struct err *err)
{
    for (; endpoint->slot_count < endpoint->slots; endpoint->slot_count++) {
        struct memfd_slot *slot = &endpoint->pool[endpoint->slot_count];
        const enum status status =
            shm_create("handoff-memfd", endpoint->segment_bytes, &slot->map, err);
        if (status != ST_OK)
            return err_context(err, "transport memfd: segment %" PRIu32 " of %" PRIu32,
                               endpoint->slot_count + 1, endpoint->slots);
    }
    return ST_OK;
}

enum status memfd_transport_create(const struct transport_config *config,
                                   struct endpoint **endpoint, struct transport_address *address,
                                   struct err *err)
{
    int fds[2];
    struct endpoint *made = NULL;
    enum status status = transport_config_check(&transport_memfd, config, err);
    if (status == ST_OK)
        status = memfd_endpoint_new(config, true, &made, err);
    if (status == ST_OK)
        status = memfd_pool_make(made, err);
    if (status == ST_OK)
        status = memfd_socket_pair(fds, err);
    if (status != ST_OK) {
        transport_memfd.destroy(made);
        return status;
    }
    made->fd = fds[0];
    const struct memfd_address bytes = memfd_address_of(config);
    memset(address, 0, sizeof *address);
    memcpy(address->bytes, &bytes, sizeof bytes);
    address->byte_count = sizeof bytes;
    address->fds[0] = fds[1];
    address->fd_count = 1;
    *endpoint = made;
    return ST_OK;
}

/* A socket of this machine, of the right kind, that has a peer? */
static bool memfd_socket_usable(int fd)
{
    int domain = 0, type = 0;
    socklen_t bytes = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) != 0 || domain != AF_UNIX)
        return false;
    bytes = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) != 0 || type != SOCK_SEQPACKET)
        return false;
    /* A peer that has gone already is no reason to refuse: what it sent can still be read. */
    struct sockaddr_storage peer;
    bytes = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0 || errno != ENOTCONN;
}

static enum status memfd_address_check(const struct transport_config *config,
                                       const struct transport_address *address, struct err *err)
{
    const struct memfd_address wanted = memfd_address_of(config);
    if (address->fd_count != 1 || address->byte_count != sizeof wanted ||
        memcmp(address->bytes, &wanted, sizeof wanted) != 0)
        return err_set(err, ST_CORRUPT, "give both sides the same configuration",
                       "transport memfd: the address is not one of a pool of %" PRIu32
                       " segments for frames of %zu bytes",
                       config->slots, config->payload_bytes);
    if (!memfd_socket_usable(address->fds[0]))
        return err_set(err, ST_CORRUPT, "give it an address that transport memfd made",
                       "transport memfd: the address's descriptor is not a connected socket of "
                       "messages");
    return ST_OK;
}

enum status memfd_transport_attach(const struct transport_config *config,
                                   struct transport_address *address, struct endpoint **endpoint,
                                   struct err *err)
{
    struct endpoint *made = NULL;
    enum status status = transport_config_check(&transport_memfd, config, err);
    if (status == ST_OK)
        status = memfd_address_check(config, address, err);
    if (status == ST_OK)
        status = memfd_endpoint_new(config, false, &made, err);
    if (status == ST_OK) {
        made->fd = transport_address_take(address, 0);
        *endpoint = made;
    }
    transport_address_close(address);
    return status;
}

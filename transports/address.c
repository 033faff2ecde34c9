/* address.c: checking a transport_address, and who owns its descriptors. See transport.h. */
#include <string.h>
#include <unistd.h>

#include "transports/config.h"

enum status transport_address_check(const struct transport *transport,
                                    const struct transport_address *address, size_t byte_count,
                                    uint32_t fd_count, struct err *err)
{
    bool right = address->byte_count == byte_count && address->fd_count == fd_count;
    for (uint32_t i = 0; right && i < fd_count; i++)
        right = address->fds[i] >= 0;
    if (right)
        return ST_OK;
    return err_set(err, ST_CORRUPT, "give it an address that this transport made",
                   "transport %s: an address of %u bytes and %u descriptors, not %zu and %u open "
                   "ones",
                   transport->name, address->byte_count, address->fd_count, byte_count, fd_count);
}

void transport_address_close(struct transport_address *address)
{
    uint32_t count = address->fd_count;
    if (count > TRANSPORT_ADDRESS_FDS)
        count = TRANSPORT_ADDRESS_FDS;
    for (uint32_t i = 0; i < count; i++)
        if (address->fds[i] >= 0)
            close(address->fds[i]);
    memset(address, 0, sizeof *address);
}

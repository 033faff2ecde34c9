/* address.c: ownership of the descriptors in a transport_address. See transport.h. */
#include <string.h>
#include <unistd.h>

#include "transports/transport.h"

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

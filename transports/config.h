/* config.h: what every transport checks of a transport_config before it builds anything.
 */
#ifndef HANDOFF_TRANSPORTS_CONFIG_H
#define HANDOFF_TRANSPORTS_CONFIG_H

#include <stddef.h>

#include "transports/transport.h"

/* The most slots any transport here has; sizes the tables of an endpoint. */
#define TRANSPORT_SLOTS_MAX 1024
#define TRANSPORT_PAGE_BYTES 4096

/* ST_OK when `transport` can carry `config`; ST_INVALID (or ST_NOT_APPLICABLE for a policy it does
 * not have) with the reason. Used by create and attach alike. */
enum status transport_config_check(const struct transport *transport,
                                   const struct transport_config *config, struct err *err);

/* An address of `byte_count` bytes and fd_count open descriptors, or ST_CORRUPT. Closes nothing. */
enum status transport_address_check(const struct transport *transport,
                                    const struct transport_address *address, size_t byte_count,
                                    uint32_t fd_count, struct err *err);

/* Descriptor `index` of a checked address becomes the caller's. */
static inline int transport_address_take(struct transport_address *address, uint32_t index)
{
    int fd = address->fds[index];
    address->fds[index] = -1;
    return fd;
}

/* Frames that may be committed and not yet released: slots, or max_in_flight where that is less. */
static inline uint32_t transport_config_limit(const struct transport_config *config)
{
    return config->max_in_flight && config->max_in_flight < config->slots ? config->max_in_flight
                                                                          : config->slots;
}

/* Bytes of one slot: a page for the header, then the payload in whole pages. */
static inline size_t transport_slot_bytes(size_t payload_bytes)
{
    size_t payload_pages = (payload_bytes + TRANSPORT_PAGE_BYTES - 1) / TRANSPORT_PAGE_BYTES;
    return FRAME_PAYLOAD_OFFSET + payload_pages * TRANSPORT_PAGE_BYTES;
}

#endif

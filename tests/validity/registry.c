/* registry.c: the transports of handoff-validity: those of the program, and `delayed`. Stands
 * before the room's archive when linking, so that transports/registry.c is not taken from there. */
#include "transports/transport.h"

#include <string.h>

#define TRANSPORT(key) extern const struct transport transport_##key;
#include "transports/registry.def"
TRANSPORT(delayed)
#undef TRANSPORT

const struct transport *const transport_registry[] = {
#define TRANSPORT(key) &transport_##key,
#include "transports/registry.def"
    TRANSPORT(delayed)
#undef TRANSPORT
};
const size_t transport_registry_count = sizeof transport_registry / sizeof transport_registry[0];

const struct transport *transport_find(const char *name)
{
    for (size_t i = 0; i < transport_registry_count; i++)
        if (strcmp(transport_registry[i]->name, name) == 0)
            return transport_registry[i];
    return NULL;
}

/* delayed_registry.c: the registry of the suite's own tests: transports whose news come later.
 * Stands before the room's archive when linking, so that transports/registry.c is not taken from
 * there. */
#include <string.h>

#include "tests/conformance/delayed.h"

const struct transport *const transport_registry[] = {
#define DELAYED(key, text) &transport_##key,
    DELAYED_EACH
#undef DELAYED
};
const size_t transport_registry_count = sizeof transport_registry / sizeof transport_registry[0];

const struct transport *transport_find(const char *name)
{
    for (size_t i = 0; i < transport_registry_count; i++)
        if (strcmp(transport_registry[i]->name, name) == 0)
            return transport_registry[i];
    return NULL;
}

/* registry.c: the ways a kernel can reach a frame's bytes, from registry.def. */
#include "transports/access/access.h"

#include <string.h>

#define ACCESS(key) extern const struct access access_##key;
#include "transports/access/registry.def"
#undef ACCESS

const struct access *const access_registry[] = {
#define ACCESS(key) &access_##key,
#include "transports/access/registry.def"
#undef ACCESS
};
const size_t access_registry_count = sizeof access_registry / sizeof access_registry[0];

const struct access *access_find(const char *name)
{
    for (size_t i = 0; i < access_registry_count; i++)
        if (strcmp(access_registry[i]->name, name) == 0)
            return access_registry[i];
    return NULL;
}

/* registry.c: the wait strategies there are, from registry.def. */
#include "harness/wait/wait.h"

#include <string.h>

#define WAIT(key) extern const struct wait_strategy wait_##key;
#include "harness/wait/registry.def"
#undef WAIT

const struct wait_strategy *const wait_registry[] = {
#define WAIT(key) &wait_##key,
#include "harness/wait/registry.def"
#undef WAIT
};
const size_t wait_registry_count = sizeof wait_registry / sizeof wait_registry[0];

const struct wait_strategy *wait_find(const char *name)
{
    for (size_t i = 0; i < wait_registry_count; i++)
        if (strcmp(wait_registry[i]->name, name) == 0)
            return wait_registry[i];
    return NULL;
}

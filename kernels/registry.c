/* registry.c: the kernels there are, from registry.def. */
#include "kernels/kernel.h"

#include <string.h>

#define KERNEL(key) extern const struct kernel kernel_##key;
#include "kernels/registry.def"
#undef KERNEL

const struct kernel *const kernel_registry[] = {
#define KERNEL(key) &kernel_##key,
#include "kernels/registry.def"
#undef KERNEL
};
const size_t kernel_registry_count = sizeof kernel_registry / sizeof kernel_registry[0];

const struct kernel *kernel_find(const char *name)
{
    for (size_t i = 0; i < kernel_registry_count; i++)
        if (strcmp(kernel_registry[i]->name, name) == 0)
            return kernel_registry[i];
    return NULL;
}

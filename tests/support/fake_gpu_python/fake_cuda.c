/* fake_cuda.c: a libcuda.so.1 with what handoff/_cuda.py calls: for tests on machines without a
 * GPU. It keeps count of what is registered.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define REGIONS_MAX 4096
static struct {
    void *address;
    size_t size;
} regions[REGIONS_MAX];
static unsigned schedule_flags;
static int opened;
static int synchronized;

static int fail(const char *what)
{
    fprintf(stderr, "fake libcuda: %s\n", what);
    return 1;
}

int cuInit(unsigned flags)
{
    return flags ? fail("cuInit with flags") : 0;
}

int cuDeviceGetCount(int *count)
{
    const char *given = getenv("HANDOFF_FAKE_CUDA_DEVICES");
    *count = given ? atoi(given) : 1;
    return 0;
}

int cuDeviceGet(int *device, int ordinal)
{
    *device = ordinal;
    return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    (void)attribute;
    (void)device;
    *value = 0;
    return 0;
}

int cuDevicePrimaryCtxSetFlags_v2(int device, unsigned flags)
{
    (void)device;
    if (opened)
        return fail("the schedule is set when the context is there already");
    schedule_flags = flags;
    return 0;
}

int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active)
{
    (void)device;
    *flags = schedule_flags;
    *active = opened;
    return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    (void)device;
    opened = 1;
    *context = &opened;
    return 0;
}

int cuCtxPushCurrent_v2(void *context)
{
    return context == &opened ? 0 : fail("an unknown context");
}

int cuCtxPopCurrent_v2(void **context)
{
    *context = &opened;
    return 0;
}

int cuCtxSynchronize(void)
{
    synchronized++;
    return 0;
}

/* For tests: how often. */
int fake_cuda_synchronized(void)
{
    return synchronized;
}

/* For the fakes of libraries: whether memory lies in a region that is registered. */
int fake_cuda_holds(const void *address, size_t size)
{
    const uintptr_t begin = (uintptr_t)address;
    for (int i = 0; i < REGIONS_MAX; i++) {
        const uintptr_t region = (uintptr_t)regions[i].address;
        if (region && begin >= region && begin + size <= region + regions[i].size)
            return 1;
    }
    return 0;
}

int cuMemHostRegister_v2(void *address, size_t size, unsigned flags)
{
    if ((uintptr_t)address % 4096 || size % 4096 || size == 0 || flags != 3)
        return fail("cuMemHostRegister: not whole pages, or other flags");
    for (int i = 0; i < REGIONS_MAX; i++)
        if (regions[i].address == address)
            return fail("cuMemHostRegister: registered already");
    for (int i = 0; i < REGIONS_MAX; i++) {
        if (regions[i].address)
            continue;
        regions[i].address = address;
        regions[i].size = size;
        return 0;
    }
    return fail("too many regions");
}

int cuMemHostUnregister(void *address)
{
    for (int i = 0; i < REGIONS_MAX; i++) {
        if (regions[i].address != address)
            continue;
        regions[i].address = NULL;
        return 0;
    }
    return fail("cuMemHostUnregister: not registered");
}

int cuMemHostGetDevicePointer_v2(uint64_t *device, void *address, unsigned flags)
{
    (void)flags;
    *device = (uintptr_t)address;
    return 0;
}

int cuGetErrorString(int error, const char **text)
{
    (void)error;
    *text = "an error of the fake";
    return 0;
}

/* For tests: how many regions are registered. */
int fake_cuda_regions(void)
{
    int count = 0;
    for (int i = 0; i < REGIONS_MAX; i++)
        count += regions[i].address != NULL;
    return count;
}

/* fake_reach.c: where "device" memory of the fake GPU really is, for the fakes of CuPy and PyTorch,
 * whose kernels run on the CPU: to anybody else its addresses are inaccessible.
 */
#include "tests/support/fake_gpu.h"

__attribute__((visibility("default"))) void *fake_device_reach(const void *address, size_t bytes);

void *fake_device_reach(const void *address, size_t bytes)
{
    const char *why;
    return fake_translate(address, bytes, FAKE_USE_KERNEL, &why);
}

/* cuda_pool.c: device memory shared by an exported memory pool and a pointer into it. See
 * device_ring.h for everything else.
 */
#include "transports/device_ring.h"

DEVICE_RING_TRANSPORT(cuda_pool, "ring of slots in device memory, from an exported memory pool",
                      GPU_SHARE_POOL, GPU_CAN_pool);

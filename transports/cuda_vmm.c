/* cuda_vmm.c: device memory shared by the descriptor that cuMemExportToShareableHandle gives,
 * mapped by each process itself. See device_ring.h for everything else.
 */
#include "transports/device_ring.h"

DEVICE_RING_TRANSPORT(cuda_vmm, "ring of slots in device memory, by exported descriptor (VMM)",
                      GPU_SHARE_VMM, GPU_CAN_vmm);

/* cuda_ipc.c: device memory shared by CUDA's legacy memory handles (cudaIpcGetMemHandle): the
 * oldest way, and the one that most Jetsons lack. See device_ring.h for everything else.
 */
#include "transports/device_ring.h"

DEVICE_RING_TRANSPORT(cuda_ipc, "ring of slots in device memory, by legacy IPC handle",
                      GPU_SHARE_IPC, GPU_CAN_ipc_memory);

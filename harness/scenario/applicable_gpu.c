/* applicable_gpu.c: which choices of the GPU's axes make sense together; see applicable.h.
 *
 * Each rule says what does not fit, and in its hint what would. Rules that are about one axis stand
 * together, in the order of axes.def, after those that say where a frame lies at all.
 */
#include <inttypes.h>
#include <string.h>

#include "harness/scenario/applicable.h"

static bool in_device_memory(const struct cell *cell)
{
    return (cell->transport->flags & TRANSPORT_DEVICE_MEMORY) != 0;
}

static bool in_host_memory(const struct cell *cell)
{
    return (cell->transport->flags & TRANSPORT_HOST_MEMORY) != 0;
}

/* Both sides see one slot, so that what a kernel of the producer writes there is where the consumer
 * reads it. */
static bool slots_are_shared(const struct cell *cell)
{
    return in_host_memory(cell) && !(cell->transport->flags & TRANSPORT_SENDS_SOURCE);
}

/* The GPU follows the host's own pointer to the payload. */
static bool reads_where_it_came(const struct cell *cell)
{
    const unsigned kinds = ACCESS_IN_PLACE | ACCESS_REGISTERS | ACCESS_DEVICE;
    return cell->access->needs_gpu && (cell->access->flags & kinds) == ACCESS_IN_PLACE;
}

static bool access_refuses(struct cell *cell)
{
    const struct access *access = cell->access;
    const char *transport = cell->transport->name;
    if (in_device_memory(cell) && !(access->flags & ACCESS_DEVICE)) {
        applicable_deny(
            cell, "use access device",
            "transport %s keeps frames in device memory, which access %s does not reach", transport,
            access->name);
    } else if (!in_device_memory(cell) && (access->flags & ACCESS_DEVICE)) {
        applicable_deny(
            cell, "use a transport of device memory, or access mapped or copy",
            "access %s is for frames that lie in device memory, and transport %s has none there",
            access->name, transport);
    } else if ((access->flags & ACCESS_REGISTERS) && !in_host_memory(cell)) {
        applicable_deny(
            cell, "use access pageable or managed, or transport shm or unix",
            "access %s registers memory once, and transport %s lends frames wherever they came",
            access->name, transport);
    } else if (reads_where_it_came(cell) && !in_host_memory(cell) &&
               (cell->transport->flags & TRANSPORT_MOVES_BYTES)) {
        applicable_deny(
            cell, "use access pageable or managed, or transport shm or unix",
            "with access %s the GPU reads a frame where it lies, which must be at a multiple of 16 "
            "bytes, and transport %s lends frames at any address",
            access->name, transport);
    } else if (access->needs_gpu && cell->fill == FILL_HEADER) {
        applicable_deny(cell, "use access host, or a fill that makes a payload",
                        "access %s brings a payload under the GPU, and fill header has none",
                        access->name);
    } else {
        return false;
    }
    return true;
}

static bool fill_refuses(struct cell *cell)
{
    const char *transport = cell->transport->name;
    if (cell->fill == FILL_GPU && !in_device_memory(cell) && !slots_are_shared(cell)) {
        applicable_deny(
            cell, "use a transport whose slots both sides share, as shm, or fill copy",
            "fill gpu writes the frame where the consumer reads it, and transport %s %s", transport,
            in_host_memory(cell) ? "moves bytes from one side to the other"
                                 : "has no memory that a GPU could write to");
    } else if (cell->fill == FILL_IN_PLACE && in_device_memory(cell)) {
        applicable_deny(
            cell, "use fill gpu",
            "fill in_place lets the CPU write into the slot, and slots of transport %s lie in "
            "device memory, where a kernel has to",
            transport);
    } else {
        return false;
    }
    return true;
}

static bool order_refuses(struct cell *cell)
{
    if (cell->order != ORDER_EVENT)
        return false;
    if (!in_device_memory(cell))
        applicable_deny(
            cell, "use a transport of device memory, or order host",
            "order event marks the GPU's work on a slot in device memory, and transport %s has "
            "none",
            cell->transport->name);
    else if (cell->fill != FILL_GPU)
        applicable_deny(
            cell, "use fill gpu, or order host",
            "order event needs a fill that the GPU does, and fill %s is done by the CPU, whose "
            "work no event marks",
            fill_name(cell->fill));
    else if (cell->policy != POLICY_BLOCK)
        applicable_deny(
            cell, "use policy block, or order host",
            "order event gives a slot back before the GPU is done with it, and policy %s may "
            "take it away meanwhile",
            policy_name(cell->policy));
    else
        return false;
    return true;
}

static bool depth_refuses(struct cell *cell)
{
    const uint32_t depth = cell->depth;
    if (depth <= 1)
        return false;
    if (!cell_kernel_on_gpu(cell))
        applicable_deny(cell, "use depth 1, or an access that brings frames under the GPU",
                        "depth %" PRIu32
                        " keeps frames in flight on the GPU, and access %s has the kernel "
                        "on the CPU",
                        depth, cell->access->name);
    else if (cell->pacing == PACING_PINGPONG)
        applicable_deny(
            cell, "use depth 1, or pacing max or rate",
            "depth %" PRIu32 " needs as many frames under way, and pacing pingpong has one", depth);
    else if (depth > cell->slots)
        applicable_deny(cell, "use as many slots, or a smaller depth",
                        "depth %" PRIu32 " holds more frames than %" PRIu32 " slots", depth,
                        cell->slots);
    else if (cell->policy == POLICY_LATEST && cell->slots < depth + 2)
        applicable_deny(cell, "use two slots more than the depth",
                        "policy latest needs, beside the %" PRIu32
                        " frames held, one slot with the newest "
                        "frame and one to write the next into",
                        depth);
    else
        return false;
    return true;
}

/* Waits of the GPU itself. What they need of the transport beyond its source is a slot whose place
 * is known before the frame is there. */
static bool gpu_wait_refuses(struct cell *cell)
{
    const struct wait_strategy *wait = cell->wait;
    if (cell->producer_wait && cell->producer_wait->on_gpu) {
        applicable_deny(
            cell, "use producer_wait same or spin",
            "wait %s lets the consumer's GPU work wait for a frame; a producer that waits for a "
            "free slot has none",
            cell->producer_wait->name);
        return true;
    }
    if (!wait->on_gpu)
        return false;
    if (!cell_kernel_on_gpu(cell))
        applicable_deny(cell, "use an access that brings frames under the GPU, or wait spin",
                        "wait %s lets the kernel wait on the GPU, and access %s has it on the CPU",
                        wait->name, cell->access->name);
    else if (!cell->transport->slot || !cell->transport->memory)
        applicable_deny(
            cell, "use transport shm or one of device memory",
            "wait %s prepares work before the frame is there, and transport %s does not know "
            "where it will lie",
            wait->name, cell->transport->name);
    else if (cell->policy != POLICY_BLOCK)
        applicable_deny(
            cell, "use policy block",
            "wait %s needs to know the slot of the next frame, and policy %s may skip some",
            wait->name, policy_name(cell->policy));
    else if (cell->order != ORDER_HOST)
        applicable_deny(
            cell, "use order host, or wait spin",
            "a stream can only wait for an event as it was last recorded when the wait is "
            "enqueued, and wait %s enqueues before the frame is there",
            wait->name);
    else if (cell->sync != GPU_SYNC_FLAG)
        applicable_deny(
            cell, "use sync flag",
            "under wait %s the GPU says by a word in host memory that a frame is done, which is "
            "sync flag, not %s",
            wait->name, gpu_sync_name(cell->sync));
    else if (cell->register_per_frame)
        applicable_deny(
            cell, "use register_per_frame off",
            "wait %s prepares work before the frame is there, and the CPU cannot register its "
            "memory in between",
            wait->name);
    else if (strcmp(wait->name, "gpu_kernel") == 0 && cell->access->enqueue)
        applicable_deny(cell, "use access mapped, direct or device, or wait gpu_stream",
                        "wait gpu_kernel reads frames where they lie, and access %s copies them",
                        cell->access->name);
    else if (strcmp(wait->name, "gpu_kernel") != 0 && !(cell->access->flags & ACCESS_AHEAD))
        applicable_deny(
            cell, "use access mapped, copy, direct or device",
            "wait %s prepares work before the frame is there, and access %s needs the CPU when "
            "it is",
            wait->name, cell->access->name);
    else
        return false;
    return true;
}

static bool rest_refuses(struct cell *cell)
{
    if (cell->sync != GPU_SYNC_SPIN && !cell_uses_gpu(cell)) {
        applicable_deny(cell, "use sync spin, or an access or fill of the GPU",
                        "sync %s is how a role waits for its GPU work, and neither role has any",
                        gpu_sync_name(cell->sync));
    } else if (cell->register_per_frame && !(cell->access->flags & ACCESS_REGISTERS)) {
        applicable_deny(
            cell, "use register_per_frame off, or access mapped or copy",
            "register_per_frame on needs an access that registers memory, and access %s does "
            "not",
            cell->access->name);
    } else if (cell->gpu_sharing == GPU_SHARING_MPS &&
               !(cell_producer_uses_gpu(cell) && cell_consumer_uses_gpu(cell))) {
        applicable_deny(cell, "use gpu_sharing time_sliced, or fill gpu and an access of the GPU",
                        "gpu_sharing mps is about two roles that use the GPU, and here %s does",
                        cell_uses_gpu(cell) ? "one" : "neither");
    } else if (cell->pages != SHM_PAGES_NORMAL && !in_host_memory(cell)) {
        applicable_deny(
            cell, "use transport shm or unix, or pages normal",
            "pages %s are of a transport's frames in host memory, and transport %s has none",
            shm_pages_name(cell->pages), cell->transport->name);
    } else {
        return false;
    }
    return true;
}

bool applicable_gpu_refuses(struct cell *cell)
{
    return access_refuses(cell) || fill_refuses(cell) || order_refuses(cell) ||
           depth_refuses(cell) || gpu_wait_refuses(cell) || rest_refuses(cell);
}

/* skeleton.c: a start for a new transport. It compiles, but moves nothing and is not registered.
 *
 * To add a transport:
 *   1. Copy this file to transports/<key>.c, and replace "skeleton" by <key> in it.
 *   2. Fill in the verbs. transport.h has the full contract of each; the comments below say what is
 *      easily forgotten. shm.c is the example with a word to wait on, stream.c the one with a
 *      descriptor and partial transfers.
 *   3. Add TRANSPORT(<key>) to registry.def. Scenarios, `handoff list` and CTest find it there.
 *   4. Run `ctest -R conformance.<key>` until all of it passes, also with the sanitizers.
 */
#include <stdlib.h>

#include "transports/config.h"

/* One side of the edge. Both sides use this struct, each in its own process. Whatever create and
 * attach have built so far must be visible in it, so that destroy can be called at any point: set
 * descriptors to -1 and pointers to NULL first. */
struct endpoint {
    size_t payload_bytes;
    int fd;
    bool producing;
};

extern const struct transport transport_skeleton;

/* Try the thing itself on this machine (open a socket, load the library) rather than reading a
 * version, and undo it. Name the cause and the remedy. */
static enum status skeleton_probe(struct err *err)
{
    return err_set(err, ST_UNAVAILABLE, "write it: this is only the start of one",
                   "transport skeleton moves no frames");
}

/* The producer's side. Check the configuration with transport_config_check. Allocate, map and touch
 * everything here: the verbs below may not. Put into the address what attach needs: bytes (with a
 * magic number and everything that both sides must agree on) and descriptors, close-on-exec. Set
 * *endpoint and *address only on success. */
static enum status skeleton_create(const struct transport_config *config,
                                   struct endpoint **endpoint, struct transport_address *address,
                                   struct err *err)
{
    enum status status = transport_config_check(&transport_skeleton, config, err);
    if (status != ST_OK)
        return status;
    struct endpoint *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "transport skeleton: no memory for an endpoint");
    made->payload_bytes = config->payload_bytes;
    made->fd = -1;
    made->producing = true;
    status = skeleton_probe(err);
    if (status != ST_OK)
        goto undo_endpoint;
    *endpoint = made;
    return ST_OK;

undo_endpoint:
    transport_skeleton.destroy(made);
    return status;
}

/* The consumer's side. The address may come from a broken or hostile process: check every byte, and
 * the real size and kind of every descriptor. Close what you do not keep, also on failure. */
static enum status skeleton_attach(const struct transport_config *config,
                                   struct transport_address *address, struct endpoint **endpoint,
                                   struct err *err)
{
    enum status status = transport_config_check(&transport_skeleton, config, err);
    if (status == ST_OK)
        status = skeleton_probe(err);
    transport_address_close(address);
    return status;
}

/* Lend memory for a frame. ST_AGAIN while transport_config_limit(config) frames are committed and
 * not released. Called twice without a commit, it returns the same frame. ST_AGAIN is common:
 * return it without touching err. */
static enum status skeleton_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return skeleton_probe(err);
}

/* Publish. The frame's bytes must be visible to the consumer before the news of them is: a release
 * store at the end, or a system call. If only a part could be moved, remember how much, set
 * frame->progress_bytes and return ST_AGAIN. Count payload bytes copied for `counters`. */
static enum status skeleton_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return skeleton_probe(err);
}

/* Take the next frame. ST_PEER_GONE only when nothing is left of what was sent; half a frame from a
 * producer that died is nothing. Trust no number that the other side wrote. */
static enum status skeleton_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return skeleton_probe(err);
}

/* Give the oldest frame held back; any other is ST_INVALID and changes nothing. */
static enum status skeleton_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return skeleton_probe(err);
}

/* What the role waits on after ST_AGAIN; asked anew each time, so it may depend on what was tried
 * last. Waiting itself is never done here. */
static void skeleton_wait_source(struct endpoint *endpoint, enum direction direction,
                                 struct wait_source *source)
{
    *source = (struct wait_source){.kind = SOURCE_FD, .fd = endpoint->fd};
}

/* Only where frames lie in host memory that a GPU may be given (TRANSPORT_HOST_MEMORY): everything
 * this side lends, in whole pages. Leave the verb out otherwise. */
static void skeleton_memory(struct endpoint *endpoint, struct transport_memory *memory)
{
    *memory = (struct transport_memory){0};
}

/* Only where frame number n (from 0) always lies in slot n % slots, so that work can be enqueued
 * before the frame is there. Leave the verb out otherwise. */
static void skeleton_slot(struct endpoint *endpoint, uint32_t slot, struct frame *frame)
{
    *frame = (struct frame){.slot = slot};
}

static void skeleton_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    *counters = (struct transport_counters){0};
}

/* Tell the other side that this one has finished. What was committed must still arrive. */
static void skeleton_hang_up(struct endpoint *endpoint)
{
}

static void skeleton_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    skeleton_hang_up(endpoint);
    free(endpoint);
}

const struct transport transport_skeleton = {
    .name = "skeleton",
    .summary = "a start for a new transport",
    .flags = 0,
    .sources = SOURCE_FD,
    .policies = POLICY_BLOCK,
    .slots_min = 1,
    .slots_max = TRANSPORT_SLOTS_MAX,
    .probe = skeleton_probe,
    .create = skeleton_create,
    .attach = skeleton_attach,
    .reserve = skeleton_reserve,
    .commit = skeleton_commit,
    .acquire = skeleton_acquire,
    .release = skeleton_release,
    .wait_source = skeleton_wait_source,
    .memory = skeleton_memory,
    .slot = skeleton_slot,
    .counters = skeleton_counters,
    .hang_up = skeleton_hang_up,
    .destroy = skeleton_destroy,
};

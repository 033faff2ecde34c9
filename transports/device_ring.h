/* device_ring.h: frames in device memory that two processes share: cuda_ipc.c, cuda_vmm.c and
 * cuda_pool.c, which differ only in how gpu.h shares the memory.
 *
 * Two things cross: an allocation in device memory with the payloads, and a shared segment
 * (segment.h) with the doorbells, a header per slot and, with order event, the handles of two
 * interprocess events per slot. All of these events are made by the producer; CUDA lets the importer
 * record and wait for them as their maker does.
 *  - filled: the producer records it behind its work on a frame and commits at once; the consumer's
 *    stream waits for it.
 *  - consumed: the consumer records it behind its work and releases at once; the producer's stream
 *    waits for it before it fills again.
 * The doorbells order the calls on the CPU: an event is waited for only after the other side's
 * record of it has been called, and recorded anew only after the other side's wait has been.
 *
 * The memory and the events live in the producer: the consumer's endpoint is destroyed first, or
 * its process has ended. Both sides' GPU work must be over before they destroy.
 */
#ifndef HANDOFF_TRANSPORTS_DEVICE_RING_H
#define HANDOFF_TRANSPORTS_DEVICE_RING_H

#include "harness/gpu/capability.h"
#include "harness/gpu/gpu.h"
#include "transports/transport.h"

/* An interprocess event per slot and side takes CUDA some kilobytes and the attach some time. */
#define DEVICE_RING_SLOTS_MAX 64

enum status device_ring_create(const struct transport *transport, enum gpu_share share,
                               const struct transport_config *config, struct endpoint **endpoint,
                               struct transport_address *address, struct err *err);
enum status device_ring_attach(const struct transport *transport, enum gpu_share share,
                               const struct transport_config *config,
                               struct transport_address *address, struct endpoint **endpoint,
                               struct err *err);

/* The other verbs of transport.h. */
enum status device_ring_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err);
enum status device_ring_commit(struct endpoint *endpoint, struct frame *frame, struct err *err);
enum status device_ring_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err);
enum status device_ring_release(struct endpoint *endpoint, struct frame *frame, struct err *err);
void device_ring_wait_source(struct endpoint *endpoint, enum direction direction,
                             struct wait_source *source);
void device_ring_memory(struct endpoint *endpoint, struct transport_memory *memory);
void device_ring_slot(struct endpoint *endpoint, uint32_t slot, struct frame *frame);
void device_ring_counters(const struct endpoint *endpoint, struct transport_counters *counters);
void device_ring_hang_up(struct endpoint *endpoint);
void device_ring_destroy(struct endpoint *endpoint);

/* The struct transport and its own functions for one way of sharing: all of such a file but its
 * comment. */
#define DEVICE_RING_TRANSPORT(key, text, share, capability)                                        \
    extern const struct transport transport_##key;                                                 \
    static enum status key##_probe(struct err *err)                                                \
    {                                                                                              \
        return gpu_capability_check(capability, err);                                              \
    }                                                                                              \
    static enum status key##_create(const struct transport_config *config,                         \
                                    struct endpoint **endpoint, struct transport_address *address, \
                                    struct err *err)                                               \
    {                                                                                              \
        return device_ring_create(&transport_##key, share, config, endpoint, address, err);        \
    }                                                                                              \
    static enum status key##_attach(const struct transport_config *config,                         \
                                    struct transport_address *address, struct endpoint **endpoint, \
                                    struct err *err)                                               \
    {                                                                                              \
        return device_ring_attach(&transport_##key, share, config, address, endpoint, err);        \
    }                                                                                              \
    const struct transport transport_##key = {                                                     \
        .name = #key,                                                                              \
        .summary = text,                                                                           \
        .flags = TRANSPORT_DEVICE_MEMORY | TRANSPORT_DEATH_UNSEEN,                                 \
        .sources = SOURCE_WORD,                                                                    \
        .policies = POLICY_BLOCK | POLICY_LATEST,                                                  \
        .slots_min = 1,                                                                            \
        .slots_max = DEVICE_RING_SLOTS_MAX,                                                        \
        .probe = key##_probe,                                                                      \
        .create = key##_create,                                                                    \
        .attach = key##_attach,                                                                    \
        .reserve = device_ring_reserve,                                                            \
        .commit = device_ring_commit,                                                              \
        .acquire = device_ring_acquire,                                                            \
        .release = device_ring_release,                                                            \
        .wait_source = device_ring_wait_source,                                                    \
        .memory = device_ring_memory,                                                              \
        .slot = device_ring_slot,                                                                  \
        .counters = device_ring_counters,                                                          \
        .hang_up = device_ring_hang_up,                                                            \
        .destroy = device_ring_destroy,                                                            \
    }

#endif

/* memory.c: conformance tests of where frames lie: what a GPU may be given, the slot of a frame
 * that is still to come, and the pages that all of it is made of.
 */
#include <unistd.h>

#include "tests/conformance/suite.h"

static bool lies_in(const struct transport_memory *memory, const void *at, size_t size_bytes)
{
    uintptr_t begin = (uintptr_t)memory->bytes;
    return (uintptr_t)at >= begin && size_bytes <= memory->size_bytes &&
           (uintptr_t)at - begin <= memory->size_bytes - size_bytes;
}

/* Whole pages, with everything in them that this side has lent or rings. */
static void memory_holds(const struct edge *edge, struct endpoint *endpoint,
                         const struct frame *frame)
{
    struct transport_memory memory;
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    edge->transport->memory(endpoint, &memory);
    CHECK(memory.bytes && (uintptr_t)memory.bytes % page_bytes == 0 && memory.size_bytes > 0 &&
              memory.size_bytes % page_bytes == 0,
          "the memory is not whole pages: %zu bytes at %p", memory.size_bytes, memory.bytes);
    CHECK(lies_in(&memory, frame->header, FRAME_HEADER_BYTES), "a header outside the memory");
    CHECK(!frame->payload || lies_in(&memory, frame->payload, frame->payload_bytes),
          "a payload outside the memory");
    for (int i = 0; i < 2; i++) {
        struct wait_source source = {0};
        edge->transport->wait_source(endpoint, i ? DIRECTION_READ : DIRECTION_WRITE, &source);
        CHECK(source.kind != SOURCE_WORD || lies_in(&memory, source.bell, sizeof *source.bell),
              "a doorbell outside the memory");
    }
}

/* What `slot` foretold of frame number `number`, counted from 0, is what came. */
static void slot_foretells(const struct edge *edge, struct endpoint *endpoint,
                           const struct frame *frame, uint64_t number)
{
    struct frame foretold;
    uint32_t slot = (uint32_t)(number % edge->config.slots);
    edge->transport->slot(endpoint, slot, &foretold);
    CHECK(foretold.header == frame->header && foretold.payload == frame->payload &&
              foretold.device_payload == frame->device_payload && foretold.slot == frame->slot &&
              foretold.payload_bytes == frame->payload_bytes,
          "frame %llu does not lie where slot %u is", (unsigned long long)number, slot);
    CHECK(frame->slot == slot && foretold.sequence == 0 && foretold.progress_bytes == 0,
          "slot %u says that it is %u", slot, foretold.slot);
}

static void memory_random(const struct transport *transport, uint32_t slots, uint32_t held)
{
    struct transport_config config =
        edge_config(transport, suite_random_below(20000), slots, held, POLICY_BLOCK);
    config.first_sequence = suite_random();
    static struct edge edge;
    edge_open(&edge, transport, &config);
    uint64_t taken = 0;
    while (taken < 3 * (uint64_t)slots + 2) {
        struct frame reserved;
        struct err err = {0};
        if (!edge.filled && transport->reserve(edge.producer, &reserved, &err) == ST_OK) {
            memory_holds(&edge, edge.producer, &reserved);
            if (transport->slot)
                slot_foretells(&edge, edge.producer, &reserved, edge.sent);
        }
        edge_send(&edge);
        if (edge_receive(&edge) == ST_OK) {
            const struct frame *got = &edge.held[edge.held_count - 1];
            memory_holds(&edge, edge.consumer, got);
            if (transport->slot)
                slot_foretells(&edge, edge.consumer, got, taken);
            taken++;
        }
        if (suite_random_below(2))
            edge_release(&edge);
    }
    CHECK(edge.checker.torn == 0, "frames were damaged");
    edge_close(&edge);
}

void conformance_memory(const struct transport *transport)
{
    bool has = transport->flags & (TRANSPORT_HOST_MEMORY | TRANSPORT_DEVICE_MEMORY);
    CHECK(!has == !transport->memory, "the verb memory is there, or is not, against the flags");
    CHECK(has || !transport->slot, "slots of frames that the GPU never sees");
    if (!has) {
        printf("%s has no memory for a GPU, and says so\n", transport->name);
        return;
    }
    for (uint32_t slots = transport->slots_min; slots <= 9 && slots <= transport->slots_max;
         slots++)
        memory_random(transport, slots, 1 + suite_random_below(slots));
}

/* Frames flow in pages of the kind, or the transport says why they cannot. */
void conformance_pages(const struct transport *transport)
{
    static const enum shm_pages kinds[] = {SHM_PAGES_THP, SHM_PAGES_HUGETLB};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct transport_config config = edge_config(transport, 500000, 3, 2, POLICY_BLOCK);
        struct endpoint *endpoint = NULL;
        struct transport_address address;
        struct err err = {0};
        config.pages = kinds[i];
        enum status status = transport->create(&config, &endpoint, &address, &err);
        if (!(transport->flags & TRANSPORT_HOST_MEMORY)) {
            CHECK_STATUS(status, ST_NOT_APPLICABLE, err);
            continue;
        }
        if (status != ST_OK) {
            CHECK_STATUS(status, ST_UNAVAILABLE, err);
            CHECK(err.hint[0], "no hint: %s", err.what);
            printf("pages %d: %s\n", (int)kinds[i], err.what);
            continue;
        }
        transport_address_close(&address);
        transport->destroy(endpoint);
        static struct edge edge;
        edge_open(&edge, transport, &config);
        struct transport_memory memory;
        transport->memory(edge.consumer, &memory);
        CHECK(memory.size_bytes % ((size_t)2 << 20) == 0 || kinds[i] == SHM_PAGES_NORMAL,
              "%zu bytes are not whole huge pages", memory.size_bytes);
        while (edge.checker.received < 10) {
            edge_send(&edge);
            edge_receive(&edge);
            edge_release(&edge);
        }
        edge_drain(&edge, ST_AGAIN);
        checker_end(&edge.checker, edge.sent);
        CHECK(checker_faults(&edge.checker) == 0, "frames were damaged");
        edge_close(&edge);
    }
}

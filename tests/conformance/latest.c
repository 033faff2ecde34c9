/* latest.c: policy latest: the newest frame, never a damaged one, every other one counted.
 */
#include <string.h>

#include "tests/conformance/suite.h"

static void latest_random(const struct transport *transport, uint32_t slots, uint32_t held,
                          uint32_t max_in_flight, uint64_t first_sequence)
{
    struct transport_config config =
        edge_config(transport, 1 + suite_random_below(9000), slots, held, POLICY_LATEST);
    config.max_in_flight = max_in_flight;
    config.first_sequence = first_sequence;
    static struct edge edge;
    edge_open(&edge, transport, &config);
    uint64_t newest_taken = 0;
    uint64_t steps = frames_for(transport, 4000);
    for (uint64_t step = 0; step < steps; step++) {
        uint32_t choice = suite_random_below(8);
        if (choice < 4) {
            enum status status = edge_send(&edge);
            CHECK(status == ST_OK || (max_in_flight && status == ST_AGAIN),
                  "the producer had to wait");
        } else if (choice < 6) {
            bool room = edge.held_count < edge.max_held;
            enum status status = edge_receive(&edge);
            /* The newest of all, and nothing when that one was taken already. */
            CHECK(!room || has_delays(transport) ||
                      status == (edge.sent > newest_taken ? ST_OK : ST_AGAIN),
                  "acquire: %s with %llu sent and %llu taken", status_name(status),
                  (unsigned long long)edge.sent, (unsigned long long)newest_taken);
            if (room && status == ST_OK) {
                CHECK(edge.checker.next == edge.sent || has_delays(transport),
                      "an older frame than the newest was given");
                CHECK(edge.held[edge.held_count - 1].sequence ==
                          first_sequence + edge.checker.next - 1,
                      "the sequence is not the producer's number of the frame");
                newest_taken = edge.checker.next;
            }
        } else {
            /* edge_release checks that what was held was left alone. */
            edge_release(&edge);
        }
    }
    edge_drain(&edge, ST_AGAIN);
    CHECK(edge.checker.torn == 0, "%llu frames torn, or overwritten while held",
          (unsigned long long)edge.checker.torn);
    CHECK(edge.checker.repeated == 0 && edge.checker.reordered == 0, "repeated or reordered");
    struct transport_counters counters;
    transport->counters(edge.producer, &counters);
    CHECK(counters.skipped_frames + edge.checker.received == edge.sent,
          "%llu skipped and %llu received of %llu sent",
          (unsigned long long)counters.skipped_frames, (unsigned long long)edge.checker.received,
          (unsigned long long)edge.sent);
    CHECK(max_in_flight == 1 || counters.skipped_frames > 0, "nothing was skipped: a weak test");
    CHECK(max_in_flight != 1 || counters.skipped_frames == 0, "ping-pong skipped a frame");
    edge_close(&edge);
}

void conformance_latest(const struct transport *transport)
{
    struct err err = {0};
    struct endpoint *endpoint = NULL;
    struct transport_address address;
    if (!has_latest(transport)) {
        struct transport_config config = edge_config(transport, 100, 4, 1, POLICY_LATEST);
        CHECK_STATUS(transport->create(&config, &endpoint, &address, &err), ST_NOT_APPLICABLE, err);
        CHECK(!endpoint, "an output was set on failure");
        printf("%s has no policy latest, and says so\n", transport->name);
        return;
    }
    if (has_device_memory(transport)) {
        struct transport_config marked = edge_config(transport, 100, 4, 1, POLICY_LATEST);
        marked.order = ORDER_EVENT;
        CHECK_STATUS(transport->create(&marked, &endpoint, &address, &err), ST_NOT_APPLICABLE, err);
    }
    struct transport_config tight = edge_config(transport, 100, 3, 2, POLICY_LATEST);
    CHECK_STATUS(transport->create(&tight, &endpoint, &address, &err), ST_INVALID, err);
    for (uint32_t held = 1; held <= 5; held++)
        for (uint32_t more = 2; more <= 5; more++) {
            latest_random(transport, held + more, held, 0, 0);
            latest_random(transport, held + more, held, 1, 0);
            latest_random(transport, held + more, held, 2 + suite_random_below(3), 0);
            latest_random(transport, held + more, held, 0, (1ull << 31) - suite_random_below(900));
            latest_random(transport, held + more, held, 1, (1ull << 32) - suite_random_below(90));
        }
    latest_random(transport, transport->slots_max, transport->slots_max - 2, 0, 0);
}

/* iceoryx_ports.c: see iceoryx_ports.h. */
#include "transports/iceoryx_ports.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <iceoryx_binding_c/log.h>
#include <iceoryx_binding_c/runtime.h>

#include "transports/roudi.h"

#define ICEORYX_SERVICE "handoff"
#define ICEORYX_CONNECT_TRIES 500
/* Between two looks whether the other side has come. */
#define ICEORYX_CONNECT_LOOK_NS 1000000
#define ICEORYX_CONNECT_WAIT_MS 2
/* RouDi takes back what closed ports held every 100 ms. */
#define ICEORYX_LOAN_TRIES 15
#define ICEORYX_LOAN_LOOK_NS 20000000

/* iceoryx allows one runtime in a process, and it lasts until the process exits; both ends of an
 * edge may share it. A process of the tests that forks afterwards has a pid that is not this
 * one. */
static pid_t iceoryx_runtime_pid;

static enum status iceoryx_runtime_open(struct err *err)
{
    char name[64];
    if (iceoryx_runtime_pid == getpid())
        return ST_OK;
    if (iceoryx_runtime_pid != 0)
        return err_set(err, ST_UNAVAILABLE, "execute the program again instead of forking it",
                       "transport iceoryx: iceoryx was used before this process was forked");
    if (!roudi_runs())
        return err_set(err, ST_UNAVAILABLE,
                       "`handoff run` starts one for its roles; else run " ROUDI_PROGRAM,
                       "transport iceoryx: no RouDi runs, which iceoryx needs");
    snprintf(name, sizeof name, ROUDI_CLIENT_PREFIX "%d", (int)getpid());
    /* It writes to standard error, for people who debug it; we say what failed ourselves. */
    iox_set_loglevel(Iceoryx_LogLevel_Off);
    iox_runtime_init(name);
    iceoryx_runtime_pid = getpid();
    return ST_OK;
}

uint64_t iceoryx_edge_id(void)
{
    static uint32_t edges;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    /* RouDi lives on one machine, so pid and count tell edges apart; the time tells them from those
     * of a process that had the same pid before. */
    return (uint64_t)getpid() << 40 ^ (uint64_t)++edges << 20 ^ (uint64_t)now.tv_nsec ^
           (uint64_t)now.tv_sec << 32;
}

enum status iceoryx_ports_open(struct iceoryx_ports *ports, uint64_t edge_id, bool producing,
                               uint32_t queue, struct err *err)
{
    char instance[32];
    iox_pub_options_t publisher;
    iox_sub_options_t subscriber;
    const enum status status = iceoryx_runtime_open(err);
    if (status != ST_OK)
        return status;
    snprintf(instance, sizeof instance, "%016" PRIx64, edge_id);
    iox_pub_options_init(&publisher);
    publisher.historyCapacity = 0;
    publisher.offerOnCreate = true;
    publisher.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_DISCARD_OLDEST_DATA;
    ports->publisher = iox_pub_init(&ports->publisher_room, ICEORYX_SERVICE, instance,
                                    producing ? "frames" : "credits", &publisher);
    iox_sub_options_init(&subscriber);
    subscriber.queueCapacity = queue;
    subscriber.historyRequest = 0;
    subscriber.subscribeOnCreate = true;
    subscriber.queueFullPolicy = QueueFullPolicy_DISCARD_OLDEST_DATA;
    ports->subscriber = iox_sub_init(&ports->subscriber_room, ICEORYX_SERVICE, instance,
                                     producing ? "credits" : "frames", &subscriber);
    if (!ports->publisher || !ports->subscriber)
        return err_set(err, ST_SYSTEM, NULL, "transport iceoryx: iceoryx gave no ports");
    return ST_OK;
}

enum status iceoryx_ports_await_connected(struct iceoryx_ports *ports, struct err *err)
{
    const struct timespec look = {.tv_nsec = ICEORYX_CONNECT_LOOK_NS};
    for (int i = 0; !iceoryx_ports_connected(ports); i++) {
        if (i == ICEORYX_CONNECT_TRIES)
            return err_set(err, ST_CORRUPT,
                           "give both sides the same address, and keep the producer",
                           "transport iceoryx: nobody offers the other side of this edge");
        nanosleep(&look, NULL);
    }
    return ST_OK;
}

/* The mapping that an address lies in; false when /proc says nothing of it. */
static bool iceoryx_mapping_of(const void *at, uintptr_t *begin, uintptr_t *end)
{
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return false;
    while (!found && fgets(line, sizeof line, maps))
        found = sscanf(line, "%" SCNxPTR "-%" SCNxPTR, begin, end) == 2 &&
                *begin <= (uintptr_t)at && (uintptr_t)at < *end;
    fclose(maps);
    return found;
}

enum status iceoryx_ports_touch(struct iceoryx_ports *ports, uint32_t bytes, uint32_t alignment,
                                struct err *err)
{
    const struct timespec look = {.tv_nsec = ICEORYX_LOAN_LOOK_NS};
    void *chunk = NULL;
    uintptr_t begin, end;
    enum iox_AllocationResult loan =
        iox_pub_loan_aligned_chunk(ports->publisher, &chunk, bytes, alignment);
    for (int i = 0; i < ICEORYX_LOAN_TRIES && loan == AllocationResult_RUNNING_OUT_OF_CHUNKS; i++) {
        nanosleep(&look, NULL);
        loan = iox_pub_loan_aligned_chunk(ports->publisher, &chunk, bytes, alignment);
    }
    if (loan != AllocationResult_SUCCESS)
        return err_set(err, ST_UNAVAILABLE, "give the RouDi that runs a mempool for it",
                       "transport iceoryx: RouDi has no chunk of %" PRIu32
                       " bytes to loan (iceoryx says %d)",
                       bytes, (int)loan);
    const bool found = iceoryx_mapping_of(chunk, &begin, &end);
    /* Others use these bytes meanwhile, so they are touched without a change that could get
     * lost. */
    for (uintptr_t page = begin; found && page < end; page += TRANSPORT_PAGE_BYTES)
        (void)__atomic_fetch_or((uint8_t *)page, 0, __ATOMIC_RELAXED);
    iox_pub_release_chunk(ports->publisher, chunk);
    return found ? ST_OK
                 : err_set(err, ST_SYSTEM, "is /proc mounted?",
                           "transport iceoryx: a chunk lies in no mapping of this process");
}

enum status iceoryx_ports_wait(struct iceoryx_ports *ports, int timeout_ms)
{
    iox_notification_info_t news[1];
    uint64_t missed = 0;
    if (!ports->wait_set) {
        ports->wait_set = iox_ws_init(&ports->wait_set_room);
        if (!ports->wait_set || iox_ws_attach_subscriber_state(ports->wait_set, ports->subscriber,
                                                               SubscriberState_HAS_DATA, 0,
                                                               NULL) != WaitSetResult_SUCCESS)
            return ST_SYSTEM;
    }
    /* A counterpart that comes is no news to a wait set. */
    if (!iceoryx_ports_connected(ports) && timeout_ms > ICEORYX_CONNECT_WAIT_MS)
        timeout_ms = ICEORYX_CONNECT_WAIT_MS;
    const struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                                     .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    const uint64_t count = iox_ws_timed_wait(ports->wait_set, timeout, news, 1, &missed);
    return count + missed > 0 ? ST_OK : ST_TIMEOUT;
}

void iceoryx_ports_close(struct iceoryx_ports *ports)
{
    if (ports->wait_set) {
        iox_ws_detach_subscriber_state(ports->wait_set, ports->subscriber,
                                       SubscriberState_HAS_DATA);
        iox_ws_deinit(ports->wait_set);
    }
    if (ports->subscriber) {
        iox_sub_release_queued_chunks(ports->subscriber);
        iox_sub_deinit(ports->subscriber);
    }
    if (ports->publisher)
        iox_pub_deinit(ports->publisher);
    *ports = (struct iceoryx_ports){.publisher = NULL};
}

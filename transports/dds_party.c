/* dds_party.c: see dds_party.h.
 *
 * The configuration is given to the library as text. It keeps the library's defaults for what a
 * frame's way costs (fragments, packets, heartbeats, delays of acknowledgements),
 * because these are what people get. What is set is who finds whom:
 * - one interface: loopback, or that of the host that is listened on;
 * - no multicast: the consumer knows the producer's address, sends it its own, and is answered;
 * - the producer's port is one that was free a moment ago, instead of one made from a domain's
 *   number, so that any number of edges live side by side;
 * - the tag: a participant without it is not even seen.
 * And what ROS 2 tells people with large messages to set, on a system whose net.core.rmem_max lets
 * them: a receive buffer of 10 MB instead of 1 MiB. Packets that do not fit are lost, and what is lost
 * is missed, asked for and sent again 100 ms later and more.
 * And what an edge's contract needs:
 * - a water mark that all frames under way fit below: dds_write would wait above it, and for frames
 *   there are credits;
 * - a new reader asks for its beginning at once, not after 10 ms: until it has, it takes no sample,
 *   and the next chance is a heartbeat 100 ms later;
 * - closing waits for nothing by itself (dds_party_linger does).
 */
#include "transports/dds_party.h"

#include <arpa/inet.h>
#include <dds/version.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Another program may take the free port first; so often is another one tried. */
#define DDS_PARTY_PORT_TRIES 8
/* The library computes ports up to this much above the base, whether it uses them or not. */
#define DDS_PARTY_PORT_ROOM 2

/* The library's default for the high water mark, in bytes, and the most that it takes. */
#define DDS_PARTY_WATER_MARK ((size_t)500000)
#define DDS_PARTY_WATER_MARK_MAX ((size_t)INT32_MAX)

/* The interface, and the receive buffer, as each version writes it. */
#if DDS_VERSION_MAJOR == 0 && DDS_VERSION_MINOR < 9
#define DDS_PARTY_CONFIG_INTERFACE "<NetworkInterfaceAddress>%s</NetworkInterfaceAddress>"
#define DDS_PARTY_CONFIG_BUFFER ""
#else
#define DDS_PARTY_CONFIG_INTERFACE \
    "<Interfaces><NetworkInterface address=\"%s\" multicast=\"false\"/></Interfaces>"
#define DDS_PARTY_CONFIG_BUFFER "<SocketReceiveBufferSize max=\"10 MB\"/>"
#endif

#define DDS_PARTY_CONFIG_BYTES 2048
#define DDS_PARTY_TAG_TEXT (2 * DDS_PARTY_TAG_BYTES + 1)

/* Domains of one process differ in this number alone; it is not seen outside. */
static _Atomic uint32_t dds_party_count;

/* What the library has said last on this thread: it gives reasons to its log alone, and a role's
 * stderr is no place for them. What its own threads say is not kept. */
static _Thread_local char dds_party_said[160];

static void dds_party_on_log(void *ignored, const dds_log_data_t *data)
{
    snprintf(dds_party_said, sizeof dds_party_said, "%s", data->message);
    dds_party_said[strcspn(dds_party_said, "\n")] = '\0';
}

enum status dds_party_failed(dds_return_t result, const char *what, struct err *err)
{
    const enum status status = result == DDS_RETCODE_OUT_OF_RESOURCES ? ST_NO_MEMORY : ST_SYSTEM;
    return err_set(err, status, NULL, "transport dds: %s: %s%s%s", what, dds_strretcode(result),
                   dds_party_said[0] ? "; " : "", dds_party_said);
}

/* A port that nobody uses at the moment. */
static enum status dds_party_free_port(uint32_t *port, struct err *err)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t bytes = sizeof name;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, errno, NULL, "transport dds: no UDP socket");
    const bool ok = bind(fd, (struct sockaddr *)&name, sizeof name) == 0 &&
                    getsockname(fd, (struct sockaddr *)&name, &bytes) == 0;
    const int error = errno;
    close(fd);
    if (!ok)
        return err_set_errno(err, error, NULL, "transport dds: no free UDP port");
    *port = ntohs(name.sin_port);
    return ST_OK;
}

/* The address that this host has towards `place`, as text. Nothing is sent. */
static enum status dds_party_own_address(const struct dds_party_place *place, char *text,
                                         size_t size, struct err *err)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)place->port)};
    socklen_t bytes = sizeof name;
    if (inet_pton(AF_INET, place->host, &name.sin_addr) != 1)
        return err_set(err, ST_INVALID, "give a numeric IPv4 address",
                       "transport dds: %s is no IPv4 address", place->host);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, errno, NULL, "transport dds: no UDP socket");
    const bool ok = connect(fd, (struct sockaddr *)&name, sizeof name) == 0 &&
                    getsockname(fd, (struct sockaddr *)&name, &bytes) == 0;
    const int error = errno;
    close(fd);
    if (!ok)
        return err_set_errno(err, error, NULL, "transport dds: no way to %s", place->host);
    inet_ntop(AF_INET, &name.sin_addr, text, (socklen_t)size);
    return ST_OK;
}

static void dds_party_tag_text(const uint8_t *tag, char text[DDS_PARTY_TAG_TEXT])
{
    for (size_t i = 0; i < DDS_PARTY_TAG_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", tag[i]);
}

/* The configuration of a domain on the interface `own`; `discovery`: whom to find, and how. */
static void dds_party_config(char text[DDS_PARTY_CONFIG_BYTES], const char *own, const uint8_t *tag,
                             size_t unread_bytes, const char *discovery)
{
    char tag_text[DDS_PARTY_TAG_TEXT];
    dds_party_tag_text(tag, tag_text);
    const size_t high_bytes = unread_bytes < DDS_PARTY_WATER_MARK       ? DDS_PARTY_WATER_MARK
                              : unread_bytes > DDS_PARTY_WATER_MARK_MAX ? DDS_PARTY_WATER_MARK_MAX
                                                                        : unread_bytes;
    snprintf(text, DDS_PARTY_CONFIG_BYTES,
             "<Domain Id=\"any\"><General>" DDS_PARTY_CONFIG_INTERFACE
             "<AllowMulticast>false</AllowMulticast></General>"
             "<Discovery><ExternalDomainId>0</ExternalDomainId><Tag>%s</Tag>%s</Discovery>"
             "<Internal>" DDS_PARTY_CONFIG_BUFFER "<PreEmptiveAckDelay>0 ms</PreEmptiveAckDelay>"
             "<WriterLingerDuration>0 s</WriterLingerDuration>"
             "<Watermarks><WhcHigh>%zu B</WhcHigh><WhcHighInit>%zu B</WhcHighInit>"
             "<WhcAdaptive>false</WhcAdaptive></Watermarks></Internal>"
             "<Tracing><Verbosity>none</Verbosity><OutputFile>/dev/null</OutputFile></Tracing>"
             "</Domain>",
             own, tag_text, discovery, high_bytes, high_bytes);
}

static dds_return_t dds_party_domain_open(struct dds_party *party, const char *config)
{
    const dds_domainid_t number = atomic_fetch_add(&dds_party_count, 1) & 0x7fffffffu;
    const dds_entity_t domain = dds_create_domain(number, config);
    if (domain < 0)
        return domain;
    party->domain = domain;
    party->participant = dds_create_participant(number, NULL, NULL);
    return party->participant < 0 ? party->participant : DDS_RETCODE_OK;
}

/* Reliable, the newest `depth` kept, nothing for latecomers, and no call that waits. */
static dds_qos_t *dds_party_qos(int32_t depth)
{
    dds_qos_t *qos = dds_create_qos();
    dds_qset_reliability(qos, DDS_RELIABILITY_RELIABLE, 0);
    dds_qset_history(qos, DDS_HISTORY_KEEP_LAST, depth);
    dds_qset_durability(qos, DDS_DURABILITY_VOLATILE);
    return qos;
}

static dds_return_t dds_party_writer_open(struct dds_party *party,
                                          const struct dds_party_topics *topics)
{
    dds_qos_t *qos = dds_party_qos(topics->written_depth);
    dds_entity_t made =
        dds_create_topic(party->participant, topics->written_type, topics->written, NULL, NULL);
    if (made > 0)
        made = party->writer = dds_create_writer(party->participant, made, qos, party->listener);
    dds_delete_qos(qos);
    return made < 0 ? made : DDS_RETCODE_OK;
}

static dds_return_t dds_party_reader_open(struct dds_party *party,
                                          const struct dds_party_topics *topics)
{
    dds_qos_t *qos = dds_party_qos(topics->read_depth);
    dds_entity_t made =
        dds_create_topic(party->participant, topics->read_type, topics->read, NULL, NULL);
    if (made > 0)
        made = party->reader = dds_create_reader(party->participant, made, qos, party->listener);
    dds_delete_qos(qos);
    return made < 0 ? made : DDS_RETCODE_OK;
}

/* What a blocking call wakes up for. */
static dds_return_t dds_party_waitset_open(struct dds_party *party)
{
    const dds_entity_t arrived = dds_create_readcondition(party->reader, DDS_ANY_STATE);
    if (arrived < 0)
        return arrived;
    party->waitset = dds_create_waitset(party->participant);
    return party->waitset < 0 ? party->waitset : dds_waitset_attach(party->waitset, arrived, 0);
}

/* On a thread of the library. Whoever finds the second of the two says hello. */
static void dds_party_note(struct dds_party *party, uint32_t found)
{
    const uint32_t before = atomic_fetch_or(&party->found, found);
    if (before == DDS_PARTY_FOUND_BOTH || (before | found) != DDS_PARTY_FOUND_BOTH)
        return;
    if (party->hello)
        dds_write(party->writer, party->hello);
    atomic_store(&party->is_greeted, 1);
}
static void dds_party_on_reader(dds_entity_t writer, const dds_publication_matched_status_t status,
                                void *self)
{
    if (status.current_count > 0)
        dds_party_note(self, DDS_PARTY_FOUND_READER);
}
static void dds_party_on_writer(dds_entity_t reader, const dds_subscription_matched_status_t status,
                                void *self)
{
    if (status.current_count > 0)
        dds_party_note(self, DDS_PARTY_FOUND_WRITER);
}

/* hello: what the listener is to say; NULL: nothing. */
static dds_return_t dds_party_open(struct dds_party *party, const struct dds_party_topics *topics,
                                   const char *config, const void *hello)
{
    *party = (struct dds_party){.hello = hello};
    dds_party_said[0] = '\0';
    dds_set_log_sink(dds_party_on_log, NULL);
    party->listener = dds_create_listener(party);
    if (!party->listener)
        return DDS_RETCODE_OUT_OF_RESOURCES;
    dds_lset_publication_matched(party->listener, dds_party_on_reader);
    dds_lset_subscription_matched(party->listener, dds_party_on_writer);
    dds_return_t result = dds_party_domain_open(party, config);
    if (result == DDS_RETCODE_OK)
        result = dds_party_writer_open(party, topics);
    if (result == DDS_RETCODE_OK)
        result = dds_party_reader_open(party, topics);
    if (result == DDS_RETCODE_OK)
        result = dds_party_waitset_open(party);
    if (result != DDS_RETCODE_OK)
        dds_party_close(party);
    return result;
}

enum status dds_party_listen(struct dds_party *party, const struct dds_party_topics *topics,
                             struct dds_party_place *place, struct err *err)
{
    char config[DDS_PARTY_CONFIG_BYTES], discovery[512];
    dds_return_t result = DDS_RETCODE_ERROR;
    struct in_addr ignored;
    if (inet_pton(AF_INET, place->host, &ignored) != 1)
        return err_set(err, ST_INVALID, "give a numeric IPv4 address of this host",
                       "transport dds: %s is no IPv4 address", place->host);
    for (int i = 0; i < DDS_PARTY_PORT_TRIES && result != DDS_RETCODE_OK; i++) {
        const enum status status = dds_party_free_port(&place->port, err);
        if (status != ST_OK)
            return status;
        if (place->port > UINT16_MAX - DDS_PARTY_PORT_ROOM)
            continue;
        snprintf(discovery, sizeof discovery,
                 "<ParticipantIndex>0</ParticipantIndex><Ports><Base>%u</Base>"
                 "<DomainGain>0</DomainGain><ParticipantGain>0</ParticipantGain>"
                 "<UnicastMetaOffset>0</UnicastMetaOffset>"
                 "<UnicastDataOffset>0</UnicastDataOffset></Ports>",
                 place->port);
        dds_party_config(config, place->host, place->tag, topics->written_bytes, discovery);
        result = dds_party_open(party, topics, config, topics->hello);
    }
    return result == DDS_RETCODE_OK
               ? ST_OK
               : err_set(err, ST_SYSTEM, "listen on an IPv4 address that this host has",
                         "transport dds: no domain on %s: %s", place->host,
                         dds_party_said[0] ? dds_party_said : dds_strretcode(result));
}

/* Waits until the producer's side is heard. */
static dds_return_t dds_party_hear(struct dds_party *party, const struct dds_party_topics *topics,
                                   int timeout_ms)
{
    const dds_time_t until = dds_time() + DDS_MSECS(timeout_ms);
    void *samples[1] = {topics->heard};
    dds_sample_info_t info;
    dds_attach_t news[1];
    dds_return_t count = 0;
    while (count == 0) {
        count = dds_waitset_wait(party->waitset, news, 1, DDS_MSECS(timeout_ms));
        if (count > 0)
            count = dds_take(party->reader, samples, &info, 1, 1);
        if (count == 0 && dds_time() >= until)
            return DDS_RETCODE_TIMEOUT;
    }
    /* Its reader knew our writer before it spoke, but our writer may not know its reader yet. */
    while (count > 0 && !atomic_load(&party->is_greeted)) {
        if (dds_time() >= until)
            return DDS_RETCODE_TIMEOUT;
        dds_sleepfor(DDS_USECS(100));
    }
    return count < 0 ? count : DDS_RETCODE_OK;
}

enum status dds_party_join(struct dds_party *party, const struct dds_party_topics *topics,
                           const struct dds_party_place *place, int timeout_ms, struct err *err)
{
    char config[DDS_PARTY_CONFIG_BYTES], discovery[512], own[INET_ADDRSTRLEN];
    const enum status status = dds_party_own_address(place, own, sizeof own, err);
    if (status != ST_OK)
        return status;
    snprintf(discovery, sizeof discovery,
             "<ParticipantIndex>none</ParticipantIndex><Peers><Peer address=\"%s:%u\"/></Peers>",
             place->host, place->port);
    dds_party_config(config, own, place->tag, topics->written_bytes, discovery);
    dds_return_t result = dds_party_open(party, topics, config, NULL);
    if (result == DDS_RETCODE_OK)
        result = dds_party_hear(party, topics, timeout_ms);
    if (result == DDS_RETCODE_OK)
        result = dds_write(party->writer, topics->hello);
    if (result == DDS_RETCODE_OK)
        result = dds_wait_for_acks(party->writer, DDS_MSECS(timeout_ms));
    if (result == DDS_RETCODE_OK)
        return ST_OK;
    dds_party_close(party);
    return result == DDS_RETCODE_TIMEOUT
               ? err_set(err, ST_TIMEOUT, "let UDP through between the two, in both directions",
                         "transport dds: no producer found at %s, UDP port %u, within %d ms",
                         place->host, place->port, timeout_ms)
               : dds_party_failed(result, "opening a domain", err);
}

bool dds_party_is_matched(struct dds_party *party)
{
    if (__builtin_expect(atomic_load_explicit(&party->is_greeted, memory_order_acquire), 1))
        return true;
    if (atomic_load(&party->found) != DDS_PARTY_FOUND_BOTH)
        return false;
    while (!atomic_load(&party->is_greeted))
        sched_yield();
    return true;
}

bool dds_party_linger(struct dds_party *party, int timeout_ms)
{
    return party->writer <= 0 ||
           dds_wait_for_acks(party->writer, DDS_MSECS(timeout_ms)) == DDS_RETCODE_OK;
}

void dds_party_close(struct dds_party *party)
{
    if (party->domain > 0)
        dds_delete(party->domain);
    if (party->listener)
        dds_delete_listener(party->listener);
    *party = (struct dds_party){0};
}

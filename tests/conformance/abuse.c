/* abuse.c: conformance tests of wrong use and hostile input: verbs out of turn, configurations that
 * cannot be, addresses that lie, memory and descriptors that run out.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/suite.h"

static void misuse_policy(const struct transport *transport, enum policy policy)
{
    struct transport_config config = edge_config(transport, 600, 8, 3, policy);
    struct err err = {0};
    struct frame first, second;
    static struct edge edge;
    edge_open(&edge, transport, &config);

    memset(&first, 0, sizeof first);
    CHECK_STATUS(transport->commit(edge.producer, &first, &err), ST_INVALID, err);
    CHECK_STATUS(transport->reserve(edge.producer, &first, &err), ST_OK, err);
    CHECK_STATUS(transport->reserve(edge.producer, &second, &err), ST_OK, err);
    CHECK(first.header == second.header && first.payload == second.payload &&
              first.sequence == second.sequence && first.slot == second.slot,
          "reserving twice gave another frame");
    CHECK(edge_send_due(&edge) == ST_OK, "send after misuse");
    CHECK_STATUS(transport->commit(edge.producer, &edge.out, &err), ST_INVALID, err);

    /* Nothing held: nothing to release. */
    memset(&first, 0, sizeof first);
    CHECK_STATUS(transport->release(edge.consumer, &first, &err), ST_INVALID, err);

    uint32_t held = 0;
    do
        held += edge_receive_due(&edge) == ST_OK;
    while (held < 3 && edge_send_due(&edge) == ST_OK);
    CHECK(held == 3, "three frames could not be held");
    CHECK(edge_send_due(&edge) == ST_OK, "send while three are held");
    memset(&first, 0, sizeof first);
    CHECK_STATUS(transport->acquire(edge.consumer, &first, &err), ST_INVALID, err);
    /* Out of order: refused, and nothing changes. */
    CHECK_STATUS(transport->release(edge.consumer, &edge.held[1], &err), ST_INVALID, err);
    CHECK_STATUS(transport->release(edge.consumer, &edge.held[2], &err), ST_INVALID, err);
    first = edge.held[0];
    CHECK(edge_release_due(&edge), "release in order");
    CHECK_STATUS(transport->release(edge.consumer, &first, &err), ST_INVALID, err);
    edge_drain(&edge, ST_AGAIN);
    CHECK_STATUS(transport->release(edge.consumer, &first, &err), ST_INVALID, err);
    CHECK(edge_send_due(&edge) == ST_OK, "send after misuse");
    edge_drain(&edge, ST_AGAIN);
    CHECK(edge.checker.received == edge.sent && checker_faults(&edge.checker) == 0,
          "misuse cost frames");
    edge_close(&edge);
}

void conformance_misuse(const struct transport *transport)
{
    misuse_policy(transport, POLICY_BLOCK);
    if (has_latest(transport))
        misuse_policy(transport, POLICY_LATEST);
}

/* Configurations that cannot be are refused by both sides, with a reason, and cost nothing. */
static void teardown_bad_configs(const struct transport *transport)
{
    struct transport_config good = edge_config(transport, 100, 4, 1, POLICY_BLOCK);
    for (int i = 0; i < 8; i++) {
        struct transport_config config = good;
        config.slots = i == 0 ? 0 : i == 1 ? transport->slots_max + 1 : config.slots;
        config.max_held = i == 2 ? 0 : i == 3 ? 5000 : config.max_held;
        config.payload_bytes = i == 4   ? FRAME_PAYLOAD_MAX + 1
                               : i == 5 ? SIZE_MAX
                                        : config.payload_bytes;
        config.policy = i == 6 ? (enum policy)0 : i == 7 ? (enum policy)99 : config.policy;
        struct endpoint *endpoint = NULL;
        struct transport_address address = {0};
        struct err err = {0};
        CHECK_STATUS(transport->create(&config, &endpoint, &address, &err), ST_INVALID, err);
        CHECK(!endpoint && address.fd_count == 0 && err.what[0], "outputs on failure");
        CHECK_STATUS(transport->create(&good, &endpoint, &address, &err), ST_OK, err);
        struct endpoint *other = NULL;
        struct transport_address passed;
        address_pass(&address, &passed);
        CHECK_STATUS(transport->attach(&config, &passed, &other, &err), ST_INVALID, err);
        CHECK(!other, "outputs on failure");
        transport->destroy(endpoint);
    }
}

/* Create and attach with a limit that fails them somewhere in the middle: an error or success, no
 * crash, and (checked at the end of every test) no descriptor left. */
static void teardown_at_limit(const struct transport *transport, int resource, rlim_t limit)
{
    pid_t child = suite_fork();
    CHECK(child >= 0, "fork");
    if (child == 0) {
        struct transport_config config = edge_config(transport, 8000000, 3, 1, POLICY_BLOCK);
        struct endpoint *producer = NULL, *consumer = NULL;
        struct transport_address address = {0};
        struct err err = {0};
        unsigned before = suite_descriptors();
        struct rlimit limits, wanted;
        getrlimit(resource, &limits);
        wanted = (struct rlimit){limit, limits.rlim_max};
        setrlimit(resource, &wanted);
        enum status status = transport->create(&config, &producer, &address, &err);
        if (status == ST_OK)
            status = transport->attach(&config, &address, &consumer, &err);
        setrlimit(resource, &limits);
        bool told = status == ST_OK || err.what[0];
        transport->destroy(consumer);
        transport->destroy(producer);
        transport_address_close(&address);
        bool outputs = status != ST_OK && consumer != NULL;
        suite_gpu_end();
        _exit(!told ? 2 : outputs ? 3 : suite_descriptors() != before ? 4 : 0);
    }
    int ended;
    CHECK(waitpid(child, &ended, 0) == child && ended == 0, "limit %d at %llu: child ended 0x%x",
          resource, (unsigned long long)limit, ended);
}

static rlim_t teardown_address_space(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    CHECK(file && fscanf(file, "%lu", &pages) == 1, "/proc/self/statm");
    fclose(file);
    return (rlim_t)pages * 4096;
}

static void teardown_at_limits(const struct transport *transport)
{
    if (transport->flags & TRANSPORT_OWN_THREADS) {
        printf("no limits of descriptors and memory for %s: its library may abort at them, and is "
               "not used after a fork\n",
               transport->name);
        return;
    }
    for (rlim_t files = 0; files < 6; files++)
        teardown_at_limit(transport, RLIMIT_NOFILE, suite_descriptors() + files);
    /* The sanitizers reserve terabytes of addresses, so there this limit has no middle. */
    for (rlim_t megabytes = 0; megabytes < 80 && teardown_address_space() >> 40 == 0;
         megabytes += 4)
        teardown_at_limit(transport, RLIMIT_AS, teardown_address_space() + (megabytes << 20));
}

/* Either end first, with and without frames under way, attached or not. */
static void teardown_at(const struct transport *transport, int i)
{
    struct transport_config config = edge_config(transport, 3000, 3, 2, POLICY_BLOCK);
    static struct edge edge;
    edge_open(&edge, transport, &config);
    for (int k = 0; k < 2 && i & 1; k++)
        edge_send(&edge);
    if (i & 2)
        edge_receive(&edge);
    if (i & 4) {
        transport->destroy(edge.consumer);
        edge.consumer = NULL;
    }
    edge_close(&edge);
    struct endpoint *alone;
    struct transport_address address;
    struct err err = {0};
    CHECK_STATUS(transport->create(&config, &alone, &address, &err), ST_OK, err);
    if (i & 8)
        transport_address_close(&address);
    transport->destroy(alone);
    transport_address_close(&address);
}

void conformance_teardown(const struct transport *transport)
{
    transport->destroy(NULL);
    teardown_bad_configs(transport);
    teardown_at_limits(transport);
    int rounds = transport->flags & TRANSPORT_OWN_THREADS ? 16 : 32;
    for (int i = 0; i < rounds; i++)
        teardown_at(transport, i);
}

/* A descriptor of the wrong kind. */
static int address_wrong_descriptor(int kind)
{
    int fds[2];
    switch (kind) {
    case 0:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    case 1:
        return memfd_create("too-short", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    case 2: { /* long enough, but it could shrink under the reader */
        int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        CHECK(ftruncate(fd, 1 << 20) == 0, "ftruncate");
        return fd;
    }
    case 3: { /* sealed and long enough, but nothing in it */
        int fd = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        CHECK(ftruncate(fd, 1 << 20) == 0, "ftruncate");
        CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0, "seal");
        return fd;
    }
    case 4:
        CHECK(pipe2(fds, O_CLOEXEC) == 0, "pipe");
        close(fds[1]);
        return fds[0];
    case 5:
        return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    case 6:
        return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* with nobody at the other end */
    default:
        return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    }
}

/* An attach that tries to reach somebody gives up. */
static void address_hangs(int signal_number)
{
    static const char said[] = "attach to a hostile address does not return\n";
    if (write(STDERR_FILENO, said, sizeof said - 1) < 0)
        _exit(2);
    _exit(1);
}

static enum status address_attach(const struct transport *transport,
                                  const struct transport_config *config,
                                  struct transport_address *address, struct endpoint **endpoint,
                                  struct err *err)
{
    struct sigaction action = {.sa_handler = address_hangs};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
    alarm(10);
    enum status status = transport->attach(config, address, endpoint, err);
    alarm(0);
    return status;
}

static void address_must_fail(const struct transport *transport,
                              const struct transport_config *config,
                              struct transport_address *address, const char *what)
{
    struct endpoint *endpoint = NULL;
    struct err err = {0};
    enum status status = address_attach(transport, config, address, &endpoint, &err);
    CHECK(status == ST_CORRUPT || status == ST_SYSTEM, "%s: %s (%s)", what, status_name(status),
          err.what);
    /* The descriptors are attach's, also when it fails: what it forgot is found as a leak. */
    CHECK(!endpoint && err.what[0], "%s: outputs on failure", what);
}

/* Of the address of any transport here that has bytes; the rest may be room, or say where the other
 * side is to be found. */
#define ADDRESS_BYTES_THAT_MATTER 32

/* One bit of the later bytes: nobody may be there, or somebody else, or it means nothing. */
static void address_elsewhere(const struct transport *transport,
                              const struct transport_config *config,
                              struct transport_address *address)
{
    struct endpoint *endpoint = NULL;
    struct err err = {0};
    uint32_t room = address->byte_count - ADDRESS_BYTES_THAT_MATTER;
    address->bytes[ADDRESS_BYTES_THAT_MATTER + suite_random_below(room)] ^=
        (uint8_t)(1u << suite_random_below(8));
    enum status status = address_attach(transport, config, address, &endpoint, &err);
    CHECK(status == ST_OK || (!endpoint && err.what[0]), "%s: outputs on failure",
          status_name(status));
    CHECK(status == ST_OK || status == ST_CORRUPT || status == ST_SYSTEM ||
              status == ST_PEER_GONE || status == ST_TIMEOUT || status == ST_UNAVAILABLE,
          "%s (%s)", status_name(status), err.what);
    transport->destroy(endpoint);
}

/* Another descriptor in the place of a right one, or one where there is none. */
static void address_swap_descriptor(struct transport_address *address, int kind)
{
    int fd = address_wrong_descriptor(kind);
    CHECK(fd >= 0, "a descriptor for the test");
    if (address->fd_count == 0) {
        address->fds[address->fd_count++] = fd;
        return;
    }
    uint32_t which = suite_random_below(address->fd_count);
    close(address->fds[which]);
    address->fds[which] = fd;
}

/* Every byte random, counts too large. */
static void address_randomize(struct transport_address *address)
{
    for (uint32_t i = 0; i < address->fd_count; i++)
        close(address->fds[i]);
    for (size_t i = 0; i < sizeof address->bytes; i++)
        address->bytes[i] = (uint8_t)suite_random();
    address->byte_count = (uint32_t)suite_random();
    address->fd_count = TRANSPORT_ADDRESS_FDS;
    for (int i = 0; i < TRANSPORT_ADDRESS_FDS; i++)
        address->fds[i] = address_wrong_descriptor(i);
}

/* Configurations that differ in one thing: the address is of another edge. */
static struct transport_config address_other(const struct transport_config *config)
{
    struct transport_config other = *config;
    uint32_t what = suite_random_below(4);
    other.slots = what == 0 ? 9 : what == 1 ? 3 : other.slots;
    other.first_sequence += what == 2;
    other.max_in_flight = what == 3;
    return other;
}

static void address_round(const struct transport *transport, int kind)
{
    struct transport_config config = edge_config(transport, 6000, 4, 1, POLICY_BLOCK);
    struct transport_config other = address_other(&config);
    struct endpoint *producer;
    struct transport_address made, passed;
    struct err err = {0};
    CHECK_STATUS(transport->create(&config, &producer, &made, &err), ST_OK, err);
    address_pass(&made, &passed);
    bool has_bytes = passed.byte_count > 0;
    CHECK(has_bytes || passed.fd_count > 0, "an address of nothing");
    char what[32];
    snprintf(what, sizeof what, "hostile address %d", kind);
    if (kind == 12 && passed.byte_count > ADDRESS_BYTES_THAT_MATTER) {
        address_elsewhere(transport, &config, &passed);
        transport->destroy(producer);
        return;
    }
    if (kind < 8) { /* the right bytes, the wrong descriptor */
        address_swap_descriptor(&passed, kind);
    } else if (kind == 8 && passed.fd_count > 0) { /* no descriptor */
        transport_address_close(&passed);
    } else if (kind == 9) { /* a byte more or less */
        passed.byte_count += suite_random_below(2) || !passed.byte_count ? 1 : UINT32_MAX;
    } else if (kind == 10) {
        address_randomize(&passed);
    } else if (kind == 11 && has_bytes) { /* one bit of the first bytes */
        passed.bytes[suite_random_below(ADDRESS_BYTES_THAT_MATTER)] ^=
            (uint8_t)(1u << suite_random_below(8));
    } else {
        config = other;
    }
    address_must_fail(transport, &config, &passed, what);
    transport->destroy(producer);
}

void conformance_address(const struct transport *transport)
{
    int rounds = transport->flags & TRANSPORT_OWN_THREADS ? 28 : 70;
    for (int round = 0; round < rounds; round++)
        address_round(transport, round % 14);
}

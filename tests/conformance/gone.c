/* gone.c: conformance tests with a peer that hangs up, vanishes or is killed, and with a peer in a
 * process of its own.
 */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/suite.h"

/* The producer goes: what it sent arrives whole, then ST_PEER_GONE, again and again. */
static void producer_goes(const struct transport *transport, enum policy policy, bool destroys)
{
    struct transport_config config = edge_config(transport, 5000, 8, 2, policy);
    static struct edge edge;
    edge_open(&edge, transport, &config);
    uint32_t frames = suite_random_below(9);
    for (uint32_t i = 0; i < frames; i++)
        CHECK(edge_send_due(&edge) == ST_OK, "send");
    if (suite_random_below(2)) { /* one reserved and never committed does not count */
        struct frame frame;
        struct err err = {0};
        enum status status = transport->reserve(edge.producer, &frame, &err);
        CHECK(status == ST_OK || status == ST_AGAIN, "%s", err.what);
    }
    if (destroys && !has_device_memory(transport)) { /* else its memory would go with it */
        edge_destroy_producer(&edge);
    } else {
        struct err err = {0};
        struct frame frame;
        transport->hang_up(edge.producer);
        transport->hang_up(edge.producer);
        CHECK_STATUS(transport->reserve(edge.producer, &frame, &err), ST_INVALID, err);
    }
    edge_drain(&edge, ST_PEER_GONE);
    CHECK(edge_receive(&edge) == ST_PEER_GONE, "a peer that had gone is back");
    uint64_t expected = policy == POLICY_LATEST && frames > 1 ? 1 : frames;
    CHECK(edge.checker.received == expected, "%llu frames arrived, not %llu",
          (unsigned long long)edge.checker.received, (unsigned long long)expected);
    CHECK(edge.checker.torn == 0, "torn");
    edge_close(&edge);
}

/* The consumer goes: the producer learns of it at the latest when its slots are used up. */
static void consumer_goes(const struct transport *transport, enum policy policy, bool destroys)
{
    struct transport_config config = edge_config(transport, 5000, 8, 2, policy);
    static struct edge edge;
    edge_open(&edge, transport, &config);
    uint32_t frames = suite_random_below(9);
    for (uint32_t i = 0; i < frames; i++)
        CHECK(edge_send_due(&edge) == ST_OK, "send");
    for (uint32_t i = suite_random_below(3); i > 0; i--)
        edge_receive(&edge);
    if (suite_random_below(2))
        edge_release(&edge);
    transport->hang_up(edge.consumer);
    transport->hang_up(edge.consumer);
    if (destroys) {
        transport->destroy(edge.consumer);
        edge.consumer = NULL;
    }
    uint32_t more = 0;
    enum status status;
    while ((status = edge_send_due(&edge)) == ST_OK)
        CHECK(++more <= config.slots, "a consumer that went was not noticed");
    CHECK(status == ST_PEER_GONE, "%s", status_name(status));
    CHECK(edge_send(&edge) == ST_PEER_GONE, "a peer that had gone is back");
    edge_close(&edge);
}

void conformance_hang_up(const struct transport *transport)
{
    for (int round = 0; round < rounds_for(transport, 30); round++)
        for (int i = 0; i < 4; i++) {
            enum policy policy = i & 2 && has_latest(transport) ? POLICY_LATEST : POLICY_BLOCK;
            /* The same again costs too much where a library takes its time to close an edge. */
            if (i & 2 && !has_latest(transport) && transport->flags & TRANSPORT_OWN_THREADS)
                continue;
            producer_goes(transport, policy, i & 1);
            consumer_goes(transport, policy, i & 1);
        }
}

/* An address from one process to the other, as the runner relays it. */
static void address_send(int socket_fd, struct transport_address *address)
{
    char control[CMSG_SPACE(sizeof address->fds)] = {0};
    struct iovec part = {address, sizeof *address};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (address->fd_count) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(address->fd_count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(address->fd_count * sizeof(int));
        memcpy(CMSG_DATA(rights), address->fds, address->fd_count * sizeof(int));
    }
    CHECK(sendmsg(socket_fd, &message, 0) == (ssize_t)sizeof *address, "sending an address");
}

static bool address_receive(int socket_fd, struct transport_address *address)
{
    char control[CMSG_SPACE(sizeof address->fds)] = {0};
    struct iovec part = {address, sizeof *address};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    if (recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof *address)
        return false; /* the other process was killed before it could send */
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    if (rights)
        memcpy(address->fds, CMSG_DATA(rights), address->fd_count * sizeof(int));
    return true;
}

/* This process's end of an edge between two processes. Both call it in the same state of the random
 * numbers, so that both know the frames. False when the other process did not live to see it. */
static bool side_open(struct edge *edge, const struct transport *transport,
                      const struct transport_config *config, bool producing, int socket_fd)
{
    struct err err = {0};
    struct transport_address address;
    memset(edge, 0, sizeof *edge);
    edge->transport = transport;
    edge->config = *config;
    edge->config.gpu = suite_gpu(transport);
    config = &edge->config;
    edge->max_held = config->max_held;
    edge->held = calloc(config->max_held, sizeof *edge->held);
    CHECK(edge->held, "no memory");
    plan_init(&edge->plan, transport, config);
    if (producing)
        edge_sources_open(edge);
    bool opened = true;
    if (producing) {
        CHECK_STATUS(transport->create(config, &edge->producer, &address, &err), ST_OK, err);
        address_send(socket_fd, &address);
        transport_address_close(&address);
    } else {
        opened = address_receive(socket_fd, &address);
        if (opened)
            CHECK_STATUS(transport->attach(config, &address, &edge->consumer, &err), ST_OK, err);
    }
    if (has_device_memory(transport))
        edge->peer_fd = socket_fd;
    else
        close(socket_fd);
    return opened;
}

/* The producer's device memory must stay until the consumer has ended or let go of it. */
static void side_close(struct edge *edge, bool producing)
{
    char none;
    bool device = has_device_memory(edge->transport);
    if (device && producing)
        edge->transport->hang_up(edge->producer);
    while (device && producing && recv(edge->peer_fd, &none, 1, 0) > 0)
        continue;
    edge_close(edge);
    if (device)
        close(edge->peer_fd);
}

/* Sends `frames` frames, or receives until the producer has hung up. */
static void side_run(struct edge *edge, bool producing, uint64_t frames)
{
    struct endpoint *endpoint = producing ? edge->producer : edge->consumer;
    enum direction direction = producing ? DIRECTION_WRITE : DIRECTION_READ;
    bool waited = false, told = true;
    for (;;) {
        if (producing && edge->sent == frames && !edge->filled)
            return;
        bool full = !producing && edge->held_count == edge->max_held;
        enum status status = producing ? edge_send(edge) : edge_receive(edge);
        if (waited && status != ST_AGAIN)
            edge_told(edge, direction, told);
        if (status == ST_PEER_GONE)
            return;
        if (!producing && (status != ST_OK || suite_random_below(2)))
            while (edge_release(edge))
                continue;
        waited = status == ST_AGAIN && !full;
        if (waited)
            told = edge_wait(endpoint, edge->transport, direction, 50);
    }
}

/* Forks. In the child: runs its side to the end and exits, 0 if all it saw was right. */
static pid_t side_fork(const struct transport *transport, const struct transport_config *config,
                       bool producing, uint64_t frames, int sockets[2])
{
    static struct edge edge;
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0, "socketpair");
    pid_t child = suite_fork();
    CHECK(child >= 0, "fork");
    if (child > 0) {
        close(sockets[1]);
        return child;
    }
    close(sockets[0]);
    if (!side_open(&edge, transport, config, producing, sockets[1]))
        _exit(0);
    side_run(&edge, producing, frames);
    bool torn = edge.checker.torn || edge.checker.repeated || edge.checker.reordered;
    bool all = producing || config->policy == POLICY_LATEST || edge.checker.received == frames;
    bool newest = producing || edge.checker.next == frames;
    side_close(&edge, producing);
    _exit(torn ? 4 : !all ? 5 : !newest ? 6 : 0);
}

static void processes_round(const struct transport *transport, int round)
{
    static struct edge edge;
    bool latest = has_latest(transport) && round & 2;
    bool child_produces = round & 1;
    uint32_t held = 1 + suite_random_below(3);
    struct transport_config config =
        edge_config(transport, suite_random_below(round < 12 ? 30000 : 3000000),
                    held + 2 + suite_random_below(5), held, latest ? POLICY_LATEST : POLICY_BLOCK);
    config.max_in_flight = suite_random_below(2);
    config.first_sequence = (1ull << 32) - suite_random_below(200);
    uint64_t frames = frames_for(transport, config.payload_bytes < 30000 ? 400 : 40);
    int sockets[2];
    pid_t child = side_fork(transport, &config, child_produces, frames, sockets);
    CHECK(side_open(&edge, transport, &config, !child_produces, sockets[0]), "no address");
    side_run(&edge, !child_produces, frames);
    if (child_produces) {
        CHECK(edge.checker.torn == 0 && edge.checker.repeated == 0 && edge.checker.reordered == 0,
              "frames were damaged");
        CHECK(edge.checker.next == frames, "the newest frame did not arrive");
        CHECK(latest || edge.checker.received == frames, "frames were lost");
    }
    side_close(&edge, !child_produces);
    int ended;
    CHECK(waitpid(child, &ended, 0) == child && ended == 0, "the child ended with 0x%x", ended);
}

/* Two real processes, frames of random bytes, every byte checked on arrival and before release. */
void conformance_processes(const struct transport *transport)
{
    for (int round = 0; round < 16; round++)
        suite_round(transport, processes_round, round);
}

/* The other side is dead: what a survivor may still see, and must. */
static void killed_survivor(struct edge *edge, bool producing)
{
    const struct transport *transport = edge->transport;
    bool tells = !(transport->flags & TRANSPORT_DEATH_UNSEEN);
    enum status status = ST_OK;
    if (!producing && tells) {
        edge_drain(edge, ST_PEER_GONE);
    } else if (!producing) {
        do
            while (edge_release(edge))
                continue;
        while (edge_receive(edge) == ST_OK);
    } else if (edge->config.policy == POLICY_BLOCK) {
        while (status == ST_OK)
            status = tells ? edge_send_due(edge) : edge_send(edge);
        CHECK(status == ST_PEER_GONE || !tells, "%s", status_name(status));
    }
}

static void killed_round(const struct transport *transport, int round)
{
    static struct edge edge;
    bool latest = has_latest(transport) && round & 2;
    bool child_produces = round & 1;
    struct transport_config config = edge_config(transport, suite_random_below(200000), 5, 2,
                                                 latest ? POLICY_LATEST : POLICY_BLOCK);
    /* A stream that waits for a dead process's work waits for ever: the role is killed then. */
    config.order = ORDER_HOST;
    int sockets[2];
    pid_t child = side_fork(transport, &config, child_produces, 30000, sockets);
    if (side_open(&edge, transport, &config, !child_produces, sockets[0])) {
        uint64_t steps = suite_random_below(400);
        for (uint64_t i = 0; i < steps && edge.sent < 30000; i++) {
            enum status status = child_produces ? edge_receive(&edge) : edge_send(&edge);
            if (child_produces)
                edge_release(&edge);
            if (status == ST_AGAIN && has_delays(transport))
                suite_sleep_ns(10000); /* else it would be over before the first frame came */
            else if (status == ST_AGAIN)
                sched_yield();
        }
        CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child, "kill");
        killed_survivor(&edge, !child_produces);
        CHECK(edge.checker.torn == 0 && edge.checker.repeated == 0 && edge.checker.reordered == 0,
              "the survivor saw a damaged frame");
        CHECK(latest || edge.checker.received == edge.checker.next, "a frame is missing");
    } else {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    side_close(&edge, !child_produces);
    /* Of iceoryx 2.0 the dead side may have held a lock in shared memory: RouDi waits for it, and a
     * runtime that ends by exit() for RouDi, without a limit. The runner kills such a role. */
    if (transport->flags & TRANSPORT_NEEDS_ROUDI)
        _exit(0);
}

/* SIGKILL to one side at a random moment: the survivor sees whole frames only, and never a fault. A
 * transport says ST_PEER_GONE then, or declares that it cannot know (TRANSPORT_DEATH_UNSEEN: behind
 * a word nobody can), and the runner watches the process instead. */
void conformance_killed(const struct transport *transport)
{
    for (int round = 0; round < rounds_for(transport, 40); round++)
        suite_round(transport, killed_round, round);
}

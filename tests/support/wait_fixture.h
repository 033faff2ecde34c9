/* wait_fixture.h: what the tests of wait strategies share: doorbells in memory that processes
 * share, made and opened as the roles do it. Include after cmocka.h.
 */
#ifndef HANDOFF_TESTS_WAIT_FIXTURE_H
#define HANDOFF_TESTS_WAIT_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/wait/wait.h"

#define MILLISECOND_NS 1000000u
#define WAIT_TEST_US 200

/* Whether the strategy can wait on `kind` on this machine; says so once if it cannot run here. */
static inline bool wait_usable(const struct wait_strategy *wait, unsigned kind)
{
    static const struct wait_strategy *told[16];
    struct err err = {0};
    if (!(wait->sources & kind))
        return false;
    if (wait->on_gpu)
        return false; /* nothing to idle with: tests/integration/check_gpu.py runs them */
    if (wait->probe(&err) == ST_OK)
        return true;
    for (size_t i = 0; i < sizeof told / sizeof told[0] && told[i] != wait; i++)
        if (!told[i]) {
            told[i] = wait;
            printf("not tried: %s: %s\n", wait->name, err.what);
            break;
        }
    return false;
}

/* The registry's strategies for words that can be used here: WAIT_EACH_ON_WORDS(wait) { … }. */
#define WAIT_EACH_ON_WORDS(wait)                                       \
    for (size_t wait_i = 0; wait_i < wait_registry_count; wait_i++)    \
        for (const struct wait_strategy *wait = wait_registry[wait_i]; \
             wait && wait_usable(wait, SOURCE_WORD); wait = NULL)

static inline struct wait_state wait_open_with(const struct wait_strategy *wait, int fd)
{
    struct wait_state state;
    struct err err = {0};
    const struct wait_config config = {wait->parameter == WAIT_PARAMETER_US ? WAIT_TEST_US : 0, fd};
    if (wait->open(&config, &state, &err) != ST_OK)
        fail_msg("%s: open: %s", wait->name, err.what);
    return state;
}

static inline struct wait_source word_source(struct doorbell *bell)
{
    return (struct wait_source){.kind = SOURCE_WORD, .bell = bell, .fd = -1};
}

/* Two directions of one edge: bells in a memfd, and what `create` made for each. */
struct wait_edge {
    const struct wait_strategy *wait;
    struct doorbell *bells;
    int memory;
    int fds[2];
};
#define WAIT_EDGE_BYTES (2 * sizeof(struct doorbell))

static inline struct wait_edge wait_edge_make(const struct wait_strategy *wait)
{
    struct wait_edge edge = {.wait = wait, .fds = {-1, -1}};
    edge.memory = memfd_create("wait-test", MFD_CLOEXEC);
    assert_true(edge.memory >= 0 && ftruncate(edge.memory, (off_t)WAIT_EDGE_BYTES) == 0);
    edge.bells = mmap(NULL, WAIT_EDGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, edge.memory, 0);
    assert_true(edge.bells != MAP_FAILED);
    for (int i = 0; i < 2; i++) {
        struct err err = {0};
        if (wait_create(wait, &edge.bells[i], &edge.fds[i], &err) != ST_OK)
            fail_msg("%s: create: %s", wait->name, err.what);
    }
    return edge;
}

static inline void wait_edge_close(struct wait_edge *edge)
{
    munmap(edge->bells, WAIT_EDGE_BYTES);
    close(edge->memory);
    for (int i = 0; i < 2; i++)
        if (edge->fds[i] >= 0)
            close(edge->fds[i]);
}

static inline struct wait_state wait_edge_open(const struct wait_edge *edge, unsigned direction)
{
    return wait_open_with(edge->wait, edge->fds[direction]);
}

/* The edge as it gets to another process: its descriptors over a socket, numbered anew, and its
 * memory mapped at another address. False after a failure. */
static inline bool wait_edge_send(const struct wait_edge *edge, int socket)
{
    int fds[3] = {edge->memory, edge->fds[0], edge->fds[1]};
    size_t count = edge->fds[0] >= 0 ? 3 : 1;
    char control[CMSG_SPACE(sizeof fds)] = {0};
    char byte = (char)count;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    return sendmsg(socket, &message, 0) == 1;
}

static inline bool wait_edge_receive(struct wait_edge *edge, const struct wait_strategy *wait,
                                     int socket)
{
    int fds[3] = {-1, -1, -1};
    char control[CMSG_SPACE(sizeof fds)];
    char byte;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
        return false;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    *edge = (struct wait_edge){wait, NULL, fds[0], {fds[1], fds[2]}};
    edge->bells = mmap(NULL, WAIT_EDGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, edge->memory, 0);
    return edge->bells != MAP_FAILED;
}

static inline void wait_ring(const struct wait_edge *edge, struct wait_state *state, unsigned bell)
{
    struct wait_source source = word_source(&edge->bells[bell]);
    atomic_fetch_add_explicit(&source.bell->word, DOORBELL_STEP, memory_order_release);
    edge->wait->notify(state, &source);
}

static inline uint64_t thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

#endif

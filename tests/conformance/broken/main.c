/* main.c: demands that the conformance suite's checker catches a transport that is wrong on
 * purpose: conformance_broken KEY [SEED]. Twenty runs with different frames, and each must be
 * caught.
 *
 * The other way round, a sound transport driven in the same way (shm, or delayed) must never be
 * accused. What only a test of the suite can see, that test must see, twenty times of twenty.
 */
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/conformance/broken/broken.h"
#include "tests/conformance/delayed.h"
#include "tests/conformance/suite.h"

#define RUNS 20
/* A race takes two CPUs at once: on a machine that has them for others, a run is tried again; so is
 * one that did not happen to send from the source. */
#define ATTEMPTS 20

extern const struct transport transport_shm;

static const struct {
    const char *key;
    const struct transport *transport;
    size_t count_offset; /* of the count that must not be 0, in struct checker */
} broken[] = {
#define BROKEN(key, count, text) {#key, &broken_##key, offsetof(struct checker, count)},
#include "tests/conformance/broken/broken.def"
#undef BROKEN
    {"delayed_loses", &transport_delayed_loses, offsetof(struct checker, lost)},
};

/* Faults that a test of the suite must see, and what it says then. */
static const struct {
    const char *key;
    const struct transport *transport;
    void (*test)(const struct transport *transport);
    const char *says;
} caught[] = {
#define CAUGHT(key, test, says) {#key, &transport_##key, conformance_##test, says},
#include "tests/conformance/broken/caught.def"
#undef CAUGHT
};

/* Runs the test in a process of its own: it must fail, and say why. */
static void must_fail(const struct transport *transport,
                      void (*test)(const struct transport *transport), const char *says)
{
    static char said[4096];
    size_t length = 0;
    ssize_t got;
    int pipes[2], ended;
    suite_seed = suite_random();
    CHECK(pipe(pipes) == 0, "pipe");
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0, "fork");
    if (child == 0) {
        dup2(pipes[1], STDERR_FILENO);
        test(transport);
        _exit(0);
    }
    close(pipes[1]);
    while (length < sizeof said - 1 &&
           (got = read(pipes[0], said + length, sizeof said - 1 - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    close(pipes[0]);
    CHECK(waitpid(child, &ended, 0) == child && WIFEXITED(ended), "the test crashed: 0x%x", ended);
    CHECK(WEXITSTATUS(ended) == 1, "%s, and the test did not notice", transport->summary);
    CHECK(strstr(said, says), "%s, and the test said: %s", transport->summary, said);
}

static void *consume(void *argument)
{
    struct edge *edge = argument;
    enum status status = ST_OK;
    while (status != ST_PEER_GONE) {
        status = edge_receive(edge);
        while (edge_release(edge))
            continue;
    }
    return NULL;
}

/* Both sides in turns, at random, in one thread; or, for what only a race shows, in two. */
static void drive(struct edge *edge, bool threads)
{
    uint64_t frames = threads ? 20 : 60;
    pthread_t consumer;
    if (threads)
        CHECK(pthread_create(&consumer, NULL, consume, edge) == 0, "pthread_create");
    while (edge->sent < frames || edge->filled) {
        uint32_t choice = suite_random_below(5);
        if (choice < 2 || threads)
            edge_send(edge);
        else if (choice < 4)
            edge_receive(edge);
        else
            edge_release(edge);
    }
    edge->transport->hang_up(edge->producer);
    if (threads)
        pthread_join(consumer, NULL);
    else
        edge_drain(edge, ST_PEER_GONE);
    checker_end(&edge->checker, frames);
}

static void run(const struct transport *transport, bool threads, struct checker *found)
{
    static struct edge edge;
    size_t payload = threads ? 500000 : 64 + suite_random_below(20000);
    struct transport_config config = edge_config(transport, payload, 4, 3, POLICY_BLOCK);
    edge_open(&edge, transport, &config);
    drive(&edge, threads);
    *found = edge.checker;
    edge_close(&edge);
}

int main(int argc, char **argv)
{
    static struct checker found;
    suite_seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL) * 1000003u;
    printf("seed %llu\n", (unsigned long long)suite_seed);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0] && argc > 1; i++) {
        if (strcmp(argv[1], broken[i].key) != 0)
            continue;
        bool threads = strcmp(argv[1], "early_race") == 0;
        for (int k = 0; k < RUNS; k++) {
            uint64_t count = 0;
            bool sends_source = broken[i].transport->flags & TRANSPORT_SENDS_SOURCE;
            for (int attempt = 0; count == 0 && attempt < (threads || sends_source ? ATTEMPTS : 1);
                 attempt++) {
                run(broken[i].transport, threads, &found);
                memcpy(&count, (const char *)&found + broken[i].count_offset, sizeof count);
            }
            CHECK(count > 0, "run %d: %s, and the checker did not notice", k,
                  broken[i].transport->summary);
            run(has_delays(broken[i].transport) ? &transport_delayed : &transport_shm, threads,
                &found);
            CHECK(checker_faults(&found) == 0, "run %d: the checker accused a sound transport", k);
        }
        printf("%s: caught %d times of %d\n", argv[1], RUNS, RUNS);
        return 0;
    }
    for (size_t i = 0; i < sizeof caught / sizeof caught[0] && argc > 1; i++)
        if (strcmp(argv[1], caught[i].key) == 0) {
            for (int k = 0; k < RUNS; k++)
                must_fail(caught[i].transport, caught[i].test, caught[i].says);
            printf("%s: caught %d times of %d\n", argv[1], RUNS, RUNS);
            return 0;
        }
    fprintf(stderr, "usage: %s KEY [SEED]\n", argv[0]);
    return 2;
}

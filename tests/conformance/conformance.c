/* conformance.c: runs one conformance test on one transport: conformance TRANSPORT TEST [SEED].
 *
 * CTest makes one entry of every pair (CMakeLists.txt). The seed is printed, and repeats a failure.
 */
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/gpu/capability.h"
#include "tests/conformance/daemon.h"
#include "tests/conformance/suite.h"
#include "tests/support/fake_gpu.h"

static const struct {
    const char *name;
    void (*run)(const struct transport *transport);
} tests[] = {
#define CONFORMANCE(name) {#name, conformance_##name},
#include "tests/conformance/tests.def"
#undef CONFORMANCE
};

static enum status suite_can(enum gpu_capability capability, struct err *err)
{
    return ST_OK;
}

/* In a process of its own where a library might not be used in a child of this one afterwards. */
static enum status suite_probe(const struct transport *transport, struct err *err)
{
    int answer[2];
    enum status status = ST_SYSTEM;
    if (!(transport->flags & TRANSPORT_OWN_THREADS))
        return transport->probe(err);
    CHECK(pipe(answer) == 0, "pipe");
    pid_t child = fork();
    CHECK(child >= 0, "fork");
    if (child == 0) {
        err->status = transport->probe(err);
        _exit(write(answer[1], err, sizeof *err) == (ssize_t)sizeof *err ? 0 : 1);
    }
    close(answer[1]);
    if (read(answer[0], err, sizeof *err) == (ssize_t)sizeof *err)
        status = err->status;
    close(answer[0]);
    CHECK(waitpid(child, NULL, 0) == child && status != ST_SYSTEM, "probe: %s", err->what);
    return status;
}

/* Descriptors open before a test. A library may keep some of its own for good once it was used, so
 * that is done first; but not before a test that forks. */
static unsigned suite_descriptors_before(const struct transport *transport, const char *test)
{
    bool forks = strcmp(test, "processes") == 0 || strcmp(test, "killed") == 0;
    if (transport->flags & TRANSPORT_OWN_THREADS && !forks) {
        static struct edge edge;
        struct transport_config config = edge_config(transport, 100, 2, 1, POLICY_BLOCK);
        edge_open(&edge, transport, &config);
        edge_close(&edge);
        suite_sleep_ns(20000000); /* its threads may still be closing something */
    }
    return suite_descriptors();
}

/* No more are open now; a library's threads may take a while to close the last ones. */
static void suite_descriptors_after(const struct transport *transport, unsigned before)
{
    uint64_t until_ns = suite_now_ns() + SUITE_DUE_NS;
    bool lazily = transport->flags & TRANSPORT_OWN_THREADS;
    unsigned after = suite_descriptors();
    while (lazily && after > before && suite_now_ns() < until_ns) {
        suite_sleep_ns(5000000);
        after = suite_descriptors();
    }
    CHECK(after == before || (lazily && after < before),
          "%u descriptors were open before, %u after", before, after);
}

/* One whose library this build has not (transports/absent.c): a role that tries it all the same
 * ends with the reason. */
static void suite_absent(const struct transport *transport)
{
    const struct transport_config config = edge_config(transport, 100, 2, 1, POLICY_BLOCK);
    struct endpoint *endpoint = NULL;
    struct transport_address address = {0};
    struct err err = {0};
    CHECK_STATUS(transport->create(&config, &endpoint, &address, &err), ST_UNAVAILABLE, err);
    CHECK_STATUS(transport->attach(&config, &address, &endpoint, &err), ST_UNAVAILABLE, err);
    CHECK(!endpoint && err.what[0] && err.hint[0], "no endpoint, a reason and a hint");
    transport->destroy(endpoint);
}

int main(int argc, char **argv)
{
    const struct transport *transport = argc >= 3 ? transport_find(argv[1]) : NULL;
    if (!transport) {
        fprintf(stderr, "usage: %s TRANSPORT TEST [SEED]\n", argv[0]);
        return 2;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    suite_seed = argc > 3 ? strtoull(argv[3], NULL, 0)
                          : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    printf("seed %llu\n", (unsigned long long)suite_seed);
    fflush(stdout);
    /* The fake, where it is linked, refuses what CUDA refuses: handles in the process that made
     * them. Here both ends are in one. What a machine can do is for `handoff probe`, not for
     * this. */
    setenv("HANDOFF_FAKE_GPU_ATTRIBUTES", "same_process=1", 0);
    gpu_capability_set_asker(fake_gpu_left ? suite_can : NULL);
    struct err err = {0};
    if (suite_probe(transport, &err) == ST_UNAVAILABLE ||
        suite_daemon_begin(transport, argv[2], &err) == ST_UNAVAILABLE) {
        if (!transport->reserve)
            suite_absent(transport);
        printf("not run: %s\n", err.what);
        return 77;
    }
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        if (strcmp(argv[2], tests[i].name) == 0) {
            unsigned before = suite_descriptors_before(transport, argv[2]);
            tests[i].run(transport);
            CHECK(!fake_gpu_left || fake_gpu_left() <= 2, "%u things were left on the GPU",
                  fake_gpu_left() - 2);
            suite_gpu_end();
            suite_descriptors_after(transport, before);
            return 0;
        }
    fprintf(stderr, "%s: no test of this name\n", argv[2]);
    return 2;
}

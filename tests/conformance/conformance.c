/* conformance.c: runs one conformance test on one transport: conformance TRANSPORT TEST [SEED].
 *
 * CTest makes one entry of every pair (CMakeLists.txt). The seed is printed, and repeats a failure.
 */
#include <string.h>
#include <time.h>

#include "harness/gpu/capability.h"
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
    /* The fake, where it is linked, refuses what CUDA refuses: handles in the process that made them.
     * Here both ends are in one. What a machine can do is for `handoff probe`, not for this. */
    setenv("HANDOFF_FAKE_GPU_ATTRIBUTES", "same_process=1", 0);
    gpu_capability_set_asker(fake_gpu_left ? suite_can : NULL);
    struct err err = {0};
    if (transport->probe(&err) == ST_UNAVAILABLE) {
        printf("not run: %s\n", err.what);
        return 77;
    }
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        if (strcmp(argv[2], tests[i].name) == 0) {
            unsigned before = suite_descriptors();
            tests[i].run(transport);
            CHECK(!fake_gpu_left || fake_gpu_left() <= 2, "%u things were left on the GPU",
                  fake_gpu_left() - 2);
            suite_gpu_end();
            unsigned after = suite_descriptors();
            CHECK(after == before, "%u descriptors were open before, %u after", before, after);
            return 0;
        }
    fprintf(stderr, "%s: no test of this name\n", argv[2]);
    return 2;
}

/* gpu_skip.h: leaving a test of a GPU out, with the reason. For tests/gpu. */
#ifndef HANDOFF_TESTS_GPU_SKIP_H
#define HANDOFF_TESTS_GPU_SKIP_H

#include <stdio.h>

/* gpu_skip("why", …): leaves this test out, and says why. `scripts/gpu` shows the line. */
#define gpu_skip(...)                      \
    do {                                   \
        printf("skipped: %s: ", __func__); \
        printf(__VA_ARGS__);               \
        printf("\n");                      \
        skip();                            \
    } while (0)

#endif

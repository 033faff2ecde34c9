/* fake_desk.h: what the tests of the fake GPU itself share: an open GPU with a stream and a word
 * that holds it back, and whether the CPU may touch an address.
 */
#ifndef HANDOFF_TESTS_FAKE_DESK_H
#define HANDOFF_TESTS_FAKE_DESK_H

#include "tests/support/gpu_fixture.h"

#include "tests/support/fake_gpu.h"

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

static struct err err;
#define OK(call) gpu_assert_ok(&err, call)
#define FAILS(call) gpu_assert_fails(&err, call)

/* One open GPU with a stream, and a word in pinned memory that holds the stream back. */
struct desk {
    struct gpu *gpu;
    struct gpu_stream *stream;
    uint32_t *word;
    void *word_device;
};

static inline struct desk desk_open(void)
{
    struct desk desk = {.gpu = gpu_fixture_open(GPU_SYNC_SPIN)};
    void *host;
    OK(gpu_stream_open(desk.gpu, &desk.stream, &err));
    OK(gpu_pinned_alloc(desk.gpu, PAGE, &host, &desk.word_device, &err));
    desk.word = host;
    return desk;
}

static inline void desk_close(struct desk *desk)
{
    gpu_pinned_free(desk->gpu, desk->word);
    gpu_stream_close(desk->stream);
    gpu_close(desk->gpu);
    assert_int_equal(fake_gpu_left(), 0);
}

static inline void hold(struct desk *desk)
{
    __atomic_store_n(desk->word, 0, __ATOMIC_RELEASE);
    OK(gpu_stream_wait_value(desk->stream, desk->word_device, 1, &err));
}

static inline void let_go(struct desk *desk)
{
    __atomic_store_n(desk->word, 1, __ATOMIC_RELEASE);
    OK(gpu_stream_synchronize(desk->stream, &err));
}

static sigjmp_buf touch_failed;

static inline void on_fault(int number)
{
    siglongjmp(touch_failed, 1);
}

static inline bool cpu_may_touch(void *address)
{
    struct sigaction action = {.sa_handler = on_fault}, before;
    volatile bool touched = false;
    sigaction(SIGSEGV, &action, &before);
    if (sigsetjmp(touch_failed, 1) == 0) {
        (void)*(volatile uint8_t *)address;
        touched = true;
    }
    sigaction(SIGSEGV, &before, NULL);
    return touched;
}

#endif

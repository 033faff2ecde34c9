/* test_fake_gpu_strict_threads.c: the fake GPU's strictness: device addresses are no host
 * addresses, illegal accesses break the context, what is left behind is told, misuse aborts, calls
 * fail when they are told to.
 */
#include "tests/support/fake_desk.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "kernels/launch.h"

/* ---- Addresses ------------------------------------------------------------------------------- */

static void test_the_cpu_cannot_touch_device_addresses(void **state)
{
    struct desk desk = desk_open();
    void *device, *registered, *managed;
    void *host = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    OK(gpu_device_alloc(desk.gpu, 1000, &device, &err));
    OK(gpu_register(desk.gpu, host, PAGE, &registered, &err));
    OK(gpu_managed_alloc(desk.gpu, 1000, &managed, &err));
    assert_false(cpu_may_touch(device));
    assert_false(cpu_may_touch(registered));
    assert_false(cpu_may_touch(desk.word_device));
    assert_true(cpu_may_touch(host));
    assert_true(cpu_may_touch(desk.word));
    assert_true(cpu_may_touch(managed));
    FAILS(gpu_register(desk.gpu, host, PAGE, &registered, &err)); /* twice */
    FAILS(gpu_register(desk.gpu, (uint8_t *)host + 64, PAGE, &registered, &err));
    gpu_managed_free(desk.gpu, managed);
    gpu_unregister(desk.gpu, host);
    gpu_device_free(desk.gpu, device);
    desk_close(&desk);
    munmap(host, PAGE);
}

/* Runs a kernel that complements `bytes` bytes at `address`; what the stream says of it. */
static enum status kernel_touches(struct desk *desk, void *address, size_t bytes)
{
    struct launcher *launcher;
    const struct launch_work work = {
        .kind = LAUNCH_INVERT, .payload = address, .payload_bytes = bytes};
    OK(launcher_open(desk->gpu, &launcher, &err));
    OK(launcher_enqueue(launcher, desk->stream, &work, &err));
    enum status status = gpu_stream_synchronize(desk->stream, &err);
    launcher_close(launcher);
    return status;
}

/* An illegal address breaks the context until it is opened anew. */
static void check_breaks(void *(*make)(struct desk *desk), size_t bytes)
{
    struct desk desk = desk_open();
    void *address = make(&desk), *device;
    assert_int_equal(kernel_touches(&desk, address, bytes), ST_SYSTEM);
    assert_non_null(strstr(err.what, "illegal memory access"));
    FAILS(gpu_device_alloc(desk.gpu, 64, &device, &err));
    FAILS(gpu_stream_poll(desk.stream, &err));
}

static void *make_unregistered(struct desk *desk)
{
    return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void *make_registered_host_address(struct desk *desk)
{
    void *device, *host = make_unregistered(desk);
    OK(gpu_register(desk->gpu, host, PAGE, &device, &err));
    return host;
}

static void *make_too_short(struct desk *desk)
{
    void *device;
    OK(gpu_device_alloc(desk->gpu, PAGE - 1, &device, &err));
    return device;
}

static void *make_freed(struct desk *desk)
{
    void *device;
    OK(gpu_device_alloc(desk->gpu, PAGE, &device, &err));
    gpu_device_free(desk->gpu, device);
    return device;
}

GPU_PEER(breaks_unregistered)
{
    check_breaks(make_unregistered, PAGE);
}
GPU_PEER(breaks_registered_host_address)
{
    check_breaks(make_registered_host_address, PAGE);
}
GPU_PEER(breaks_too_short)
{
    check_breaks(make_too_short, PAGE);
}
GPU_PEER(breaks_freed)
{
    check_breaks(make_freed, PAGE);
}

static void test_illegal_addresses_break_the_context(void **state)
{
    static const char *const peers[] = {"breaks_unregistered", "breaks_registered_host_address",
                                        "breaks_too_short", "breaks_freed"};
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        struct gpu_peer peer = gpu_peer_start(peers[i]);
        gpu_peer_end(&peer);
    }
}

/* Where the GPU reads the host's page tables it is legal. */
GPU_PEER(pageable)
{
    struct desk desk = desk_open();
    uint8_t *host = make_unregistered(&desk);
    host[5] = 0x5a;
    assert_int_equal(kernel_touches(&desk, host, PAGE), ST_OK);
    assert_int_equal(host[5], 0xa5);
    munmap(host, PAGE);
    desk_close(&desk);
}

/* It is one stream's: a kernel on another must not touch it. */
GPU_PEER(turns_of_one_stream)
{
    struct desk desk = desk_open();
    struct gpu_stream *first = desk.stream;
    void *memory;
    OK(gpu_managed_alloc(desk.gpu, PAGE, &memory, &err));
    OK(gpu_stream_managed_to_gpu(first, memory, &err));
    assert_int_equal(kernel_touches(&desk, memory, PAGE), ST_OK);
    OK(gpu_stream_open(desk.gpu, &desk.stream, &err));
    assert_int_equal(kernel_touches(&desk, memory, PAGE), ST_SYSTEM);
    assert_non_null(strstr(err.what, "another stream"));
}

/* Managed memory of which one side has its hands on at a time. */
GPU_PEER(turns)
{
    struct desk desk = desk_open();
    void *memory;
    OK(gpu_managed_alloc(desk.gpu, PAGE, &memory, &err));
    OK(gpu_stream_managed_to_gpu(desk.stream, memory, &err));
    assert_false(cpu_may_touch(memory));
    assert_int_equal(kernel_touches(&desk, memory, PAGE), ST_OK);
    assert_false(cpu_may_touch(memory));
    hold(&desk);
    OK(gpu_stream_managed_to_host(desk.stream, memory, &err));
    assert_false(cpu_may_touch(memory));
    let_go(&desk);
    assert_true(cpu_may_touch(memory));
    assert_int_equal(kernel_touches(&desk, memory, PAGE), ST_SYSTEM);
}

static void peer_with_attributes(const char *name, const char *attributes)
{
    setenv("HANDOFF_FAKE_GPU_ATTRIBUTES", attributes, 1);
    struct gpu_peer peer = gpu_peer_start(name);
    unsetenv("HANDOFF_FAKE_GPU_ATTRIBUTES");
    gpu_peer_end(&peer);
}

static void test_other_machines(void **state)
{
    peer_with_attributes("pageable", "pageable_memory_access=1");
    peer_with_attributes("turns", "concurrent_managed_access=0");
    peer_with_attributes("turns_of_one_stream", "concurrent_managed_access=0");
}

static void *make_without_access(struct desk *desk)
{
    static struct gpu_shared *exported, *memory; /* never destroyed, but no leak either */
    struct gpu_shared_address address;
    OK(gpu_shared_create(desk->gpu, GPU_SHARE_VMM, PAGE, &exported, &address, &err));
    OK(gpu_shared_attach(desk->gpu, GPU_SHARE_VMM, PAGE, &address, false, &memory, &err));
    return gpu_shared_pointer(memory);
}
GPU_PEER(breaks_without_access)
{
    check_breaks(make_without_access, PAGE);
}

static void test_vmm_without_access(void **state)
{
    struct gpu_peer peer = gpu_peer_start("breaks_without_access");
    gpu_peer_end(&peer);
    struct desk desk = desk_open();
    struct gpu_shared *made, *memory;
    struct gpu_shared_address address;
    OK(gpu_shared_create(desk.gpu, GPU_SHARE_IPC, PAGE, &made, &address, &err));
    FAILS(gpu_shared_attach(desk.gpu, GPU_SHARE_IPC, PAGE, &address, true, &memory, &err));
    gpu_shared_destroy(made);
    desk_close(&desk);
}

/* ---- What is left, what is freed twice ------------------------------------------------------- */

GPU_PEER(leaves_nothing)
{
    struct desk desk = desk_open();
    desk_close(&desk);
}
GPU_PEER(leaves_memory)
{
    void *device;
    struct gpu *gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    OK(gpu_device_alloc(gpu, 64, &device, &err));
    gpu_close(gpu);
}
GPU_PEER(leaves_a_stream)
{
    struct gpu_stream *stream;
    struct gpu *gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    OK(gpu_stream_open(gpu, &stream, &err));
    gpu_close(gpu);
}
GPU_PEER(leaves_the_gpu_open)
{
    gpu_fixture_open(GPU_SYNC_SPIN);
}
GPU_PEER(leaves_work)
{
    struct desk desk = desk_open();
    hold(&desk);
    desk_close(&desk);
}
GPU_PEER(frees_twice)
{
    void *device;
    struct gpu *gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    OK(gpu_device_alloc(gpu, 64, &device, &err));
    gpu_device_free(gpu, device);
    gpu_device_free(gpu, device);
}
GPU_PEER(unregisters_too_late)
{
    void *device;
    struct gpu *gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    void *host = make_unregistered(NULL);
    OK(gpu_register(gpu, host, PAGE, &device, &err));
    munmap(host, PAGE);
    gpu_unregister(gpu, host);
}
GPU_PEER(uses_a_closed_gpu)
{
    struct desk desk = desk_open();
    desk_close(&desk);
    (void)gpu_stream_open(desk.gpu, &desk.stream, &err);
}

static int peer_status(const char *name)
{
    struct gpu_peer peer = gpu_peer_start(name);
    return gpu_peer_wait(&peer);
}

static void test_what_is_left_is_told(void **state)
{
    static const char *const leaves[] = {"leaves_memory", "leaves_a_stream", "leaves_the_gpu_open",
                                         "leaves_work"};
    setenv("HANDOFF_FAKE_GPU_STRICT", "1", 1);
    assert_int_equal(peer_status("leaves_nothing"), 0);
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        int status = peer_status(leaves[i]);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != FAKE_EXIT_LEFT)
            fail_msg("%s ended with wait status 0x%x", leaves[i], (unsigned)status);
    }
    unsetenv("HANDOFF_FAKE_GPU_STRICT");
}

static void test_misuse_aborts(void **state)
{
    static const char *const wrongs[] = {"frees_twice", "unregisters_too_late",
                                         "uses_a_closed_gpu"};
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        int status = peer_status(wrongs[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            fail_msg("%s ended with wait status 0x%x", wrongs[i], (unsigned)status);
    }
}

/* ---- Injected failures ----------------------------------------------------------------------- */

static void test_calls_fail_when_told(void **state)
{
    struct desk desk = desk_open();
    struct gpu_event *event;
    OK(gpu_event_open(desk.gpu, 0, &event, &err));
    fake_gpu_fail("gpu_event_record", 2, false);
    OK(gpu_event_record(event, desk.stream, &err));
    FAILS(gpu_event_record(event, desk.stream, &err));
    assert_non_null(strstr(err.what, "injected"));
    OK(gpu_event_record(event, desk.stream, &err));
    fake_gpu_fail(NULL, 0, false);
    gpu_event_close(event);
    desk_close(&desk);
}

/* The call itself is fine; its work breaks the context. */
GPU_PEER(fails_later)
{
    struct desk desk = desk_open();
    fake_gpu_fail("gpu_stream_write_value", 1, true);
    hold(&desk);
    OK(gpu_stream_write_value(desk.stream, desk.word_device, 1, &err));
    __atomic_store_n(desk.word, 1, __ATOMIC_RELEASE);
    FAILS(gpu_stream_synchronize(desk.stream, &err));
    assert_non_null(strstr(err.what, "injected"));
    FAILS(gpu_stream_poll(desk.stream, &err));
    desk_close(&desk); /* freeing is safe */
}

/* By role and number, and counted, as tests of the whole program do it. */
GPU_PEER(fails_by_environment)
{
    struct gpu *gpu;
    FAILS(gpu_open(GPU_SYNC_SPIN, &gpu, &err));
    assert_int_equal(err.status, ST_UNAVAILABLE);
    OK(gpu_open(GPU_SYNC_SPIN, &gpu, &err));
    gpu_close(gpu);
}

static void test_failures_by_environment(void **state)
{
    char file[] = "/tmp/handoff-fake-XXXXXX", text[400] = "";
    struct gpu_peer peer = gpu_peer_start("fails_later");
    gpu_peer_end(&peer);
    int fd = mkstemp(file);
    setenv("HANDOFF_FAKE_GPU_FAIL", "*:gpu_open:1:unavailable", 1);
    setenv("HANDOFF_FAKE_GPU_COUNT", file, 1);
    assert_int_equal(peer_status("fails_by_environment"), 0);
    setenv("HANDOFF_FAKE_GPU_FAIL", "producer:gpu_open:1", 1); /* somebody else */
    assert_int_equal(peer_status("leaves_nothing"), 0);
    unsetenv("HANDOFF_FAKE_GPU_FAIL");
    unsetenv("HANDOFF_FAKE_GPU_COUNT");
    assert_true(read(fd, text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, " gpu_open 2\n"));
    close(fd);
    unlink(file);
}

int main(int argc, char **argv)
{
    const struct rlimit no_core = {0, 0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_cpu_cannot_touch_device_addresses),
        cmocka_unit_test(test_illegal_addresses_break_the_context),
        cmocka_unit_test(test_other_machines),
        cmocka_unit_test(test_vmm_without_access),
        cmocka_unit_test(test_what_is_left_is_told),
        cmocka_unit_test(test_misuse_aborts),
        cmocka_unit_test(test_calls_fail_when_told),
        cmocka_unit_test(test_failures_by_environment),
    };
    setrlimit(RLIMIT_CORE, &no_core); /* some of it aborts on purpose */
    gpu_fixture_begin(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

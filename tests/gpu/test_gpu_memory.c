/* test_gpu_memory.c: gpu.h's device and the memory of one process: what is written comes back, what
 * cannot be is refused with words and does no harm, and what was taken is given back.
 */
#include "tests/support/gpu_fixture.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "harness/base/shm.h"
#include "tests/support/random_input.h"

#define SIZE_MAX_BYTES ((size_t)3 << 20)
/* CUDA gives memory back in blocks, and keeps some for itself. */
#define MEMORY_SLACK_BYTES ((uint64_t)64 << 20)

static struct gpu *gpu;
static struct gpu_stream *stream;
static struct err err;

static int open_gpu(void **state)
{
    memset(&err, 0, sizeof err);
    gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    gpu_assert_ok(&err, gpu_stream_open(gpu, &stream, &err));
    return 0;
}

static int close_gpu(void **state)
{
    gpu_stream_close(stream);
    gpu_close(gpu);
    return 0;
}

static void copy(void *to, const void *from, size_t size_bytes)
{
    gpu_assert_ok(&err, gpu_stream_copy(stream, to, from, size_bytes, &err));
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
}

static uint8_t *random_buffer(size_t size_bytes)
{
    uint8_t *bytes = malloc(size_bytes);
    assert_non_null(bytes);
    random_bytes(bytes, size_bytes);
    return bytes;
}

/* ---- The device ------------------------------------------------------------------------------ */

static void test_attributes(void **state)
{
    assert_true(gpu_attribute_read(gpu, GPU_ATTRIBUTE_multiprocessors) > 0);
    assert_int_equal(gpu_attribute_read(gpu, GPU_ATTRIBUTE_can_map_host_memory), 1);
    for (int i = 0; i < GPU_ATTRIBUTE_COUNT; i++) {
        assert_true(gpu_attribute_name((enum gpu_attribute)i)[0] != '\0');
        printf("%s = %d\n", gpu_attribute_name((enum gpu_attribute)i),
               gpu_attribute_read(gpu, (enum gpu_attribute)i));
    }
}

static void run_with_sync(enum gpu_sync sync)
{
    uint64_t sent = random_u64(), seen = 0;
    void *device = NULL;
    gpu = gpu_fixture_open(sync);
    gpu_assert_ok(&err, gpu_stream_open(gpu, &stream, &err));
    gpu_assert_ok(&err, gpu_device_alloc(gpu, sizeof sent, &device, &err));
    copy(device, &sent, sizeof sent);
    copy(&seen, device, sizeof seen);
    assert_int_equal(seen, sent);
    gpu_device_free(gpu, device);
    gpu_stream_close(stream);
    gpu_close(gpu);
}

/* Each in a process of its own: the flag belongs to the context. gpu_open looks whether CUDA took
 * it. */
GPU_PEER(sync)
{
    uint32_t sync = 0;
    gpu_peer_hear(fd, &sync, sizeof sync, NULL);
    run_with_sync((enum gpu_sync)sync);
}

static void test_schedule_flags(void **state)
{
    struct gpu_peer peers[GPU_SYNC_FLAG + 1];
    for (uint32_t sync = 0; sync <= GPU_SYNC_FLAG; sync++) {
        peers[sync] = gpu_peer_start("sync");
        gpu_peer_say(peers[sync].fd, &sync, sizeof sync, -1);
    }
    for (uint32_t sync = 0; sync <= GPU_SYNC_FLAG; sync++)
        gpu_peer_end(&peers[sync]);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void test_device_memory(void **state)
{
    for (int i = 0; i < 8; i++) {
        size_t size = random_size(SIZE_MAX_BYTES);
        uint8_t *sent = random_buffer(size), *seen = random_buffer(size);
        void *first = NULL, *second = NULL;
        gpu_assert_ok(&err, gpu_device_alloc(gpu, size, &first, &err));
        gpu_assert_ok(&err, gpu_device_alloc(gpu, size, &second, &err));
        assert_int_equal((uintptr_t)first % 256, 0);
        copy(first, sent, size);
        copy(second, first, size);
        copy(seen, second, size);
        assert_memory_equal(seen, sent, size);
        gpu_device_free(gpu, first);
        gpu_device_free(gpu, second);
        free(sent);
        free(seen);
    }
}

static void test_pinned_memory(void **state)
{
    enum { COUNT = 5 };
    uint8_t *host[COUNT];
    void *device[COUNT];
    size_t size[COUNT];
    for (int i = 0; i < COUNT; i++) {
        size[i] = random_size(i == 0 ? 64 : 100000);
        gpu_assert_ok(&err, gpu_pinned_alloc(gpu, size[i], (void **)&host[i], &device[i], &err));
        assert_int_equal((uintptr_t)host[i] % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
        for (size_t at = 0; at < size[i]; at++)
            assert_int_equal(host[i][at], 0);
    }
    for (int i = 0; i < COUNT; i++) {
        uint8_t *sent = random_buffer(size[i]), *seen = random_buffer(size[i]);
        memcpy(host[i], sent, size[i]);
        copy(seen, device[i], size[i]);
        assert_memory_equal(seen, sent, size[i]);
        random_bytes(sent, size[i]);
        copy(device[i], sent, size[i]);
        assert_memory_equal(host[i], sent, size[i]);
        free(sent);
        free(seen);
    }
    for (int i = 0; i < COUNT; i++)
        gpu_pinned_free(gpu, host[i]);
}

/* Both ways through the GPU's address of `host`. */
static void check_registered(uint8_t *host, void *device, size_t size)
{
    uint8_t *seen = random_buffer(size);
    void *memory = NULL;
    gpu_assert_ok(&err, gpu_device_alloc(gpu, size, &memory, &err));
    random_bytes(host, size);
    copy(memory, device, size);
    copy(seen, memory, size);
    assert_memory_equal(seen, host, size);
    random_bytes(seen, size);
    copy(memory, seen, size);
    copy(device, memory, size);
    assert_memory_equal(host, seen, size);
    gpu_device_free(gpu, memory);
    free(seen);
}

static void test_registered_shared_memory(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 4; i++) {
        size_t size = (1 + (size_t)random_below(300)) * page;
        struct shm_map map = SHM_MAP_NONE;
        void *device = NULL;
        gpu_assert_ok(&err, shm_create("test-gpu", size, &map, &err));
        gpu_assert_ok(&err, gpu_register(gpu, map.bytes, size, &device, &err));
        check_registered(map.bytes, device, size);
        gpu_unregister(gpu, map.bytes);
        shm_unmap(&map);
    }
}

static void test_register_again(void **state)
{
    size_t size = 8 * (size_t)sysconf(_SC_PAGESIZE);
    struct shm_map map = SHM_MAP_NONE;
    void *device = NULL, *again = NULL;
    gpu_assert_ok(&err, shm_create("test-gpu", size, &map, &err));
    gpu_assert_ok(&err, gpu_register(gpu, map.bytes, size, &device, &err));
    gpu_assert_fails(&err, gpu_register(gpu, map.bytes, size, &again, &err));
    printf("registered twice: %s\n", err.what);
    assert_null(again);
    check_registered(map.bytes, device, size); /* the refusal did no harm */
    gpu_unregister(gpu, map.bytes);
    gpu_assert_ok(&err, gpu_register(gpu, map.bytes, size, &device, &err));
    check_registered(map.bytes, device, size);
    gpu_unregister(gpu, map.bytes);
    shm_unmap(&map);
}

static void test_register_refuses_parts_of_pages(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *host = aligned_alloc(page, 4 * page);
    void *device = NULL;
    gpu_assert_fails(&err, gpu_register(gpu, host + 64, page, &device, &err));
    gpu_assert_fails(&err, gpu_register(gpu, host, page + 1, &device, &err));
    gpu_assert_fails(&err, gpu_register(gpu, host, 0, &device, &err));
    assert_null(device);
    gpu_assert_ok(&err, gpu_register(gpu, host, 4 * page, &device, &err));
    check_registered(host, device, 4 * page);
    gpu_unregister(gpu, host);
    free(host);
}

static void test_managed_memory(void **state)
{
    for (int i = 0; i < 3; i++) {
        size_t size = random_size(SIZE_MAX_BYTES);
        uint8_t *sent = random_buffer(size), *seen = random_buffer(size), *managed = NULL;
        void *device = NULL;
        gpu_assert_ok(&err, gpu_managed_alloc(gpu, size, (void **)&managed, &err));
        gpu_assert_ok(&err, gpu_device_alloc(gpu, size, &device, &err));
        memcpy(managed, sent, size);
        gpu_assert_ok(&err, gpu_stream_managed_to_gpu(stream, managed, &err));
        copy(device, managed, size);
        copy(seen, device, size);
        assert_memory_equal(seen, sent, size);
        random_bytes(sent, size);
        copy(device, sent, size);
        gpu_assert_ok(&err, gpu_stream_copy(stream, managed, device, size, &err));
        gpu_assert_ok(&err, gpu_stream_managed_to_host(stream, managed, &err));
        gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
        assert_memory_equal(managed, sent, size);
        gpu_managed_free(gpu, managed);
        gpu_device_free(gpu, device);
        free(sent);
        free(seen);
    }
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static void test_memory_comes_back(void **state)
{
    size_t size = (size_t)40 << 20;
    uint64_t before = 0, after = 0, total = 0;
    gpu_assert_ok(&err, gpu_memory_info(gpu, &before, &total, &err));
    assert_true(before <= total);
    for (int i = 0; i < 6; i++) {
        void *device = NULL, *host = NULL, *reached = NULL;
        gpu_assert_ok(&err, gpu_device_alloc(gpu, size, &device, &err));
        gpu_assert_ok(&err, gpu_pinned_alloc(gpu, size / 8, &host, &reached, &err));
        gpu_pinned_free(gpu, host);
        gpu_device_free(gpu, device);
    }
    gpu_assert_ok(&err, gpu_memory_info(gpu, &after, &total, &err));
    if (gpu_fixture_alone())
        assert_true(after + MEMORY_SLACK_BYTES >= before);
}

static void test_too_much_is_refused(void **state)
{
    uint64_t unused = 0, total = 0;
    void *device = NULL;
    gpu_assert_ok(&err, gpu_memory_info(gpu, &unused, &total, &err));
    memset(&err, 0, sizeof err);
    assert_int_equal(gpu_device_alloc(gpu, (size_t)total * 4, &device, &err), ST_NO_MEMORY);
    printf("too much: %s\nhint: %s\n", err.what, err.hint);
    assert_true(err.what[0] && err.hint[0]);
    assert_null(device);
    gpu_assert_ok(&err, gpu_device_alloc(gpu, 4096, &device, &err));
    gpu_device_free(gpu, device);
}

static void test_dmabuf(void **state)
{
    size_t size = (size_t)2 << 20;
    void *device = NULL;
    int fd = -1;
    gpu_assert_ok(&err, gpu_device_alloc(gpu, size, &device, &err));
    enum status status = gpu_dmabuf_export(gpu, device, size, false, &fd, &err);
    printf("DMA-BUF of device memory: %s\n", status == ST_OK ? "works" : err.what);
    if (status == ST_OK) {
        assert_true(fcntl(fd, F_GETFD) >= 0);
        close(fd);
    } else {
        assert_int_equal(fd, -1);
        assert_int_not_equal(gpu_attribute_read(gpu, GPU_ATTRIBUTE_dma_buf), 1);
    }
    gpu_device_free(gpu, device);
}

static void test_nothing_can_be_freed(void **state)
{
    gpu_device_free(gpu, NULL);
    gpu_pinned_free(gpu, NULL);
    gpu_managed_free(gpu, NULL);
    gpu_unregister(gpu, NULL);
    gpu_shared_destroy(NULL);
    gpu_stream_close(NULL);
    gpu_event_close(NULL);
    gpu_close(NULL);
    void *device = NULL;
    gpu_assert_ok(&err, gpu_device_alloc(gpu, 1, &device, &err));
    gpu_device_free(gpu, device);
}

#define WITH_GPU(test) cmocka_unit_test_setup_teardown(test, open_gpu, close_gpu)

int main(int argc, char **argv)
{
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        WITH_GPU(test_attributes),
        cmocka_unit_test(test_schedule_flags),
        WITH_GPU(test_device_memory),
        WITH_GPU(test_pinned_memory),
        WITH_GPU(test_registered_shared_memory),
        WITH_GPU(test_register_again),
        WITH_GPU(test_register_refuses_parts_of_pages),
        WITH_GPU(test_managed_memory),
        WITH_GPU(test_memory_comes_back),
        WITH_GPU(test_too_much_is_refused),
        WITH_GPU(test_dmabuf),
        WITH_GPU(test_nothing_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

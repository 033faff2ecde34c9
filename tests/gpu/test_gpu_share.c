/* test_gpu_share.c: device memory and events shared by two processes: the same bytes on both sides,
 * wrong addresses refused, deaths survived, everything given back.
 */
#include "tests/support/gpu_fixture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/support/random_input.h"

/* CUDA gives memory back in blocks, and keeps some for itself; another process's context takes some
 * hundred MB for as long as it is there. */
#define MEMORY_SLACK_BYTES ((uint64_t)32 << 20)

static struct gpu *gpu;
static struct gpu_stream *stream;
static struct err err;
static uint32_t *word, *word_device; /* pinned */

static void open_here(void)
{
    memset(&err, 0, sizeof err);
    gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    gpu_assert_ok(&err, gpu_stream_open(gpu, &stream, &err));
    gpu_assert_ok(&err, gpu_pinned_alloc(gpu, 4096, (void **)&word, (void **)&word_device, &err));
}

static void close_here(void)
{
    gpu_stream_close(stream);
    gpu_pinned_free(gpu, word);
    gpu_close(gpu);
}

static int open_gpu(void **state)
{
    open_here();
    return 0;
}

static int close_gpu(void **state)
{
    close_here();
    return 0;
}

static void copy(void *to, const void *from, size_t size_bytes)
{
    gpu_assert_ok(&err, gpu_stream_copy(stream, to, from, size_bytes, &err));
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
}

/* The same bytes for the same seed, in both processes. */
static uint8_t *bytes_of_seed(uint64_t seed, size_t size_bytes)
{
    uint64_t kept = random_state;
    size_t words = size_bytes / 8 + 1;
    uint64_t *bytes = malloc(8 * words);
    assert_non_null(bytes);
    random_state = seed;
    for (size_t i = 0; i < words; i++)
        bytes[i] = random_u64();
    random_state = kept;
    return (uint8_t *)bytes;
}

static void check_content(const struct gpu_shared *memory, uint64_t seed, size_t size_bytes)
{
    uint8_t *expected = bytes_of_seed(seed, size_bytes), *seen = calloc(1, size_bytes);
    assert_non_null(seen);
    copy(seen, gpu_shared_pointer(memory), size_bytes);
    assert_memory_equal(seen, expected, size_bytes);
    free(expected);
    free(seen);
}

static void put_content(const struct gpu_shared *memory, uint64_t seed, size_t size_bytes)
{
    uint8_t *bytes = bytes_of_seed(seed, size_bytes);
    copy(gpu_shared_pointer(memory), bytes, size_bytes);
    free(bytes);
}

/* Makes shared memory, or skips the test where this machine says that it cannot. */
static struct gpu_shared *create_or_skip(enum gpu_share share, size_t size_bytes,
                                         struct gpu_shared_address *address)
{
    struct gpu_shared *memory = NULL;
    enum status status = gpu_shared_create(gpu, share, size_bytes, &memory, address, &err);
    if (status == ST_UNAVAILABLE)
        gpu_skip("%s is not there: %s", gpu_share_name(share), err.what);
    gpu_assert_ok(&err, status);
    assert_int_equal((uintptr_t)gpu_shared_pointer(memory) % 256, 0);
    return memory;
}

static void address_close(struct gpu_shared_address *address)
{
    if (address->fd >= 0)
        close(address->fd);
    address->fd = -1;
}

/* ---- The other process ----------------------------------------------------------------------- */

/* What the test tells the peer; size_bytes 0 is the end. */
struct offer {
    enum gpu_share share;
    uint32_t set_access;
    uint64_t size_bytes;
    uint64_t seed;
    struct gpu_shared_address address;
};

static void offer_say(int fd, const struct offer *offer)
{
    gpu_peer_say(fd, offer, sizeof *offer, offer->address.fd);
}

static void offer_hear(int fd, struct offer *offer)
{
    int passed_fd = -1;
    gpu_peer_hear(fd, offer, sizeof *offer, &passed_fd);
    offer->address.fd = passed_fd;
}

/* Attaches, checks what is there, answers with content of the next seed; as often as it is told. */
GPU_PEER(importer)
{
    struct offer offer;
    open_here();
    for (offer_hear(fd, &offer); offer.size_bytes; offer_hear(fd, &offer)) {
        struct gpu_shared *memory = NULL;
        gpu_assert_ok(&err, gpu_shared_attach(gpu, offer.share, offer.size_bytes, &offer.address,
                                              true, &memory, &err));
        assert_int_equal(offer.address.fd, -1);
        assert_int_equal((uintptr_t)gpu_shared_pointer(memory) % 256, 0);
        check_content(memory, offer.seed, offer.size_bytes);
        put_content(memory, offer.seed + 1, offer.size_bytes);
        gpu_peer_say_turn(fd, 1);
        gpu_peer_hear_turn(fd, 2);
        check_content(memory, offer.seed + 2, offer.size_bytes);
        gpu_shared_destroy(memory);
        gpu_peer_say_turn(fd, 3);
    }
    close_here();
}

static void check_share(enum gpu_share share)
{
    const size_t sizes[] = {1, 4097, (size_t)2 << 20, random_size((size_t)5 << 20),
                            3840 * 2160 * 3};
    const size_t count = sizeof sizes / sizeof sizes[0];
    struct gpu_shared_address probed;
    gpu_shared_destroy(create_or_skip(share, 4096, &probed));
    address_close(&probed);
    struct gpu_peer peer = gpu_peer_start("importer");
    for (size_t i = 0; i < count; i++) {
        struct offer offer = {.share = share, .size_bytes = sizes[i], .seed = random_u64()};
        struct gpu_shared *memory = create_or_skip(share, sizes[i], &offer.address);
        assert_int_equal(offer.address.fd >= 0, share != GPU_SHARE_IPC);
        put_content(memory, offer.seed, sizes[i]);
        offer_say(peer.fd, &offer);
        address_close(&offer.address);
        gpu_peer_hear_turn(peer.fd, 1);
        check_content(memory, offer.seed + 1, sizes[i]);
        put_content(memory, offer.seed + 2, sizes[i]);
        gpu_peer_say_turn(peer.fd, 2);
        gpu_peer_hear_turn(peer.fd, 3);
        gpu_shared_destroy(memory);
    }
    struct offer end = {.address.fd = -1};
    offer_say(peer.fd, &end);
    gpu_peer_end(&peer);
}

static void test_share_ipc(void **state)
{
    check_share(GPU_SHARE_IPC);
}

static void test_share_vmm(void **state)
{
    check_share(GPU_SHARE_VMM);
}

static void test_share_pool(void **state)
{
    check_share(GPU_SHARE_POOL);
}

/* ---- Several at once, and memory that comes back --------------------------------------------- */

enum { SLOTS = 4 };
#define LOOKED_AT_BYTES ((size_t)100 << 10) /* of memory that is large for its own sake */

GPU_PEER(holder)
{
    struct gpu_shared *memory[SLOTS];
    struct offer offer;
    open_here();
    for (int i = 0; i < SLOTS; i++) {
        offer_hear(fd, &offer);
        gpu_assert_ok(&err, gpu_shared_attach(gpu, offer.share, offer.size_bytes, &offer.address,
                                              true, &memory[i], &err));
        check_content(memory[i], offer.seed, LOOKED_AT_BYTES);
    }
    gpu_peer_say_turn(fd, 1);
    gpu_peer_hear_turn(fd, 2);
    for (int i = 0; i < SLOTS; i++)
        gpu_shared_destroy(memory[i]);
    close_here();
}

static uint64_t memory_free(void)
{
    uint64_t unused = 0, total = 0;
    gpu_assert_ok(&err, gpu_memory_info(gpu, &unused, &total, &err));
    return unused;
}

/* A peer's context takes a moment to go. */
static void check_memory_back(uint64_t before)
{
    if (!gpu_fixture_alone())
        return;
    uint64_t until_ns = gpu_fixture_now_ns() + UINT64_C(5000000000);
    while (memory_free() + MEMORY_SLACK_BYTES < before && gpu_fixture_now_ns() < until_ns)
        usleep(20000);
    assert_true(memory_free() + MEMORY_SLACK_BYTES >= before);
}

/* The peer ends as it should, or is killed while it has all of them open. */
static void check_comes_back(enum gpu_share share, bool killed)
{
    const size_t size = (size_t)24 << 20;
    struct gpu_shared *memory[SLOTS];
    struct gpu_shared_address probed;
    gpu_shared_destroy(create_or_skip(share, 4096, &probed));
    address_close(&probed);
    uint64_t before = memory_free();
    struct gpu_peer peer = gpu_peer_start("holder");
    for (int i = 0; i < SLOTS; i++) {
        struct offer offer = {.share = share, .size_bytes = size, .seed = random_u64()};
        memory[i] = create_or_skip(share, size, &offer.address);
        put_content(memory[i], offer.seed, LOOKED_AT_BYTES);
        offer_say(peer.fd, &offer);
        address_close(&offer.address);
    }
    gpu_peer_hear_turn(peer.fd, 1);
    if (killed) {
        gpu_peer_kill(&peer);
    } else {
        gpu_peer_say_turn(peer.fd, 2);
        gpu_peer_end(&peer);
    }
    uint64_t seed = random_u64(); /* ours works as before */
    put_content(memory[0], seed, LOOKED_AT_BYTES);
    check_content(memory[0], seed, LOOKED_AT_BYTES);
    for (int i = 0; i < SLOTS; i++)
        gpu_shared_destroy(memory[i]);
    check_memory_back(before);
}

static void test_memory_comes_back(void **state)
{
    check_comes_back(GPU_SHARE_IPC, false);
    check_comes_back(GPU_SHARE_VMM, false);
    check_comes_back(GPU_SHARE_POOL, false);
}

static void test_memory_comes_back_after_a_death(void **state)
{
    check_comes_back(GPU_SHARE_IPC, true);
    check_comes_back(GPU_SHARE_VMM, true);
    check_comes_back(GPU_SHARE_POOL, true);
}

/* The maker dies: what the importer has can still be closed, and the device used. */
GPU_PEER(maker)
{
    struct offer offer;
    open_here();
    for (int share = GPU_SHARE_IPC; share <= GPU_SHARE_POOL; share++) {
        struct gpu_shared *memory = NULL;
        offer = (struct offer){.share = (enum gpu_share)share, .size_bytes = 100000, .seed = 77};
        if (gpu_shared_create(gpu, offer.share, offer.size_bytes, &memory, &offer.address, &err) !=
            ST_OK) {
            offer.size_bytes = 0;
            offer.address.fd = -1;
        } else {
            put_content(memory, offer.seed, offer.size_bytes);
        }
        offer_say(fd, &offer);
        address_close(&offer.address);
    }
    pause();
}

static void test_maker_dies(void **state)
{
    struct gpu_shared *memory[3] = {NULL};
    struct gpu_peer peer = gpu_peer_start("maker");
    for (int i = 0; i < 3; i++) {
        struct offer offer;
        offer_hear(peer.fd, &offer);
        if (offer.size_bytes == 0)
            continue;
        gpu_assert_ok(&err, gpu_shared_attach(gpu, offer.share, offer.size_bytes, &offer.address,
                                              true, &memory[i], &err));
        check_content(memory[i], offer.seed, offer.size_bytes);
    }
    gpu_peer_kill(&peer);
    for (int i = 0; i < 3; i++)
        gpu_shared_destroy(memory[i]);
    void *device = NULL;
    uint64_t sent = random_u64(), seen = 0;
    gpu_assert_ok(&err, gpu_device_alloc(gpu, sizeof sent, &device, &err));
    copy(device, &sent, sizeof sent);
    copy(&seen, device, sizeof seen);
    assert_int_equal(seen, sent);
    gpu_device_free(gpu, device);
}

/* ---- Wrong addresses ------------------------------------------------------------------------- */

/* Must be refused, with its descriptor taken over. */
static void check_refused(enum gpu_share share, size_t size_bytes,
                          const struct gpu_shared_address *address, int fd)
{
    struct gpu_shared_address given = *address;
    struct gpu_shared *memory = NULL;
    struct stat before, after;
    given.fd = fd;
    if (fd >= 0)
        assert_return_code(fstat(fd, &before), errno);
    gpu_assert_fails(&err, gpu_shared_attach(gpu, share, size_bytes, &given, true, &memory, &err));
    assert_null(memory);
    assert_int_equal(given.fd, -1);
    if (fd < 0 || (fcntl(fd, F_GETFD) < 0 && errno == EBADF))
        return;
    /* The driver may have opened something of its own under the number that became free. */
    char path[64], what[256] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (readlink(path, what, sizeof what - 1) > 0)
        printf("descriptor %d is \"%s\" now (%s)\n", fd, what, err.what);
    assert_return_code(fstat(fd, &after), errno);
    assert_false(before.st_dev == after.st_dev && before.st_ino == after.st_ino);
}

static void check_wrong_addresses(enum gpu_share share)
{
    const size_t size = 70000;
    struct gpu_shared_address address, wrong;
    struct gpu_shared *memory = create_or_skip(share, size, &address);
    bool with_fd = address.fd >= 0;
    for (uint32_t count = 0; count < address.byte_count; count += 1 + (uint32_t)random_below(9)) {
        wrong = address;
        wrong.byte_count = count;
        check_refused(share, size, &wrong, with_fd ? dup(address.fd) : -1);
    }
    for (int i = 0; i < 64; i++) {
        wrong = address;
        wrong.bytes[random_below(address.byte_count)] ^= (uint8_t)(1 + random_below(255));
        check_refused(share, size, &wrong, with_fd ? dup(address.fd) : -1);
    }
    check_refused(share, size + 1, &address, with_fd ? dup(address.fd) : -1);
    check_refused(share, size * 1000, &address, with_fd ? dup(address.fd) : -1);
    check_refused((enum gpu_share)((share + 1) % 3), size, &address,
                  with_fd ? dup(address.fd) : -1);
    wrong = address;
    random_bytes(wrong.bytes, sizeof wrong.bytes);
    check_refused(share, size, &wrong, with_fd ? dup(address.fd) : -1);
    if (with_fd) {
        check_refused(share, size, &address, -1);
        check_refused(share, size, &address, memfd_create("wrong", MFD_CLOEXEC));
    }
    uint64_t seed = random_u64(); /* nothing of this did harm */
    put_content(memory, seed, size);
    check_content(memory, seed, size);
    address_close(&address);
    gpu_shared_destroy(memory);
}

static void test_wrong_addresses_ipc(void **state)
{
    check_wrong_addresses(GPU_SHARE_IPC);
}

static void test_wrong_addresses_vmm(void **state)
{
    check_wrong_addresses(GPU_SHARE_VMM);
}

static void test_wrong_addresses_pool(void **state)
{
    check_wrong_addresses(GPU_SHARE_POOL);
}

static void test_ipc_refuses_its_maker(void **state)
{
    struct gpu_shared_address address;
    struct gpu_shared *memory = create_or_skip(GPU_SHARE_IPC, 4096, &address), *again = NULL;
    gpu_assert_fails(&err,
                     gpu_shared_attach(gpu, GPU_SHARE_IPC, 4096, &address, true, &again, &err));
    printf("in the maker's process: %s\nhint: %s\n", err.what, err.hint);
    gpu_shared_destroy(memory);
}

/* Without access an importer cannot read; in a process of its own, whose context may break. */
GPU_PEER(without_access)
{
    struct offer offer;
    struct gpu_shared *memory = NULL;
    uint8_t seen[64];
    open_here();
    offer_hear(fd, &offer);
    gpu_assert_ok(&err, gpu_shared_attach(gpu, offer.share, offer.size_bytes, &offer.address, false,
                                          &memory, &err));
    enum status status =
        gpu_stream_copy(stream, seen, gpu_shared_pointer(memory), sizeof seen, &err);
    if (status == ST_OK)
        status = gpu_stream_synchronize(stream, &err);
    printf("without access: %s\n", status == ST_OK ? "works" : err.what);
    gpu_shared_destroy(memory);
    close_here();
    assert_int_not_equal(status, ST_OK);
}

static void test_vmm_without_access(void **state)
{
    struct offer offer = {.share = GPU_SHARE_VMM, .size_bytes = 4096};
    struct gpu_shared *memory = create_or_skip(GPU_SHARE_VMM, 4096, &offer.address);
    struct gpu_peer peer = gpu_peer_start("without_access");
    offer_say(peer.fd, &offer);
    address_close(&offer.address);
    gpu_peer_end(&peer);
    gpu_shared_destroy(memory);
}

/* ---- Events between processes ---------------------------------------------------------------- */

GPU_PEER(waiter)
{
    uint8_t handle[GPU_EVENT_HANDLE_BYTES];
    struct gpu_event *event = NULL;
    open_here();
    gpu_peer_hear(fd, handle, sizeof handle, NULL);
    gpu_assert_ok(&err, gpu_event_import(gpu, handle, &event, &err));
    assert_int_equal(gpu_event_poll(event, &err), ST_AGAIN);
    gpu_assert_ok(&err, gpu_stream_wait_event(stream, event, &err));
    gpu_assert_ok(&err, gpu_stream_write_value(stream, word_device, 9, &err));
    usleep(20000);
    assert_int_equal(gpu_stream_poll(stream, &err), ST_AGAIN);
    assert_int_equal(__atomic_load_n(word, __ATOMIC_ACQUIRE), 0);
    gpu_peer_say_turn(fd, 1);
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    assert_int_equal(__atomic_load_n(word, __ATOMIC_ACQUIRE), 9);
    gpu_assert_ok(&err, gpu_event_synchronize(event, &err));
    /* And back: the importer records. */
    gpu_peer_hear_turn(fd, 2);
    __atomic_store_n(word, 0, __ATOMIC_RELEASE);
    gpu_assert_ok(&err, gpu_stream_wait_value(stream, word_device, 1, &err));
    gpu_assert_ok(&err, gpu_event_record(event, stream, &err));
    gpu_peer_say_turn(fd, 3);
    gpu_peer_hear_turn(fd, 4);
    __atomic_store_n(word, 1, __ATOMIC_RELEASE);
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    gpu_event_close(event);
    gpu_peer_say_turn(fd, 5);
    close_here();
}

static void test_event_across_processes(void **state)
{
    uint8_t handle[GPU_EVENT_HANDLE_BYTES];
    struct gpu_event *event = NULL;
    gpu_assert_ok(&err, gpu_event_open(gpu, GPU_EVENT_INTERPROCESS, &event, &err));
    gpu_assert_ok(&err, gpu_event_export(event, handle, &err));
    gpu_assert_ok(&err, gpu_stream_wait_value(stream, word_device, 1, &err));
    gpu_assert_ok(&err, gpu_event_record(event, stream, &err));
    struct gpu_peer peer = gpu_peer_start("waiter");
    gpu_peer_say(peer.fd, handle, sizeof handle, -1);
    gpu_peer_hear_turn(peer.fd, 1);
    assert_int_equal(gpu_event_poll(event, &err), ST_AGAIN);
    __atomic_store_n(word, 1, __ATOMIC_RELEASE);
    gpu_assert_ok(&err, gpu_event_synchronize(event, &err));
    gpu_peer_say_turn(peer.fd, 2);
    gpu_peer_hear_turn(peer.fd, 3);
    assert_int_equal(gpu_event_poll(event, &err), ST_AGAIN);
    gpu_assert_ok(&err, gpu_stream_wait_event(stream, event, &err));
    gpu_assert_ok(&err, gpu_stream_write_value(stream, word_device, 33, &err));
    usleep(20000);
    assert_int_equal(gpu_stream_poll(stream, &err), ST_AGAIN);
    gpu_peer_say_turn(peer.fd, 4);
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    assert_int_equal(__atomic_load_n(word, __ATOMIC_ACQUIRE), 33);
    gpu_peer_hear_turn(peer.fd, 5);
    gpu_peer_end(&peer);
    gpu_event_close(event);
}

static void test_ordinary_event_is_not_exported(void **state)
{
    uint8_t handle[GPU_EVENT_HANDLE_BYTES];
    struct gpu_event *event = NULL;
    gpu_assert_ok(&err, gpu_event_open(gpu, 0, &event, &err));
    gpu_assert_fails(&err, gpu_event_export(event, handle, &err));
    printf("ordinary event: %s\n", err.what);
    gpu_event_close(event);
}

GPU_PEER(wrong_event)
{
    uint8_t handle[GPU_EVENT_HANDLE_BYTES];
    struct gpu_event *event = NULL;
    open_here();
    gpu_peer_hear(fd, handle, sizeof handle, NULL);
    gpu_assert_fails(&err, gpu_event_import(gpu, handle, &event, &err));
    printf("random bytes as an event: %s\n", err.what);
    assert_null(event);
    close_here();
}

static void test_wrong_event(void **state)
{
    uint8_t handle[GPU_EVENT_HANDLE_BYTES];
    random_bytes(handle, sizeof handle);
    struct gpu_peer peer = gpu_peer_start("wrong_event");
    gpu_peer_say(peer.fd, handle, sizeof handle, -1);
    gpu_peer_end(&peer);
}

#define WITH_GPU(test) cmocka_unit_test_setup_teardown(test, open_gpu, close_gpu)

int main(int argc, char **argv)
{
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        WITH_GPU(test_share_ipc),
        WITH_GPU(test_share_vmm),
        WITH_GPU(test_share_pool),
        WITH_GPU(test_memory_comes_back),
        WITH_GPU(test_memory_comes_back_after_a_death),
        WITH_GPU(test_maker_dies),
        WITH_GPU(test_wrong_addresses_ipc),
        WITH_GPU(test_wrong_addresses_vmm),
        WITH_GPU(test_wrong_addresses_pool),
        WITH_GPU(test_ipc_refuses_its_maker),
        WITH_GPU(test_vmm_without_access),
        WITH_GPU(test_event_across_processes),
        WITH_GPU(test_ordinary_event_is_not_exported),
        WITH_GPU(test_wrong_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

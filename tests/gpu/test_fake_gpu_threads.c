/* test_fake_gpu_threads.c: the fake GPU's order, without which a test over it proves nothing: work
 * is late, streams and events order it as CUDA's do, also between two processes.
 */
#include "tests/support/fake_desk.h"

#include "tests/support/random_input.h"

/* ---- Order ----------------------------------------------------------------------------------- */

static void test_work_is_done_later_and_in_order(void **state)
{
    struct desk desk = desk_open();
    void *device;
    uint8_t sent[3000], back[3000] = {0};
    random_bytes(sent, sizeof sent);
    OK(gpu_device_alloc(desk.gpu, sizeof sent, &device, &err));
    hold(&desk);
    OK(gpu_stream_copy(desk.stream, device, sent, sizeof sent, &err));
    OK(gpu_stream_copy(desk.stream, back, device, sizeof sent, &err));
    OK(gpu_stream_write_value(desk.stream, (uint8_t *)desk.word_device + 64, 77, &err));
    assert_int_equal(gpu_stream_poll(desk.stream, &err), ST_AGAIN);
    assert_int_equal(__atomic_load_n(desk.word + 16, __ATOMIC_ACQUIRE), 0);
    let_go(&desk);
    assert_int_equal(gpu_stream_poll(desk.stream, &err), ST_OK);
    assert_memory_equal(sent, back, sizeof sent);
    assert_int_equal(__atomic_load_n(desk.word + 16, __ATOMIC_ACQUIRE), 77);
    gpu_device_free(desk.gpu, device);
    desk_close(&desk);
}

/* Modulo wrap-around: the past is reached, the future not. */
static void test_stream_waits_wrap_around(void **state)
{
    struct desk desk = desk_open();
    __atomic_store_n(desk.word, UINT32_C(2), __ATOMIC_RELEASE);
    OK(gpu_stream_wait_value(desk.stream, desk.word_device, UINT32_MAX, &err));
    OK(gpu_stream_synchronize(desk.stream, &err));
    OK(gpu_stream_wait_value(desk.stream, desk.word_device, 3, &err));
    usleep(2000);
    assert_int_equal(gpu_stream_poll(desk.stream, &err), ST_AGAIN);
    __atomic_store_n(desk.word, UINT32_C(0x80000002), __ATOMIC_RELEASE);
    OK(gpu_stream_synchronize(desk.stream, &err));
    FAILS(gpu_stream_wait_value(desk.stream, desk.word, 1, &err)); /* the host's address */
    desk_close(&desk);
}

static void test_events_mark_what_was_recorded(void **state)
{
    struct desk desk = desk_open();
    struct gpu_event *event;
    struct gpu_stream *other;
    OK(gpu_event_open(desk.gpu, 0, &event, &err));
    OK(gpu_stream_open(desk.gpu, &other, &err));
    assert_int_equal(gpu_event_poll(event, &err), ST_OK); /* never recorded */
    OK(gpu_stream_wait_event(other, event, &err));
    OK(gpu_stream_synchronize(other, &err));
    hold(&desk);
    OK(gpu_stream_wait_event(other, event, &err)); /* the record below comes too late for it */
    OK(gpu_event_record(event, desk.stream, &err));
    OK(gpu_stream_synchronize(other, &err));
    OK(gpu_stream_wait_event(other, event, &err));
    usleep(2000);
    assert_int_equal(gpu_event_poll(event, &err), ST_AGAIN);
    assert_int_equal(gpu_stream_poll(other, &err), ST_AGAIN);
    gpu_event_close(event); /* the work that has it goes on */
    let_go(&desk);
    OK(gpu_stream_synchronize(other, &err));
    gpu_stream_close(other);
    desk_close(&desk);
}

static void test_a_closed_stream_does_its_work(void **state)
{
    struct desk desk = desk_open();
    struct gpu_stream *other;
    OK(gpu_stream_open(desk.gpu, &other, &err));
    OK(gpu_stream_wait_value(other, desk.word_device, 1, &err));
    OK(gpu_stream_write_value(other, (uint8_t *)desk.word_device + 64, 5, &err));
    gpu_stream_close(other);
    assert_int_equal(__atomic_load_n(desk.word + 16, __ATOMIC_ACQUIRE), 0);
    __atomic_store_n(desk.word, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(desk.word + 16, __ATOMIC_ACQUIRE) != 5)
        usleep(100);
    desk_close(&desk);
}

/* ---- Two processes --------------------------------------------------------------------------- */

struct offer {
    struct gpu_shared_address address;
    uint8_t event[GPU_EVENT_HANDLE_BYTES];
    uint32_t share;
    uint64_t bytes;
};

GPU_PEER(importer)
{
    struct offer offer;
    struct gpu *gpu = gpu_fixture_open(GPU_SYNC_SPIN);
    gpu_peer_hear(fd, &offer, sizeof offer, NULL);
    offer.address.fd = -1;
    if (offer.share != GPU_SHARE_IPC) {
        uint32_t turn;
        gpu_peer_hear(fd, &turn, sizeof turn, &offer.address.fd);
    }
    /* Wrong ones first: cut short, too large, of another kind, of nobody. */
    struct gpu_shared *memory = NULL;
    for (unsigned wrong = 0; wrong < 4; wrong++) {
        struct gpu_shared_address bad = offer.address;
        bad.fd = bad.fd >= 0 ? dup(bad.fd) : -1;
        bad.byte_count -= wrong == 0;
        bad.bytes[12] ^= wrong == 3;
        enum gpu_share share = wrong == 2 ? (offer.share + 1) % 3 : offer.share;
        FAILS(gpu_shared_attach(gpu, share, offer.bytes * (wrong == 1 ? 2 : 1), &bad, true, &memory,
                                &err));
        assert_int_equal(bad.fd, -1);
    }
    OK(gpu_shared_attach(gpu, offer.share, offer.bytes, &offer.address, true, &memory, &err));
    assert_int_equal(offer.address.fd, -1);
    assert_false(cpu_may_touch(gpu_shared_pointer(memory)));

    struct gpu_event *event;
    uint8_t wrong_event[GPU_EVENT_HANDLE_BYTES];
    memcpy(wrong_event, offer.event, sizeof wrong_event);
    wrong_event[9] ^= 1;
    FAILS(gpu_event_import(gpu, wrong_event, &event, &err));
    OK(gpu_event_import(gpu, offer.event, &event, &err));
    struct gpu_stream *stream;
    OK(gpu_stream_open(gpu, &stream, &err));
    gpu_peer_hear_turn(fd, 1); /* it is recorded, but not done */
    assert_int_equal(gpu_event_poll(event, &err), ST_AGAIN);
    uint8_t *seen = malloc(offer.bytes);
    OK(gpu_stream_wait_event(stream, event, &err));
    OK(gpu_stream_copy(stream, seen, gpu_shared_pointer(memory), offer.bytes, &err));
    usleep(2000);
    assert_int_equal(gpu_stream_poll(stream, &err), ST_AGAIN);
    gpu_peer_say_turn(fd, 2);
    OK(gpu_stream_synchronize(stream, &err));
    gpu_peer_say(fd, seen, offer.bytes, -1);
    free(seen);
    gpu_stream_close(stream);
    gpu_event_close(event);
    gpu_shared_destroy(memory);
    gpu_close(gpu);
}

static void share_with_peer(enum gpu_share share)
{
    struct desk desk = desk_open();
    struct gpu_shared *memory;
    struct gpu_event *event;
    struct offer offer = {.share = share, .bytes = 1 + random_below(12000)};
    uint8_t sent[12000], seen[12000];
    random_bytes(sent, sizeof sent);
    OK(gpu_shared_create(desk.gpu, share, offer.bytes, &memory, &offer.address, &err));
    OK(gpu_event_open(desk.gpu, GPU_EVENT_INTERPROCESS, &event, &err));
    OK(gpu_event_export(event, offer.event, &err));
    struct gpu_event *own;
    FAILS(gpu_event_import(desk.gpu, offer.event, &own, &err));
    struct gpu_peer peer = gpu_peer_start("importer");
    gpu_peer_say(peer.fd, &offer, sizeof offer, -1);
    if (share != GPU_SHARE_IPC) {
        uint32_t turn = 0;
        gpu_peer_say(peer.fd, &turn, sizeof turn, offer.address.fd);
        close(offer.address.fd);
    }
    hold(&desk);
    OK(gpu_stream_copy(desk.stream, gpu_shared_pointer(memory), sent, offer.bytes, &err));
    OK(gpu_event_record(event, desk.stream, &err));
    gpu_peer_say_turn(peer.fd, 1);
    gpu_peer_hear_turn(peer.fd, 2);
    let_go(&desk);
    gpu_peer_hear(peer.fd, seen, offer.bytes, NULL);
    assert_memory_equal(sent, seen, offer.bytes);
    gpu_peer_end(&peer);
    gpu_event_close(event);
    gpu_shared_destroy(memory);
    desk_close(&desk);
}

static void test_memory_and_events_of_another_process(void **state)
{
    share_with_peer(GPU_SHARE_IPC);
    share_with_peer(GPU_SHARE_VMM);
    share_with_peer(GPU_SHARE_POOL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_is_done_later_and_in_order),
        cmocka_unit_test(test_stream_waits_wrap_around),
        cmocka_unit_test(test_events_mark_what_was_recorded),
        cmocka_unit_test(test_a_closed_stream_does_its_work),
        cmocka_unit_test(test_memory_and_events_of_another_process),
    };
    gpu_fixture_begin(argc, argv);
    random_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

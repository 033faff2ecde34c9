/* test_gpu_pages.c: what transports offer for registering is reached by the GPU: frames in normal,
 * transparent huge and reserved huge pages, and the doorbells of every transport that has words.
 */
#include "tests/support/gpu_edge.h"

static const char *pages_word(enum shm_pages pages)
{
    return pages == SHM_PAGES_NORMAL ? "normal" : pages == SHM_PAGES_THP ? "thp" : "hugetlb";
}

/* Where the GPU finds a host address of registered memory. */
static void *device_of(const struct transport_memory *memory, void *device, const void *host)
{
    size_t offset = (size_t)((const uint8_t *)host - (const uint8_t *)memory->bytes);
    assert_true(offset < memory->size_bytes);
    return (uint8_t *)device + offset;
}

/* Both ends of an edge of host memory in this process; false where there are no such pages. */
static bool edge_of(const struct transport *transport, const struct transport_config *config,
                    struct endpoint **producer, struct endpoint **consumer)
{
    struct transport_address address;
    enum status status = transport->create(config, producer, &address, &err);
    if (status == ST_OK) {
        status = transport->attach(config, &address, consumer, &err);
        if (status != ST_OK)
            transport->destroy(*producer);
    }
    if (status == ST_UNAVAILABLE) {
        assert_int_not_equal(config->pages, SHM_PAGES_NORMAL);
        printf("%s, pages %s: not here: %s\n", transport->name, pages_word(config->pages),
               err.what);
        return false;
    }
    gpu_assert_ok(&err, status);
    return true;
}

/* One frame, filled by the GPU where `fills`, summed up by it in the consumer's registered
 * memory. */
static void check_frame(const struct transport *transport, struct endpoint *producer,
                        struct endpoint *consumer, const struct job *job, uint32_t number,
                        bool fills)
{
    struct transport_memory from, to;
    void *from_device = NULL, *to_device = NULL;
    struct frame out, in = {0};
    transport->memory(producer, &from);
    transport->memory(consumer, &to);
    gpu_assert_ok(&err, gpu_register(gpu, from.bytes, from.size_bytes, &from_device, &err));
    if (to.bytes != from.bytes)
        gpu_assert_ok(&err, gpu_register(gpu, to.bytes, to.size_bytes, &to_device, &err));
    gpu_assert_ok(&err, try(transport->reserve, producer, &out));
    if (fills) {
        out.device_payload = device_of(&from, from_device, out.payload);
        struct launch_work fill = work_on(job, &out, (int32_t)number);
        fill.kind = LAUNCH_FILL;
        gpu_assert_ok(&err, launcher_enqueue(launcher, stream, &fill, &err));
        gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    } else {
        frame_source_fill(out.payload, out.payload_bytes, job->seed, number % SOURCES);
        frame_tags_write(out.payload, out.payload_bytes, (int32_t)number);
    }
    gpu_assert_ok(&err, transport->commit(producer, &out, &err));
    gpu_assert_ok(&err, try(transport->acquire, consumer, &in));
    in.device_payload = device_of(&to, to_device, in.payload);
    struct launch_work sum = work_on(job, &in, (int32_t)number);
    sum.kind = LAUNCH_CHECKSUM;
    sum.report = reports_device;
    sum.done_value = number + 1;
    gpu_assert_ok(&err, launcher_enqueue(launcher, stream, &sum, &err));
    gpu_assert_ok(&err, gpu_stream_synchronize(stream, &err));
    assert_int_equal(reports[0].done, number + 1);
    assert_true(reports[0].value == frame_checksum_reference(in.payload, in.payload_bytes));
    assert_true(frame_tags_check(in.payload, in.payload_bytes, (int32_t)number, false));
    gpu_assert_ok(&err, transport->release(consumer, &in, &err));
    gpu_unregister(gpu, from.bytes);
    gpu_unregister(gpu, to.bytes);
}

static void test_frames_of_all_pages(void **state)
{
    static const char *const names[] = {"shm", "unix"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (int pages = SHM_PAGES_NORMAL; pages <= SHM_PAGES_HUGETLB; pages++) {
            const struct transport *transport = transport_find(names[i]);
            struct job job = job_of(names[i], 3, ORDER_HOST);
            struct transport_config config = job_config(&job);
            struct endpoint *producer = NULL, *consumer = NULL;
            config.pages = (enum shm_pages)pages;
            config.gpu = NULL;
            if (!edge_of(transport, &config, &producer, &consumer))
                continue;
            for (uint32_t number = 0; number < 8; number++)
                check_frame(transport, producer, consumer, &job, number, number % 2);
            printf("%s, pages %s: the GPU fills and reads them\n", names[i],
                   pages_word(config.pages));
            transport->destroy(producer);
            transport->destroy(consumer);
        }
}

/* The word a commit rings lies in the registered memory, and a stream wakes of it. */
static void check_doorbell(const struct transport *transport)
{
    struct job job = job_of(transport->name, 3, ORDER_HOST);
    struct transport_config config = job_config(&job);
    struct endpoint *producer = NULL;
    struct transport_address address;
    struct transport_memory memory;
    struct wait_source news;
    struct frame frame;
    void *device = NULL;
    gpu_assert_ok(&err, transport->create(&config, &producer, &address, &err));
    transport_address_close(&address);
    transport->memory(producer, &memory);
    transport->wait_source(producer, DIRECTION_READ, &news);
    gpu_assert_ok(&err, gpu_register(gpu, memory.bytes, memory.size_bytes, &device, &err));
    void *word = device_of(&memory, device, &news.bell->word);
    for (uint32_t i = 0; i < 3; i++) {
        gpu_assert_ok(&err, gpu_stream_wait_value(stream, word, (i + 1) * DOORBELL_STEP, &err));
        usleep(1000);
        assert_int_equal(gpu_stream_poll(stream, &err), ST_AGAIN);
        gpu_assert_ok(&err, transport->reserve(producer, &frame, &err));
        gpu_assert_ok(&err, transport->commit(producer, &frame, &err));
        gpu_poll_until_done(&err, gpu_stream_poll(stream, &err));
    }
    gpu_unregister(gpu, memory.bytes);
    transport->destroy(producer);
}

static void test_doorbells(void **state)
{
    static const char *const names[] = {"shm", "cuda_ipc", "cuda_vmm", "cuda_pool"};
    if (gpu_attribute_read(gpu, GPU_ATTRIBUTE_stream_memory_operations) != 1)
        gpu_skip("no stream waits for a word here (stream_memory_operations)");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (i == 0 || can(names[i]))
            check_doorbell(transport_find(names[i]));
}

static int setup(void **state)
{
    open_here();
    return 0;
}

static int teardown(void **state)
{
    close_here();
    return 0;
}

int main(int argc, char **argv)
{
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_of_all_pages),
        cmocka_unit_test(test_doorbells),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

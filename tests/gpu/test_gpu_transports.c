/* test_gpu_transports.c: the device-memory transports between two real processes, every frame
 * checked: orders host and event, one slot and several, ping-pong, policy latest; and all memory
 * comes back.
 *
 * Over the fake the work is late at random, so that a fence that is missing tears frames.
 */
#include "tests/support/gpu_edge.h"

GPU_PEER(side)
{
    struct job job;
    open_here();
    for (gpu_peer_hear(fd, &job, sizeof job, NULL); job.transport[0];
         gpu_peer_hear(fd, &job, sizeof job, NULL))
        side_run(fd, &job, job.peer_produces);
    close_here();
}

/* ---- The tests ------------------------------------------------------------------------------- */

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

static void job_run(struct gpu_peer *peer, const struct job *job)
{
    gpu_peer_say(peer->fd, job, sizeof *job, -1);
    side_run(peer->fd, job, !job->peer_produces);
}

static void jobs_end(struct gpu_peer *peer)
{
    const struct job none = {0};
    gpu_peer_say(peer->fd, &none, sizeof none, -1);
    gpu_peer_end(peer);
}

static void check_frames(const char *transport)
{
    static const uint32_t slots[] = {1, 2, 8};
    if (!can(transport))
        gpu_skip("%s is not there: %s", transport, err.what);
    struct gpu_peer peer = gpu_peer_start("side");
    for (uint32_t order = ORDER_HOST; order <= ORDER_EVENT; order++) {
        for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
            struct job job = job_of(transport, slots[i], order);
            job_run(&peer, &job);
            job.peer_produces = !job.peer_produces;
            job_run(&peer, &job);
        }
        struct job pingpong = job_of(transport, 4, order);
        pingpong.max_in_flight = 1;
        pingpong.held = 1;
        job_run(&peer, &pingpong);
    }
    struct job latest = job_of(transport, 6, ORDER_HOST);
    latest.policy = POLICY_LATEST;
    latest.held = 1 + (uint32_t)random_below(4);
    job_run(&peer, &latest);
    jobs_end(&peer);
}

static void test_frames_ipc(void **state)
{
    check_frames("cuda_ipc");
}

static void test_frames_vmm(void **state)
{
    check_frames("cuda_vmm");
}

static void test_frames_pool(void **state)
{
    check_frames("cuda_pool");
}

/* Large frames once; all their memory is there again afterwards. */
static void test_memory_comes_back(void **state)
{
    uint64_t before = memory_free();
    size_t tested = 0;
    for (size_t i = 0; i < TRANSPORTS; i++) {
        if (!can(transports[i]))
            continue;
        tested++;
        struct gpu_peer peer = gpu_peer_start("side");
        struct job job = job_of(transports[i], 8, ORDER_EVENT);
        job.width = fake_gpu_fail ? 640 : 1920;
        job.height = fake_gpu_fail ? 480 : 1080;
        job.channels = 3;
        job.frames = 12;
        job_run(&peer, &job);
        jobs_end(&peer);
    }
    if (tested == 0)
        gpu_skip("no transport in device memory is there");
    check_memory_back(before);
}

/* The consumer of an edge whose producer made other frames. */
static void test_other_configuration_is_refused(void **state)
{
    size_t tested = 0;
    for (size_t i = 0; i < TRANSPORTS; i++) {
        if (!can(transports[i]))
            continue;
        tested++;
        const struct transport *transport = transport_find(transports[i]);
        struct job job = job_of(transports[i], 3, ORDER_HOST);
        struct transport_config config = job_config(&job), other = config;
        struct endpoint *producer = NULL, *consumer = NULL;
        struct transport_address address;
        other.payload_bytes += 1;
        gpu_assert_ok(&err, transport->create(&config, &producer, &address, &err));
        assert_int_equal(transport->attach(&other, &address, &consumer, &err), ST_CORRUPT);
        assert_null(consumer);
        assert_true(err.what[0] && err.hint[0]);
        transport->destroy(producer);
    }
    if (tested == 0)
        gpu_skip("no transport in device memory is there");
}

int main(int argc, char **argv)
{
    setenv("HANDOFF_FAKE_GPU_DELAY_US", "60", 0);
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_ipc),
        cmocka_unit_test(test_frames_vmm),
        cmocka_unit_test(test_frames_pool),
        cmocka_unit_test(test_memory_comes_back),
        cmocka_unit_test(test_other_configuration_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

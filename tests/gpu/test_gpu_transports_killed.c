/* test_gpu_transports_killed.c: SIGKILL to either side of an edge in device memory in the middle of
 * GPU work: both processes end at once, the memory is back, and the next edge works.
 */
#include "tests/support/gpu_edge.h"

/* Frames without an end, until it is killed. */
GPU_PEER(endless)
{
    struct job job;
    open_here();
    gpu_peer_hear(fd, &job, sizeof job, NULL);
    job.frames = UINT32_MAX;
    const struct transport *transport = transport_find(job.transport);
    struct transport_config config = job_config(&job);
    struct transport_address address;
    struct endpoint *endpoint = NULL;
    if (job.peer_produces) {
        gpu_assert_ok(&err, transport->create(&config, &endpoint, &address, &err));
        address_say(fd, &address);
    } else {
        address_hear(fd, &address);
        gpu_assert_ok(&err, transport->attach(&config, &address, &endpoint, &err));
    }
    for (uint32_t i = 0;; i++) {
        struct frame frame = {0};
        enum status status;
        do
            status = (job.peer_produces ? transport->reserve : transport->acquire)(endpoint, &frame,
                                                                                   &err);
        while (status == ST_AGAIN);
        gpu_assert_ok(&err, status);
        struct launch_work work = work_on(&job, &frame, (int32_t)i);
        work.kind = job.peer_produces ? LAUNCH_FILL : LAUNCH_CHECKSUM;
        begin_after_fence(&frame);
        gpu_assert_ok(&err, launcher_enqueue(launcher, stream, &work, &err));
        end_work(&job, &frame);
        gpu_assert_ok(&err, (job.peer_produces ? transport->commit
                                               : transport->release)(endpoint, &frame, &err));
        if (i == 10)
            gpu_peer_say_turn(fd, 1);
    }
}

static void check_killed(const char *transport, uint32_t order, bool producer_first)
{
    struct job job = job_of(transport, 4, order);
    struct transport_address address;
    struct gpu_peer producer = gpu_peer_start("endless"), consumer = gpu_peer_start("endless");
    job.width = fake_gpu_fail ? 320 : 1920;
    job.height = fake_gpu_fail ? 240 : 1080;
    job.peer_produces = 1;
    gpu_peer_say(producer.fd, &job, sizeof job, -1);
    job.peer_produces = 0;
    gpu_peer_say(consumer.fd, &job, sizeof job, -1);
    address_hear(producer.fd, &address);
    address_say(consumer.fd, &address);
    transport_address_close(&address);
    gpu_peer_hear_turn(producer.fd, 1);
    gpu_peer_hear_turn(consumer.fd, 1);
    usleep((useconds_t)random_below(3000));
    /* As the runner does it: one dies, it sees that and ends the other, whatever that one waits
     * for. */
    uint64_t begun_ns = gpu_fixture_now_ns();
    gpu_peer_kill(producer_first ? &producer : &consumer);
    gpu_peer_kill(producer_first ? &consumer : &producer);
    uint64_t took_ms = (gpu_fixture_now_ns() - begun_ns) / 1000000;
    if (took_ms > 2000)
        fail_msg("%s, order %u: the two ended after %llu ms", transport, order,
                 (unsigned long long)took_ms);
}

/* An edge after the deaths is as good as any. */
GPU_PEER(side)
{
    struct job job;
    open_here();
    gpu_peer_hear(fd, &job, sizeof job, NULL);
    side_run(fd, &job, job.peer_produces);
    close_here();
}

static void check_next_edge(const char *transport)
{
    struct gpu_peer peer = gpu_peer_start("side");
    struct job job = job_of(transport, 4, ORDER_EVENT);
    gpu_peer_say(peer.fd, &job, sizeof job, -1);
    side_run(peer.fd, &job, !job.peer_produces);
    gpu_peer_end(&peer);
}

static void test_killed(void **state)
{
    uint64_t before = memory_free();
    size_t tested = 0;
    for (size_t i = 0; i < TRANSPORTS; i++) {
        if (!can(transports[i]))
            continue;
        tested++;
        for (uint32_t order = ORDER_HOST; order <= ORDER_EVENT; order++)
            for (int producer_first = 0; producer_first < 2; producer_first++)
                check_killed(transports[i], order, producer_first);
        check_memory_back(before);
        check_next_edge(transports[i]);
    }
    if (tested == 0)
        gpu_skip("no transport in device memory is there");
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
    setenv("HANDOFF_FAKE_GPU_DELAY_US", "60", 0);
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

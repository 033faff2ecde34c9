/* test_gpu_fixture.c: the two processes of tests/support/gpu_fixture.h find each other. */
#include "tests/support/gpu_fixture.h"

#include <fcntl.h>

#include "tests/support/random_input.h"

GPU_PEER(echo)
{
    uint8_t bytes[257];
    int passed_fd = -1;
    gpu_peer_hear(fd, bytes, sizeof bytes, &passed_fd);
    assert_true(passed_fd >= 0);
    assert_int_equal(write(passed_fd, bytes, sizeof bytes), sizeof bytes);
    close(passed_fd);
    gpu_peer_say_turn(fd, 7);
}

GPU_PEER(disagrees)
{
    assert_int_equal(fd, -1);
}

GPU_PEER(stays)
{
    gpu_peer_say_turn(fd, 1);
    pause();
}

static void test_messages_and_descriptors(void **state)
{
    uint8_t bytes[257], seen[257];
    int pipe_fds[2];
    random_bytes(bytes, sizeof bytes);
    assert_int_equal(pipe(pipe_fds), 0);
    struct gpu_peer peer = gpu_peer_start("echo");
    gpu_peer_say(peer.fd, bytes, sizeof bytes, pipe_fds[1]);
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], seen, sizeof seen), sizeof seen);
    assert_memory_equal(seen, bytes, sizeof bytes);
    gpu_peer_hear_turn(peer.fd, 7);
    gpu_peer_end(&peer);
    close(pipe_fds[0]);
}

/* A peer's failed assertion is seen, and so is its death. */
static void test_failures_are_seen(void **state)
{
    struct gpu_peer peer = gpu_peer_start("disagrees");
    int wait_status = gpu_peer_wait(&peer);
    assert_true(WIFEXITED(wait_status) && WEXITSTATUS(wait_status) != 0);
    peer = gpu_peer_start("stays");
    gpu_peer_hear_turn(peer.fd, 1);
    gpu_peer_kill(&peer);
    assert_int_equal(peer.pid, 0);
}

int main(int argc, char **argv)
{
    gpu_fixture_begin(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_and_descriptors),
        cmocka_unit_test(test_failures_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

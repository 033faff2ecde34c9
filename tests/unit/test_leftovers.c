/* test_leftovers: segments of CUDA and of UCX of a process that has ended go, and nothing else
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/run/leftovers.h"

static char folder[] = "/tmp/handoff-leftovers-XXXXXX";

static void put(char *name, size_t size, unsigned uid, unsigned pid, unsigned number)
{
    snprintf(name, size, "%s/cuda.shm.%x.%x.%x", folder, uid, pid, number);
    int fd = open(name, O_CREAT | O_WRONLY | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static bool there(const char *name)
{
    return access(name, F_OK) == 0;
}

static void of_the_dead_alone(void **state)
{
    char first[128], second[128], living[128], longer[128], others[128];
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_true(waitpid(pid, NULL, 0) == pid);
    put(first, sizeof first, getuid(), (unsigned)pid, 1);
    put(second, sizeof second, getuid(), (unsigned)pid, 0x1f);
    put(living, sizeof living, getuid(), (unsigned)getpid(), 1);
    put(longer, sizeof longer, getuid(), (unsigned)pid * 16 + 5, 1);
    put(others, sizeof others, getuid() + 1, (unsigned)pid, 1);
    leftovers_remove_in(folder, getpid());
    leftovers_remove_in(folder, 0);
    assert_true(there(living) && there(first));
    leftovers_remove_in(folder, pid);
    assert_false(there(first) || there(second));
    assert_true(there(living) && there(longer) && there(others));
    unlink(living);
    unlink(longer);
    unlink(others);
    leftovers_remove_in("/nowhere/at/all", pid);
}

static bool segment_there(int id)
{
    struct shmid_ds segment;
    return shmctl(id, IPC_STAT, &segment) == 0;
}

static int segment_made(int key)
{
    const int id = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600);
    assert_true(id >= 0);
    return id;
}

static void segments_nobody_uses(void **state)
{
    enum { LEFT, ATTACHED, NAMED, COUNT };
    int ids[COUNT], pipe_fds[2];
    const int named = 0x68000000 | (getpid() & 0xffffff);
    assert_true(pipe(pipe_fds) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < COUNT; i++)
            ids[i] = segment_made(i == NAMED ? named : IPC_PRIVATE);
        _exit(write(pipe_fds[1], ids, sizeof ids) == (ssize_t)sizeof ids ? 0 : 1);
    }
    assert_true(read(pipe_fds[0], ids, sizeof ids) == (ssize_t)sizeof ids);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    const int own = segment_made(IPC_PRIVATE);
    void *attached = shmat(ids[ATTACHED], NULL, 0);
    leftovers_remove_segments(pid); /* not reaped: it is still there */
    assert_true(segment_there(ids[LEFT]));
    assert_true(waitpid(pid, NULL, 0) == pid);
    leftovers_remove_segments(getpid());
    leftovers_remove_segments(0);
    assert_true(segment_there(ids[LEFT]) && segment_there(own));
    leftovers_remove_segments(pid);
    assert_false(segment_there(ids[LEFT]));
    assert_true(segment_there(ids[ATTACHED]) && segment_there(ids[NAMED]) && segment_there(own));
    shmdt(attached);
    shmctl(ids[ATTACHED], IPC_RMID, NULL);
    shmctl(ids[NAMED], IPC_RMID, NULL);
    shmctl(own, IPC_RMID, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_the_dead_alone),
                                       cmocka_unit_test(segments_nobody_uses)};
    if (!mkdtemp(folder))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}

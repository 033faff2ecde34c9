/* test_leftovers: CUDA's segments of a process that has ended go, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_the_dead_alone)};
    if (!mkdtemp(folder))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}

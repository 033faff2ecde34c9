/* leftovers.c: see leftovers.h. */
#include "harness/run/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

static bool leftovers_are_of(pid_t pid)
{
    return pid > 0 && kill(pid, 0) != 0 && errno == ESRCH;
}

void leftovers_remove_segments(pid_t pid)
{
    struct shm_info info;
    const int last =
        leftovers_are_of(pid) ? shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info) : -1;
    for (int i = 0; i <= last; i++) {
        struct shmid_ds segment;
        const int id = shmctl(i, SHM_STAT, &segment);
        if (id >= 0 && segment.shm_cpid == pid && segment.shm_nattch == 0 &&
            segment.shm_perm.__key == IPC_PRIVATE && segment.shm_perm.cuid == getuid())
            (void)shmctl(id, IPC_RMID, NULL);
    }
}

void leftovers_remove_in(const char *folder, pid_t pid)
{
    if (!leftovers_are_of(pid))
        return;
    char prefix[64];
    int length =
        snprintf(prefix, sizeof prefix, "cuda.shm.%x.%x.", (unsigned)getuid(), (unsigned)pid);
    DIR *names = opendir(folder);
    if (!names)
        return;
    for (const struct dirent *name; (name = readdir(names));)
        if (strncmp(name->d_name, prefix, (size_t)length) == 0)
            (void)unlinkat(dirfd(names), name->d_name, 0);
    closedir(names);
}

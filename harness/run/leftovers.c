/* leftovers.c: see leftovers.h. */
#include "harness/run/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void leftovers_remove_in(const char *folder, pid_t pid)
{
    if (pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
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

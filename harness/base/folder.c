/* folder.c: see folder.h. */
#include "harness/base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 50000000L /* 50 ms */
#define LOOKS 60          /* three seconds */

enum status folder_make(const char *wanted, struct err *err)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s", wanted) >= sizeof path || path[0] == 0)
        return err_set(err, ST_INVALID, "choose another --out", "not a folder: \"%s\"", wanted);
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != 0)
            continue;
        char kept = *at;
        *at = 0;
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return err_set_errno(err, errno, "choose another --out", "cannot make the folder %s",
                                 path);
        *at = kept;
        if (kept == 0)
            return ST_OK;
    }
}

enum status folder_lock(const char *path, int *fd, struct err *err)
{
    const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct timespec look = {.tv_nsec = LOOK_NS};
    int failed = folder < 0 ? errno : flock(folder, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    for (int i = 0; i < LOOKS && failed == EWOULDBLOCK; i++) {
        nanosleep(&look, NULL);
        failed = flock(folder, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    }
    if (failed != 0 && folder >= 0)
        close(folder);
    if (failed == EWOULDBLOCK)
        return err_set(err, ST_INVALID, "wait until it has ended, or choose another --out",
                       "a run is under way in %s", path);
    *fd = failed == 0 ? folder : -1;
    return ST_OK;
}

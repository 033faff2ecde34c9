/* folder.c: see folder.h. */
#include "harness/base/folder.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

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

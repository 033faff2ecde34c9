/* file.c: files that appear whole or not at all. See file.h for the contract. */
#include "harness/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t put = write(fd, data, bytes);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        data += put;
        bytes -= (size_t)put;
    }
    return true;
}

enum status file_write(const char *path, const char *data, size_t bytes, const char *ending,
                       bool durable, struct err *err)
{
    enum status status;
    char temporary[4096];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.tmp.%ld", path, (long)getpid()) >=
        sizeof temporary)
        return err_set(err, ST_INVALID, "use a shorter path", "%s: the path is too long", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set_errno(err, errno, "choose a folder that can be written with --out",
                             "%s: cannot be created", temporary);
    if (!write_all(fd, data, bytes) || !write_all(fd, ending, strlen(ending)) ||
        (durable && fsync(fd) != 0)) {
        status = err_set_errno(err, errno, "is the disk full?", "%s: cannot be written", temporary);
        close(fd);
        goto undo_file;
    }
    if (close(fd) != 0) {
        status = err_set_errno(err, errno, "is the disk full?", "%s: cannot be written", temporary);
        goto undo_file;
    }
    if (rename(temporary, path) != 0) {
        status = err_set_errno(err, errno, NULL, "%s: cannot be put in place", path);
        goto undo_file;
    }
    return ST_OK;
undo_file:
    unlink(temporary);
    return status;
}

/* file.c: the file behind a name in /dev/shm: made out of sight, linked whole, owned by locks. See
 * named.h.
 *
 * Nobody may take a name away but who has the writer's lock of the very file that it means. The owner
 * has it until it dies. Who finds a file whose lock is free takes the lock first, looks whether the name
 * still means this file, and unlinks it with the lock in hand: two who find the same dead owner at once
 * cannot unlink each other's new file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transports/frames/named.h"

#define NAMED_FOLDER "/dev/shm"
/* Somebody else may be removing the same dead owner's file just now. */
#define NAMED_CLEAR_TRIES 10
#define NAMED_CLEAR_PAUSE_NS 2000000

int named_path(const char *name, char path[NAMED_PATH_BYTES], struct handoff_error *error)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t length = name ? strlen(name) : 0;
    if (length < 1 || length > HANDOFF_NAME_MAX || strspn(name, letters) != length)
        return frames_fail_as(HANDOFF_INVALID, error,
                              "a name has 1 to 100 letters, digits, '.', '_' and '-'",
                              "\"%.100s\" cannot be the name of a segment", name ? name : "");
    snprintf(path, NAMED_PATH_BYTES, NAMED_FOLDER "/handoff.%s", name);
    return HANDOFF_OK;
}

static int named_system(struct handoff_error *error, int number, const char *hint, const char *what,
                        const char *path)
{
    struct err err = {0};
    return frames_fail(err_set_errno(&err, number, hint, "%s %s", what, path), &err, error);
}

/* ---- Locks ----------------------------------------------------------------------------------- */

static struct flock named_lock_of(enum named_lock lock)
{
    return (struct flock){
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)lock, .l_len = 1};
}

int named_lock_take(int fd, enum named_lock lock)
{
    struct flock wanted = named_lock_of(lock);
    return fcntl(fd, F_OFD_SETLK, &wanted);
}

bool named_lock_held(int fd, enum named_lock lock)
{
    struct flock found = named_lock_of(lock);
    return fcntl(fd, F_OFD_GETLK, &found) != 0 || found.l_type != F_UNLCK;
}

/* ---- Opening --------------------------------------------------------------------------------- */

int named_file_open(const char *path, int *fd, struct stat *stat, struct handoff_error *error)
{
    static const char hint[] =
        "run reader and writer as one user, or choose another name, or remove the file by hand";
    /* Without O_NONBLOCK a FIFO of this name would be waited for. */
    int found = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (found < 0 && errno == ENOENT)
        return frames_fail_as(HANDOFF_ABSENT, error, "start the writer", "there is no %s", path);
    if (found < 0 &&
        (errno == ELOOP || errno == EISDIR || errno == EACCES || errno == EPERM || errno == ENXIO))
        return frames_fail_as(HANDOFF_DENIED, error, hint, "%s is not a file of this user's: %s",
                              path, strerror(errno));
    if (found < 0)
        return named_system(error, errno, NULL, "opening", path);
    if (fstat(found, stat) != 0) {
        const int number = errno;
        close(found);
        return named_system(error, number, NULL, "looking at", path);
    }
    if (S_ISREG(stat->st_mode) && stat->st_uid == geteuid() && (stat->st_mode & 077) == 0) {
        *fd = found;
        return HANDOFF_OK;
    }
    close(found);
    if (!S_ISREG(stat->st_mode))
        return frames_fail_as(HANDOFF_DENIED, error, hint, "%s is not a regular file", path);
    return frames_fail_as(
        HANDOFF_DENIED, error, "run both programs as one user; a segment has mode 0600",
        "%s belongs to user %u with mode %04o, and this is user %u", path, (unsigned)stat->st_uid,
        (unsigned)(stat->st_mode & 07777), (unsigned)geteuid());
}

/* Who has the lock, as far as the layout says. */
static int named_busy(int fd, const char *path, struct handoff_error *error)
{
    struct named_layout layout;
    struct stat stat;
    struct err err;
    const bool known = pread(fd, &layout, sizeof layout, 0) == (ssize_t)sizeof layout &&
                       fstat(fd, &stat) == 0 &&
                       named_layout_check(&layout, (uint64_t)stat.st_size, &err) == ST_OK;
    if (!known)
        return frames_fail_as(HANDOFF_BUSY, error, "choose another name, or end that process",
                              "a living process has %s", path);
    return frames_fail_as(HANDOFF_BUSY, error, "choose another name, or end that process",
                          "process %" PRIu32 " lives and writes to %s", layout.writer_pid, path);
}

static bool named_same_file(const char *path, const struct stat *file)
{
    struct stat named;
    return lstat(path, &named) == 0 && named.st_dev == file->st_dev && named.st_ino == file->st_ino;
}

/* One look: HANDOFF_OK also where it was this call that freed the name. */
static int named_file_clear_once(const char *path, const struct stat *only,
                                 struct handoff_error *error)
{
    int fd = -1;
    struct stat stat;
    int status = named_file_open(path, &fd, &stat, error);
    if (status == HANDOFF_ABSENT)
        return HANDOFF_OK;
    if (status != HANDOFF_OK)
        return status;
    if (only && (only->st_dev != stat.st_dev || only->st_ino != stat.st_ino))
        status = HANDOFF_OK;
    else if (named_lock_take(fd, NAMED_LOCK_WRITER) == 0)
        status = named_same_file(path, &stat) && unlink(path) != 0 && errno != ENOENT
                     ? named_system(error, errno, NULL, "removing", path)
                     : HANDOFF_OK;
    else if (errno == EAGAIN || errno == EACCES)
        status = named_busy(fd, path, error);
    else
        status = named_system(error, errno, NULL, "locking", path);
    close(fd);
    return status;
}

int named_file_clear(const char *path, const struct stat *only, struct handoff_error *error)
{
    const struct timespec pause = {.tv_nsec = NAMED_CLEAR_PAUSE_NS};
    int status = HANDOFF_OK;
    for (int i = 0; i < NAMED_CLEAR_TRIES; i++) {
        status = named_file_clear_once(path, only, error);
        if (status != HANDOFF_BUSY)
            break;
        nanosleep(&pause, NULL);
    }
    return status;
}

/* ---- Making ---------------------------------------------------------------------------------- */

int named_file_make(const struct named_layout *layout, int *fd, void **bytes,
                    struct handoff_error *error)
{
    struct err err = {0};
    int made = open(NAMED_FOLDER, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (made < 0)
        return frames_fail(err_set_errno(&err, errno, "mount a tmpfs there, writable for all",
                                         "making a file in " NAMED_FOLDER),
                           &err, error);
    /* Whatever the umask is. */
    enum status status = fchmod(made, 0600) == 0
                             ? ST_OK
                             : err_set_errno(&err, errno, NULL, "making a file in " NAMED_FOLDER);
    if (status == ST_OK)
        status = shm_back_file(made, "of frames", (size_t)layout->total_bytes, bytes, &err);
    if (status != ST_OK) {
        close(made);
        return frames_fail(status, &err, error);
    }
    memcpy(*bytes, layout, sizeof *layout);
    *fd = made;
    return HANDOFF_OK;
}

int named_file_reopen(int fd, int *other, struct handoff_error *error)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    *other = open(path, O_RDWR | O_CLOEXEC);
    return *other >= 0 ? HANDOFF_OK
                       : named_system(error, errno, "is /proc mounted? Are descriptors left?",
                                      "opening", path);
}

int named_file_link(int fd, const char *path, struct handoff_error *error)
{
    char source[64];
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    for (int i = 0; i < NAMED_CLEAR_TRIES; i++) {
        if (linkat(AT_FDCWD, source, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
            return HANDOFF_OK;
        if (errno != EEXIST)
            return named_system(error, errno, NULL, "naming", path);
        int status = named_file_clear(path, NULL, error);
        if (status != HANDOFF_OK)
            return status;
    }
    return frames_fail_as(HANDOFF_BUSY, error, "choose another name",
                          "others keep taking %s at this moment", path);
}

void named_file_unlink(int fd, const char *path)
{
    struct stat stat;
    if (fstat(fd, &stat) == 0 && named_same_file(path, &stat))
        unlink(path);
}

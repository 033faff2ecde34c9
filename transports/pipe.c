/* pipe.c: two pipes between two processes: frames through one, credits through the other. The rest
 * is stream.c's.
 *
 * Their size is the kernel's default (16 pages), as people get it who do not ask for another; where
 * the kernel gives less, because the user has too many pipes, it is no pipe to compare with, and
 * create says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transports/config.h"
#include "transports/stream.h"

#define PIPE_MAGIC 0x65706970666e68u /* "hnfpipe" */

/* The kernel's default size of a pipe. */
#define PIPE_PAGES 16

/* Where the address has what. */
enum pipe_fd { PIPE_FRAMES, PIPE_CREDITS, PIPE_FDS };

/* What the address says beside the configuration: which pipes they are. */
struct pipe_detail {
    uint64_t device;
    uint64_t inodes[PIPE_FDS];
};

extern const struct transport transport_pipe;

/* Both ends, which never block. */
static enum status pipe_open(int fds[2], struct err *err)
{
    int made[2];
    if (pipe2(made, O_CLOEXEC | O_NONBLOCK) != 0)
        return err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                             "transport pipe: no pipe");
    const long wanted_bytes = PIPE_PAGES * sysconf(_SC_PAGESIZE);
    const int size_bytes = fcntl(made[0], F_GETPIPE_SZ);
    if (size_bytes >= 0 && size_bytes < wanted_bytes) {
        close(made[0]);
        close(made[1]);
        return err_set(err, ST_UNAVAILABLE,
                       "close other pipes of this user, or raise fs.pipe-user-pages-soft",
                       "transport pipe: the kernel gives this user's pipes only %d bytes of the "
                       "usual %ld",
                       size_bytes, wanted_bytes);
    }
    memcpy(fds, made, sizeof made);
    return ST_OK;
}

static void pipe_close(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static enum status pipe_probe(struct err *err)
{
    int fds[2];
    if (pipe_open(fds, err) != ST_OK) {
        if (err)
            err->status = ST_UNAVAILABLE;
        return ST_UNAVAILABLE;
    }
    pipe_close(fds);
    return ST_OK;
}

static enum status pipe_make(const struct transport_config *config, struct stream_ends *ends,
                             struct transport_address *address, void *detail_bytes, struct err *err)
{
    struct pipe_detail detail = {0};
    struct stat frames_stat, credits_stat;
    int frames[2], credits[2];
    enum status status = pipe_open(frames, err);
    if (status != ST_OK)
        return status;
    status = pipe_open(credits, err);
    if (status != ST_OK)
        goto undo_frames;
    if (fstat(frames[0], &frames_stat) != 0 || fstat(credits[0], &credits_stat) != 0) {
        status = err_set_errno(err, errno, NULL, "transport pipe: looking at a pipe");
        goto undo_credits;
    }
    detail.device = frames_stat.st_dev;
    detail.inodes[PIPE_FRAMES] = frames_stat.st_ino;
    detail.inodes[PIPE_CREDITS] = credits_stat.st_ino;
    memcpy(detail_bytes, &detail, sizeof detail);
    *ends = (struct stream_ends){.in_fd = credits[0], .out_fd = frames[1]};
    address->fds[PIPE_FRAMES] = frames[0];
    address->fds[PIPE_CREDITS] = credits[1];
    address->fd_count = PIPE_FDS;
    return ST_OK;
undo_credits:
    pipe_close(credits);
undo_frames:
    pipe_close(frames);
    return status;
}

static uint32_t pipe_descriptors(const void *detail)
{
    return PIPE_FDS;
}

/* The end of pipe `inode` that is opened for `access_mode`, and made never to block? Whether it may
 * is a property of the open end, which both sides set on their own. */
static bool pipe_end_usable(int fd, int access_mode, uint64_t device, uint64_t inode)
{
    struct stat found;
    const int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) == access_mode && fstat(fd, &found) == 0 &&
           S_ISFIFO(found.st_mode) && found.st_dev == device && found.st_ino == inode &&
           fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static enum status pipe_take(struct transport_address *address, const void *detail_bytes,
                             struct stream_ends *ends, struct err *err)
{
    struct pipe_detail detail;
    memcpy(&detail, detail_bytes, sizeof detail);
    if (!pipe_end_usable(address->fds[PIPE_FRAMES], O_RDONLY, detail.device,
                         detail.inodes[PIPE_FRAMES]) ||
        !pipe_end_usable(address->fds[PIPE_CREDITS], O_WRONLY, detail.device,
                         detail.inodes[PIPE_CREDITS]))
        return err_set(err, ST_CORRUPT, "give it an address that transport pipe made",
                       "transport pipe: the address's descriptors are not the pipes that it says");
    *ends = (struct stream_ends){
        .in_fd = transport_address_take(address, PIPE_FRAMES),
        .out_fd = transport_address_take(address, PIPE_CREDITS),
    };
    return ST_OK;
}

static const struct stream_kind pipe_kind = {
    .transport = &transport_pipe,
    .magic = PIPE_MAGIC,
    .detail_bytes = sizeof(struct pipe_detail),
    .pipes = true,
    .make = pipe_make,
    .descriptors = pipe_descriptors,
    .take = pipe_take,
};

/* What has been written can be read when the call returns: no delays, as with unix. */
STREAM_TRANSPORT(pipe, "two pipes, sent from the source buffer",
                 "writev() into the kernel, readv() out of it", STREAM_FLAGS);

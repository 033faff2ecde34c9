/* unix.c: a stream socket between two processes, sent from wherever the frame lies: a connected
 * pair made by create, whose other end travels in the address. The rest is stream.c's.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transports/config.h"
#include "transports/stream.h"

#define UNIX_MAGIC 0x78696e7566666e68u /* "hnffunix" */

extern const struct transport transport_unix;

static enum status unix_pair(int fds[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0)
        return ST_OK;
    return err_set_errno(err, errno, "raise the limit of open files (ulimit -n)",
                         "transport unix: no socket pair");
}

static enum status unix_probe(struct err *err)
{
    int fds[2];
    if (unix_pair(fds, err) != ST_OK) {
        if (err)
            err->status = ST_UNAVAILABLE;
        return ST_UNAVAILABLE;
    }
    close(fds[0]);
    close(fds[1]);
    return ST_OK;
}

static enum status unix_make(const struct transport_config *config, struct stream_ends *ends,
                             struct transport_address *address, void *detail, struct err *err)
{
    int fds[2];
    enum status status = unix_pair(fds, err);
    if (status != ST_OK)
        return status;
    *ends = (struct stream_ends){fds[0], fds[0], NULL};
    address->fds[0] = fds[1];
    address->fd_count = 1;
    return ST_OK;
}

static uint32_t unix_descriptors(const void *detail)
{
    return 1;
}

static enum status unix_take(struct transport_address *address, const void *detail,
                             struct stream_ends *ends, struct err *err)
{
    if (!stream_socket_usable(address->fds[0], AF_UNIX))
        return err_set(err, ST_CORRUPT, "give it an address that transport unix made",
                       "transport unix: the address's descriptor is not a connected stream socket");
    const int fd = transport_address_take(address, 0);
    *ends = (struct stream_ends){fd, fd, NULL};
    return ST_OK;
}

static const struct stream_kind unix_kind = {
    .transport = &transport_unix,
    .magic = UNIX_MAGIC,
    .make = unix_make,
    .descriptors = unix_descriptors,
    .take = unix_take,
};

STREAM_TRANSPORT(unix, "UNIX stream socket, sent from the source buffer",
                 "send() into the kernel, recv() out of it", STREAM_FLAGS);

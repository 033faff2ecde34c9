/* roudi.c: see roudi.h. */
#include "transports/roudi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

/* What RouDi 2.0.3 reserves for its own tables, and a little more. */
#define ROUDI_MANAGEMENT_BYTES ((uint64_t)72 << 20)

bool roudi_runs(void)
{
    const struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = ROUDI_SOCKET};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true; /* cannot know: rather refuse than disturb */
    /* The file of one that was killed stays, but nobody is behind it. */
    const int error = connect(fd, (const struct sockaddr *)&name, sizeof name) == 0 ? 0 : errno;
    close(fd);
    return error == 0 || (error != ECONNREFUSED && error != ENOENT);
}

/* As execvp would look for it. */
static bool roudi_is_on_path(void)
{
    char path[4096];
    const char *folder = getenv("PATH");
    if (!folder)
        folder = "/bin:/usr/bin";
    while (*folder) {
        const size_t length = strcspn(folder, ":");
        const int written = snprintf(path, sizeof path, "%.*s/" ROUDI_PROGRAM, (int)length, folder);
        if (written > 0 && (size_t)written < sizeof path && access(path, X_OK) == 0)
            return true;
        folder += length + (folder[length] == ':');
    }
    return false;
}

enum status roudi_probe(struct err *err)
{
    struct statvfs room;
    if (getenv(ROUDI_OURS_VARIABLE))
        return ST_OK;
    if (!roudi_is_on_path())
        return err_set(err, ST_UNAVAILABLE, "Debian and Ubuntu: apt-get install iceoryx",
                       "RouDi, the daemon of iceoryx (" ROUDI_PROGRAM "), is not on PATH");
    if (roudi_runs())
        return err_set(err, ST_UNAVAILABLE,
                       "end it, or wait for the other run of handoff whose it is",
                       "a RouDi runs here already; there can be only one, and handoff needs its "
                       "own, with memory for the cell's frames");
    if (access(ROUDI_SHM_FOLDER, R_OK | W_OK | X_OK) != 0 || statvfs(ROUDI_SHM_FOLDER, &room) != 0)
        return err_set(err, ST_UNAVAILABLE, "mount a tmpfs there",
                       ROUDI_SHM_FOLDER " cannot be used: %s", strerror(errno));
    const uint64_t free_bytes = (uint64_t)room.f_bavail * room.f_frsize;
    if (free_bytes < ROUDI_MANAGEMENT_BYTES)
        return err_set(err, ST_UNAVAILABLE,
                       "make it larger (docker run --shm-size=1g), or remove what lies there",
                       ROUDI_SHM_FOLDER " has %llu MB free, and RouDi takes %llu MB for itself",
                       (unsigned long long)(free_bytes / 1000000u),
                       (unsigned long long)(ROUDI_MANAGEMENT_BYTES / 1000000u));
    return ST_OK;
}

/* unix_queue.c: looks for a connection among this process's descriptors. See unix_queue.h. */
#include "transports/unix_queue.h"

#include <dirent.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef int unix_queue_ask(int fd, struct sockaddr *address, socklen_t *bytes);

static bool unix_queue_named(int fd, const char *name, unix_queue_ask *ask)
{
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t bytes = sizeof address;
    const size_t name_bytes = strlen(name);
    return ask(fd, (struct sockaddr *)&address, &bytes) == 0 && address.sun_family == AF_UNIX &&
           bytes == offsetof(struct sockaddr_un, sun_path) + 1 + name_bytes &&
           address.sun_path[0] == 0 && memcmp(address.sun_path + 1, name, name_bytes) == 0;
}

bool unix_queue_is_empty(const char *name)
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return true;
    bool empty = true;
    for (struct dirent *entry; empty && (entry = readdir(folder));) {
        const int fd = atoi(entry->d_name);
        int unread_bytes = 0;
        if ((unix_queue_named(fd, name, getsockname) || unix_queue_named(fd, name, getpeername)) &&
            ioctl(fd, SIOCOUTQ, &unread_bytes) == 0)
            empty = unread_bytes == 0;
    }
    closedir(folder);
    return empty;
}

/* roudi_daemon.c: see roudi_daemon.h. */
#include "harness/run/roudi_daemon.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/run/process.h"

/* Between two looks at whether it is ready. */
#define ROUDI_LOOK_NS 2000000u
/* After SIGKILL: giving back its memory. */
#define ROUDI_KILLED_NS 5000000000u
/* Where it finds its configuration: its standard input. */
#define ROUDI_CONFIG "/proc/self/fd/0"
#define ROUDI_READY "RouDi is ready for clients"
#define ROUDI_MANAGEMENT_BYTES 66000000u

static const char roudi_hint[] = "try `" ROUDI_PROGRAM "` by hand, or leave transport iceoryx out";

/* ---- The files that it makes ----------------------------------------------------------------- */

/* All of their names are fixed; the segment with the chunks is called like the user's group. */
static enum status roudi_names_find(struct roudi_daemon *daemon, struct err *err)
{
    const struct group *group = getgrgid(getegid());
    if (!group || strlen(group->gr_name) > 64 || strchr(group->gr_name, '/'))
        return err_set(err, ST_UNAVAILABLE, "give the group a name (/etc/group)",
                       "group %u has no name, which " ROUDI_PROGRAM " needs for its memory",
                       (unsigned)getegid());
    static const char *const names[ROUDI_NAMES] = {
        [ROUDI_NAME_SOCKET] = ROUDI_SOCKET,
        [ROUDI_NAME_SOCKET_LOCK] = ROUDI_SOCKET_LOCK,
        [ROUDI_NAME_MANAGEMENT] = ROUDI_MANAGEMENT,
        [ROUDI_NAME_LOCK] = ROUDI_LOCK,
    };
    for (int i = 0; i < ROUDI_NAMES; i++) {
        char *path = daemon->names[i].path;
        if (names[i])
            snprintf(path, sizeof daemon->names[i].path, "%s", names[i]);
        else
            snprintf(path, sizeof daemon->names[i].path, ROUDI_SHM_FOLDER "/%s", group->gr_name);
    }
    return ST_OK;
}

static enum status roudi_names_note(struct roudi_daemon *daemon, struct err *err)
{
    const enum status status = roudi_names_find(daemon, err);
    if (status != ST_OK)
        return status;
    for (int i = 0; i < ROUDI_NAMES; i++)
        daemon->names[i].was_there = lstat(daemon->names[i].path, &daemon->names[i].before) == 0;
    /* What a killed RouDi left, the next one replaces. Something by the name of a group that no
     * RouDi made is somebody's, and would be replaced, too. */
    if (daemon->names[ROUDI_NAME_CHUNKS].was_there &&
        !daemon->names[ROUDI_NAME_MANAGEMENT].was_there)
        return err_set(err, ST_UNAVAILABLE, "move it away",
                       "%s is in the way: " ROUDI_PROGRAM " keeps its memory under that name",
                       daemon->names[ROUDI_NAME_CHUNKS].path);
    return ST_OK;
}

/* True while no RouDi runs, and none can start until *fd is closed (-1: it could). */
static bool roudi_lock(int *fd)
{
    *fd = open(ROUDI_LOCK, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0)
        return errno == ENOENT;
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    close(*fd);
    *fd = -1;
    return false;
}

static bool roudi_is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* What ours made: all of those files that were not there before. Those of another RouDi, that came
 * since ours ended, are its own. The lock goes last: until then no other can begin to make its
 * own. */
static void roudi_names_remove(struct roudi_daemon *daemon)
{
    struct stat now;
    int fd = -1;
    if (!roudi_lock(&fd))
        return;
    for (int i = 0; i < ROUDI_NAMES; i++) {
        const char *path = daemon->names[i].path;
        if (path[0] && lstat(path, &now) == 0 &&
            !(daemon->names[i].was_there && roudi_is_same_file(&now, &daemon->names[i].before)))
            (void)unlink(path);
    }
    if (fd >= 0)
        close(fd);
}

/* Sockets and locks of our roles that were killed. */
static void roudi_remove_clients(void)
{
    static const char prefix[] = ROUDI_CLIENT_PREFIX;
    DIR *names = opendir("/tmp");
    if (!names)
        return;
    for (const struct dirent *name; (name = readdir(names));) {
        if (strncmp(name->d_name, prefix, sizeof prefix - 1) != 0 ||
            !isdigit((unsigned char)name->d_name[sizeof prefix - 1]))
            continue;
        const pid_t pid = (pid_t)strtol(name->d_name + sizeof prefix - 1, NULL, 10);
        if (daemon_is_dead(pid))
            (void)unlinkat(dirfd(names), name->d_name, 0);
    }
    closedir(names);
}

/* ---- Its life -------------------------------------------------------------------------------- */

static uint64_t roudi_pools_bytes(const struct roudi_pool *pools, uint32_t count)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += (uint64_t)pools[i].chunk_count * (pools[i].chunk_bytes + 64u);
    return bytes;
}

/* RouDi writes to all of its memory at once, and a full /dev/shm would end it in the middle. */
static enum status roudi_check_room(const struct roudi_pool *pools, uint32_t count, struct err *err)
{
    struct statvfs room;
    const uint64_t needed = ROUDI_MANAGEMENT_BYTES + roudi_pools_bytes(pools, count);
    if (statvfs(ROUDI_SHM_FOLDER, &room) != 0 || (uint64_t)room.f_bavail * room.f_frsize >= needed)
        return ST_OK;
    return err_set(
        err, ST_UNAVAILABLE,
        "use fewer slots or smaller frames, or make it larger (docker run --shm-size=1g)",
        ROUDI_SHM_FOLDER " has %llu MB free, and RouDi needs %llu MB for these frames",
        (unsigned long long)((uint64_t)room.f_bavail * room.f_frsize / 1000000u),
        (unsigned long long)(needed / 1000000u));
}

/* A file without a name, at a number that is no standard input or output. */
static enum status roudi_file_make(const char *name, int *fd, struct err *err)
{
    const int low = memfd_create(name, MFD_CLOEXEC);
    const int made = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int error = errno;
    if (low >= 0)
        close(low);
    if (made < 0)
        return err_set(err, ST_UNAVAILABLE, "raise the limit of open files (ulimit -n)",
                       "no memory for what RouDi reads and says: %s", strerror(error));
    *fd = made;
    return ST_OK;
}

static void roudi_files_close(struct roudi_daemon *daemon)
{
    if (daemon->config_fd)
        close(daemon->config_fd);
    if (daemon->output_fd)
        close(daemon->output_fd);
    daemon->config_fd = daemon->output_fd = 0;
}

static enum status roudi_write_config(const struct roudi_daemon *daemon, struct err *err)
{
    bool ok = dprintf(daemon->config_fd, "[general]\nversion = 1\n\n[[segment]]\n") > 0;
    for (uint32_t i = 0; i < daemon->pool_count && ok; i++)
        ok = dprintf(daemon->config_fd, "\n[[segment.mempool]]\nsize = %u\ncount = %u\n",
                     daemon->pools[i].chunk_bytes, daemon->pools[i].chunk_count) > 0;
    return ok ? ST_OK
              : err_set(err, ST_UNAVAILABLE, "free some memory",
                        "cannot write RouDi's configuration: %s", strerror(errno));
}

static enum status roudi_launch(struct roudi_daemon *daemon, struct err *err)
{
    /* Without monitoring: a role that spins at real-time priority leaves iceoryx's own thread no
     * time to say that it lives, and RouDi would take its memory away. The guard watches roles
     * instead. */
    static const char *const argv[] = {ROUDI_PROGRAM, "-c", ROUDI_CONFIG, "-m",
                                       "off",         "-l", "warning",    NULL};
    const enum status status = roudi_write_config(daemon, err);
    if (status != ST_OK)
        return status;
    const int error = daemon_spawn(argv, NULL, daemon->config_fd, daemon->output_fd, &daemon->pid);
    if (error == 0)
        return ST_OK;
    daemon->pid = 0;
    return err_set(err, ST_UNAVAILABLE, "Debian and Ubuntu: apt-get install iceoryx",
                   error == ENOENT ? ROUDI_PROGRAM " is not on PATH"
                                   : ROUDI_PROGRAM " cannot be started: %s",
                   strerror(error));
}

/* The last line that it said with `word` in it. */
static bool roudi_last_line(const struct roudi_daemon *daemon, const char *word, char *line,
                            size_t size)
{
    char name[16];
    snprintf(name, sizeof name, "%d", daemon->output_fd);
    return daemon_last_line("/proc/self/fd", name, word, line, size);
}

static bool roudi_says_ready(const struct roudi_daemon *daemon)
{
    char line[DAEMON_LINE_BYTES];
    return roudi_last_line(daemon, ROUDI_READY, line, sizeof line);
}

/* What it said that was wrong, or the last that it said. */
static const char *roudi_last_words(const struct roudi_daemon *daemon, char *line, size_t size)
{
    line[0] = '\0';
    if (!roudi_last_line(daemon, "Fatal", line, size))
        (void)roudi_last_line(daemon, "", line, size);
    return line;
}

static enum status roudi_another(struct err *err)
{
    return err_set(err, ST_UNAVAILABLE, "end it, or wait for the other run of handoff whose it is",
                   "another RouDi runs, and there can be only one");
}

static enum status roudi_await_ready(struct roudi_daemon *daemon, uint64_t ready_ns,
                                     struct err *err)
{
    const uint64_t until_ns = clock_now_ns() + ready_ns;
    char line[DAEMON_LINE_BYTES];
    int wait_status;
    while (!roudi_says_ready(daemon)) {
        const bool ended = daemon_has_ended(daemon->pid, &wait_status);
        if (ended) {
            struct process process = {.wait_status = wait_status};
            char end[96];
            daemon->pid = 0;
            if (strstr(roudi_last_words(daemon, line, sizeof line), "still running"))
                return roudi_another(err); /* it was quicker */
            return err_set(err, ST_UNAVAILABLE, roudi_hint, "RouDi %s; its last words are \"%s\"",
                           process_end_format(&process, end, sizeof end), line);
        }
        if (clock_now_ns() >= until_ns)
            return err_set(err, ST_UNAVAILABLE, roudi_hint,
                           "RouDi is not ready after %.1f s; its last words are \"%s\"",
                           (double)ready_ns / 1e9, roudi_last_words(daemon, line, sizeof line));
        clock_sleep_until_ns(clock_now_ns() + ROUDI_LOOK_NS);
    }
    return ST_OK;
}

static bool roudi_fits(const struct roudi_daemon *daemon, const struct roudi_pool *pools,
                       uint32_t pool_count)
{
    int wait_status;
    return daemon->pid > 0 && daemon->pool_count == pool_count &&
           memcmp(daemon->pools, pools, pool_count * sizeof *pools) == 0 &&
           !daemon_has_ended(daemon->pid, &wait_status);
}

enum status roudi_daemon_start(struct roudi_daemon *daemon, const struct roudi_pool *pools,
                               uint32_t pool_count, uint64_t ready_ns, struct err *err)
{
    if (roudi_fits(daemon, pools, pool_count))
        return ST_OK;
    roudi_daemon_stop(daemon); /* of another size, or what a dead one left */
    if (roudi_runs())
        return roudi_another(err);
    enum status status = roudi_check_room(pools, pool_count, err);
    if (status == ST_OK)
        status = roudi_names_note(daemon, err);
    if (status != ST_OK)
        return status;
    memcpy(daemon->pools, pools, pool_count * sizeof *pools);
    daemon->pool_count = pool_count;
    status = roudi_file_make("handoff-roudi-config", &daemon->config_fd, err);
    if (status == ST_OK)
        status = roudi_file_make("handoff-roudi-output", &daemon->output_fd, err);
    if (status == ST_OK)
        status = roudi_launch(daemon, err);
    if (status == ST_OK)
        status = roudi_await_ready(daemon, ready_ns, err);
    if (status != ST_OK)
        roudi_daemon_stop(daemon);
    return status;
}

void roudi_daemon_stop(struct roudi_daemon *daemon)
{
    int wait_status;
    if (daemon->pid > 0) {
        kill(-daemon->pid, SIGKILL);
        (void)daemon_await_end(daemon->pid, clock_now_ns() + ROUDI_KILLED_NS, &wait_status);
        daemon->pid = 0;
    }
    if (daemon->output_fd) {
        roudi_names_remove(daemon);
        roudi_remove_clients();
    }
    roudi_files_close(daemon);
}

void roudi_leftovers_remove(void)
{
    struct roudi_daemon daemon = {.pid = 0};
    if (roudi_names_find(&daemon, NULL) == ST_OK)
        roudi_names_remove(&daemon);
    roudi_remove_clients();
}

bool roudi_has_gone(void)
{
    int fd = -1;
    const bool has_gone = !roudi_runs() && roudi_lock(&fd);
    if (fd >= 0)
        close(fd);
    return has_gone;
}

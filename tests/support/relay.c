/* relay.c: two hosts on one machine, and the network between them, for the tests across two hosts.
 *
 * Two network namespaces, each with a TAP device, and this program between the two: what comes out
 * of one goes into the other, later by a delay, not faster than a rate, and not at all while it is
 * cut. Whole Ethernet frames, so that TCP, UDP and ARP are alike to it; a TAP device offloads
 * nothing, so checksums are whole. (netem would do it, but not every kernel has it.)
 *
 * Prints "ready NET-A NET-B TIME-B", paths of namespaces for nsenter; TIME-B has a CLOCK_MONOTONIC that
 * is ahead by the seconds given, or is "-" where the kernel has none. Addresses are 10.99.0.1 and
 * 10.99.0.2. Then reads commands from standard input and answers "ok":
 *   delay A B    microseconds from a to b, and from b to a
 *   rate BYTES   per second in each direction; 0: as fast as it goes
 *   cut, mend
 * Ends with its input. Exit 77 with the reason on standard error where it cannot be done.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define SKIP 77
#define PACKET_BYTES_MAX 65536
/* Waiting on the way, as a switch has room for; more is dropped. */
#define QUEUE_BYTES_MAX (16u << 20)

struct packet {
    struct packet *next;
    uint64_t due_ns;
    size_t size_bytes;
    uint8_t bytes[];
};

/* From one device to the other. */
struct way {
    int from_fd, to_fd;
    uint64_t delay_ns;
    uint64_t free_ns; /* when the line is free for the next packet */
    struct packet *first, **last;
    size_t queued_bytes;
};

struct relay {
    struct way ways[2];
    uint64_t rate; /* bytes per second; 0: any */
    bool cut;
};

static void __attribute__((noreturn)) skip(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(SKIP);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- namespaces and devices ------------------------------------------------------------------ */

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        skip(path);
    close(fd);
}

/* Who is not root is root in a user namespace. */
static void become_root(void)
{
    char map[64];
    const unsigned uid = geteuid(), gid = getegid();
    if (uid == 0)
        return;
    if (unshare(CLONE_NEWUSER) != 0)
        skip("no user namespace");
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", gid);
    write_file("/proc/self/gid_map", map);
}

static void set_up(int socket_fd, const char *device)
{
    struct ifreq request = {.ifr_flags = 0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    if (ioctl(socket_fd, SIOCGIFFLAGS, &request) != 0)
        skip(device);
    request.ifr_flags |= IFF_UP | IFF_MULTICAST;
    if (ioctl(socket_fd, SIOCSIFFLAGS, &request) != 0)
        skip(device);
}

static void set_address(int socket_fd, const char *device, unsigned long what, const char *text)
{
    struct ifreq request = {.ifr_flags = 0};
    struct sockaddr_in address = {.sin_family = AF_INET};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    inet_pton(AF_INET, text, &address.sin_addr);
    memcpy(&request.ifr_addr, &address, sizeof address);
    if (ioctl(socket_fd, what, &request) != 0)
        skip("no address");
}

/* A network of its own with one device, whose other end is *tap_fd. Returns the namespace. */
static int make_host(const char *address, int *tap_fd)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    if (unshare(CLONE_NEWNET) != 0)
        skip("no network namespace");
    int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    *tap_fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (*tap_fd < 0)
        skip("/dev/net/tun");
    snprintf(request.ifr_name, sizeof request.ifr_name, "wire");
    if (ioctl(*tap_fd, TUNSETIFF, &request) != 0)
        skip("no TAP device");
    set_address(socket_fd, "wire", SIOCSIFADDR, address);
    set_address(socket_fd, "wire", SIOCSIFNETMASK, "255.255.255.0");
    set_up(socket_fd, "wire");
    set_up(socket_fd, "lo");
    close(socket_fd);
    int fd = open("/proc/self/ns/net", O_RDONLY);
    if (fd < 0)
        skip("/proc/self/ns/net");
    return fd;
}

/* A time namespace whose CLOCK_MONOTONIC is ahead; -1 where there is none. */
static int make_time(const char *seconds)
{
    char text[96];
    if (strcmp(seconds, "0") == 0 || unshare(CLONE_NEWTIME) != 0)
        return -1;
    snprintf(text, sizeof text, "monotonic %s 0\n", seconds);
    int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    const bool set = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return set ? open("/proc/self/ns/time_for_children", O_RDONLY) : -1;
}

/* ---- the wire -------------------------------------------------------------------------------- */

static void take(const struct relay *relay, struct way *way)
{
    static uint8_t bytes[PACKET_BYTES_MAX];
    ssize_t got;
    while ((got = read(way->from_fd, bytes, sizeof bytes)) > 0) {
        if (relay->cut || way->queued_bytes + (size_t)got > QUEUE_BYTES_MAX)
            continue;
        struct packet *packet = malloc(sizeof *packet + (size_t)got);
        const uint64_t came_ns = now_ns();
        if (!packet)
            continue;
        if (way->free_ns < came_ns)
            way->free_ns = came_ns;
        if (relay->rate > 0)
            way->free_ns += (uint64_t)got * 1000000000u / relay->rate;
        packet->next = NULL;
        packet->due_ns = way->free_ns + way->delay_ns;
        packet->size_bytes = (size_t)got;
        memcpy(packet->bytes, bytes, (size_t)got);
        way->queued_bytes += packet->size_bytes;
        *way->last = packet;
        way->last = &packet->next;
        if (way->delay_ns == 0 && relay->rate == 0)
            break; /* it goes on before more is taken */
    }
}

static void give(const struct relay *relay, struct way *way)
{
    while (way->first && (relay->cut || way->first->due_ns <= now_ns())) {
        struct packet *packet = way->first;
        if (!relay->cut)
            (void)!write(way->to_fd, packet->bytes, packet->size_bytes);
        way->queued_bytes -= packet->size_bytes;
        way->first = packet->next;
        if (!way->first)
            way->last = &way->first;
        free(packet);
    }
}

/* One line of standard input. */
static void obey(struct relay *relay, const char *line)
{
    uint64_t there_us, back_us;
    if (sscanf(line, "delay %" SCNu64 " %" SCNu64, &there_us, &back_us) == 2) {
        relay->ways[0].delay_ns = there_us * 1000;
        relay->ways[1].delay_ns = back_us * 1000;
    } else if (strncmp(line, "rate ", 5) == 0) {
        relay->rate = strtoull(line + 5, NULL, 10);
    } else if (strncmp(line, "cut", 3) == 0) {
        relay->cut = true;
    } else if (strncmp(line, "mend", 4) == 0) {
        relay->cut = false;
    } else {
        puts("unknown");
        return;
    }
    puts("ok");
}

static void run(struct relay *relay)
{
    char line[128];
    for (;;) {
        const uint64_t now = now_ns();
        uint64_t left_ns = 1000000000u;
        for (int i = 0; i < 2; i++) {
            const struct packet *first = relay->ways[i].first;
            if (first && first->due_ns < now + left_ns)
                left_ns = first->due_ns > now ? first->due_ns - now : 0;
        }
        const struct timespec left = {.tv_sec = (time_t)(left_ns / 1000000000u),
                                      .tv_nsec = (long)(left_ns % 1000000000u)};
        struct pollfd fds[] = {{.fd = 0, .events = POLLIN},
                               {.fd = relay->ways[0].from_fd, .events = POLLIN},
                               {.fd = relay->ways[1].from_fd, .events = POLLIN}};
        if (ppoll(fds, 3, &left, NULL) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < 2; i++) {
            if (fds[1 + i].revents)
                take(relay, &relay->ways[i]);
            give(relay, &relay->ways[i]);
        }
        if (fds[0].revents) {
            if (!fgets(line, sizeof line, stdin))
                return;
            obey(relay, line);
        }
    }
}

int main(int argc, char **argv)
{
    int taps[2], hosts[2];
    static struct relay relay;
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0); /* poll knows nothing of what a buffer holds */
    /* A network does not wait for a CPU; where this may not be asked for, it is as good as can
     * be. */
    const struct sched_param priority = {.sched_priority = 1};
    (void)sched_setscheduler(0, SCHED_FIFO, &priority);
    prctl(PR_SET_TIMERSLACK, 1);
    become_root();
    hosts[0] = make_host("10.99.0.1", &taps[0]);
    hosts[1] = make_host("10.99.0.2", &taps[1]);
    const int time_fd = make_time(argc > 1 ? argv[1] : "0");
    for (int i = 0; i < 2; i++) {
        relay.ways[i] = (struct way){.from_fd = taps[i], .to_fd = taps[1 - i]};
        relay.ways[i].last = &relay.ways[i].first;
    }
    printf("ready /proc/%d/fd/%d /proc/%d/fd/%d ", (int)getpid(), hosts[0], (int)getpid(),
           hosts[1]);
    if (time_fd >= 0)
        printf("/proc/%d/fd/%d\n", (int)getpid(), time_fd);
    else
        puts("-");
    run(&relay);
    return 0;
}

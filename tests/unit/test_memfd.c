/* test_memfd.c: transport memfd's consumer against a producer that sends what it should not: its
 * end of the edge is the test's here. And what conformance cannot see: a segment is mapped once,
 * and frames sent before a producer went away arrive though it left credits unread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transports/transport.h"

#define SLOTS 3
#define PAYLOAD 10000
#define SEGMENT (4 * 4096)

static const struct transport_config test_config = {
    .payload_bytes = PAYLOAD,
    .slots = SLOTS,
    .max_held = 2,
    .policy = POLICY_BLOCK,
};

/* What is behind a directory of /proc, or the lines of a file with `text`. */
static unsigned count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static unsigned count_mappings(const char *text)
{
    char line[512];
    unsigned count = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        count += strstr(line, text) != NULL;
    fclose(file);
    return count;
}

/* A consumer whose producer's end is *fd: a copy of the real one's, which is no longer used. */
static struct endpoint *consumer_open(const struct transport *transport, struct endpoint **producer,
                                      int *fd)
{
    struct err err = {0};
    struct transport_address address;
    struct endpoint *consumer = NULL;
    assert_int_equal(transport->create(&test_config, producer, &address, &err), ST_OK);
    assert_int_equal(transport->attach(&test_config, &address, &consumer, &err), ST_OK);
    struct wait_source source;
    transport->wait_source(*producer, DIRECTION_WRITE, &source);
    *fd = source.fd;
    return consumer;
}

static void send_message(int socket, size_t bytes, const int *fds, unsigned fd_count)
{
    char body[64] = {0};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(32 * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {body, bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, fd_count * sizeof(int));
    }
    assert_int_equal(sendmsg(socket, &message, MSG_NOSIGNAL), bytes);
}

static int segment_make(size_t bytes, int seals)
{
    int fd = memfd_create("test-segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

/* One hostile message: its bytes and descriptors. */
struct hostile {
    const char *name;
    size_t bytes;
    int (*descriptor)(void);
    unsigned fd_count; /* copies of it */
};
static int descriptor_right(void)
{
    return segment_make(SEGMENT, F_SEAL_SHRINK | F_SEAL_GROW);
}
static int descriptor_unsealed(void)
{
    return segment_make(SEGMENT, 0);
}
static int descriptor_short(void)
{
    return segment_make(SEGMENT - 4096, F_SEAL_SHRINK | F_SEAL_GROW);
}
static int descriptor_long(void)
{
    return segment_make((size_t)1 << 30, F_SEAL_SHRINK | F_SEAL_GROW);
}
static int descriptor_device(void)
{
    return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void wrong_messages_are_refused(void **unused)
{
    static const struct hostile cases[] = {
        {"no descriptor", FRAME_HEADER_BYTES, descriptor_right, 0},
        {"two descriptors", FRAME_HEADER_BYTES, descriptor_right, 2},
        {"twenty descriptors", FRAME_HEADER_BYTES, descriptor_right, 20},
        {"too short", FRAME_HEADER_BYTES - 1, descriptor_right, 1},
        {"too long", FRAME_HEADER_BYTES + 1, descriptor_right, 1},
        {"not sealed", FRAME_HEADER_BYTES, descriptor_unsealed, 1},
        {"a short segment", FRAME_HEADER_BYTES, descriptor_short, 1},
        {"a long segment", FRAME_HEADER_BYTES, descriptor_long, 1},
        {"a device", FRAME_HEADER_BYTES, descriptor_device, 1},
    };
    const struct transport *transport = transport_find("memfd");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const unsigned before = count_descriptors();
        struct endpoint *producer;
        struct err err = {0};
        struct frame frame = {0};
        int socket, fds[32], fd = cases[i].descriptor();
        struct endpoint *consumer = consumer_open(transport, &producer, &socket);
        const unsigned open_before = count_descriptors();
        for (unsigned k = 0; k < cases[i].fd_count; k++)
            fds[k] = fd;
        send_message(socket, cases[i].bytes, fds, cases[i].fd_count);
        const enum status status = transport->acquire(consumer, &frame, &err);
        if (status != ST_CORRUPT || !err.what[0] || frame.header)
            fail_msg("%s: %s (%s)", cases[i].name, status_name(status), err.what);
        if (count_descriptors() != open_before)
            fail_msg("%s: a descriptor was kept", cases[i].name);
        /* What is missing does not come again. */
        close(fd);
        fd = descriptor_right();
        send_message(socket, FRAME_HEADER_BYTES, &fd, 1);
        assert_int_equal(transport->acquire(consumer, &frame, &err), ST_CORRUPT);
        close(fd);
        transport->destroy(consumer);
        transport->destroy(producer);
        assert_int_equal(count_descriptors(), before);
    }
}

static void segments_are_counted_and_held_once(void **unused)
{
    const struct transport *transport = transport_find("memfd");
    for (int again = 0; again < 2; again++) {
        struct endpoint *producer;
        struct err err = {0};
        int socket;
        struct endpoint *consumer = consumer_open(transport, &producer, &socket);
        int held = descriptor_right();
        for (int i = 0; i <= SLOTS; i++) {
            struct frame frame = {0};
            int fd = again ? dup(held) : descriptor_right();
            send_message(socket, FRAME_HEADER_BYTES, &fd, 1);
            close(fd);
            const bool wrong = again ? i == 1 : i == SLOTS;
            assert_int_equal(transport->acquire(consumer, &frame, &err),
                             wrong ? ST_CORRUPT : ST_OK);
            if (wrong)
                break;
            assert_true(frame.slot < SLOTS);
            if (!again)
                assert_int_equal(transport->release(consumer, &frame, &err), ST_OK);
        }
        close(held);
        transport->destroy(consumer);
        transport->destroy(producer);
    }
}

static void limit_of_files_is_told(void **unused)
{
    const struct transport *transport = transport_find("memfd");
    struct endpoint *producer;
    struct err err = {0};
    struct frame frame = {0};
    struct rlimit limits, none;
    int socket, fd = descriptor_right();
    struct endpoint *consumer = consumer_open(transport, &producer, &socket);
    send_message(socket, FRAME_HEADER_BYTES, &fd, 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limits), 0);
    none = (struct rlimit){0, limits.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const enum status status = transport->acquire(consumer, &frame, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limits), 0);
    assert_int_equal(status, ST_SYSTEM);
    assert_non_null(strstr(err.hint, "ulimit -n"));
    close(fd);
    transport->destroy(consumer);
    transport->destroy(producer);
}

static void frame_send(const struct transport *transport, struct endpoint *producer)
{
    struct err err = {0};
    struct frame frame;
    assert_int_equal(transport->reserve(producer, &frame, &err), ST_OK);
    memset(frame.payload, 7, frame.payload_bytes);
    assert_int_equal(transport->commit(producer, &frame, &err), ST_OK);
}

static void segments_are_mapped_once(void **unused)
{
    const struct transport *transport = transport_find("memfd");
    struct endpoint *producer;
    struct err err = {0};
    int socket;
    struct endpoint *consumer = consumer_open(transport, &producer, &socket);
    const unsigned before = count_descriptors();
    for (int i = 0; i < 5 * SLOTS; i++) {
        struct frame frame = {0};
        frame_send(transport, producer);
        assert_int_equal(transport->acquire(consumer, &frame, &err), ST_OK);
        assert_int_equal(frame.slot, i % SLOTS);
        assert_int_equal(frame.payload[PAYLOAD - 1], 7);
        assert_int_equal(transport->release(consumer, &frame, &err), ST_OK);
    }
    assert_int_equal(count_mappings("memfd:handoff-memfd"), 2 * SLOTS);
    assert_int_equal(count_descriptors(), before);
    /* It gets the number that the descriptors had, and is not the consumer's to close. */
    const int other = dup(socket);
    transport->destroy(consumer);
    assert_true(fcntl(other, F_GETFD) >= 0);
    close(other);
    transport->destroy(producer);
    assert_int_equal(count_mappings("memfd:handoff-memfd"), 0);
}

static void frames_outlive_unread_credits(void **unused)
{
    const struct transport *transport = transport_find("memfd");
    struct endpoint *producer;
    struct err err = {0};
    struct frame frame = {0};
    int socket;
    struct endpoint *consumer = consumer_open(transport, &producer, &socket);
    frame_send(transport, producer);
    assert_int_equal(transport->acquire(consumer, &frame, &err), ST_OK);
    assert_int_equal(transport->release(consumer, &frame, &err), ST_OK);
    frame_send(transport, producer);
    frame_send(transport, producer);
    transport->destroy(producer);
    for (int i = 0; i < 2; i++) {
        frame = (struct frame){0};
        assert_int_equal(transport->acquire(consumer, &frame, &err), ST_OK);
    }
    assert_int_equal(transport->release(consumer, &(struct frame){.sequence = 1}, &err), ST_OK);
    assert_int_equal(transport->acquire(consumer, &frame, &err), ST_PEER_GONE);
    transport->destroy(consumer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_messages_are_refused),
        cmocka_unit_test(segments_are_counted_and_held_once),
        cmocka_unit_test(limit_of_files_is_told),
        cmocka_unit_test(segments_are_mapped_once),
        cmocka_unit_test(frames_outlive_unread_credits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

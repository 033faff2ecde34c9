/* test_base.c: errors, JSON, shared segments and control messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/channel.h"
#include "harness/base/json.h"
#include "harness/base/shm.h"
#include "harness/measure/clock.h"

static unsigned base_open_fds(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* ---- err ---- */

static void err_keeps_its_bounds(void **state)
{
    struct err err;
    char long_text[4096];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    assert_int_equal(err_set(&err, ST_INVALID, long_text, "%s", long_text), ST_INVALID);
    assert_int_equal(strlen(err.what), sizeof err.what - 1);
    assert_int_equal(strlen(err.hint), sizeof err.hint - 1);
    err_context(&err, "%s", long_text);
    assert_int_equal(strlen(err.what), sizeof err.what - 1);
    assert_int_equal(err_set(NULL, ST_TIMEOUT, NULL, "nobody listens"), ST_TIMEOUT);
}

static void err_context_goes_in_front(void **state)
{
    struct err err;
    err_set_errno(&err, ENOENT, NULL, "cannot open %s", "it");
    assert_int_equal(err_context(&err, "reading %d", 7), ST_SYSTEM);
    assert_string_equal(err.what, "reading 7: cannot open it: No such file or directory");
    assert_int_equal(err.sys_errno, ENOENT);
    assert_int_equal(err_set_errno(&err, ENOMEM, NULL, "x"), ST_NO_MEMORY);
}

static void status_names_are_reversible(void **state)
{
    for (int status = ST_OK; status <= ST_INTERRUPTED; status++)
        assert_int_equal(status_from_name(status_name((enum status)status)), status);
    assert_int_equal(status_from_name("no such status"), ST_SYSTEM);
}

/* ---- json ---- */

static enum status base_parse(const char *text, struct err *err)
{
    cJSON *json = NULL;
    enum status status = json_parse("t.json", text, strlen(text), &json, err);
    cJSON_Delete(json);
    return status;
}

static void json_names_line_and_column(void **state)
{
    struct err err;
    assert_int_equal(base_parse("{\"a\": 1}\n", &err), ST_OK);
    assert_int_equal(base_parse("{\n  \"a\": 1,\n  oops\n}", &err), ST_INVALID);
    assert_non_null(strstr(err.what, "t.json:3:"));
    assert_true(err.hint[0] != 0);
    /* Trailing garbage, which cJSON_Parse would accept. */
    assert_int_equal(base_parse("{} x", &err), ST_INVALID);
    assert_int_equal(base_parse("", &err), ST_INVALID);
    /* An escaped NUL, which cJSON would take as the end of the string. */
    assert_int_equal(base_parse("{\"a\": \"x\\u0000y\"}", &err), ST_INVALID);
    assert_non_null(strstr(err.what, "t.json:1:9"));
    assert_int_equal(base_parse("{\"a\": \"x\\\\u0000y\", \"b\": \"\\u0001\"}", &err), ST_OK);
}

/* A copy that broke off needs another hint than a comma that somebody forgot. */
static void json_tells_a_cut_file(void **state)
{
    static const char whole[] = "{\"cells\": [{\"id\": \"a \\\"b\\\" c\",\n\t\"n\": [1, 2]},\n"
                                "\t{\"on\": true}]}";
    static const char *const typed[] = {"{} x", "{\n  \"a\": 1,\n  oops\n}", "{\"a\": 1,}", "[1 2]",
                                        "{\"a\": [1,\n \"b\": 2\n}\n"};
    char text[sizeof whole];
    struct err err;
    assert_int_equal(base_parse(whole, &err), ST_OK);
    for (size_t bytes = 1; bytes < sizeof whole - 1; bytes++) {
        snprintf(text, sizeof text, "%.*s", (int)bytes, whole);
        assert_int_equal(base_parse(text, &err), ST_INVALID);
        assert_non_null(strstr(err.hint, "copied to its end?"));
    }
    for (size_t i = 0; i < sizeof typed / sizeof typed[0]; i++) {
        assert_int_equal(base_parse(typed[i], &err), ST_INVALID);
        assert_null(strstr(err.hint, "copied"));
    }
}

static void json_refuses_what_is_not_utf8(void **state)
{
    static const char *const bad[] = {"\"\xff\"",         "\"\xc0\x80\"",
                                      "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"",
                                      "\"\xe2\x82\"",     "\"\x80\""};
    struct err err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(base_parse(bad[i], &err), ST_INVALID);
        assert_non_null(strstr(err.what, "t.json:1:2"));
    }
    assert_int_equal(base_parse("\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", &err), ST_OK);
    cJSON *json = NULL;
    assert_int_equal(json_parse("t.json", "1\0 2", 4, &json, &err), ST_INVALID);
}

static void json_keeps_all_digits(void **state)
{
    cJSON *json = cJSON_CreateObject();
    uint64_t back = 0;
    assert_true(json_add_u64(json, "u", UINT64_MAX));
    assert_true(json_add_i64(json, "i", INT64_MIN));
    assert_true(json_add_double(json, "nan", 0.0 / 0.0));
    assert_true(json_add_string(json, "s", "a\xff\"b"));
    assert_true(json_add_u64_text(json, "t", UINT64_MAX));
    assert_true(json_get_u64_text(json, "t", &back));
    assert_true(back == UINT64_MAX);
    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(text, "{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"nan\":null,"
                              "\"s\":\"a?\\\"b\",\"t\":\"18446744073709551615\"}");
    cJSON_free(text);
    cJSON_Delete(json);
}

static void json_reads_only_what_is_there(void **state)
{
    struct err err;
    cJSON *json = NULL;
    const char text[] =
        "{\"n\": 5, \"N\": 6, \"s\": \"x\", \"b\": true, \"f\": 1.5, \"big\": 1e300,"
        " \"t\": \"-1\", \"o\": \"99999999999999999999\"}";
    int64_t whole = -1;
    uint64_t number = 0;
    assert_int_equal(json_parse("t", text, strlen(text), &json, &err), ST_OK);
    assert_true(json_whole(json_get(json, "n"), 0, 10, &whole) && whole == 5);
    assert_false(json_whole(json_get(json, "N"), 0, 5, &whole));
    assert_false(json_whole(json_get(json, "f"), 0, 5, &whole));
    assert_false(json_whole(json_get(json, "big"), INT64_MIN, INT64_MAX, &whole));
    assert_false(json_whole(json_get(json, "s"), 0, 5, &whole));
    assert_false(json_whole(json_get(json, "absent"), 0, 5, &whole));
    assert_string_equal(json_get_string(json, "n", "none"), "none");
    assert_true(json_get_bool(json, "b", false));
    assert_false(json_get_u64_text(json, "t", &number));
    assert_false(json_get_u64_text(json, "o", &number));
    assert_null(json_get(json, "S"));
    cJSON_Delete(json);
}

static void json_files_are_whole_or_absent(void **state)
{
    char folder[] = "/tmp/handoff-test-XXXXXX", path[64];
    struct err err;
    cJSON *json = cJSON_CreateObject(), *back = NULL;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.json", folder);
    json_add_u64(json, "a", 1);
    assert_int_equal(json_write_file(path, json, true, &err), ST_OK);
    assert_int_equal(json_read_file(path, 1000, &back, &err), ST_OK);
    assert_int_equal(json_get_number(back, "a", 0), 1);
    assert_int_equal(json_read_file(path, 3, &(cJSON *){NULL}, &err), ST_INVALID);
    /* A folder where the file should go: an error, and nothing left beside it. */
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(json_write_file(path, json, false, &err), ST_SYSTEM);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(json_read_file(path, 1000, &(cJSON *){NULL}, &err), ST_SYSTEM);
    cJSON_Delete(json);
    cJSON_Delete(back);
}

/* ---- shm ---- */

static void shm_is_shared_and_sealed(void **state)
{
    struct err err;
    struct shm_map here, there;
    unsigned fds = base_open_fds();
    assert_int_equal(shm_create("test", 10000, &here, &err), ST_OK);
    assert_int_not_equal(ftruncate(here.fd, 100), 0);
    assert_int_equal(shm_attach(dup(here.fd), 10000, &there, &err), ST_OK);
    memset(here.bytes, 0x5a, 10000);
    assert_int_equal(((uint8_t *)there.bytes)[9999], 0x5a);
    shm_unmap(&there);
    shm_unmap(&there);
    shm_unmap(&here);
    assert_int_equal(base_open_fds(), fds);
}

static void shm_attach_trusts_nothing(void **state)
{
    struct err err;
    struct shm_map map = SHM_MAP_NONE;
    unsigned fds = base_open_fds();
    int unsealed = memfd_create("test", MFD_CLOEXEC);
    assert_int_equal(ftruncate(unsealed, 4096), 0);
    assert_int_equal(shm_attach(unsealed, 4096, &map, &err), ST_CORRUPT);
    assert_int_equal(shm_attach(open("/dev/null", O_RDWR), 1, &map, &err), ST_CORRUPT);
    struct shm_map small;
    assert_int_equal(shm_create("test", 4096, &small, &err), ST_OK);
    assert_int_equal(shm_attach(dup(small.fd), 4097, &map, &err), ST_CORRUPT);
    assert_int_equal(shm_attach(-1, 1, &map, &err), ST_SYSTEM);
    assert_null(map.bytes);
    shm_unmap(&small);
    assert_int_equal(base_open_fds(), fds);
}

static void shm_without_room_fails_up_front(void **state)
{
    struct err err;
    struct shm_map map;
    unsigned fds = base_open_fds();
    assert_int_not_equal(shm_create("test", (size_t)1 << 50, &map, &err), ST_OK);
    assert_true(err.hint[0] != 0);
    assert_int_equal(base_open_fds(), fds);
}

/* Bytes of the mapping at `bytes` that smaps calls huge, by a reading of its own. */
static size_t base_huge_bytes(const void *bytes)
{
    char line[256], wanted[32];
    size_t huge = 0;
    bool inside = false;
    FILE *file = fopen("/proc/self/smaps", "r");
    snprintf(wanted, sizeof wanted, "%llx-", (unsigned long long)(uintptr_t)bytes);
    while (file && fgets(line, sizeof line, file)) {
        unsigned long long begin, end, kilobytes;
        char key[64];
        if (sscanf(line, "%llx-%llx ", &begin, &end) == 2)
            inside = strncmp(line, wanted, strlen(wanted)) == 0;
        else if (inside && sscanf(line, "%63[^:]: %llu kB", key, &kilobytes) == 2 &&
                 (strcmp(key, "ShmemPmdMapped") == 0 || strcmp(key, "AnonHugePages") == 0 ||
                  strcmp(key, "Shared_Hugetlb") == 0 || strcmp(key, "Private_Hugetlb") == 0))
            huge += (size_t)kilobytes * 1024;
    }
    fclose(file);
    return huge;
}

/* Huge pages or a refusal that says what to do: never normal ones, on either side. */
static void shm_pages_are_what_was_asked_for(void **state)
{
    static const enum shm_pages kinds[] = {SHM_PAGES_NORMAL, SHM_PAGES_THP, SHM_PAGES_HUGETLB};
    unsigned fds = base_open_fds();
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct err err = {0};
        struct shm_map here = SHM_MAP_NONE, there = SHM_MAP_NONE;
        bool huge = kinds[i] != SHM_PAGES_NORMAL;
        enum status probed = shm_pages_probe(kinds[i], &err);
        if (probed != ST_OK) {
            assert_true(huge);
            assert_int_equal(probed, ST_UNAVAILABLE);
            assert_true(err.what[0] && err.hint[0]);
            assert_int_equal(shm_create_pages("test", 3 << 20, kinds[i], &here, &err),
                             ST_UNAVAILABLE);
            print_message("not here: %s (%s)\n", err.what, err.hint);
        } else if (shm_create_pages("test", 3 << 20, kinds[i], &here, &err) == ST_OK) {
            assert_int_equal(base_huge_bytes(here.bytes), huge ? here.size_bytes : 0);
            assert_true(here.size_bytes >= 3 << 20);
            assert_int_not_equal(ftruncate(here.fd, 4096), 0);
            assert_int_equal(shm_attach_pages(dup(here.fd), 3 << 20, kinds[i], &there, &err),
                             ST_OK);
            assert_int_equal(base_huge_bytes(there.bytes), huge ? there.size_bytes : 0);
            ((uint8_t *)here.bytes)[(3 << 20) - 1] = 0x5a;
            assert_int_equal(((uint8_t *)there.bytes)[(3 << 20) - 1], 0x5a);
            shm_unmap(&there);
            shm_unmap(&here);
        } else { /* one page was there, two were not */
            assert_true(huge && err.hint[0]);
        }
        if (shm_pages_probe_private(kinds[i], &err) == ST_OK &&
            shm_create_private("test", 3 << 20, kinds[i], &here, &err) == ST_OK) {
            /* The kernel may join a mapping that is huge with its neighbour. */
            assert_true(huge ? base_huge_bytes(here.bytes) >= here.size_bytes
                             : base_huge_bytes(here.bytes) == 0);
            shm_unmap(&here);
        }
    }
    assert_int_equal(base_open_fds(), fds);
}

/* Pages of another kind than the one that both sides agreed on. */
static void shm_attach_refuses_other_pages(void **state)
{
    struct err err = {0};
    struct shm_map normal, map = SHM_MAP_NONE;
    unsigned fds = base_open_fds();
    assert_int_equal(shm_create("test", 4 << 20, &normal, &err), ST_OK);
    assert_int_equal(shm_attach_pages(dup(normal.fd), 4096, SHM_PAGES_HUGETLB, &map, &err),
                     ST_CORRUPT);
    /* Normal pages that lie in memory already do not become huge by being asked; where the system
     * makes all shared memory huge, they are. */
    enum status status = shm_attach_pages(dup(normal.fd), 4096, SHM_PAGES_THP, &map, &err);
    assert_true(status == ST_UNAVAILABLE || base_huge_bytes(map.bytes) == map.size_bytes);
    shm_unmap(&map);
    shm_unmap(&normal);
    assert_int_equal(base_open_fds(), fds);
}

/* ---- channel ---- */

static void channel_carries_messages_and_descriptors(void **state)
{
    struct err err;
    int pair[2], pipe_fds[2];
    struct channel_message message = {0};
    unsigned fds = base_open_fds();
    assert_int_equal(channel_pair(pair, &err), ST_OK);
    assert_int_equal(pipe(pipe_fds), 0);
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "type", "hello");
    assert_int_equal(channel_send(pair[0], json, pipe_fds, 2, &err), ST_OK);
    assert_int_equal(channel_receive(pair[1], clock_now_ns() + 1000000000u, &message, &err), ST_OK);
    assert_string_equal(json_get_string(message.json, "type", ""), "hello");
    assert_int_equal(message.fd_count, 2);
    assert_int_equal(write(message.fds[1], "x", 1), 1);
    char got = 0;
    assert_int_equal(read(pipe_fds[0], &got, 1), 1);
    assert_int_equal(got, 'x');
    assert_true(fcntl(message.fds[0], F_GETFD) & FD_CLOEXEC);
    channel_message_clear(&message);
    channel_message_clear(&message);
    cJSON_Delete(json);
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
        close(pipe_fds[i]);
    }
    assert_int_equal(base_open_fds(), fds);
}

static void channel_keeps_its_deadline_and_sees_the_end(void **state)
{
    struct err err;
    int pair[2];
    struct channel_message message = {0};
    assert_int_equal(channel_pair(pair, &err), ST_OK);
    uint64_t begin_ns = clock_now_ns();
    assert_int_equal(channel_receive(pair[1], begin_ns + 20000000u, &message, &err), ST_TIMEOUT);
    assert_true(clock_now_ns() - begin_ns >= 20000000u);
    close(pair[0]);
    assert_int_equal(channel_receive(pair[1], begin_ns + 5000000000u, &message, &err),
                     ST_PEER_GONE);
    cJSON *json = cJSON_CreateObject();
    assert_int_equal(channel_send(pair[1], json, NULL, 0, &err), ST_PEER_GONE);
    cJSON_Delete(json);
    close(pair[1]);
}

static void channel_refuses_garbage_without_leaking(void **state)
{
    static const char *const garbage[] = {"not json", "[1,2]", "7", "{\"a\":", "\xff"};
    struct err err;
    int pair[2];
    struct channel_message message = {0};
    unsigned fds = base_open_fds();
    assert_int_equal(channel_pair(pair, &err), ST_OK);
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        assert_true(send(pair[0], garbage[i], strlen(garbage[i]), 0) > 0);
        assert_int_equal(channel_receive(pair[1], UINT64_MAX, &message, &err), ST_CORRUPT);
    }
    static char huge[CHANNEL_MESSAGE_BYTES_MAX + 100];
    memset(huge, ' ', sizeof huge);
    assert_true(send(pair[0], huge, sizeof huge, 0) > 0);
    assert_int_equal(channel_receive(pair[1], UINT64_MAX, &message, &err), ST_CORRUPT);
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(base_open_fds(), fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_keeps_its_bounds),
        cmocka_unit_test(err_context_goes_in_front),
        cmocka_unit_test(status_names_are_reversible),
        cmocka_unit_test(json_names_line_and_column),
        cmocka_unit_test(json_tells_a_cut_file),
        cmocka_unit_test(json_refuses_what_is_not_utf8),
        cmocka_unit_test(json_keeps_all_digits),
        cmocka_unit_test(json_reads_only_what_is_there),
        cmocka_unit_test(json_files_are_whole_or_absent),
        cmocka_unit_test(shm_is_shared_and_sealed),
        cmocka_unit_test(shm_attach_trusts_nothing),
        cmocka_unit_test(shm_without_room_fails_up_front),
        cmocka_unit_test(shm_pages_are_what_was_asked_for),
        cmocka_unit_test(shm_attach_refuses_other_pages),
        cmocka_unit_test(channel_carries_messages_and_descriptors),
        cmocka_unit_test(channel_keeps_its_deadline_and_sees_the_end),
        cmocka_unit_test(channel_refuses_garbage_without_leaking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

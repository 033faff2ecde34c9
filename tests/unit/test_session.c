/* test_session.c: a role that does not keep to the protocol fails its launch, with a reason, and
 * leaves neither a process nor a descriptor.
 *
 * process.c starts /proc/self/exe as the roles, which is this program: main() is a role when it is
 * told to be one, a real one or, if HANDOFF_FAKE_ROLE="<role>:<what it does>" names it, a false
 * one.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/json.h"
#include "harness/measure/clock_counter.h"
#include "harness/run/role.h"
#include "harness/run/session.h"
#include "tests/support/random_input.h"

enum { FRAMES = 20, WARMUP = 2, CONTROL_FD = 3 };

/* ---- The false role -------------------------------------------------------------------------- */

static struct channel_message fake_setup; /* its descriptor is the trace */

static void fake_send(const char *text)
{
    (void)send(CONTROL_FD, text, strlen(text), MSG_NOSIGNAL);
}

/* With so many descriptors, all of them the trace. */
static void fake_send_fds(const char *text, size_t count)
{
    enum { MOST = 64 };
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * MOST)] = {0};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * count);
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(part) + i * sizeof(int), &fake_setup.fds[0], sizeof(int));
    (void)sendmsg(CONTROL_FD, &message, MSG_NOSIGNAL);
}

static void fake_send_padded(size_t bytes, const char *start)
{
    char *text = malloc(bytes + 1);
    memset(text, 'x', bytes);
    memcpy(text, start, strlen(start));
    memcpy(text + bytes - 2, "\"}", 3);
    fake_send(text);
    free(text);
}

/* Waits for the runner's word, or its end. */
static void fake_await(const char *type)
{
    struct err ignored;
    struct channel_message message = {0};
    while (channel_receive(CONTROL_FD, UINT64_MAX, &message, &ignored) == ST_OK) {
        bool found = strcmp(json_get_string(message.json, "type", ""), type) == 0;
        channel_message_clear(&message);
        if (found)
            return;
    }
    _exit(0);
}

static void fake_ready(void)
{
    fake_send("{\"type\":\"ready\"}");
    fake_await("go");
}

static void fake_finish(void)
{
    struct err ignored;
    const struct role_report report = {.frames = FRAMES + WARMUP};
    (void)channel_send(CONTROL_FD, role_report_to_json(&report), NULL, 0, &ignored);
}

static void fake_exits(void)
{
    _exit(0);
}

static void fake_hangs_up(void)
{
    close(CONTROL_FD);
    pause();
}

static void fake_says_nothing(void)
{
    (void)send(CONTROL_FD, "", 0, MSG_NOSIGNAL);
}

static void fake_garbage(void)
{
    uint8_t bytes[300];
    random_state = (uint64_t)getpid();
    random_bytes(bytes, sizeof bytes);
    bytes[0] |= 0x80;
    (void)send(CONTROL_FD, bytes, sizeof bytes, MSG_NOSIGNAL);
}

static void fake_array(void)
{
    fake_send("[{\"type\":\"ready\"}]");
}

static void fake_oversized(void)
{
    fake_send_padded(CHANNEL_MESSAGE_BYTES_MAX + 1, "{\"type\":\"ready\",\"pad\":\"");
}

static void fake_many_descriptors(void)
{
    fake_send_fds("{\"type\":\"ready\"}", CHANNEL_FDS_MAX + 1);
}

static void fake_unknown(void)
{
    fake_send("{\"type\":\"hello\"}");
}

static void fake_number_as_type(void)
{
    fake_send("{\"type\":17}");
}

static void fake_floods(void)
{
    for (;;)
        if (send(CONTROL_FD, "{\"type\":\"hello\"}", 16, MSG_NOSIGNAL) < 0)
            _exit(0);
}

static void fake_ready_twice(void)
{
    fake_send("{\"type\":\"ready\"}");
    fake_send("{\"type\":\"ready\"}");
}

static void fake_finished_first(void)
{
    fake_finish();
}

static void fake_address(void)
{
    fake_send("{\"type\":\"address\",\"bytes\":\"00\"}");
}

static void fake_wrong_hex(void)
{
    fake_send("{\"type\":\"address\",\"bytes\":\"0g\"}");
}

static void fake_long_hex(void)
{
    fake_send_padded(2 * (TRANSPORT_ADDRESS_BYTES + 40), "{\"type\":\"address\",\"bytes\":\"");
}

static void fake_address_of_nothing(void)
{
    fake_send("{\"type\":\"address\",\"bytes\":\"\"}");
}

static void fake_empty_report(void)
{
    fake_ready();
    fake_send("{\"type\":\"finished\"}");
}

static void fake_negative_report(void)
{
    fake_ready();
    fake_send("{\"type\":\"finished\",\"user_ns\":-1}");
}

static void fake_finished_twice(void)
{
    fake_ready();
    fake_finish();
    fake_finish();
}

/* The producer waits for its slots to come back, so the error comes while the launch is still
 * on. */
static void fake_regrets(void)
{
    fake_ready();
    fake_finish();
    fake_send("{\"type\":\"error\",\"status\":\"corrupt\",\"what\":\"too late, but true\"}");
}

static void fake_error_without_words(void)
{
    fake_send("{\"type\":\"error\"}");
}

static void fake_long_error(void)
{
    fake_send_padded(60000, "{\"type\":\"error\",\"what\":\"on and on: ");
}

static void fake_takes_nothing(void)
{
    fake_ready();
    fake_finish();
    fake_await("exit");
    _exit(0);
}

/* Tries to take the trace away from under the runner, then fills it with nonsense. */
/* Which has its socket, until the runner closes the other end. */
static void fake_leaves_a_child(void)
{
    fake_ready();
    fake_finish();
    fake_await("exit");
    if (fork() == 0)
        fake_await("nothing");
    _exit(0);
}

static void fake_spoils_its_trace(void)
{
    const size_t bytes = trace_bytes(FRAMES + WARMUP);
    fake_ready();
    if (ftruncate(fake_setup.fds[0], 0) == 0)
        _exit(9);
    uint8_t *trace = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fake_setup.fds[0], 0);
    if (trace == MAP_FAILED)
        _exit(8);
    random_state = (uint64_t)getpid();
    random_bytes(trace, bytes);
    fake_finish();
    fake_await("exit");
    _exit(0);
}

struct fake {
    const char *name; /* of the role, and what it does */
    void (*play)(void);
    enum status status; /* the launch's end */
    const char *reason; /* a part of it */
};

static const struct fake fakes[] = {
    {"producer:exits", fake_exits, ST_ROLE_DIED,
     "the producer exited with status 0 after 0 of its"},
    {"consumer:exits", fake_exits, ST_ROLE_DIED,
     "the consumer exited with status 0 after 0 of its"},
    {"consumer:hangs up", fake_hangs_up, ST_ROLE_DIED, "the consumer closed its control socket"},
    {"consumer:says nothing", fake_says_nothing, ST_ROLE_DIED, "the consumer "},
    {"producer:garbage", fake_garbage, ST_CORRUPT, "not a JSON object"},
    {"consumer:array", fake_array, ST_CORRUPT, "not a JSON object"},
    {"consumer:oversized", fake_oversized, ST_CORRUPT, "cut short"},
    {"producer:many descriptors", fake_many_descriptors, ST_CORRUPT, "cut short"},
    {"producer:unknown", fake_unknown, ST_CORRUPT, "the producer sent \"hello\" where"},
    {"consumer:number as type", fake_number_as_type, ST_CORRUPT, "the consumer sent \"\" where"},
    {"consumer:floods", fake_floods, ST_CORRUPT, "the consumer sent \"hello\" where"},
    {"consumer:ready twice", fake_ready_twice, ST_CORRUPT, "the consumer sent \"ready\" where"},
    {"consumer:finished first", fake_finished_first, ST_CORRUPT, "sent \"finished\" where"},
    {"consumer:address", fake_address, ST_CORRUPT, "the consumer sent \"address\" where"},
    {"producer:wrong hex", fake_wrong_hex, ST_CORRUPT, "not the address of an edge"},
    {"producer:long hex", fake_long_hex, ST_CORRUPT, "not the address of an edge"},
    {"producer:address of nothing", fake_address_of_nothing, ST_CORRUPT, ""},
    {"consumer:empty report", fake_empty_report, ST_CORRUPT, "\"user_ns\" is missing"},
    {"consumer:negative report", fake_negative_report, ST_CORRUPT, "\"user_ns\" is missing or out"},
    {"consumer:finished twice", fake_finished_twice, ST_CORRUPT, "sent \"finished\" where"},
    {"consumer:regrets", fake_regrets, ST_CORRUPT, "too late, but true"},
    {"consumer:error without words", fake_error_without_words, ST_SYSTEM, "without saying why"},
    {"consumer:long error", fake_long_error, ST_SYSTEM, "on and on: "},
    {"consumer:takes nothing", fake_takes_nothing, ST_CORRUPT, ""},
    {"consumer:leaves a child", fake_leaves_a_child, ST_CORRUPT, ""},
    {"consumer:spoils its trace", fake_spoils_its_trace, ST_CORRUPT, ""},
};

/* A role of this program; does not return into the tests. */
static int role_of_this_program(int argc, char **argv)
{
    const char *wanted = getenv("HANDOFF_FAKE_ROLE");
    size_t length = strlen(argv[2]);
    struct err err;
    const char *clock = getenv("HANDOFF_WANTED_CLOCK");
    if (!wanted || strncmp(wanted, argv[2], length) != 0 || wanted[length] != ':') {
        if (role_main(argc, argv, &err) != ST_OK)
            return 1;
        return clock && strcmp(clock, clock_kind_name(clock_current.kind)) != 0 ? 9 : 0;
    }
    if (channel_receive(CONTROL_FD, UINT64_MAX, &fake_setup, &err) != ST_OK)
        _exit(7);
    for (size_t i = 0; i < sizeof fakes / sizeof fakes[0]; i++)
        if (strcmp(fakes[i].name, wanted) == 0)
            fakes[i].play();
    for (;;) /* until it is killed */
        pause();
}

/* ---- The runner ------------------------------------------------------------------------------ */

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Most launches have none. */
static struct guard launch_guard = {.running = false};

/* One launch of a ring at 1 kHz, with nothing left behind. */
static struct launch_outcome run_launch(uint32_t slots, struct fold *fold)
{
    const struct cell cell = {
        .id = "test",
        .transport = transport_find("shm"),
        .access = access_find("host"),
        .wait = wait_find("futex"),
        .kernel = kernel_find("checksum"),
        .geometry = {64, 48, 3},
        .pacing = PACING_RATE,
        .rate_hz = 1000,
        .slots = slots,
        .policy = POLICY_BLOCK,
        .depth = 1,
        .launches = 1,
    };
    const struct session_request request = {
        .cell = &cell,
        .frames = FRAMES,
        .warmup = WARMUP,
        .seed = random_below((uint64_t)1 << 53),
        .cpus = {-1, -1},
        .guard = &launch_guard,
        .signal_fd = -1,
    };
    struct launch_outcome outcome;
    struct err err = {.what = ""};
    unsigned before = open_descriptors();
    if (session_run(&request, fold, &outcome, &err) != ST_OK)
        fail_msg("the runner failed: %s", err.what);
    assert_int_equal(open_descriptors(), before);
    const pid_t left = waitpid(-1, NULL, WNOHANG);
    assert_int_equal(left, launch_guard.running ? 0 : -1);
    assert_true(launch_guard.running || errno == ECHILD);
    return outcome;
}

static void a_good_launch_is_good(void **state)
{
    (void)state;
    struct fold *fold = fold_new();
    unsetenv("HANDOFF_FAKE_ROLE");
    struct launch_outcome outcome = run_launch(4, fold);
    if (outcome.status != ST_OK)
        fail_msg("%s", outcome.reason);
    assert_int_equal(fold->finished_frames, FRAMES);
    fold_free(fold);
}

/* Somebody kills the guard between two launches: the next one has another. */
static void a_guard_that_has_gone_is_replaced(void **state)
{
    struct err err = {.what = ""};
    assert_int_equal(guard_start(&launch_guard, &err), ST_OK);
    a_good_launch_is_good(state);
    const pid_t first = launch_guard.process.pid;
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)first, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    /* Before that the runner is told what happened. */
    assert_int_equal(guard_forget(&launch_guard, &err), ST_SYSTEM);
    assert_non_null(strstr(err.what, "the guard process was killed by signal 9"));
    assert_non_null(strstr(err.hint, "--role guard"));
    a_good_launch_is_good(state);
    assert_true(launch_guard.running && launch_guard.process.pid > 0);
    assert_int_not_equal(launch_guard.process.pid, first);
    guard_stop(&launch_guard);
}

static cJSON *question(const char *type)
{
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "type", type);
    return json;
}

/* A guard that answers too late answers nothing else: its answer is not the next question's. */
static void an_answer_belongs_to_its_question(void **state)
{
    struct err err = {.what = ""};
    struct channel_message answer = {0};
    assert_int_equal(guard_start(&launch_guard, &err), ST_OK);
    assert_int_equal(kill(launch_guard.process.pid, SIGSTOP), 0);
    assert_int_equal(guard_ask(&launch_guard, question("clocks_restore"), 20000000u, &answer, &err),
                     ST_SYSTEM);
    assert_non_null(strstr(err.what, "no control message came in time"));
    kill(launch_guard.process.pid, SIGCONT);
    clock_sleep_until_ns(clock_now_ns() + 200000000u);
    const enum status status =
        guard_ask(&launch_guard, question("roudi_stop"), 5000000000u, &answer, &err);
    if (status == ST_OK)
        assert_string_equal(json_get_string(answer.json, "type", ""), "roudi");
    channel_message_clear(&answer);
    a_good_launch_is_good(state);
    guard_stop(&launch_guard);
}

/* The runner's clock is every role's, with a base of this launch: an old one would show seconds of
 * difference, which a role refuses. */
static void the_roles_have_the_runners_clock(void **state)
{
    struct clock_trust trust;
    struct clock_pair pairs[CLOCK_SPEED_PAIRS];
    struct clock_speed speed;
    char reason[CLOCK_REASON_BYTES];
    clock_trust_look(&trust);
    if (!trust.known || !trust.permitted || !trust.ordered || !trust.invariant)
        skip();
    clock_speed_look(pairs);
    if (!clock_speed_judge(pairs, CLOCK_SPEED_PAIRS, &speed, reason)) {
        print_message("no counter: %s\n", reason);
        skip();
    }
    clock_current = (struct clock_conversion){
        .kind = CLOCK_KIND_COUNTER,
        .counter = pairs[0].counter,
        .ns = pairs[0].ns - 5000000000u,
        .mult = (uint64_t)(speed.ns_per_tick * (double)(UINT64_C(1) << CLOCK_SHIFT)),
    };
    setenv("HANDOFF_WANTED_CLOCK", clock_kind_name(CLOCK_KIND_COUNTER), 1);
    a_good_launch_is_good(state);
    setenv("HANDOFF_WANTED_CLOCK", "CLOCK_MONOTONIC", 1);
    clock_current = (struct clock_conversion){.kind = CLOCK_KIND_MONOTONIC};
    a_good_launch_is_good(state);
    unsetenv("HANDOFF_WANTED_CLOCK");
}

static void a_role_that_breaks_the_protocol_fails_its_launch(void **state)
{
    (void)state;
    struct fold *fold = fold_new();
    for (size_t i = 0; i < sizeof fakes / sizeof fakes[0]; i++) {
        const struct fake *fake = &fakes[i];
        setenv("HANDOFF_FAKE_ROLE", fake->name, 1);
        /* A false role that gets to the end takes no frame: then there is room for all of them. */
        bool ends = fake->play == fake_takes_nothing || fake->play == fake_leaves_a_child ||
                    fake->play == fake_spoils_its_trace;
        const uint64_t began_ns = clock_now_ns();
        struct launch_outcome outcome = run_launch(ends ? FRAMES + WARMUP + 1 : 4, fold);
        /* Nobody was waited for who had gone. */
        if (clock_now_ns() - began_ns >= PROCESS_GRACE_NS)
            fail_msg("%s: the launch took too long", fake->name);
        /* What the frames say is the launch file's verdict, when the roles ended well. */
        struct err verdict = {.what = ""};
        if (outcome.status == ST_OK)
            outcome.status = fold_integrity_verdict(&fold->integrity, &verdict);
        else
            snprintf(verdict.what, sizeof verdict.what, "%s", outcome.reason);
        if (outcome.status != fake->status || !verdict.what[0] ||
            !strstr(verdict.what, fake->reason))
            fail_msg("%s: %s: \"%s\" instead of %s: \"%s\"", fake->name,
                     status_name(outcome.status), verdict.what, status_name(fake->status),
                     fake->reason);
    }
    fold_free(fold);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--role") == 0)
        return role_of_this_program(argc, argv);
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_launch_is_good),
        cmocka_unit_test(a_guard_that_has_gone_is_replaced),
        cmocka_unit_test(an_answer_belongs_to_its_question),
        cmocka_unit_test(the_roles_have_the_runners_clock),
        cmocka_unit_test(a_role_that_breaks_the_protocol_fails_its_launch),
        cmocka_unit_test(a_good_launch_is_good),
        cmocka_unit_test(a_guard_that_has_gone_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

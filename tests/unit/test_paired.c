/* test_paired.c: two stepped runs as the process that orders them sees them: what they say, what
 * they must not say, and how they end. The runs are shell scripts here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/run/paired.h"
#include "harness/run/paired_side.h"
#include "tests/support/random_input.h"

static void test_lines(void **state)
{
    (void)state;
    static const char *const not_ready[] = {
        "",          "ready",        "ready 1",          "ready 1 2 3", "ready 0 5",
        "ready x 1", "ready 5000 1", "error: ready 1 2", "ready 1 2 ",  "ok"};
    static const char *const no_cell[] = {
        "",           "cell",          "cell 3",       "cell 3 2",   "cell 3 2 ",
        "cell 2 2 a", "cell 3 1001 a", "cell 3 2 a b", "cell 3 x a", "ready 1 2"};
    uint32_t cells = 7, launches = 7;
    struct paired_side_cell cell = {.launches = 7};
    for (size_t i = 0; i < sizeof not_ready / sizeof not_ready[0]; i++)
        if (paired_parse_ready(not_ready[i], &cells, &launches))
            fail_msg("\"%s\" is ready", not_ready[i]);
    for (size_t i = 0; i < sizeof no_cell / sizeof no_cell[0]; i++)
        if (paired_parse_cell(no_cell[i], 3, &cell))
            fail_msg("\"%s\" is a cell", no_cell[i]);
    assert_int_equal(cells, 7);
    assert_int_equal(cell.launches, 7);
    assert_true(paired_parse_ready("ready 12 10", &cells, &launches));
    assert_int_equal(cells, 12);
    assert_int_equal(launches, 10);
    assert_true(paired_parse_cell("cell 3 0 shm+spin/frame=64x48x3", 3, &cell));
    assert_int_equal(cell.launches, 0);
    assert_string_equal(cell.id, "shm+spin/frame=64x48x3");
    char line[CELL_ID_BYTES + 32];
    int head = snprintf(line, sizeof line, "cell 3 1 ");
    memset(line + head, 'x', CELL_ID_BYTES);
    line[head + CELL_ID_BYTES] = '\0';
    assert_false(paired_parse_cell(line, 3, &cell));
    line[head + CELL_ID_BYTES - 1] = '\0';
    assert_true(paired_parse_cell(line, 3, &cell));
}

/* A side that is this script, started. */
static enum status begin(struct paired_side *side, const char *script, struct err *err)
{
    const char *arguments[] = {"/bin/sh", "-c", script, NULL};
    *side = (struct paired_side){
        .name = "base", .program = "script", .signal_fd = -1, .process = PROCESS_NONE};
    snprintf(side->log, sizeof side->log, "/tmp/handoff-paired-%d.log", (int)getpid());
    FILE *log = fopen(side->log, "w");
    assert_non_null(log);
    fputs("error: of an earlier run\n", log);
    fclose(log);
    enum status status = paired_side_start(side, arguments, err);
    return status == ST_OK ? paired_side_wait_ready(side, err) : status;
}

static void end(struct paired_side *side)
{
    unlink(side->log);
    paired_side_free(side);
    assert_int_equal(side->process.pid, 0);
    assert_int_equal(side->process.control_fd, -1);
}

#define READY "echo ready 1 5; echo cell 0 5 shm+spin; "

static void test_what_sides_say(void **state)
{
    (void)state;
    static const struct {
        const char *script, *said;
    } strange[] = {
        {"exit 5", "base (script) does not take part: it exited with status 5"},
        {"echo 'error: no such scenario' >&2; exit 2", "exited with status 2: no such scenario"},
        {"echo hello; sleep 60", "it said \"hello\""},
        {"echo ready 2 5; echo cell 0 5 a; echo cell 0 5 b; sleep 60", "it said \"cell 0 5 b\""},
        {"printf 'ready 1 \\033[2J'; printf '\\n'; sleep 60", "it said \"ready 1 ?[2J\""},
        {"kill -9 $$", "was killed by signal 9"},
        {"head -c 5000 /dev/zero | tr '\\0' x; sleep 60", "a line without end"},
    };
    struct paired_side side;
    struct err err;
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        assert_int_equal(begin(&side, strange[i].script, &err), ST_INVALID);
        if (!strstr(err.what, strange[i].said))
            fail_msg("expected \"%s\" in: %s", strange[i].said, err.what);
        assert_true(err.hint[0] != '\0');
        assert_null(strstr(err.what, "of an earlier run"));
        end(&side);
    }
}

static void test_launches(void **state)
{
    (void)state;
    struct paired_side side;
    struct err err;
    char reason[PAIRED_LINE_BYTES];
    bool failed;
    assert_int_equal(begin(&side,
                           READY "read a; [ \"$a\" = 'launch 0 3' ] && echo ok; read a; "
                                 "echo failed it fell over; read a; echo what; cat >&2",
                           &err),
                     ST_OK);
    assert_int_equal(side.cell_count, 1);
    assert_int_equal(side.cells[0].launches, 5);
    assert_int_equal(paired_side_launch(&side, 0, 3, &failed, reason, &err), ST_OK);
    assert_false(failed);
    assert_int_equal(paired_side_launch(&side, 0, 4, &failed, reason, &err), ST_OK);
    assert_true(failed);
    assert_string_equal(reason, "it fell over");
    assert_int_equal(paired_side_launch(&side, 0, 0, &failed, reason, &err), ST_INVALID);
    /* It reads to the end of the orders, and ends. */
    assert_int_equal(paired_side_finish(&side, &paired_patience, &err), ST_OK);
    end(&side);

    assert_int_equal(begin(&side, READY "read a; echo 'error: out of luck' >&2; kill -9 $$", &err),
                     ST_OK);
    assert_int_equal(paired_side_launch(&side, 0, 2, &failed, reason, &err), ST_ROLE_DIED);
    assert_non_null(strstr(err.what, "was killed by signal 9 (Killed) in launch 3 of shm+spin: out "
                                     "of luck"));
    end(&side);
    assert_int_equal(begin(&side, READY "cat > /dev/null; kill -9 $$", &err), ST_OK);
    assert_int_equal(paired_side_finish(&side, &paired_patience, &err), ST_ROLE_DIED);
    assert_non_null(strstr(err.what, "before its result was written"));
    end(&side);
}

/* Milliseconds until a side that hangs is given up. */
static uint64_t finish_ms(struct paired_side *side, const struct paired_patience *patience,
                          enum status expected, struct err *err)
{
    const uint64_t begun_ns = clock_now_ns();
    assert_int_equal(paired_side_finish(side, patience, err), expected);
    return (clock_now_ns() - begun_ns) / 1000000;
}

/* One that hangs at its end is not waited for as long as one that still has its result to write,
 * and not much longer at all where somebody asks to stop. */
static void test_ends_that_hang(void **state)
{
    (void)state;
    const uint64_t long_ns = 60000000000u, short_ns = 200000000u;
    const struct paired_patience no_result = {short_ns, long_ns, long_ns},
                                 hangs = {long_ns, short_ns, long_ns},
                                 asked = {long_ns, long_ns, short_ns};
    struct signalfd_siginfo signal_taken = {.ssi_signo = SIGINT};
    struct paired_side side;
    struct err err = {.status = ST_OK};
    char script[256];
    int wish[2];
    static const char deaf[] = READY "trap '' TERM; cat > /dev/null; sleep 60 & wait; wait";

    assert_int_equal(begin(&side, deaf, &err), ST_OK);
    assert_true(finish_ms(&side, &no_result, ST_ROLE_DIED, &err) < 20000);
    assert_non_null(strstr(err.what, "did not end when there were no more orders"));
    end(&side);

    char result[] = "/tmp/handoff-paired-result-XXXXXX";
    close(mkstemp(result));
    unlink(result);
    snprintf(script, sizeof script, READY "cat > /dev/null; echo {} > %s; sleep 60", result);
    assert_int_equal(begin(&side, script, &err), ST_OK);
    snprintf(side.result, sizeof side.result, "%s", result);
    assert_true(finish_ms(&side, &hangs, ST_OK, &err) < 20000);
    unlink(result);
    end(&side);

    assert_int_equal(pipe2(wish, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(write(wish[1], &signal_taken, sizeof signal_taken), sizeof signal_taken);
    assert_int_equal(begin(&side, deaf, &err), ST_OK);
    side.signal_fd = wish[0];
    assert_true(finish_ms(&side, &asked, ST_ROLE_DIED, &err) < 20000);
    side.signal_fd = -1;
    end(&side);
    close(wish[0]);
    close(wish[1]);
}

/* One that never looks at its orders is ended, too, when the process that gives them dies. */
static void test_nobody_orders_any_more(void **state)
{
    (void)state;
    int pids[2], ended = 0;
    pid_t sleeper = 0;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        skip(); /* orphans go to somebody else */
    assert_int_equal(pipe(pids), 0);
    fflush(NULL);
    pid_t orders = fork();
    if (orders == 0) {
        struct paired_side side;
        struct err err;
        if (begin(&side, READY "exec sleep 60", &err) != ST_OK)
            _exit(1);
        unlink(side.log);
        _exit(write(pids[1], &side.process.pid, sizeof sleeper) == sizeof sleeper ? 0 : 1);
    }
    close(pids[1]);
    assert_int_equal(read(pids[0], &sleeper, sizeof sleeper), sizeof sleeper);
    close(pids[0]);
    assert_int_equal(waitpid(orders, &ended, 0), orders);
    assert_int_equal(ended, 0);
    for (int tries = 0; waitpid(sleeper, &ended, WNOHANG) == 0; tries++) {
        if (tries == 1000) {
            kill(sleeper, SIGKILL);
            fail_msg("it outlived the process that started it");
        }
        usleep(5000);
    }
    assert_true(WIFSIGNALED(ended));
    assert_int_equal(WTERMSIG(ended), SIGTERM);
}

static void test_programs(void **state)
{
    (void)state;
    char path[PATH_MAX], folder[] = "/tmp/handoff-paired-XXXXXX", inside[64];
    struct err err;
    assert_int_equal(paired_find_program("/nowhere/handoff", path, &err), ST_INVALID);
    assert_int_equal(paired_find_program("/etc/passwd", path, &err), ST_INVALID);
    assert_int_equal(paired_find_program("/dev/null", path, &err), ST_INVALID);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(paired_find_program(folder, path, &err), ST_INVALID);
    assert_non_null(strstr(err.what, "/handoff: No such file"));
    snprintf(inside, sizeof inside, "%s/handoff", folder);
    assert_int_equal(symlink("/bin/sh", inside), 0);
    assert_int_equal(paired_find_program(folder, path, &err), ST_OK);
    assert_int_equal(path[0], '/');
    assert_int_equal(paired_find_program(NULL, path, &err), ST_OK);
    assert_non_null(strstr(path, "test_paired"));
    unlink(inside);
    rmdir(folder);
}

int main(void)
{
    unsetenv("HANDOFF_EMULATOR"); /* it runs no scripts */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_what_sides_say),
        cmocka_unit_test(test_launches),
        cmocka_unit_test(test_ends_that_hang),
        cmocka_unit_test(test_nobody_orders_any_more),
        cmocka_unit_test(test_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

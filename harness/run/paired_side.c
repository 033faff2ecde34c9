/* paired_side.c: see paired_side.h. */
#include "harness/run/paired_side.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/measure/clock.h"

#define PAIRED_ARGUMENTS_MAX 96
/* How often to look whether the result is there, while its writer ends. */
#define PAIRED_LOOK_MS 100

/* Writing a large result takes its time; then it is an end like a role's. */
const struct paired_patience paired_patience = {
    .result_ns = 120000000000u, .exit_ns = 2 * PROCESS_GRACE_NS, .asked_ns = PROCESS_GRACE_NS};

/* ---- Starting -------------------------------------------------------------------------------- */

/* In the child, between fork and exec: only async-signal-safe calls. */
static void paired_become(const char *const argv[], int socket, int log, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Ctrl-C reaches the one who orders; it decides what that means. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    if (dup2(socket, STDIN_FILENO) < 0 || dup2(socket, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0)
        _exit(EXIT_FAILURE);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(PROCESS_NOT_EXECUTED);
}

static enum status paired_fork(struct paired_side *side, const char *const argv[], int log,
                               struct err *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set_errno(err, errno, NULL, "cannot start %s", side->program);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        int saved = errno;
        close(pair[0]);
        close(pair[1]);
        return err_set_errno(err, saved, "end other processes, or raise `ulimit -u`",
                             "cannot start %s", side->program);
    }
    if (pid == 0)
        paired_become(argv, pair[1], log, parent);
    close(pair[1]);
    side->process = (struct process){.pid = pid, .pidfd = -1, .control_fd = pair[0]};
#ifdef SYS_pidfd_open
    side->process.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
#endif
    return ST_OK;
}

enum status paired_side_start(struct paired_side *side, const char *const *arguments,
                              struct err *err)
{
    const char *argv[PROCESS_EMULATOR_WORDS_MAX + PAIRED_ARGUMENTS_MAX + 1];
    const char *emulator_text = getenv("HANDOFF_EMULATOR");
    char *emulator = strdup(emulator_text ? emulator_text : "");
    if (!emulator)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    size_t count = process_emulator_words(emulator, argv), first = count;
    while (*arguments && count < first + PAIRED_ARGUMENTS_MAX)
        argv[count++] = *arguments++;
    argv[count] = NULL;
    int log = open(side->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    enum status status =
        log < 0 ? err_set_errno(err, errno, "choose another --out", "cannot write %s", side->log)
                : ST_OK;
    if (status == ST_OK) {
        side->log_start = lseek(log, 0, SEEK_END);
        status = paired_fork(side, argv, log, err);
    }
    if (log >= 0)
        close(log);
    free(emulator);
    return status;
}

/* ---- What it says of its end ----------------------------------------------------------------- */

/* The last "error: " that it wrote to its log, without that word; "" without one. */
static void paired_last_error(const struct paired_side *side, char *text, size_t size)
{
    char line[512];
    FILE *file = fopen(side->log, "re");
    text[0] = '\0';
    if (file)
        fseeko(file, side->log_start, SEEK_SET);
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "error: ", 7) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(text, size, "%s", line + 7);
    }
    if (file)
        fclose(file);
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
}

/* It has closed its output. */
static enum status paired_side_gone(struct paired_side *side, const char *when, struct err *err)
{
    char end[128], last[400];
    process_end(&side->process, PROCESS_GRACE_NS);
    process_end_format(&side->process, end, sizeof end);
    paired_last_error(side, last, sizeof last);
    if (!side->is_ready)
        return err_set(err, ST_INVALID,
                       "it must be a handoff that knows `run --steps`, and this scenario; what it "
                       "said is in the log beside its folder",
                       "%s (%s) does not take part: it %s%s%s", side->name, side->program, end,
                       last[0] ? ": " : "", last);
    return err_set(err, ST_ROLE_DIED, "go on with the same command and --resume",
                   "%s (%s) %s %s%s%s", side->name, side->program, end, when, last[0] ? ": " : "",
                   last);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static bool paired_take_line(struct paired_side *side, char line[PAIRED_LINE_BYTES])
{
    char *end = memchr(side->read, '\n', side->read_bytes);
    if (!end)
        return false;
    size_t bytes = (size_t)(end - side->read);
    memcpy(line, side->read, bytes);
    line[bytes] = '\0';
    side->read_bytes -= bytes + 1;
    memmove(side->read, end + 1, side->read_bytes);
    return true;
}

/* It is none that will end with its orders: paired_side_free ends it. */
static enum status paired_side_strange(struct paired_side *side, const char *line, struct err *err)
{
    char shown[80];
    side->is_ready = false;
    snprintf(shown, sizeof shown, "%.60s", line);
    for (char *at = shown; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return err_set(err, ST_INVALID, "it must be a handoff that knows `run --steps`",
                   "%s (%s) does not take part: it said \"%s\"", side->name, side->program, shown);
}

/* Whether a signal asks to stop; takes one. */
static bool paired_take_signal(const struct paired_side *side)
{
    struct signalfd_siginfo taken;
    return side->signal_fd >= 0 && read(side->signal_fd, &taken, sizeof taken) > 0;
}

static enum status paired_read_line(struct paired_side *side, const char *when,
                                    char line[PAIRED_LINE_BYTES], struct err *err)
{
    while (!paired_take_line(side, line)) {
        struct pollfd fds[2] = {{.fd = side->process.control_fd, .events = POLLIN},
                                {.fd = side->signal_fd, .events = POLLIN}};
        if (side->read_bytes == sizeof side->read)
            return paired_side_strange(side, "a line without end", err);
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return err_set_errno(err, errno, NULL, "cannot wait for %s", side->name);
        if (fds[1].revents & POLLIN) {
            paired_take_signal(side); /* the next one is a second wish */
            kill(side->process.pid, SIGTERM);
            return err_set(err, ST_INTERRUPTED, NULL, "interrupted");
        }
        if (!fds[0].revents)
            continue;
        ssize_t got = read(side->process.control_fd, side->read + side->read_bytes,
                           sizeof side->read - side->read_bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return paired_side_gone(side, when, err);
        side->read_bytes += (size_t)got;
    }
    return ST_OK;
}

bool paired_parse_ready(const char *line, uint32_t *cells, uint32_t *launches)
{
    unsigned read_cells, read_launches;
    int used = 0;
    if (sscanf(line, "ready %u %u%n", &read_cells, &read_launches, &used) != 2 || line[used] ||
        read_cells == 0 || read_cells > PAIRED_CELLS_MAX)
        return false;
    *cells = read_cells;
    *launches = read_launches;
    return true;
}

bool paired_parse_cell(const char *line, uint32_t index, struct paired_side_cell *cell)
{
    unsigned read_index, launches;
    int used = 0;
    if (sscanf(line, "cell %u %u %n", &read_index, &launches, &used) != 2 || used == 0 ||
        read_index != index || launches > 1000 || !line[used] ||
        strlen(line + used) >= sizeof cell->id || strpbrk(line + used, " \t\r"))
        return false;
    cell->launches = launches;
    snprintf(cell->id, sizeof cell->id, "%s", line + used);
    return true;
}

enum status paired_side_wait_ready(struct paired_side *side, struct err *err)
{
    char line[PAIRED_LINE_BYTES];
    uint32_t cells, launches;
    enum status status = paired_read_line(side, "before it was ready", line, err);
    if (status != ST_OK)
        return status;
    if (!paired_parse_ready(line, &cells, &launches))
        return paired_side_strange(side, line, err);
    side->cells = calloc(cells, sizeof *side->cells);
    if (!side->cells)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for %u cells", cells);
    for (uint32_t i = 0; i < cells; i++) {
        status = paired_read_line(side, "before it was ready", line, err);
        if (status != ST_OK)
            return status;
        if (!paired_parse_cell(line, i, &side->cells[i]))
            return paired_side_strange(side, line, err);
    }
    side->cell_count = cells;
    side->is_ready = true;
    return ST_OK;
}

enum status paired_side_launch(struct paired_side *side, uint32_t cell, uint32_t launch,
                               bool *failed, char *reason, struct err *err)
{
    char order[64], line[PAIRED_LINE_BYTES], when[CELL_ID_BYTES + 48];
    int bytes = snprintf(order, sizeof order, "launch %u %u\n", cell, launch);
    snprintf(when, sizeof when, "in launch %u of %s", launch + 1, side->cells[cell].id);
    /* One that has gone shows when its answer is read. */
    (void)send(side->process.control_fd, order, (size_t)bytes, MSG_NOSIGNAL);
    enum status status = paired_read_line(side, when, line, err);
    if (status != ST_OK)
        return status;
    *failed = strncmp(line, "failed ", 7) == 0;
    if (!*failed && strcmp(line, "ok") != 0)
        return paired_side_strange(side, line, err);
    snprintf(reason, PAIRED_LINE_BYTES, "%s", *failed ? line + 7 : "");
    return ST_OK;
}

/* ---- Ending ---------------------------------------------------------------------------------- */

static uint64_t paired_earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Waits for its end; false when patience ended before. */
static bool paired_await_end(struct paired_side *side, const struct paired_patience *patience)
{
    uint64_t now_ns = clock_now_ns(), until_ns = now_ns + patience->result_ns;
    bool has_result = false;
    while (!process_has_ended(&side->process)) {
        struct pollfd fds[2] = {{.fd = side->process.pidfd, .events = POLLIN},
                                {.fd = side->signal_fd, .events = POLLIN}};
        now_ns = clock_now_ns();
        if (now_ns >= until_ns)
            return false;
        if (!has_result && side->result[0] && access(side->result, F_OK) == 0) {
            has_result = true;
            until_ns = paired_earlier(until_ns, now_ns + patience->exit_ns);
        }
        /* Without a descriptor that tells of its end (-1 is passed over) it is looked for more
         * often. */
        (void)poll(fds, 2, side->process.pidfd < 0 ? 1 : PAIRED_LOOK_MS);
        if (fds[1].revents && paired_take_signal(side)) {
            kill(side->process.pid, SIGTERM);
            until_ns = paired_earlier(until_ns, now_ns + patience->asked_ns);
        }
    }
    return true;
}

enum status paired_side_finish(struct paired_side *side, const struct paired_patience *patience,
                               struct err *err)
{
    char end[128];
    if (side->process.pid == 0 && side->process.control_fd < 0)
        return ST_OK;
    shutdown(side->process.control_fd, SHUT_WR);
    const bool in_time = side->process.pid == 0 || paired_await_end(side, patience);
    if (!in_time)
        kill(-side->process.pid, SIGKILL);
    process_end(&side->process, 0);
    const int ended = side->process.wait_status;
    const bool has_result = side->result[0] && access(side->result, F_OK) == 0;
    if (!in_time && has_result)
        return ST_OK;
    if (!in_time)
        return err_set(err, ST_ROLE_DIED, "go on with the same command and --resume",
                       "%s (%s) did not end when there were no more orders, and was killed before "
                       "its result was written",
                       side->name, side->program);
    /* A run whose cells failed or were left out ends with a code of its own; its result is
     * there. */
    if (!WIFSIGNALED(ended))
        return ST_OK;
    process_end_format(&side->process, end, sizeof end);
    return err_set(err, ST_ROLE_DIED, "go on with the same command and --resume",
                   "%s (%s) %s before its result was written", side->name, side->program, end);
}

void paired_side_free(struct paired_side *side)
{
    struct err ignored;
    if (!side->is_ready && side->process.pid > 0) {
        /* It has no result to write, or is none that would; what it started goes, too. */
        kill(-side->process.pid, SIGTERM);
        process_hang_up(&side->process);
        process_end(&side->process, PROCESS_GRACE_NS);
    }
    (void)paired_side_finish(side, &paired_patience, &ignored);
    free(side->cells);
    *side = (struct paired_side){.process = PROCESS_NONE};
}

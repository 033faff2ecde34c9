/* fake_gpu_calls.c: counts the fake GPU's calls, makes one of them fail, and reads the settings.
 *
 * Called by every function of the fake. See fake_gpu.h for the environment variables.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/fake_gpu.h"

#define CALLS_MAX 64

enum fault { FAULT_NONE, FAULT_NOW, FAULT_UNAVAILABLE, FAULT_LATER };

static struct {
    pthread_mutex_t lock;
    bool ready;
    char role[32];
    struct {
        char name[40];
        unsigned count;
    } calls[CALLS_MAX];
    enum fault fault;
    char fault_function[40];
    unsigned fault_at; /* the count at which it fails */
    bool later;        /* the next work enqueued breaks the context */
    bool left;
    uint32_t delay_us;
    bool strict;
    const char *settings;
    const char *count_file;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What stands behind --role on the command line, or "-". */
static void role_read(char *role, size_t size)
{
    char line[4096];
    snprintf(role, size, "-");
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd >= 0 ? read(fd, line, sizeof line - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (bytes <= 0)
        return;
    line[bytes] = '\0';
    for (char *word = line; word < line + bytes; word += strlen(word) + 1) {
        char *next = word + strlen(word) + 1;
        if (strcmp(word, "--role") == 0 && next < line + bytes)
            snprintf(role, size, "%s", next);
    }
}

/* role:function:n[:later|:unavailable] */
static void fault_read(const char *text)
{
    char role[32], function[40], how[16] = "";
    unsigned n = 0;
    if (sscanf(text, "%31[^:]:%39[^:]:%u:%15s", role, function, &n, how) < 3 || n == 0)
        fake_abort("HANDOFF_FAKE_GPU_FAIL=%s is not role:function:n[:later|:unavailable]", text);
    if (strcmp(role, "*") != 0 && strcmp(role, state.role) != 0)
        return;
    snprintf(state.fault_function, sizeof state.fault_function, "%s", function);
    state.fault_at = n;
    state.fault = strcmp(how, "later") == 0         ? FAULT_LATER
                  : strcmp(how, "unavailable") == 0 ? FAULT_UNAVAILABLE
                                                    : FAULT_NOW;
}

/* Called with the lock held. */
static void settings_read(void)
{
    if (state.ready)
        return;
    state.ready = true;
    role_read(state.role, sizeof state.role);
    state.settings = getenv("HANDOFF_FAKE_GPU_ATTRIBUTES");
    state.count_file = getenv("HANDOFF_FAKE_GPU_COUNT");
    const char *strict = getenv("HANDOFF_FAKE_GPU_STRICT");
    state.strict = strict && strcmp(strict, "1") == 0;
    const char *delay = getenv("HANDOFF_FAKE_GPU_DELAY_US");
    state.delay_us = delay ? (uint32_t)strtoul(delay, NULL, 10) : 0;
    const char *fail = getenv("HANDOFF_FAKE_GPU_FAIL");
    if (fail && *fail)
        fault_read(fail);
}

static unsigned *call_count(const char *function)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (state.calls[i].name[0] == '\0')
            snprintf(state.calls[i].name, sizeof state.calls[i].name, "%s", function);
        if (strcmp(state.calls[i].name, function) == 0)
            return &state.calls[i].count;
    }
    fake_abort("more than %d different functions", CALLS_MAX);
}

/* Counts; what is to happen to this call. */
static enum fault call_count_up(const char *function)
{
    pthread_mutex_lock(&state.lock);
    settings_read();
    unsigned count = ++*call_count(function);
    enum fault fault = FAULT_NONE;
    if (state.fault != FAULT_NONE && count == state.fault_at &&
        strcmp(state.fault_function, function) == 0) {
        fault = state.fault;
        if (fault == FAULT_LATER)
            state.later = true;
    }
    pthread_mutex_unlock(&state.lock);
    return fault;
}

enum status fake_enter_without(const char *function, struct err *err)
{
    enum fault fault = call_count_up(function);
    if (fault == FAULT_NOW || fault == FAULT_UNAVAILABLE)
        return err_set(err, fault == FAULT_NOW ? ST_SYSTEM : ST_UNAVAILABLE,
                       "HANDOFF_FAKE_GPU_FAIL asked for it", "%s: injected failure", function);
    return ST_OK;
}

static void open_check(const struct gpu *gpu, const char *function)
{
    if (gpu != &fake_gpu || !atomic_load(&gpu->open))
        fake_abort("%s without an open GPU", function);
}

enum status fake_enter(const struct gpu *gpu, const char *function, struct err *err)
{
    enum status status = fake_enter_without(function, err);
    open_check(gpu, function);
    if (status != ST_OK)
        return status;
    if (atomic_load(&gpu->broken))
        return err_set(err, ST_SYSTEM, "only a new process helps", "%s: %s", function, gpu->why);
    return ST_OK;
}

void fake_note(const struct gpu *gpu, const char *function)
{
    call_count_up(function);
    open_check(gpu, function);
}

bool fake_fails_later(void)
{
    pthread_mutex_lock(&state.lock);
    bool later = state.later;
    state.later = false;
    pthread_mutex_unlock(&state.lock);
    return later;
}

int fake_setting(const char *key, int otherwise)
{
    pthread_mutex_lock(&state.lock);
    settings_read();
    const char *at = state.settings;
    pthread_mutex_unlock(&state.lock);
    size_t length = strlen(key);
    for (; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, key, length) == 0 && at[length] == '=')
            return strncmp(at + length + 1, "unknown", 7) == 0
                       ? INT32_MIN
                       : (int)strtol(at + length + 1, NULL, 10);
    return otherwise;
}

uint32_t fake_delay_us(void)
{
    pthread_mutex_lock(&state.lock);
    settings_read();
    uint32_t delay_us = state.delay_us;
    pthread_mutex_unlock(&state.lock);
    return delay_us;
}

bool fake_strict(void)
{
    pthread_mutex_lock(&state.lock);
    settings_read();
    bool strict = state.strict;
    pthread_mutex_unlock(&state.lock);
    return strict;
}

void fake_gpu_fail(const char *function, unsigned n, bool later)
{
    pthread_mutex_lock(&state.lock);
    settings_read();
    state.fault = FAULT_NONE;
    if (function) {
        snprintf(state.fault_function, sizeof state.fault_function, "%s", function);
        state.fault_at = *call_count(function) + n;
        state.fault = later ? FAULT_LATER : FAULT_NOW;
    }
    pthread_mutex_unlock(&state.lock);
}

unsigned fake_gpu_calls(const char *function)
{
    pthread_mutex_lock(&state.lock);
    unsigned count = *call_count(function);
    pthread_mutex_unlock(&state.lock);
    return count;
}

/* ---- What is told ---------------------------------------------------------------------------- */

/* In one write, so that the lines of two processes do not mix. */
static void say(const char *format, va_list arguments)
{
    char text[600];
    int begun = snprintf(text, sizeof text, "fake gpu: %s %d: ", state.role, (int)getpid());
    int length = vsnprintf(text + begun, sizeof text - (size_t)begun - 1, format, arguments);
    size_t end = (size_t)begun + (size_t)(length < 0 ? 0 : length);
    if (end > sizeof text - 2)
        end = sizeof text - 2;
    text[end] = '\n';
    if (write(STDERR_FILENO, text, end + 1) < 0)
        return;
}

void fake_abort(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    abort();
}

void fake_tell_left(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&state.lock);
    state.left = true;
    pthread_mutex_unlock(&state.lock);
}

static void counts_write(void)
{
    char text[CALLS_MAX * 80];
    size_t used = 0;
    for (size_t i = 0; i < CALLS_MAX && state.calls[i].name[0] != '\0'; i++)
        if (state.calls[i].count > 0)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s %d %s %u\n", state.role,
                                     (int)getpid(), state.calls[i].name, state.calls[i].count);
    int fd = open(state.count_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, used) != (ssize_t)used)
        fake_abort("HANDOFF_FAKE_GPU_COUNT=%s cannot be written", state.count_file);
    close(fd);
}

__attribute__((destructor)) static void process_ends(void)
{
    if (!state.ready)
        return;
    /* With a broken context, or with work that only another process could end, there is no other
     * way. */
    if (atomic_load(&fake_gpu.open) && !atomic_load(&fake_gpu.broken) &&
        atomic_load(&fake_gpu.peers_awaited) == 0)
        fake_tell_left("the process ends without gpu_close");
    if (state.count_file)
        counts_write();
    if (state.left && state.strict) {
        fflush(NULL);
        _exit(FAKE_EXIT_LEFT);
    }
}

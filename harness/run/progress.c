/* progress.c: see progress.h. */
#include "harness/run/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness/measure/clock.h"

/* Not on a terminal: a line this often, or at each tenth of the run. */
#define PROGRESS_PLAIN_NS 10000000000u
#define PROGRESS_PLAIN_PERMILLE 100

const char *progress_duration(uint64_t duration_ns, char *text, unsigned size)
{
    uint64_t seconds = (duration_ns + 500000000u) / 1000000000u;
    if (duration_ns < 1000000000u)
        snprintf(text, size, "%.1f s", (double)duration_ns / 1e9);
    else if (seconds < 60)
        snprintf(text, size, "%u s", (unsigned)seconds);
    else if (seconds < 3600)
        snprintf(text, size, "%u min %02u s", (unsigned)(seconds / 60), (unsigned)(seconds % 60));
    else
        snprintf(text, size, "%u h %02u min", (unsigned)(seconds / 3600),
                 (unsigned)(seconds / 60 % 60));
    return text;
}

void progress_begin(struct progress *progress, bool quiet, uint64_t total_ns)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool terminal = isatty(STDERR_FILENO) && (!term || strcmp(term, "dumb") != 0);
    *progress = (struct progress){
        .quiet = quiet,
        .terminal = terminal,
        .colour = terminal && !(no_colour && *no_colour),
        .begun_ns = clock_now_ns(),
        .total_ns = total_ns,
    };
}

/* How long what is left will take, if the rest deviates from its estimate as the past did. */
static uint64_t progress_left_ns(const struct progress *progress, uint64_t elapsed_ns)
{
    uint64_t left_ns =
        progress->total_ns > progress->done_ns ? progress->total_ns - progress->done_ns : 0;
    if (progress->done_ns < 1000000000u)
        return left_ns;
    return (uint64_t)((double)left_ns * (double)elapsed_ns / (double)progress->done_ns);
}

static unsigned progress_columns(void)
{
    struct winsize window;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 20)
        return window.ws_col;
    return 80;
}

static void progress_show_line(const struct progress *progress, const char *line)
{
    const char *bold = progress->colour ? "\033[36m" : "";
    const char *plain = progress->colour ? "\033[0m" : "";
    fprintf(stderr, "\r\033[K%s%.*s%s", bold, (int)progress_columns() - 1, line, plain);
    fflush(stderr);
}

void progress_step(struct progress *progress, const char *phase, uint32_t index, uint32_t count,
                   const char *label, uint64_t expected_ns)
{
    char elapsed_text[32], left_text[32], line[512];
    uint64_t now_ns = clock_now_ns();
    uint64_t elapsed_ns = now_ns - progress->begun_ns;
    uint64_t left_ns = progress_left_ns(progress, elapsed_ns);
    uint32_t permille =
        progress->total_ns ? (uint32_t)(progress->done_ns * 1000 / progress->total_ns) : 0;
    progress->done_ns += expected_ns;
    if (progress->quiet)
        return;
    snprintf(line, sizeof line, "%s %u/%u  %s elapsed, about %s left  %s", phase, index, count,
             progress_duration(elapsed_ns, elapsed_text, sizeof elapsed_text),
             progress_duration(left_ns, left_text, sizeof left_text), label);
    if (progress->terminal) {
        progress_show_line(progress, line);
        return;
    }
    if (progress->shown_ns != 0 && now_ns < progress->shown_ns + PROGRESS_PLAIN_NS &&
        permille < progress->shown_permille + PROGRESS_PLAIN_PERMILLE)
        return;
    fprintf(stderr, "%s\n", line);
    progress->shown_ns = now_ns;
    progress->shown_permille = permille;
}

void progress_clear(struct progress *progress)
{
    if (progress->quiet || !progress->terminal)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
}

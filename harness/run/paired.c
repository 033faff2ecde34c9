/* paired.c: see paired.h. */
#include "harness/run/paired.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/folder.h"
#include "harness/run/paired_side.h"
#include "harness/run/plan.h"
#include "harness/run/progress.h"
#include "harness/run/result_parts.h"

#define PAIRED_ARGUMENTS_MAX 96
/* What the progress line takes a launch for until the first ones have shown it. */
#define PAIRED_LAUNCH_NS 1000000000u

/* One cell that runs on both sides. */
struct paired_cell {
    uint32_t index[PAIRED_SIDES];
    uint32_t launches; /* the fewer of both */
    bool failed;       /* a launch of either side did; no more follow */
};

struct paired {
    const struct paired_options *options;
    struct paired_side sides[PAIRED_SIDES];
    struct paired_cell *cells;
    size_t cell_count;
    struct progress progress;
    sigset_t signals_before;
    int signal_fd;
    uint64_t random;
    uint32_t index, count; /* of pairs, for the progress line */
};

const char *paired_name(enum paired_which which)
{
    return which == PAIRED_BASE ? "base" : "new";
}

enum status paired_find_program(const char *named, char *path, struct err *err)
{
    char inside[PATH_MAX] = "";
    struct stat info;
    /* An emulator answers this link with the program that it runs. */
    if (!named && readlink("/proc/self/exe", inside, sizeof inside - 16) < 0)
        return err_set_errno(err, errno, "is /proc mounted?", "cannot find my own program");
    if (named && snprintf(inside, sizeof inside, "%s", named) >= (int)sizeof inside - 16)
        return err_set(err, ST_INVALID, NULL, "the path of a program is too long");
    if (stat(inside, &info) == 0 && S_ISDIR(info.st_mode))
        strcat(inside, "/handoff");
    if (!realpath(inside, path))
        return err_set(err, ST_INVALID, "name a handoff program, or the folder it was built in",
                       "%s: %s", inside, strerror(errno));
    if (access(path, X_OK) != 0 || stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return err_set(err, ST_INVALID, "name a handoff program, or the folder it was built in",
                       "%s: is no program", path);
    return ST_OK;
}

/* ---- Starting the two ------------------------------------------------------------------------ */

static bool paired_result_path(const struct paired *paired, enum paired_which which, char *path)
{
    return snprintf(path, PATH_MAX, "%s/%s/result.json", paired->options->out_dir,
                    paired_name(which)) < PATH_MAX;
}

static enum status paired_start(struct paired *paired, enum paired_which which, struct err *err)
{
    const struct paired_options *options = paired->options;
    struct paired_side *side = &paired->sides[which];
    const char *arguments[PAIRED_ARGUMENTS_MAX];
    char out[PATH_MAX], base[PATH_MAX], plan[PATH_MAX + 16], seed[32];
    size_t count = 0;
    *side = (struct paired_side){.name = paired_name(which),
                                 .program = options->programs[which],
                                 .signal_fd = paired->signal_fd,
                                 .process = PROCESS_NONE};
    if (snprintf(out, sizeof out, "%s/%s", options->out_dir, side->name) >= (int)sizeof out - 8)
        return err_set(err, ST_INVALID, "use a shorter path with --out", "the path is too long");
    snprintf(base, sizeof base, "%s/%s", options->out_dir, paired_name(PAIRED_BASE));
    snprintf(side->log, sizeof side->log, "%s.log", out);
    snprintf(plan, sizeof plan, "%s/plan.json", out);
    (void)paired_result_path(paired, which, side->result);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)options->seed);
    const bool goes_on = options->resume && access(plan, F_OK) == 0;
    arguments[count++] = side->program;
    arguments[count++] = "run";
    for (size_t i = 0; options->arguments[i] && count < PAIRED_ARGUMENTS_MAX - 12; i++)
        arguments[count++] = options->arguments[i];
    const char *const always[] = {"--out", out, "--steps", "--no-floor", "--quiet", "--seed", seed};
    memcpy(&arguments[count], always, sizeof always);
    count += sizeof always / sizeof always[0];
    if (goes_on) {
        arguments[count++] = "--resume";
    } else if (which == PAIRED_NEW) {
        arguments[count++] = "--frames-from";
        arguments[count++] = base;
    }
    arguments[count] = NULL;
    enum status status = paired_side_start(side, arguments, err);
    return status == ST_OK ? paired_side_wait_ready(side, err) : status;
}

/* The cells that both can run, by their ids. */
static enum status paired_match(struct paired *paired, struct err *err)
{
    const struct paired_side *base = &paired->sides[PAIRED_BASE];
    const struct paired_side *new_side = &paired->sides[PAIRED_NEW];
    paired->cells = calloc(base->cell_count, sizeof *paired->cells);
    if (!paired->cells)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for %zu cells", base->cell_count);
    for (uint32_t i = 0; i < base->cell_count; i++) {
        uint32_t other = 0;
        while (other < new_side->cell_count &&
               strcmp(new_side->cells[other].id, base->cells[i].id) != 0)
            other++;
        if (other == new_side->cell_count)
            continue;
        uint32_t launches = new_side->cells[other].launches;
        if (base->cells[i].launches < launches)
            launches = base->cells[i].launches;
        if (launches > 0)
            paired->cells[paired->cell_count++] =
                (struct paired_cell){.index = {i, other}, .launches = launches};
    }
    return ST_OK;
}

/* ---- Launches -------------------------------------------------------------------------------- */

static bool paired_side_has(const struct paired *paired, enum paired_which which, const char *id,
                            uint32_t launch)
{
    char dir[PATH_MAX];
    struct launch_file file;
    snprintf(dir, sizeof dir, "%s/%s", paired->options->out_dir, paired_name(which));
    if (result_launch_read(dir, id, launch, &file, NULL) != ST_OK)
        return false;
    const bool ok = file.ok;
    result_launch_clear(&file);
    return ok;
}

/* Whether a resumed comparison has both launches of the pair. One alone is not a pair any more:
 * what stood next to it in time is gone. */
static bool paired_done(const struct paired *paired, const struct paired_cell *cell,
                        uint32_t launch)
{
    const char *id = paired->sides[PAIRED_BASE].cells[cell->index[PAIRED_BASE]].id;
    return paired->options->resume && paired_side_has(paired, PAIRED_BASE, id, launch) &&
           paired_side_has(paired, PAIRED_NEW, id, launch);
}

/* Which side of a pair begins: chance. But the launch that a cut pair left is the first to be
 * replaced: should this be cut, too, then one launch is left again, and not two of different
 * times. */
static enum paired_which paired_first(struct paired *paired, const char *id, uint32_t launch)
{
    const enum paired_which chance = plan_random(&paired->random) >> 63 ? PAIRED_NEW : PAIRED_BASE;
    if (!paired->options->resume)
        return chance;
    const bool has_base = paired_side_has(paired, PAIRED_BASE, id, launch);
    const bool has_new = paired_side_has(paired, PAIRED_NEW, id, launch);
    return has_base == has_new ? chance : has_new ? PAIRED_NEW : PAIRED_BASE;
}

static enum status paired_pair(struct paired *paired, struct paired_cell *cell, uint32_t launch,
                               struct err *err)
{
    const char *id = paired->sides[PAIRED_BASE].cells[cell->index[PAIRED_BASE]].id;
    const enum paired_which first = paired_first(paired, id, launch);
    progress_step(&paired->progress, "pair", ++paired->index, paired->count, id, PAIRED_LAUNCH_NS);
    for (int i = 0; i < PAIRED_SIDES; i++) {
        struct paired_side *side = &paired->sides[i == 0 ? first : 1 - first];
        char reason[PAIRED_LINE_BYTES];
        bool failed = false;
        enum status status = paired_side_launch(side, cell->index[side - paired->sides], launch,
                                                &failed, reason, err);
        if (status != ST_OK)
            return status;
        if (!failed)
            continue;
        cell->failed = true;
        progress_clear(&paired->progress);
        fprintf(stderr, "failed: %s, %s, launch %u: %s\n", side->name, id, launch + 1, reason);
    }
    return ST_OK;
}

/* Fisher-Yates. */
static void paired_shuffle(struct paired *paired, size_t *order, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = plan_random(&paired->random) % i, kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

static enum status paired_rounds(struct paired *paired, struct paired_outcome *outcome,
                                 struct err *err)
{
    uint32_t rounds = 0;
    size_t *order = calloc(paired->cell_count + 1, sizeof *order);
    enum status status = order ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    for (size_t i = 0; i < paired->cell_count; i++) {
        rounds = paired->cells[i].launches > rounds ? paired->cells[i].launches : rounds;
        paired->count += paired->cells[i].launches;
    }
    progress_begin(&paired->progress, paired->options->quiet,
                   (uint64_t)paired->count * PAIRED_LAUNCH_NS);
    for (uint32_t round = 0; round < rounds && status == ST_OK; round++) {
        size_t count = 0;
        for (size_t i = 0; i < paired->cell_count; i++)
            if (round < paired->cells[i].launches)
                order[count++] = i;
        paired_shuffle(paired, order, count);
        for (size_t i = 0; i < count && status == ST_OK; i++) {
            struct paired_cell *cell = &paired->cells[order[i]];
            if (cell->failed || paired_done(paired, cell, round)) {
                paired->count--;
                continue;
            }
            status = paired_pair(paired, cell, round, err);
            outcome->pairs_run += status == ST_OK;
        }
    }
    progress_clear(&paired->progress);
    free(order);
    return status;
}

/* A folder with a comparison in it is only touched by --resume. */
static enum status paired_check_dir(const struct paired_options *options, struct err *err)
{
    char path[PATH_MAX];
    enum status status = folder_make(options->out_dir, err);
    if (status != ST_OK)
        return status;
    snprintf(path, sizeof path, "%s/%s/plan.json", options->out_dir, paired_name(PAIRED_BASE));
    if (!options->resume && access(path, F_OK) == 0)
        return err_set(err, ST_INVALID, "go on with it by --resume, or choose another --out",
                       "%s already holds a comparison", options->out_dir);
    return ST_OK;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static enum status paired_open_signals(struct paired *paired, struct err *err)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGHUP);
    sigprocmask(SIG_BLOCK, &stop, &paired->signals_before);
    paired->signal_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
    if (paired->signal_fd >= 0)
        return ST_OK;
    int saved = errno;
    sigprocmask(SIG_SETMASK, &paired->signals_before, NULL);
    return err_set_errno(err, saved, NULL, "cannot watch signals");
}

static void paired_close_signals(struct paired *paired)
{
    struct signalfd_siginfo taken;
    while (read(paired->signal_fd, &taken, sizeof taken) > 0)
        continue;
    close(paired->signal_fd);
    sigprocmask(SIG_SETMASK, &paired->signals_before, NULL);
}

/* The results of a comparison that is resumed: if a side should not write its own again, the old
 * one must not be taken for it. */
static void paired_drop_results(const struct paired *paired)
{
    char path[PATH_MAX];
    for (int i = 0; i < PAIRED_SIDES; i++)
        if (paired_result_path(paired, (enum paired_which)i, path))
            unlink(path);
}

static enum status paired_check_results(const struct paired *paired, struct err *err)
{
    char path[PATH_MAX];
    for (int i = 0; i < PAIRED_SIDES; i++)
        if (!paired_result_path(paired, (enum paired_which)i, path) || access(path, F_OK) != 0)
            return err_set(err, ST_ROLE_DIED,
                           "its log beside its folder says why; then go on with the same command "
                           "and --resume",
                           "%s (%s) ended without a result", paired->sides[i].name,
                           paired->sides[i].program);
    return ST_OK;
}

static enum status paired_work(struct paired *paired, struct paired_outcome *outcome,
                               struct err *err)
{
    enum status status = paired_start(paired, PAIRED_BASE, err);
    if (status == ST_OK)
        status = paired_start(paired, PAIRED_NEW, err);
    if (status == ST_OK)
        status = paired_match(paired, err);
    if (status == ST_OK) {
        paired_drop_results(paired);
        status = paired_rounds(paired, outcome, err);
    }
    /* Both are ended in order, whatever happened to one of them: a launch that is over counts. */
    for (int i = 0; i < PAIRED_SIDES; i++) {
        struct err ended = {.status = ST_OK};
        if (paired->sides[i].is_ready &&
            paired_side_finish(&paired->sides[i], &paired_patience, &ended) != ST_OK &&
            (status == ST_OK || status == ST_INTERRUPTED)) {
            *err = ended;
            status = ended.status;
        }
    }
    /* Once both were ready, both have a result: what there is can be compared. */
    outcome->interrupted = status == ST_INTERRUPTED;
    if (outcome->interrupted && paired->cells)
        status = ST_OK;
    return status == ST_OK ? paired_check_results(paired, err) : status;
}

enum status paired_run(const struct paired_options *options, struct paired_outcome *outcome,
                       struct err *err)
{
    struct paired paired = {.options = options, .random = options->seed};
    struct paired_outcome made = {.pairs_run = 0};
    enum status status = paired_check_dir(options, err);
    for (int i = 0; i < PAIRED_SIDES; i++)
        paired.sides[i].process = PROCESS_NONE;
    if (status == ST_OK)
        status = paired_open_signals(&paired, err);
    if (status != ST_OK)
        return status;
    status = paired_work(&paired, &made, err);
    for (int i = 0; i < PAIRED_SIDES; i++)
        paired_side_free(&paired.sides[i]);
    free(paired.cells);
    paired_close_signals(&paired);
    if (status == ST_OK)
        *outcome = made;
    return status;
}

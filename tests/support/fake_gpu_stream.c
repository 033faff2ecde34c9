/* fake_gpu_stream.c: the fake GPU's streams: queues of work, each with a thread that does it.
 *
 * Enqueueing takes a place in a ring and returns; the thread does the work later, after a random
 * delay where one was asked for, so that whoever forgets to wait is found out.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/fake_gpu.h"

#define WORKS_MAX 1024 /* as many as CUDA's own queues hold, about */
#define SETTLE_NS UINT64_C(500000000)

struct work {
    fake_run run;
    bool breaks; /* by injection */
    _Alignas(16) unsigned char arguments[FAKE_WORK_BYTES];
};

struct gpu_stream {
    struct gpu *gpu;
    struct gpu_stream *next;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_bool closed;    /* by the program; its thread goes when its work is done */
    atomic_bool gone;      /* the thread has nothing more to do */
    atomic_bool quit;      /* the process wants to end: give up */
    atomic_ulong enqueued; /* pieces of work so far */
    atomic_ulong done;
    uint64_t random;
    struct work works[WORKS_MAX];
};

/* ---- Doing the work -------------------------------------------------------------------------- */

static _Thread_local const struct gpu_stream *stream_running;

const struct gpu_stream *fake_stream_running(void)
{
    return stream_running;
}

bool fake_called_off(const struct gpu_stream *stream)
{
    return atomic_load(&stream->quit) || atomic_load(&stream->gpu->broken);
}

void fake_relax(unsigned *turns)
{
    const struct timespec pause = {.tv_nsec = 20000};
    if (++*turns < 200)
        sched_yield();
    else
        nanosleep(&pause, NULL);
}

static void be_late(struct gpu_stream *stream)
{
    uint32_t max_us = fake_delay_us();
    if (max_us == 0)
        return;
    stream->random = stream->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    /* One in eight very late: most mistakes in order need a long delay between two short ones. */
    if (stream->random >> 61 == 0)
        max_us *= 8;
    uint64_t ns = (stream->random >> 30 & INT32_MAX) % ((uint64_t)max_us * 1000 + 1);
    const struct timespec pause = {.tv_sec = (time_t)(ns / 1000000000u),
                                   .tv_nsec = (long)(ns % 1000000000u)};
    nanosleep(&pause, NULL);
}

static void work_do(struct gpu_stream *stream, struct work *work)
{
    be_late(stream);
    if (work->breaks)
        fake_break("injected failure of work enqueued before");
    work->run(stream, work->arguments, !fake_called_off(stream));
}

static void *stream_main(void *argument)
{
    struct gpu_stream *stream = argument;
    stream_running = stream;
    /* A role may have pinned itself; a GPU has processors of its own. */
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    pthread_setaffinity_np(pthread_self(), sizeof all, &all);
    for (;;) {
        pthread_mutex_lock(&stream->lock);
        unsigned long done = atomic_load(&stream->done);
        while (done == atomic_load(&stream->enqueued) && !atomic_load(&stream->closed))
            pthread_cond_wait(&stream->changed, &stream->lock);
        bool over = done == atomic_load(&stream->enqueued);
        pthread_mutex_unlock(&stream->lock);
        if (over)
            break;
        work_do(stream, &stream->works[done % WORKS_MAX]);
        pthread_mutex_lock(&stream->lock);
        atomic_store(&stream->done, done + 1);
        pthread_cond_broadcast(&stream->changed);
        pthread_mutex_unlock(&stream->lock);
    }
    atomic_store(&stream->gone, true);
    return NULL;
}

void fake_enqueue(struct gpu_stream *stream, fake_run run, const void *arguments, size_t size_bytes)
{
    if (size_bytes > FAKE_WORK_BYTES)
        fake_abort("work with %zu bytes of arguments", size_bytes);
    bool breaks = fake_fails_later();
    pthread_mutex_lock(&stream->lock);
    while (atomic_load(&stream->enqueued) - atomic_load(&stream->done) == WORKS_MAX)
        pthread_cond_wait(&stream->changed, &stream->lock);
    struct work *work = &stream->works[atomic_load(&stream->enqueued) % WORKS_MAX];
    work->run = run;
    work->breaks = breaks;
    if (size_bytes > 0)
        memcpy(work->arguments, arguments, size_bytes);
    atomic_fetch_add(&stream->enqueued, 1);
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

/* ---- All streams ----------------------------------------------------------------------------- */

/* Frees the closed streams whose threads have gone. Called with the GPU's lock held. */
static void streams_sweep(struct gpu *gpu)
{
    for (struct gpu_stream **at = &gpu->streams; *at;) {
        struct gpu_stream *stream = *at;
        if (!atomic_load(&stream->closed) || !atomic_load(&stream->gone)) {
            at = &stream->next;
            continue;
        }
        *at = stream->next;
        pthread_join(stream->thread, NULL);
        pthread_cond_destroy(&stream->changed);
        pthread_mutex_destroy(&stream->lock);
        free(stream);
    }
}

static bool streams_idle(void)
{
    bool idle = true;
    pthread_mutex_lock(&fake_gpu.lock);
    for (const struct gpu_stream *stream = fake_gpu.streams; stream; stream = stream->next)
        idle &= atomic_load(&stream->done) == atomic_load(&stream->enqueued);
    pthread_mutex_unlock(&fake_gpu.lock);
    return idle;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void fake_settle(const char *function)
{
    const uint64_t begun_ns = now_ns();
    unsigned turns = 0;
    bool told = false;
    while (!streams_idle()) {
        fake_relax(&turns);
        if (told || now_ns() - begun_ns < SETTLE_NS)
            continue;
        told = true;
        fake_tell_left("%s: would hang: a stream has work that does not end", function);
        pthread_mutex_lock(&fake_gpu.lock);
        for (struct gpu_stream *stream = fake_gpu.streams; stream; stream = stream->next)
            atomic_store(&stream->quit, true);
        pthread_mutex_unlock(&fake_gpu.lock);
    }
}

unsigned fake_streams_open(void)
{
    unsigned open = 0;
    pthread_mutex_lock(&fake_gpu.lock);
    for (const struct gpu_stream *stream = fake_gpu.streams; stream; stream = stream->next)
        open += !atomic_load(&stream->closed);
    pthread_mutex_unlock(&fake_gpu.lock);
    return open;
}

unsigned fake_streams_end(void)
{
    unsigned open = fake_streams_open(), turns = 0;
    for (;;) {
        pthread_mutex_lock(&fake_gpu.lock);
        streams_sweep(&fake_gpu);
        unsigned closed = 0;
        for (const struct gpu_stream *stream = fake_gpu.streams; stream; stream = stream->next)
            closed += atomic_load(&stream->closed);
        pthread_mutex_unlock(&fake_gpu.lock);
        if (closed == 0)
            return open;
        fake_relax(&turns);
    }
}

/* ---- gpu.h ----------------------------------------------------------------------------------- */

enum status gpu_stream_open(struct gpu *gpu, struct gpu_stream **stream, struct err *err)
{
    FAKE_ENTER(gpu, err);
    struct gpu_stream *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "gpu_stream_open: no memory");
    made->gpu = gpu;
    made->random = fake_token();
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    int error = pthread_create(&made->thread, NULL, stream_main, made);
    if (error != 0) {
        free(made);
        return err_set_errno(err, error, NULL, "gpu_stream_open: a thread");
    }
    pthread_mutex_lock(&gpu->lock);
    streams_sweep(gpu);
    made->next = gpu->streams;
    gpu->streams = made;
    pthread_mutex_unlock(&gpu->lock);
    *stream = made;
    return ST_OK;
}

struct gpu *fake_stream_check(const struct gpu_stream *stream, const char *function)
{
    bool known = false;
    pthread_mutex_lock(&fake_gpu.lock);
    for (const struct gpu_stream *at = fake_gpu.streams; at; at = at->next)
        known |= at == stream && !atomic_load(&at->closed);
    pthread_mutex_unlock(&fake_gpu.lock);
    if (!known)
        fake_abort("%s: no such stream (closed twice?)", function);
    return &fake_gpu;
}
void gpu_stream_close(struct gpu_stream *stream)
{
    if (!stream)
        return;
    fake_note(fake_stream_check(stream, __func__), __func__);
    pthread_mutex_lock(&stream->lock);
    atomic_store(&stream->closed, true);
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

void *gpu_stream_native(const struct gpu_stream *stream)
{
    fake_note(fake_stream_check(stream, __func__), __func__);
    return (void *)(uintptr_t)stream;
}

enum status gpu_stream_poll(struct gpu_stream *stream, struct err *err)
{
    STREAM_ENTER(stream, err);
    if (atomic_load(&stream->done) == atomic_load(&stream->enqueued))
        return ST_OK;
    sched_yield(); /* this "GPU" needs the program's processors */
    return ST_AGAIN;
}

enum status gpu_stream_synchronize(struct gpu_stream *stream, struct err *err)
{
    STREAM_ENTER(stream, err);
    unsigned turns = 0;
    while (atomic_load(&stream->done) != atomic_load(&stream->enqueued))
        fake_relax(&turns);
    if (atomic_load(&fake_gpu.broken))
        return err_set(err, ST_SYSTEM, "only a new process helps", "gpu_stream_synchronize: %s",
                       fake_gpu.why);
    return ST_OK;
}

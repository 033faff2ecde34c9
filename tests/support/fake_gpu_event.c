/* fake_gpu_event.c: the fake GPU's events, also between processes.
 *
 * An event is a page of shared memory with two numbers: how often it was recorded, and the newest
 * record whose work is done. A wait is for the number that stood there when it was enqueued.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/fake_gpu.h"

#define EVENT_MAGIC UINT64_C(0x6576656e742d6721)

struct marks {
    uint64_t magic;
    _Atomic uint64_t recorded;
    _Atomic uint64_t finished;
};

struct gpu_event {
    struct gpu *gpu;
    struct marks *marks;
    uint64_t token;
    int fd; /* of the maker, or -1 */
    unsigned flags;
    bool open;
    atomic_uint users; /* the program, and work that has it */
};

/* Closed events stay until their work is done. */
static void event_drop(struct gpu_event *event)
{
    if (atomic_fetch_sub(&event->users, 1) != 1)
        return;
    munmap(event->marks, sizeof *event->marks);
    if (event->fd >= 0)
        close(event->fd);
    free(event);
}

static struct gpu *event_gpu(const struct gpu_event *event, const char *function)
{
    if (!event || !event->open)
        fake_abort("%s: no such event (closed twice?)", function);
    return event->gpu;
}
#define EVENT_ENTER(event, err) FAKE_ENTER(event_gpu(event, __func__), err)

/* Takes over fd. */
static enum status event_make(struct gpu *gpu, int fd, unsigned flags, struct gpu_event **event,
                              struct err *err)
{
    struct gpu_event *made = calloc(1, sizeof *made);
    struct marks *marks = mmap(NULL, sizeof *marks, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!made || marks == MAP_FAILED) {
        enum status status = err_set_errno(err, errno, NULL, "fake GPU: an event");
        free(made);
        close(fd);
        return status;
    }
    *made = (struct gpu_event){.gpu = gpu, .marks = marks, .fd = fd, .flags = flags, .open = true};
    atomic_init(&made->users, 1);
    atomic_fetch_add(&gpu->live[FAKE_EVENT], 1);
    *event = made;
    return ST_OK;
}

enum status gpu_event_open(struct gpu *gpu, unsigned flags, struct gpu_event **event,
                           struct err *err)
{
    FAKE_ENTER(gpu, err);
    if ((flags & GPU_EVENT_INTERPROCESS) && fake_setting("ipc_event", 1) != 1)
        return err_set(err, ST_UNAVAILABLE, "use order host", "gpu_event_open: not supported");
    char label[64];
    uint64_t token = fake_token();
    fake_label("event", token, label, sizeof label);
    int fd = fake_memory_make(label, sizeof(struct marks), true, err);
    if (fd < 0)
        return err ? err->status : ST_SYSTEM;
    enum status status = event_make(gpu, fd, flags, event, err);
    if (status == ST_OK) {
        (*event)->token = token;
        (*event)->marks->magic = EVENT_MAGIC;
    }
    return status;
}

void gpu_event_close(struct gpu_event *event)
{
    if (!event)
        return;
    fake_note(event_gpu(event, __func__), __func__);
    event->open = false;
    atomic_fetch_sub(&event->gpu->live[FAKE_EVENT], 1);
    event_drop(event);
}

/* ---- Work ------------------------------------------------------------------------------------ */

struct mark {
    struct gpu_event *event;
    uint64_t number;
};

static void record_run(struct gpu_stream *stream, void *arguments, bool go)
{
    const struct mark *mark = arguments;
    struct marks *marks = mark->event->marks;
    uint64_t seen = atomic_load(&marks->finished);
    while (go && seen < mark->number &&
           !atomic_compare_exchange_weak(&marks->finished, &seen, mark->number))
        ;
    event_drop(mark->event);
}

static void wait_run(struct gpu_stream *stream, void *arguments, bool go)
{
    const struct mark *mark = arguments;
    unsigned turns = 0;
    bool peer = (mark->event->flags & GPU_EVENT_INTERPROCESS) != 0;
    atomic_fetch_add(&fake_gpu.peers_awaited, peer);
    while (atomic_load(&mark->event->marks->finished) < mark->number && !fake_called_off(stream))
        fake_relax(&turns);
    atomic_fetch_sub(&fake_gpu.peers_awaited, peer);
    event_drop(mark->event);
}

static void mark_enqueue(struct gpu_stream *stream, fake_run run, struct gpu_event *event,
                         uint64_t number)
{
    const struct mark mark = {event, number};
    atomic_fetch_add(&event->users, 1);
    fake_enqueue(stream, run, &mark, sizeof mark);
}

enum status gpu_event_record(struct gpu_event *event, struct gpu_stream *stream, struct err *err)
{
    EVENT_ENTER(event, err);
    fake_stream_check(stream, __func__);
    mark_enqueue(stream, record_run, event, atomic_fetch_add(&event->marks->recorded, 1) + 1);
    return ST_OK;
}

enum status gpu_stream_wait_event(struct gpu_stream *stream, struct gpu_event *event,
                                  struct err *err)
{
    EVENT_ENTER(event, err);
    fake_stream_check(stream, __func__);
    mark_enqueue(stream, wait_run, event, atomic_load(&event->marks->recorded));
    return ST_OK;
}

static bool event_done(const struct gpu_event *event)
{
    uint64_t recorded = atomic_load(&event->marks->recorded);
    return atomic_load(&event->marks->finished) >= recorded;
}

enum status gpu_event_poll(struct gpu_event *event, struct err *err)
{
    EVENT_ENTER(event, err);
    if (event_done(event))
        return ST_OK;
    sched_yield(); /* this "GPU" needs the program's processors */
    return ST_AGAIN;
}

enum status gpu_event_synchronize(struct gpu_event *event, struct err *err)
{
    EVENT_ENTER(event, err);
    unsigned turns = 0;
    while (!event_done(event) && !atomic_load(&event->gpu->broken))
        fake_relax(&turns);
    if (atomic_load(&event->gpu->broken))
        return err_set(err, ST_SYSTEM, "only a new process helps", "gpu_event_synchronize: %s",
                       event->gpu->why);
    return ST_OK;
}

/* ---- Between processes ----------------------------------------------------------------------- */

enum status gpu_event_export(struct gpu_event *event, uint8_t handle[GPU_EVENT_HANDLE_BYTES],
                             struct err *err)
{
    EVENT_ENTER(event, err);
    if (!(event->flags & GPU_EVENT_INTERPROCESS) || event->token == 0)
        return err_set(err, ST_SYSTEM, "make it with GPU_EVENT_INTERPROCESS, in this process",
                       "gpu_event_export: invalid argument");
    const struct fake_handle names = {.magic = EVENT_MAGIC,
                                      .token = event->token,
                                      .bytes = sizeof(struct marks),
                                      .pid = (int32_t)getpid(),
                                      .fd = event->fd};
    memset(handle, 0, GPU_EVENT_HANDLE_BYTES);
    memcpy(handle, &names, sizeof names);
    return ST_OK;
}

enum status gpu_event_import(struct gpu *gpu, const uint8_t handle[GPU_EVENT_HANDLE_BYTES],
                             struct gpu_event **event, struct err *err)
{
    FAKE_ENTER(gpu, err);
    struct fake_handle names;
    memcpy(&names, handle, sizeof names);
    if (names.magic != EVENT_MAGIC || names.bytes != sizeof(struct marks))
        return err_set(err, ST_SYSTEM, NULL, "gpu_event_import: invalid resource handle");
    if (names.pid == (int32_t)getpid() && fake_setting("same_process", 0) != 1)
        return err_set(err, ST_SYSTEM, "import in another process than the one that made it",
                       "gpu_event_import: invalid device context: this process made the event");
    int fd = fake_handle_open(&names, "event", err);
    if (fd < 0)
        return err ? err->status : ST_SYSTEM;
    return event_make(gpu, fd, GPU_EVENT_INTERPROCESS, event, err);
}

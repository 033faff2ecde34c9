/* fake_launch_stay.c: the kernels of kernels/launch.h that stay: the resident one and the
 * clock's. */
#include "harness/base/source.h"
#include "tests/support/fake_launch.h"

#define CLOCK_PATIENCE_NS UINT64_C(1000000000)

/* ---- The resident kernel --------------------------------------------------------------------- */

struct residence {
    struct launcher *launcher;
    struct launch_resident resident;
};
_Static_assert(sizeof(struct residence) <= FAKE_WORK_BYTES, "fits");

/* The host addresses of what the kernel talks through. */
struct resident_words {
    const uint32_t *bell;
    const uint32_t *stop;
    uint32_t *ended;
    uint8_t *const *payloads;
    struct launch_report *reports;
};

static bool resident_words_reach(const struct launch_resident *resident,
                                 struct resident_words *words)
{
    words->bell = fake_reach("the doorbell", resident->bell, sizeof *words->bell);
    words->stop = fake_reach("`stop`", resident->stop, sizeof *words->stop);
    words->ended = fake_reach("`ended`", resident->ended, sizeof *words->ended);
    if (resident->work.kind != LAUNCH_NOTHING)
        words->payloads = fake_reach("the payloads' addresses", resident->payloads,
                                     resident->slots * sizeof *words->payloads);
    words->reports =
        fake_reach("the reports", resident->reports, resident->slots * sizeof *words->reports);
    return !atomic_load(&fake_gpu.broken);
}

/* Waits for frame n: LAUNCH_RUNNING when it is there. */
static enum launch_resident_end resident_wait(struct gpu_stream *stream,
                                              const struct launch_resident *resident,
                                              const struct resident_words *words, uint32_t n)
{
    unsigned turns = 0;
    for (;;) {
        if (__atomic_load_n(words->stop, __ATOMIC_ACQUIRE) != 0 || fake_called_off(stream))
            return LAUNCH_STOPPED;
        uint32_t word = __atomic_load_n(words->bell, __ATOMIC_ACQUIRE);
        uint32_t before = (resident->first_word & ~DOORBELL_CLOSED) + n * DOORBELL_STEP;
        if ((int32_t)((word & ~DOORBELL_CLOSED) - before) > 0)
            return LAUNCH_RUNNING;
        if (word & DOORBELL_CLOSED)
            return LAUNCH_PEER_HUNG_UP;
        if (fake_globaltimer_ns() > resident->deadline_gpu_ns)
            return LAUNCH_DEADLINE;
        fake_relax(&turns);
    }
}

static void resident_run(struct gpu_stream *stream, void *arguments, bool go)
{
    const struct residence *residence = arguments;
    const struct launch_resident *resident = &residence->resident;
    struct resident_words words = {0};
    if (!go || !resident_words_reach(resident, &words))
        return;
    enum launch_resident_end end = LAUNCH_RUNNING;
    for (uint32_t n = 0; n < resident->frames; n++) {
        end = resident_wait(stream, resident, &words, n);
        if (end != LAUNCH_RUNNING)
            break;
        struct launch_work work = resident->work;
        if (work.kind != LAUNCH_NOTHING)
            work.payload = words.payloads[n % resident->slots];
        work.frame_id = (int32_t)((uint32_t)work.frame_id + n);
        work.done_value = n + 1;
        if (!fake_launch_frame(residence->launcher, &work, &words.reports[n % resident->slots]))
            return;
    }
    __atomic_store_n(words.ended, end == LAUNCH_RUNNING ? LAUNCH_FINISHED : end, __ATOMIC_RELEASE);
}

enum status launcher_enqueue_resident(struct launcher *launcher, struct gpu_stream *stream,
                                      const struct launch_resident *resident, struct err *err)
{
    FAKE_ENTER(fake_launcher_check(launcher, __func__), err);
    fake_stream_check(stream, __func__);
    enum status status = fake_launch_check(&resident->work, true, err);
    if (status != ST_OK)
        return status;
    if (resident->work.kind == LAUNCH_FILL || resident->slots < 1 || resident->slots > 1024 ||
        !resident->bell || !resident->reports || !resident->stop || !resident->ended ||
        (resident->work.kind != LAUNCH_NOTHING && !resident->payloads))
        return err_set(err, ST_INVALID, NULL, "launcher_enqueue_resident: something is missing");
    const struct residence residence = {launcher, *resident};
    fake_enqueue(stream, resident_run, &residence, sizeof residence);
    return ST_OK;
}

/* ---- The clock ------------------------------------------------------------------------------- */

struct exchange {
    const uint32_t *ask;
    uint32_t *answer;
    uint64_t *now_ns;
    uint32_t count;
};

static void clock_run(struct gpu_stream *stream, void *arguments, bool go)
{
    const struct exchange *exchange = arguments;
    if (!go)
        return;
    const uint32_t *ask = fake_reach("`ask`", exchange->ask, sizeof *ask);
    uint32_t *answer = fake_reach("`answer`", exchange->answer, sizeof *answer);
    uint64_t *now_ns = fake_reach("`now_ns`", exchange->now_ns, sizeof *now_ns);
    if (!ask || !answer || !now_ns)
        return;
    for (uint32_t i = 1; i <= exchange->count; i++) {
        uint64_t begun_ns = fake_globaltimer_ns();
        unsigned turns = 0;
        while (__atomic_load_n(ask, __ATOMIC_ACQUIRE) != i) {
            if (fake_called_off(stream) || fake_globaltimer_ns() - begun_ns > CLOCK_PATIENCE_NS)
                return;
            fake_relax(&turns);
        }
        __atomic_store_n(now_ns, fake_globaltimer_ns(), __ATOMIC_RELAXED);
        __atomic_store_n(answer, i, __ATOMIC_RELEASE);
    }
}

enum status launcher_enqueue_clock(struct launcher *launcher, struct gpu_stream *stream,
                                   const uint32_t *ask, uint32_t *answer, uint64_t *now_ns,
                                   uint32_t count, struct err *err)
{
    FAKE_ENTER(fake_launcher_check(launcher, __func__), err);
    fake_stream_check(stream, __func__);
    const struct exchange exchange = {ask, answer, now_ns, count};
    fake_enqueue(stream, clock_run, &exchange, sizeof exchange);
    return ST_OK;
}

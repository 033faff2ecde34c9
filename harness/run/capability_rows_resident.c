/* capability_rows_resident.c: rows about kernels that stay: one that answers another process's CPU,
 * and one of each process on the GPU at once. See capability_trial.h.
 */
#include <stdlib.h>

#include "harness/measure/clock.h"
#include "harness/run/capability_order.h"

/* ---- Words for a resident kernel ------------------------------------------------------------- */

#define FLAG_ROUNDS 300

static int compare_u64(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* Asks and waits for the answer, FLAG_ROUNDS times: the median in nanoseconds. */
static enum status flag_exchange(struct order_words *words, const uint64_t *gpu_now_ns,
                                 uint64_t *median_ns, struct err *err)
{
    uint64_t *took_ns = calloc(FLAG_ROUNDS, sizeof *took_ns);
    uint64_t gpu_before_ns = 0;
    enum status status = ST_OK;
    if (!took_ns)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for an exchange");
    for (uint32_t i = 1; i <= FLAG_ROUNDS && status == ST_OK; i++) {
        const uint64_t begin_ns = clock_now_ns();
        word_store(&words->ask, i);
        status = word_await(&words->answer, i, "the resident kernel's answer", err);
        took_ns[i - 1] = clock_now_ns() - begin_ns;
        const uint64_t now_ns = *(const volatile uint64_t *)gpu_now_ns;
        if (status == ST_OK && now_ns < gpu_before_ns)
            status = err_set(err, ST_CORRUPT, NULL, "the GPU's clock ran backwards");
        gpu_before_ns = now_ns;
    }
    qsort(took_ns, FLAG_ROUNDS, sizeof *took_ns, compare_u64);
    *median_ns = took_ns[FLAG_ROUNDS / 2];
    free(took_ns);
    return status;
}

/* Without a GPU. */
enum status row_flag_maker(struct capability_trial *trial, struct err *err)
{
    struct order_memory memory = ORDER_MEMORY_NONE;
    uint64_t median_ns;
    enum status status = order_make(trial, 0, &memory, err);
    if (status == ST_OK)
        status = trial_hear_only(trial, "resident", err);
    if (status == ST_OK)
        status = flag_exchange(memory.words, &memory.words->now_ns[0], &median_ns, err);
    if (status == ST_OK)
        trial_verified(trial,
                       "a kernel that stayed answered the other process's CPU %d times, in "
                       "%.1f us there and back (median)",
                       FLAG_ROUNDS, (double)median_ns / 1e3);
    if (status == ST_OK)
        status = trial_hear_only(trial, "done", err);
    shm_unmap(&memory.map);
    return status;
}

/* The user's half of both rows: its kernel stays, and answers `ask` in the maker's words with what
 * `relays` says: the answer itself, or the word that the maker's own kernel waits for. */
static enum status word_answer(struct capability_trial *trial, bool relays, const char *step,
                               struct err *err)
{
    struct order_memory memory = ORDER_MEMORY_NONE;
    enum status status = order_get(trial, &memory, err);
    struct order_words *words = memory.device_words;
    if (status == ST_OK)
        status = launcher_enqueue_clock(trial->launcher, trial->stream, &words->ask,
                                        relays ? &words->relay : &words->answer,
                                        &words->now_ns[relays], FLAG_ROUNDS, err);
    if (status == ST_OK)
        status = trial_tell(trial, "resident", NULL, -1, err);
    trial_step(trial, step);
    if (status == ST_OK)
        status = gpu_stream_synchronize(trial->stream, err);
    if (status == ST_OK)
        status = trial_tell(trial, "done", NULL, -1, err);
    order_close(trial, &memory);
    return status;
}

enum status row_flag_user(struct capability_trial *trial, struct err *err)
{
    return word_answer(trial, false, "a kernel that stays and looks at the word", err);
}

/* ---- Two processes on the GPU at once -------------------------------------------------------- */

/* Contexts that take turns need a millisecond or more for a word through both kernels, and those
 * under MPS microseconds. Only judged by where the driver does not know the attribute. */
#define MPS_TOGETHER_NS 500000u

/* The maker asks the user's kernel, whose answer is what the maker's own kernel waits for: a word
 * goes from this CPU through both processes' kernels, which therefore both stay on the GPU. */
static enum status mps_relay(struct capability_trial *trial, struct order_memory *memory,
                             uint64_t *median_ns, struct err *err)
{
    struct order_words *words = memory->device_words;
    enum status status =
        launcher_enqueue_clock(trial->launcher, trial->stream, &words->relay, &words->answer,
                               &words->now_ns[0], FLAG_ROUNDS, err);
    if (status == ST_OK)
        status = trial_hear_only(trial, "resident", err);
    if (status == ST_OK)
        status = flag_exchange(memory->words, &memory->words->now_ns[0], median_ns, err);
    if (status == ST_OK)
        status = gpu_stream_synchronize(trial->stream, err);
    return status == ST_OK ? trial_hear_only(trial, "done", err) : status;
}

static enum status mps_maker(struct capability_trial *trial, int under_mps, struct err *err)
{
    struct order_memory memory = ORDER_MEMORY_NONE;
    uint64_t median_ns = 0;
    enum status status = order_make(trial, 0, &memory, err);
    if (status == ST_OK)
        status = order_register(trial, &memory, err);
    if (status == ST_OK)
        status = mps_relay(trial, &memory, &median_ns, err);
    if (status == ST_OK && under_mps != 1 && median_ns > MPS_TOGETHER_NS)
        status = err_set(err, ST_SYSTEM, NULL,
                         "a word through a kernel of each process took %.2f ms (median): their "
                         "contexts still take turns",
                         (double)median_ns / 1e6);
    if (status == ST_OK)
        trial_verified(trial,
                       "%sa word went through a resident kernel of each process %d times, in "
                       "%.1f us there and back (median)",
                       under_mps == 1 ? "both contexts say that they are under MPS; " : "",
                       FLAG_ROUNDS, (double)median_ns / 1e3);
    order_close(trial, &memory);
    return status;
}

static enum status mps_user(struct capability_trial *trial, struct err *err)
{
    return word_answer(trial, true, "a kernel that stays while the other process's does", err);
}

/* Both sides: the runner has started a daemon and pointed them to it. */
static enum status row_mps(struct capability_trial *trial, bool maker, struct err *err)
{
    const int under_mps = gpu_attribute_read(trial->gpu, GPU_ATTRIBUTE_mps);
    if (under_mps == 0)
        return err_set(err, ST_UNAVAILABLE, NULL,
                       "the daemon runs, but the context did not join it (attribute mps is 0)");
    return maker ? mps_maker(trial, under_mps, err) : mps_user(trial, err);
}

enum status row_mps_maker(struct capability_trial *trial, struct err *err)
{
    return row_mps(trial, true, err);
}

enum status row_mps_user(struct capability_trial *trial, struct err *err)
{
    return row_mps(trial, false, err);
}

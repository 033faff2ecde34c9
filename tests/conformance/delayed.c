/* delayed.c: transport unix behind a thread of the consumer's, as libraries have them: it takes
 * each frame out of the socket, keeps it for a random time and then makes it known, and it keeps
 * each credit for a random time before the producer gets it.
 *
 * Only for the suite's own tests: `delayed` must pass every conformance test, and each of the
 * others must be caught (broken/main.c). What the thread and the consumer share is under one mutex.
 */
#include "tests/conformance/delayed.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "transports/config.h"

enum fault {
#define DELAYED(key, text) FAULT_##key,
    DELAYED_EACH
#undef DELAYED
};

extern const struct transport transport_unix;

#define DELAYED_SLOTS_MAX 64
#define DELAY_MAX_NS 200000
/* Frames lie where no slot of ours would: a library lends what it received. */
#define DELAYED_OFFSET 3

/* A frame on its way to the consumer, number `sequence` % slots. */
struct parcel {
    uint8_t *bytes; /* header, then payload */
    uint64_t due_ns;
    uint64_t release_due_ns;
};

struct endpoint {
    enum fault fault;
    struct endpoint *inner; /* of transport unix; with a thread, only the thread uses it */
    bool producing;
    size_t payload_bytes;
    uint32_t slots;
    uint32_t max_held;
    /* Consumer. */
    pthread_t thread;
    bool has_thread;
    int news_fd;   /* to the consumer: readable while there may be something */
    int orders_fd; /* to the thread */
    pthread_mutex_t mutex;
    struct parcel parcels[DELAYED_SLOTS_MAX];
    uint64_t first;    /* numbers of frames from here on: */
    uint64_t taken;    /* out of the socket */
    uint64_t known;    /* to the consumer */
    uint64_t acquired; /* by the consumer */
    uint64_t released; /* by the consumer */
    uint64_t credited; /* to the producer */
    /* The socket's own numbers, of which a fault may have dropped some. */
    uint64_t inner_taken;
    uint64_t inner_released;
    bool dropped[DELAYED_SLOTS_MAX];
    enum status ended; /* ST_OK, or what the socket said last */
    uint64_t ended_due_ns;
    bool told_end;
    bool hangs_up;
    bool stops;
    uint64_t copied_bytes;
    uint64_t random;
};

static uint64_t delayed_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* From now on, some microseconds; now and then longer. */
static uint64_t delayed_due_ns(struct endpoint *endpoint)
{
    endpoint->random = endpoint->random * 6364136223846793005u + 1442695040888963407u;
    uint64_t part = endpoint->random >> 40;
    return delayed_now_ns() + part % (part % 64 ? DELAY_MAX_NS : 10 * DELAY_MAX_NS);
}

static void delayed_ring(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof one) != (ssize_t)sizeof one)
        abort();
}

static void delayed_quiet(int fd)
{
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        abort();
}

/* ---- The thread, with the mutex held --------------------------------------------------------- */

/* Takes what is in the socket while there is room for it. */
static void delayed_take(struct endpoint *endpoint)
{
    struct err err;
    while (endpoint->ended == ST_OK &&
           endpoint->inner_taken - endpoint->inner_released < endpoint->slots) {
        struct frame frame = {0};
        enum status status = transport_unix.acquire(endpoint->inner, &frame, &err);
        if (status == ST_AGAIN)
            return;
        if (status != ST_OK) {
            endpoint->ended = status;
            endpoint->ended_due_ns = delayed_due_ns(endpoint);
            return;
        }
        bool drops = endpoint->fault == FAULT_delayed_loses && endpoint->inner_taken % 7 == 3;
        endpoint->dropped[endpoint->inner_taken++ % DELAYED_SLOTS_MAX] = drops;
        if (drops)
            continue;
        struct parcel *parcel = &endpoint->parcels[endpoint->taken % endpoint->slots];
        memcpy(parcel->bytes, frame.header, FRAME_HEADER_BYTES);
        if (endpoint->payload_bytes)
            memcpy(parcel->bytes + FRAME_HEADER_BYTES, frame.payload, endpoint->payload_bytes);
        parcel->due_ns = delayed_due_ns(endpoint);
        endpoint->copied_bytes += 2 * endpoint->payload_bytes;
        endpoint->taken++;
    }
}

/* Gives back the frames whose time has come. */
static void delayed_credit(struct endpoint *endpoint, uint64_t now_ns)
{
    struct err err;
    uint64_t limit =
        endpoint->fault == FAULT_delayed_hasty ? endpoint->acquired : endpoint->released;
    while (endpoint->inner_released < endpoint->inner_taken) {
        if (!endpoint->dropped[endpoint->inner_released % DELAYED_SLOTS_MAX]) {
            struct parcel *parcel = &endpoint->parcels[endpoint->credited % endpoint->slots];
            if (endpoint->credited >= limit ||
                (endpoint->fault != FAULT_delayed_hasty && parcel->release_due_ns > now_ns))
                return;
            endpoint->credited++;
        }
        struct frame frame = {.sequence = endpoint->inner_released + endpoint->first};
        if (transport_unix.release(endpoint->inner, &frame, &err) != ST_OK)
            abort();
        endpoint->inner_released++;
    }
}

/* Makes known what is due. */
static void delayed_tell(struct endpoint *endpoint, uint64_t now_ns)
{
    uint64_t before = endpoint->known;
    while (endpoint->known < endpoint->taken &&
           endpoint->parcels[endpoint->known % endpoint->slots].due_ns <= now_ns)
        endpoint->known++;
    bool news = endpoint->known != before;
    if (endpoint->ended != ST_OK && !endpoint->told_end && endpoint->known == endpoint->taken &&
        endpoint->ended_due_ns <= now_ns) {
        endpoint->told_end = true;
        news = true;
    }
    if (news && endpoint->fault != FAULT_delayed_silent)
        delayed_ring(endpoint->news_fd);
}

static void *delayed_run(void *argument)
{
    struct endpoint *endpoint = argument;
    pthread_mutex_lock(&endpoint->mutex);
    while (!endpoint->stops) {
        uint64_t now_ns = delayed_now_ns();
        delayed_take(endpoint);
        delayed_credit(endpoint, now_ns);
        delayed_tell(endpoint, now_ns);
        if (endpoint->hangs_up && endpoint->credited == endpoint->released)
            transport_unix.hang_up(endpoint->inner);
        bool busy = endpoint->known != endpoint->taken ||
                    endpoint->credited != endpoint->released ||
                    (endpoint->ended != ST_OK && !endpoint->told_end);
        bool wants = endpoint->ended == ST_OK &&
                     endpoint->inner_taken - endpoint->inner_released < endpoint->slots;
        struct wait_source source;
        transport_unix.wait_source(endpoint->inner, DIRECTION_READ, &source);
        struct pollfd ready[2] = {{.fd = endpoint->orders_fd, .events = POLLIN},
                                  {.fd = wants ? source.fd : -1, .events = source.events}};
        pthread_mutex_unlock(&endpoint->mutex);
        if (busy) /* something is due soon */
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
        else
            poll(ready, 2, -1);
        pthread_mutex_lock(&endpoint->mutex);
        delayed_quiet(endpoint->orders_fd);
    }
    pthread_mutex_unlock(&endpoint->mutex);
    return NULL;
}

/* ---- The verbs ------------------------------------------------------------------------------- */

static enum status delayed_probe(struct err *err)
{
    return ST_OK;
}

static void delayed_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    if (endpoint->has_thread) {
        pthread_mutex_lock(&endpoint->mutex);
        endpoint->stops = true;
        pthread_mutex_unlock(&endpoint->mutex);
        delayed_ring(endpoint->orders_fd);
        pthread_join(endpoint->thread, NULL);
    }
    transport_unix.destroy(endpoint->inner);
    for (uint32_t i = 0; i < DELAYED_SLOTS_MAX; i++)
        if (endpoint->parcels[i].bytes)
            free(endpoint->parcels[i].bytes - DELAYED_OFFSET);
    if (endpoint->news_fd >= 0)
        close(endpoint->news_fd);
    if (endpoint->orders_fd >= 0)
        close(endpoint->orders_fd);
    pthread_mutex_destroy(&endpoint->mutex);
    free(endpoint);
}

static struct endpoint *delayed_new(enum fault fault, const struct transport_config *config,
                                    bool producing)
{
    struct endpoint *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->fault = fault;
    made->producing = producing;
    made->payload_bytes = config->payload_bytes;
    made->slots = config->slots;
    made->max_held = config->max_held;
    made->first = config->first_sequence;
    made->news_fd = made->orders_fd = -1;
    made->random = (uint64_t)(uintptr_t)made ^ delayed_now_ns();
    pthread_mutex_init(&made->mutex, NULL);
    return made;
}

static enum status delayed_create(const struct transport *transport, enum fault fault,
                                  const struct transport_config *config, struct endpoint **endpoint,
                                  struct transport_address *address, struct err *err)
{
    enum status status = transport_config_check(transport, config, err);
    if (status != ST_OK)
        return status;
    struct endpoint *made = delayed_new(fault, config, true);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "no memory");
    status = transport_unix.create(config, &made->inner, address, err);
    if (status != ST_OK) {
        delayed_destroy(made);
        return status;
    }
    *endpoint = made;
    return ST_OK;
}

static enum status delayed_consumer_start(struct endpoint *made, struct err *err)
{
    for (uint32_t i = 0; i < made->slots; i++) {
        made->parcels[i].bytes = malloc(DELAYED_OFFSET + FRAME_HEADER_BYTES + made->payload_bytes);
        if (!made->parcels[i].bytes)
            return err_set(err, ST_NO_MEMORY, NULL, "no memory");
        made->parcels[i].bytes += DELAYED_OFFSET;
    }
    made->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    made->orders_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made->news_fd < 0 || made->orders_fd < 0)
        return err_set_errno(err, errno, NULL, "no eventfd");
    int failed = pthread_create(&made->thread, NULL, delayed_run, made);
    if (failed)
        return err_set_errno(err, failed, NULL, "no thread");
    made->has_thread = true;
    return ST_OK;
}

static enum status delayed_attach(const struct transport *transport, enum fault fault,
                                  const struct transport_config *config,
                                  struct transport_address *address, struct endpoint **endpoint,
                                  struct err *err)
{
    struct endpoint *made = NULL;
    enum status status = transport_config_check(transport, config, err);
    if (status != ST_OK)
        goto done;
    made = delayed_new(fault, config, false);
    if (!made) {
        status = err_set(err, ST_NO_MEMORY, NULL, "no memory");
        goto done;
    }
    /* The thread holds as many as there can be. */
    struct transport_config inner = *config;
    inner.max_held = config->slots;
    status = transport_unix.attach(&inner, address, &made->inner, err);
    if (status == ST_OK)
        status = delayed_consumer_start(made, err);
    if (status == ST_OK)
        *endpoint = made;
    else
        delayed_destroy(made);
done:
    transport_address_close(address);
    return status;
}

static enum status delayed_reserve(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    return transport_unix.reserve(endpoint->inner, frame, err);
}

static enum status delayed_commit(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    enum status status = transport_unix.commit(endpoint->inner, frame, err);
    if (status == ST_AGAIN && endpoint->fault != FAULT_delayed_parts)
        frame->progress_bytes = 0;
    return status;
}

static enum status delayed_acquire(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    enum status status = ST_OK;
    pthread_mutex_lock(&endpoint->mutex);
    if (endpoint->acquired - endpoint->released >= endpoint->max_held) {
        status = err_set(err, ST_INVALID, NULL, "%u are held", endpoint->max_held);
    } else if (endpoint->acquired < endpoint->known) {
        uint8_t *bytes = endpoint->parcels[endpoint->acquired % endpoint->slots].bytes;
        *frame = (struct frame){
            .header = bytes,
            .payload = endpoint->payload_bytes ? bytes + FRAME_HEADER_BYTES : NULL,
            .payload_bytes = endpoint->payload_bytes,
            .slot = (uint32_t)(endpoint->acquired % endpoint->slots),
            .sequence = endpoint->acquired + endpoint->first,
            .progress_bytes = FRAME_HEADER_BYTES + endpoint->payload_bytes,
        };
        endpoint->acquired++;
    } else if (endpoint->told_end) {
        status = err_set(err, endpoint->ended, NULL, "the producer hung up");
    } else {
        delayed_quiet(endpoint->news_fd);
        status = ST_AGAIN;
    }
    pthread_mutex_unlock(&endpoint->mutex);
    return status;
}

static enum status delayed_release(struct endpoint *endpoint, struct frame *frame, struct err *err)
{
    enum status status = ST_OK;
    pthread_mutex_lock(&endpoint->mutex);
    if (endpoint->released == endpoint->acquired ||
        frame->sequence != endpoint->released + endpoint->first)
        status = err_set(err, ST_INVALID, NULL, "not the oldest frame held");
    else
        endpoint->parcels[endpoint->released++ % endpoint->slots].release_due_ns =
            delayed_due_ns(endpoint);
    pthread_mutex_unlock(&endpoint->mutex);
    delayed_ring(endpoint->orders_fd);
    return status;
}

static enum status delayed_native_wait(void *self, int timeout_ms)
{
    struct endpoint *endpoint = self;
    struct wait_source source = {.fd = endpoint->news_fd, .events = POLLIN};
    if (endpoint->fault == FAULT_delayed_deaf)
        return ST_TIMEOUT;
    if (endpoint->producing)
        transport_unix.wait_source(endpoint->inner, DIRECTION_WRITE, &source);
    struct pollfd ready = {.fd = source.fd, .events = source.events};
    int count = poll(&ready, 1, timeout_ms);
    return count > 0 ? ST_OK : count == 0 ? ST_TIMEOUT : ST_SYSTEM;
}

static void delayed_wait_source(struct endpoint *endpoint, enum direction direction,
                                struct wait_source *source)
{
    if (endpoint->producing)
        transport_unix.wait_source(endpoint->inner, direction, source);
    else
        *source =
            (struct wait_source){.kind = SOURCE_FD, .fd = endpoint->news_fd, .events = POLLIN};
    source->native_wait = delayed_native_wait;
    source->native_self = endpoint;
}

static void delayed_counters(const struct endpoint *endpoint, struct transport_counters *counters)
{
    if (endpoint->fault == FAULT_delayed_miscounts) {
        *counters = (struct transport_counters){.copied_bytes = endpoint->producing};
        return;
    }
    if (endpoint->producing) {
        transport_unix.counters(endpoint->inner, counters);
        return;
    }
    pthread_mutex_t *mutex = (pthread_mutex_t *)&endpoint->mutex;
    pthread_mutex_lock(mutex);
    *counters = (struct transport_counters){.copied_bytes = endpoint->copied_bytes};
    pthread_mutex_unlock(mutex);
}

static void delayed_hang_up(struct endpoint *endpoint)
{
    if (endpoint->producing) {
        transport_unix.hang_up(endpoint->inner);
        return;
    }
    pthread_mutex_lock(&endpoint->mutex);
    endpoint->hangs_up = true;
    pthread_mutex_unlock(&endpoint->mutex);
    delayed_ring(endpoint->orders_fd);
}

#define DELAYED(key, text)                                                                         \
    static enum status create_##key(const struct transport_config *config,                         \
                                    struct endpoint **endpoint, struct transport_address *address, \
                                    struct err *err)                                               \
    {                                                                                              \
        return delayed_create(&transport_##key, FAULT_##key, config, endpoint, address, err);      \
    }                                                                                              \
    static enum status attach_##key(const struct transport_config *config,                         \
                                    struct transport_address *address, struct endpoint **endpoint, \
                                    struct err *err)                                               \
    {                                                                                              \
        return delayed_attach(&transport_##key, FAULT_##key, config, address, endpoint, err);      \
    }                                                                                              \
    const struct transport transport_##key = {                                                     \
        .name = #key,                                                                              \
        .summary = text,                                                                           \
        .copies = "send(), recv(), and out of the socket's buffer",                                \
        .flags = TRANSPORT_SENDS_SOURCE | TRANSPORT_MOVES_BYTES | TRANSPORT_DELAYS |               \
                 TRANSPORT_OWN_THREADS | TRANSPORT_NATIVE_WAIT,                                    \
        .sources = SOURCE_FD,                                                                      \
        .policies = POLICY_BLOCK,                                                                  \
        .slots_min = 1,                                                                            \
        .slots_max = DELAYED_SLOTS_MAX,                                                            \
        .probe = delayed_probe,                                                                    \
        .create = create_##key,                                                                    \
        .attach = attach_##key,                                                                    \
        .reserve = delayed_reserve,                                                                \
        .commit = delayed_commit,                                                                  \
        .acquire = delayed_acquire,                                                                \
        .release = delayed_release,                                                                \
        .wait_source = delayed_wait_source,                                                        \
        .counters = delayed_counters,                                                              \
        .hang_up = delayed_hang_up,                                                                \
        .destroy = delayed_destroy,                                                                \
    };
DELAYED_EACH
#undef DELAYED

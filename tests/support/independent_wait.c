/* independent_wait.c: an outside opinion on `handoff`, what a wait strategy costs.
 *
 * Two processes pass a word to and fro in shared memory, each waiting for the other in one way, and
 * the time from just before the word is written to just after the wait for it returned is taken,
 * one way. It shares no code with handoff: its own memory, loops, clock calls, fork and quantiles,
 * each wait as its manual page shows it. scripts/check-agreement-waits runs both alternately; if
 * handoff measured something else than it says, the two would disagree.
 *
 *   independent_wait --wait spin|pause|yield|poll:US|futex|semaphore|condvar|eventfd|adaptive:US
 *       [--turns N] [--warmup N] [--cpus P,C] [--gap-us N] [--timer-slack-ns N] [--hold-latency]
 *
 * All that sleep do so with a deadline, as whoever waits for another process must: without one,
 * futex and condvar are some 4 us sooner on a virtual machine whose timers cost an exit.
 *
 * Differences of substance from handoff: semaphores, eventfds, conditions and futexes are rung for
 * every word, whether somebody sleeps or not (but for adaptive); there are no slots, so that what
 * each side does between two waits is one small copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SILENCE_S 300 /* a process that outlives this is killed by its own alarm */

/* Sent before the other side waited for it: no cost of a wait. */
#define NOT_WAITED UINT64_MAX

enum kind { SPIN, PAUSE, YIELD, POLL, FUTEX, SEMAPHORE, CONDVAR, EVENTFD, ADAPTIVE, KINDS };
static const char *const kind_names[KINDS] = {"spin",      "pause",   "yield",   "poll",    "futex",
                                              "semaphore", "condvar", "eventfd", "adaptive"};

/* One direction: the word, and whatever its waiter needs beside it. */
struct way {
    _Alignas(256) _Atomic uint32_t word;
    _Atomic uint32_t sleeping; /* adaptive only: its waiter mostly does not */
    uint64_t stamp_ns;         /* travels with the word */
    sem_t semaphore;
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    int event;
};

static struct {
    enum kind kind;
    uint32_t us;
    uint32_t turns, warmup, gap_us;
    unsigned long slack_ns;
    bool hold_latency;
    int cpu_producer, cpu_consumer;
} options = {.turns = 2000, .warmup = 200, .cpu_producer = -1, .cpu_consumer = -1};

static void die(const char *what)
{
    fprintf(stderr, "independent_wait: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

static uint32_t look(struct way *way)
{
    return atomic_load_explicit(&way->word, memory_order_acquire);
}

/* Whoever waits for another process gives up some day; a sleep with a deadline costs the kernel a
 * timer. Futexes take how long, the others until when. */
#define PATIENCE_S 60
static struct timespec deadline(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += PATIENCE_S;
    return t;
}

static void futex_sleep(struct way *way, uint32_t old)
{
    const struct timespec patience = {PATIENCE_S, 0};
    while (look(way) == old)
        syscall(SYS_futex, &way->word, FUTEX_WAIT, old, &patience, NULL, 0);
}

/* Returns when the word is no longer `old`. */
static void await(struct way *way, uint32_t old)
{
    const struct timespec period = {options.us / 1000000, options.us % 1000000 * 1000L};
    struct timespec until;
    struct pollfd readable = {.fd = way->event, .events = POLLIN};
    uint64_t until_ns, count;
    switch (options.kind) {
    case SPIN:
        while (look(way) == old)
            continue;
        break;
    case PAUSE:
        while (look(way) == old)
            relax();
        break;
    case YIELD:
        while (look(way) == old)
            sched_yield();
        break;
    case POLL:
        while (look(way) == old)
            nanosleep(&period, NULL);
        break;
    case FUTEX:
        futex_sleep(way, old);
        break;
    case SEMAPHORE:
        until = deadline();
        while (look(way) == old)
            sem_clockwait(&way->semaphore, CLOCK_MONOTONIC, &until);
        break;
    case CONDVAR:
        until = deadline();
        pthread_mutex_lock(&way->mutex);
        while (look(way) == old)
            pthread_cond_timedwait(&way->condition, &way->mutex, &until);
        pthread_mutex_unlock(&way->mutex);
        break;
    case EVENTFD:
        while (look(way) == old)
            if (poll(&readable, 1, PATIENCE_S * 1000) < 0 ||
                read(way->event, &count, sizeof count) < 0)
                die("eventfd");
        break;
    default:
        until_ns = now_ns() + options.us * 1000ull;
        do {
            for (int i = 0; i < 1000; i++)
                if (look(way) != old)
                    return;
        } while (now_ns() < until_ns);
        atomic_store(&way->sleeping, 1);
        futex_sleep(way, old);
        atomic_store(&way->sleeping, 0);
    }
}

static void ring(struct way *way, uint32_t value)
{
    const uint64_t one = 1;
    if (options.kind == CONDVAR) {
        /* Under the mutex, as in every textbook. */
        pthread_mutex_lock(&way->mutex);
        atomic_store_explicit(&way->word, value, memory_order_release);
        pthread_cond_signal(&way->condition);
        pthread_mutex_unlock(&way->mutex);
        return;
    }
    atomic_store(&way->word, value);
    if (options.kind == FUTEX || (options.kind == ADAPTIVE && atomic_load(&way->sleeping)))
        syscall(SYS_futex, &way->word, FUTEX_WAKE, 1, NULL, NULL, 0);
    else if (options.kind == SEMAPHORE)
        sem_post(&way->semaphore);
    else if (options.kind == EVENTFD && write(way->event, &one, sizeof one) < 0)
        die("write");
}

static void way_make(struct way *way)
{
    pthread_mutexattr_t mutex;
    pthread_condattr_t condition;
    if (sem_init(&way->semaphore, 1, 0) != 0 || (way->event = eventfd(0, 0)) < 0)
        die("sem_init, eventfd");
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&way->mutex, &mutex);
    pthread_condattr_init(&condition);
    pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setclock(&condition, CLOCK_MONOTONIC);
    pthread_cond_init(&way->condition, &condition);
}

static void settle(int cpu)
{
    cpu_set_t set;
    alarm(SILENCE_S);
    CPU_ZERO(&set);
    if (cpu >= 0) {
        CPU_SET((unsigned)cpu, &set);
        if (sched_setaffinity(0, sizeof set, &set) != 0)
            die("sched_setaffinity");
    }
    if (options.slack_ns && prctl(PR_SET_TIMERSLACK, options.slack_ns, 0, 0, 0) != 0)
        die("PR_SET_TIMERSLACK");
}

/* Takes one way times into times_ns, turn by turn. */
static void consume(struct way *there, struct way *back, uint64_t *times_ns)
{
    for (uint32_t turn = 0; turn < options.turns + options.warmup; turn++) {
        uint64_t waiting_ns = now_ns();
        await(there, turn);
        uint64_t seen_ns = now_ns();
        times_ns[turn] = waiting_ns < there->stamp_ns ? seen_ns - there->stamp_ns : NOT_WAITED;
        ring(back, turn + 1);
    }
}

static void produce(struct way *there, struct way *back)
{
    uint64_t random = now_ns() | 1;
    for (uint32_t turn = 0; turn < options.turns + options.warmup; turn++) {
        if (options.gap_us) {
            /* Half to one and a half of it, so as not to fall into step with a waiter's period. */
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint64_t gap_ns = options.gap_us * (500 + (random >> 33) % 1000);
            const struct timespec gap = {(time_t)(gap_ns / 1000000000u),
                                         (long)(gap_ns % 1000000000u)};
            clock_nanosleep(CLOCK_MONOTONIC, 0, &gap, NULL);
        }
        there->stamp_ns = now_ns();
        ring(there, turn + 1);
        await(back, turn);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void parse_wait(const char *text)
{
    size_t length = strcspn(text, ":");
    for (int kind = 0; kind < KINDS; kind++)
        if (strlen(kind_names[kind]) == length && strncmp(text, kind_names[kind], length) == 0) {
            options.kind = (enum kind)kind;
            options.us = text[length] ? (uint32_t)atoi(text + length + 1) : 0;
            return;
        }
    fprintf(stderr, "independent_wait: unknown wait %s\n", text);
    exit(2);
}

static void parse(int argc, char **argv)
{
    const char *wait = NULL;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--hold-latency") == 0) {
            options.hold_latency = true;
            continue;
        }
        if (strcmp(argv[i], "--wait") == 0)
            parse_wait(wait = value);
        else if (strcmp(argv[i], "--turns") == 0)
            options.turns = (uint32_t)atoi(value);
        else if (strcmp(argv[i], "--warmup") == 0)
            options.warmup = (uint32_t)atoi(value);
        else if (strcmp(argv[i], "--gap-us") == 0)
            options.gap_us = (uint32_t)atoi(value);
        else if (strcmp(argv[i], "--timer-slack-ns") == 0)
            options.slack_ns = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--cpus") != 0 ||
                 sscanf(value, "%d,%d", &options.cpu_producer, &options.cpu_consumer) != 2) {
            fprintf(stderr, "independent_wait: bad option %s\n", argv[i]);
            exit(2);
        }
        i++;
    }
    if (!wait || options.turns == 0) {
        fprintf(stderr, "independent_wait: --wait is needed, and at least one turn\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    const int32_t zero = 0;
    if (options.hold_latency) {
        int fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, &zero, sizeof zero) != sizeof zero)
            die("/dev/cpu_dma_latency");
    }
    const uint32_t total = options.turns + options.warmup;
    const size_t bytes = 2 * sizeof(struct way) + total * sizeof(uint64_t);
    struct way *ways =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (ways == MAP_FAILED)
        die("mmap");
    uint64_t *times_ns = (uint64_t *)(void *)(ways + 2);
    memset(times_ns, 1, total * sizeof *times_ns);
    way_make(&ways[0]);
    way_make(&ways[1]);
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        settle(options.cpu_consumer);
        consume(&ways[0], &ways[1], times_ns);
        _exit(0);
    }
    settle(options.cpu_producer);
    produce(&ways[0], &ways[1]);
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "independent_wait: the consumer failed\n");
        return 1;
    }
    uint64_t *counted = times_ns + options.warmup;
    qsort(counted, options.turns, sizeof *counted, compare);
    uint32_t waited = options.turns;
    while (waited > 0 && counted[waited - 1] == NOT_WAITED)
        waited--;
    if (waited == 0) {
        fprintf(stderr, "independent_wait: not one turn was waited for\n");
        return 1;
    }
    printf("{\"p50_ns\": %llu, \"p99_ns\": %llu, \"turns\": %u, \"waited\": %u}\n",
           (unsigned long long)counted[waited / 2],
           (unsigned long long)counted[waited - 1 - waited / 100], options.turns, waited);
    return 0;
}

/* independent_handoff.c: an outside opinion on `latency`.
 *
 * Two processes hand frames over, and the interval "whole frame in the producer's buffer → checksum
 * of it finished in the consumer" is measured. It shares no code with handoff: its own ring, socket
 * loops, checksum, clock calls, fork and quantiles, written as a competent engineer would who had
 * to move frames and had never seen handoff. scripts/check-agreement runs both alternately; if
 * handoff measured something else than it says, the two would disagree.
 *
 *   independent_handoff --transport unix|shm --wait block|futex|spin [--frame 1920x1080x3]
 *       [--pacing pingpong|rate:N] [--frames N] [--warmup N] [--cpus P,C] [--rotate 4]
 *
 * What must be alike for the comparison to mean something, and is:
 *  - The cache state of the source. Frames come from --rotate buffers, used in turn, of which 8
 *    bytes in every 4 KiB are written before the stamp, and nothing else is read or written: a
 *    frame just made would lie in the producer's cache, one never touched in nobody's. Shared slots
 *    rotate by the same number, since a copy into a slot that the consumer has just read costs more
 *    than one into a slot that is still the producer's own.
 *  - The work. The checksum is the sum of w[i] * (2 i + 1) over 32-bit little-endian words, modulo
 *    2^64. Any vectorised form of it reads memory as fast as one core can (some 20 to 30 GB/s from
 *    a shared cache; the arithmetic below needs about 2 cycles per 32 bytes), so two forms written
 *    apart cost the same. The output has its median of its own, to check just that.
 *  - No page is touched for the first time while the clock runs, and nothing is verified by reading
 *    a frame twice: what a frame's checksum must be follows from that of the untagged buffer.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define PAGE 4096
#define MAX_ROTATE 64
#define SILENCE_S 120 /* a process that outlives this is killed by its own alarm */

enum wait_kind { WAIT_SPIN, WAIT_SLEEP };

static struct {
    bool shm;
    enum wait_kind wait;
    const char *wait_name;
    unsigned width, height, channels;
    double rate; /* frames per second; 0: ping-pong */
    uint32_t frames, warmup, rotate;
    int cpu_producer, cpu_consumer; /* -1: not pinned */
    size_t bytes;
} options = {.wait_name = "",
             .width = 1920,
             .height = 1080,
             .channels = 3,
             .frames = 200,
             .warmup = 20,
             .rotate = 4,
             .cpu_producer = -1,
             .cpu_consumer = -1};

/* What precedes a frame's bytes, on the wire and in a slot. */
struct prefix {
    uint64_t stamp_ns; /* the frame was whole in the producer's buffer */
    uint64_t expected; /* its checksum */
    uint64_t number;
};

/* A frame with room for the prefix immediately before it, and its bytes on a page boundary: then
 * one send loop and one recv loop do for both, and copies are aligned. */
static size_t stride(void)
{
    return PAGE + (options.bytes + PAGE - 1) / PAGE * PAGE;
}
static uint8_t *frame_bytes(uint8_t *base, uint64_t number)
{
    return base + number % options.rotate * stride() + PAGE;
}
static struct prefix *frame_prefix(uint8_t *base, uint64_t number)
{
    return (struct prefix *)(void *)(frame_bytes(base, number) - sizeof(struct prefix));
}

/* Shared by both processes. Each word that one side writes and the other waits for is alone. */
struct shared {
    _Alignas(256) _Atomic uint32_t published; /* frames sent */
    _Alignas(256) _Atomic uint32_t returned;  /* frames done with */
    _Alignas(256) uint64_t mismatches;
    uint64_t times_ns[]; /* latency of each counted frame, then the checksum's time of each */
};

static void die(const char *what)
{
    fprintf(stderr, "independent_handoff: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- Checksum -------------------------------------------------------------------------------- */

static uint64_t checksum_plain(const uint8_t *bytes, size_t count, size_t begin)
{
    uint64_t sum = 0;
    for (size_t i = begin / 4; i < (count + 3) / 4; i++) {
        uint32_t word = 0;
        memcpy(&word, bytes + 4 * i, count - 4 * i < 4 ? count - 4 * i : 4);
        sum += (uint64_t)word * (2 * (uint64_t)i + 1);
    }
    return sum;
}

#if defined(__x86_64__)
/* Multiplies words by their weights, 32 x 32 → 64 bits, eight per vector: the even ones where they
 * stand, the odd ones shifted down. Weights fit 32 bits for frames up to 8 GiB. Asks for memory a
 * page ahead, as the hardware stops doing at a page's end. */
__attribute__((target("avx2"))) static uint64_t checksum_avx2(const uint8_t *bytes, size_t count)
{
    __m256i weight = _mm256_set_epi64x(13, 9, 5, 1);
    const __m256i two = _mm256_set1_epi64x(2), step = _mm256_set1_epi64x(16);
    __m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
    size_t end = count / 64 * 64;
    for (size_t at = 0; at < end; at += 64) {
        if (at + PAGE < count)
            _mm_prefetch((const char *)bytes + at + PAGE, _MM_HINT_T0);
        for (size_t half = 0; half < 64; half += 32) {
            __m256i words = _mm256_loadu_si256((const __m256i *)(const void *)(bytes + at + half));
            even = _mm256_add_epi64(even, _mm256_mul_epu32(words, weight));
            odd = _mm256_add_epi64(
                odd, _mm256_mul_epu32(_mm256_srli_epi64(words, 32), _mm256_add_epi64(weight, two)));
            weight = _mm256_add_epi64(weight, step);
        }
    }
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i *)(void *)lanes, _mm256_add_epi64(even, odd));
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + checksum_plain(bytes, count, end);
}
#endif

static uint64_t checksum(const uint8_t *bytes, size_t count)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return checksum_avx2(bytes, count);
#endif
    return checksum_plain(bytes, count, 0); /* which compilers vectorise on their own for NEON */
}

/* ---- The source ------------------------------------------------------------------------------ */

struct source {
    uint8_t *base;
    uint64_t untagged[MAX_ROTATE]; /* checksum of each buffer with zeros for tags */
    uint64_t low_weights, high_weights;
};

static void *map_memory(size_t bytes, int sharing)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        die("no memory");
    return memory;
}

static void source_make(struct source *source)
{
    source->base = map_memory(options.rotate * stride(), MAP_PRIVATE);
    uint64_t random = 88172645463325252u;
    for (uint32_t i = 0; i < options.rotate; i++) {
        uint8_t *bytes = frame_bytes(source->base, i);
        for (size_t at = 0; at < options.bytes; at++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            bytes[at] = at % PAGE < 8 ? 0 : (uint8_t)(random >> 32);
        }
        source->untagged[i] = checksum(bytes, options.bytes);
        if (source->untagged[i] != checksum_plain(bytes, options.bytes, 0)) {
            fprintf(stderr, "independent_handoff: the checksum is wrong\n");
            exit(1);
        }
        frame_prefix(source->base, i)->number = i;
    }
    for (size_t at = 0; at + 8 <= options.bytes; at += PAGE) {
        source->low_weights += 2 * (at / 4) + 1;
        source->high_weights += 2 * (at / 4 + 1) + 1;
    }
}

/* A camera has left frame `number` in its buffer. */
static void source_tag(struct source *source, uint64_t number)
{
    uint8_t *bytes = frame_bytes(source->base, number);
    uint64_t tag = (number + 1) * 0xd1342543de82ef95u;
    for (size_t at = 0; at + 8 <= options.bytes; at += PAGE)
        memcpy(bytes + at, &tag, 8);
    struct prefix *prefix = frame_prefix(source->base, number);
    prefix->number = number;
    prefix->expected = source->untagged[number % options.rotate] +
                       (tag & 0xffffffffu) * source->low_weights +
                       (tag >> 32) * source->high_weights;
}

/* ---- Waiting and moving ---------------------------------------------------------------------- */

static void word_await(_Atomic uint32_t *word, uint32_t wanted)
{
    for (;;) {
        uint32_t seen = atomic_load_explicit(word, memory_order_acquire);
        if ((int32_t)(seen - wanted) >= 0)
            return;
        if (options.wait == WAIT_SLEEP)
            syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
    }
}

static void word_set(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
    if (options.wait == WAIT_SLEEP)
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void send_all(int fd, const void *bytes, size_t count)
{
    const char *next = bytes;
    int flags = MSG_NOSIGNAL | (options.wait == WAIT_SPIN ? MSG_DONTWAIT : 0);
    while (count > 0) {
        ssize_t sent = send(fd, next, count, flags);
        if (sent < 0 && errno != EINTR && errno != EAGAIN)
            die("send");
        next += sent > 0 ? sent : 0;
        count -= sent > 0 ? (size_t)sent : 0;
    }
}

static void receive_all(int fd, void *bytes, size_t count)
{
    char *next = bytes;
    int flags = options.wait == WAIT_SPIN ? MSG_DONTWAIT : 0;
    while (count > 0) {
        ssize_t received = recv(fd, next, count, flags);
        if (received == 0 || (received < 0 && errno != EINTR && errno != EAGAIN))
            die("recv");
        next += received > 0 ? received : 0;
        count -= received > 0 ? (size_t)received : 0;
    }
}

/* ---- The two processes ----------------------------------------------------------------------- */

static void settle(int cpu)
{
    alarm(SILENCE_S +
          (options.rate > 0 ? (unsigned)((options.frames + options.warmup) / options.rate) : 0));
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu < 0)
        return;
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        die("cannot pin");
}

/* Touches every page of this process's own mapping of the slots. */
static void touch(volatile uint8_t *memory, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += PAGE)
        memory[at] = memory[at];
}

/* The frame is whole in the source's buffer: from here on the time runs. */
static void produce(struct source *source, struct shared *shared, uint8_t *slots, int fd,
                    uint64_t number)
{
    struct prefix *prefix = frame_prefix(source->base, number);
    prefix->stamp_ns = now_ns();
    if (!options.shm) {
        send_all(fd, prefix, sizeof *prefix + options.bytes);
        return;
    }
    if (number >= options.rotate) /* a free slot; at once, unless the consumer lags */
        word_await(&shared->returned, (uint32_t)(number - options.rotate + 1));
    memcpy(frame_bytes(slots, number), frame_bytes(source->base, number), options.bytes);
    *frame_prefix(slots, number) = *prefix;
    word_set(&shared->published, (uint32_t)(number + 1));
}

static void producer(struct shared *shared, uint8_t *slots, int fd)
{
    settle(options.cpu_producer);
    struct source source = {0};
    source_make(&source);
    if (slots)
        touch(slots, options.rotate * stride());
    char ready;
    receive_all(fd, &ready, 1);
    uint64_t begin_ns = now_ns() + 1000000;
    for (uint64_t number = 0; number < options.warmup + options.frames; number++) {
        source_tag(&source, number);
        if (options.rate > 0) {
            uint64_t due_ns = begin_ns + (uint64_t)((double)number * 1e9 / options.rate);
            struct timespec due = {(time_t)(due_ns / 1000000000u), (long)(due_ns % 1000000000u)};
            while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
                continue;
        } else if (options.shm) {
            word_await(&shared->returned, (uint32_t)number);
        } else if (number > 0) {
            receive_all(fd, &ready, 1);
        }
        produce(&source, shared, slots, fd, number);
    }
}

static void consumer(struct shared *shared, uint8_t *slots, int fd)
{
    settle(options.cpu_consumer);
    uint8_t *received = map_memory(stride(), MAP_PRIVATE);
    if (slots)
        touch(slots, options.rotate * stride());
    touch((uint8_t *)shared->times_ns, 2 * options.frames * sizeof(uint64_t));
    char done = 1;
    send_all(fd, &done, 1); /* ready */
    for (uint64_t number = 0; number < options.warmup + options.frames; number++) {
        uint8_t *bytes = received + PAGE;
        if (options.shm) {
            word_await(&shared->published, (uint32_t)(number + 1));
            bytes = frame_bytes(slots, number);
        } else {
            receive_all(fd, bytes - sizeof(struct prefix), sizeof(struct prefix) + options.bytes);
        }
        uint64_t whole_ns = now_ns();
        uint64_t sum = checksum(bytes, options.bytes);
        uint64_t done_ns = now_ns();
        struct prefix prefix;
        memcpy(&prefix, bytes - sizeof prefix, sizeof prefix);
        if (sum != prefix.expected || prefix.number != number)
            shared->mismatches++;
        if (number >= options.warmup) {
            shared->times_ns[number - options.warmup] = done_ns - prefix.stamp_ns;
            shared->times_ns[options.frames + number - options.warmup] = done_ns - whole_ns;
        }
        if (options.shm)
            word_set(&shared->returned, (uint32_t)(number + 1));
        else if (options.rate <= 0 && number + 1 < options.warmup + options.frames)
            send_all(fd, &done, 1);
    }
}

/* ---- Options and output ---------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The sample of rank floor(q n + 0.5), at least 1. */
static uint64_t quantile(const uint64_t *sorted, uint32_t count, double q)
{
    uint32_t rank = (uint32_t)(q * count + 0.5);
    return sorted[rank > 0 ? rank - 1 : 0];
}

static int usage(const char *wrong)
{
    fprintf(stderr,
            "independent_handoff: %s\n"
            "usage: independent_handoff --transport unix|shm --wait block|futex|spin\n"
            "           [--frame WxHxC] [--pacing pingpong|rate:N] [--frames N]\n"
            "           [--warmup N] [--cpus P,C] [--rotate N]\n",
            wrong);
    return 2;
}

static bool parse_option(const char *name, const char *value)
{
    char rest;
    if (strcmp(name, "--transport") == 0) {
        options.shm = strcmp(value, "shm") == 0;
        return options.shm || strcmp(value, "unix") == 0;
    }
    if (strcmp(name, "--wait") == 0) {
        options.wait_name = value;
        options.wait = strcmp(value, "spin") == 0 ? WAIT_SPIN : WAIT_SLEEP;
        return strcmp(value, "spin") == 0 || strcmp(value, "futex") == 0 ||
               strcmp(value, "block") == 0;
    }
    if (strcmp(name, "--frame") == 0)
        return sscanf(value, "%5ux%5ux%1u%c", &options.width, &options.height, &options.channels,
                      &rest) == 3 &&
               options.width > 0 && options.height > 0 && options.channels > 0;
    if (strcmp(name, "--pacing") == 0)
        return strcmp(value, "pingpong") == 0 ||
               (sscanf(value, "rate:%lf%c", &options.rate, &rest) == 1 && options.rate >= 0.1);
    if (strcmp(name, "--frames") == 0)
        return sscanf(value, "%7u%c", &options.frames, &rest) == 1 && options.frames > 0;
    if (strcmp(name, "--warmup") == 0)
        return sscanf(value, "%7u%c", &options.warmup, &rest) == 1;
    if (strcmp(name, "--rotate") == 0)
        return sscanf(value, "%2u%c", &options.rotate, &rest) == 1 && options.rotate > 0 &&
               options.rotate <= MAX_ROTATE;
    if (strcmp(name, "--cpus") == 0)
        return sscanf(value, "%d,%d%c", &options.cpu_producer, &options.cpu_consumer, &rest) == 2;
    return false;
}

static void print_result(struct shared *shared)
{
    uint64_t *latency = shared->times_ns, *sums = shared->times_ns + options.frames;
    qsort(latency, options.frames, sizeof *latency, compare);
    qsort(sums, options.frames, sizeof *sums, compare);
    printf("{\"transport\": \"%s\", \"wait\": \"%s\", \"frame\": \"%ux%ux%u\", \"pacing\": ",
           options.shm ? "shm" : "unix", options.wait_name, options.width, options.height,
           options.channels);
    if (options.rate > 0)
        printf("\"rate:%g\"", options.rate);
    else
        printf("\"pingpong\"");
    printf(", \"frames\": %u, \"warmup\": %u, \"cpus\": [%d, %d], \"mismatches\": %llu, "
           "\"p50_ns\": %llu, \"p90_ns\": %llu, \"p99_ns\": %llu, \"min_ns\": %llu, "
           "\"max_ns\": %llu, \"checksum_p50_ns\": %llu}\n",
           options.frames, options.warmup, options.cpu_producer, options.cpu_consumer,
           (unsigned long long)shared->mismatches,
           (unsigned long long)quantile(latency, options.frames, 0.5),
           (unsigned long long)quantile(latency, options.frames, 0.9),
           (unsigned long long)quantile(latency, options.frames, 0.99),
           (unsigned long long)latency[0], (unsigned long long)latency[options.frames - 1],
           (unsigned long long)quantile(sums, options.frames, 0.5));
}

int main(int argc, char **argv)
{
    bool named = false;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 >= argc || !parse_option(argv[i], argv[i + 1]))
            return usage(argv[i]);
        named = named || strcmp(argv[i], "--transport") == 0;
    }
    bool fits = strcmp(options.wait_name, "spin") == 0 ||
                strcmp(options.wait_name, options.shm ? "futex" : "block") == 0;
    if (!named || !fits)
        return usage("shm waits by futex or spin, unix by block or spin");
    options.bytes = (size_t)options.width * options.height * options.channels;

    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        die("socketpair");
    struct shared *shared =
        map_memory(sizeof *shared + 2 * options.frames * sizeof(uint64_t), MAP_SHARED);
    uint8_t *slots = options.shm ? map_memory(options.rotate * stride(), MAP_SHARED) : NULL;
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        close(fds[0]);
        consumer(shared, slots, fds[1]);
        _exit(0);
    }
    close(fds[1]);
    producer(shared, slots, fds[0]);
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "independent_handoff: the consumer failed (%d)\n", status);
        return 1;
    }
    print_result(shared);
    return shared->mismatches ? 1 : 0;
}

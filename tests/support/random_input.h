/* random_input.h: random input for tests, repeatable, in memory that punishes overruns.
 *
 * A test program calls random_seed once; the seed is new each run and printed, and the environment
 * variable HANDOFF_TEST_SEED repeats a run. Header-only: tests are programs of one file.
 */
#ifndef HANDOFF_TESTS_RANDOM_INPUT_H
#define HANDOFF_TESTS_RANDOM_INPUT_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64_t random_state;

static inline void random_seed(void)
{
    const char *given = getenv("HANDOFF_TEST_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    random_state = given ? strtoull(given, NULL, 0)
                         : (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 20 ^ (uint64_t)getpid();
    printf("HANDOFF_TEST_SEED=0x%llx repeats this run\n", (unsigned long long)random_state);
}

static inline uint64_t random_u64(void)
{
    uint64_t value = random_state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* 0 to limit - 1. */
static inline uint64_t random_below(uint64_t limit)
{
    return random_u64() % limit;
}

/* 1 to max, small ones as likely as large ones, powers of two no likelier than their neighbours. */
static inline size_t random_size(size_t max)
{
    unsigned bits = 0;
    while (bits < 63 && (size_t)1 << (bits + 1) <= max)
        bits++;
    size_t size = 1 + (size_t)random_below((uint64_t)1 << (1 + random_below(bits + 1)));
    return size > max ? max : size;
}

/* Between 0 and 1, neither of them. */
static inline double random_uniform(void)
{
    return ((double)(random_u64() >> 11) + 0.5) / 9007199254740992.0;
}

static inline double random_normal(void)
{
    return sqrt(-2.0 * log(random_uniform())) *
           cos(2.0 * 3.14159265358979323846 * random_uniform());
}

static inline void random_bytes(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)random_u64();
}

/* `bytes` bytes that end where an unreadable page begins, so that the first byte read or written
 * behind them is a fault. Their start is aligned only as their number lets it be. */
struct guarded {
    uint8_t *bytes;
    void *mapping;
    size_t mapping_bytes;
};

static inline struct guarded guarded_make(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t usable = (bytes + page - 1) / page * page;
    uint8_t *mapping =
        mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED || mprotect(mapping + usable, page, PROT_NONE) != 0) {
        perror("guarded_make");
        abort();
    }
    return (struct guarded){mapping + usable - bytes, mapping, usable + page};
}

static inline void guarded_free(struct guarded *guarded)
{
    munmap(guarded->mapping, guarded->mapping_bytes);
    *guarded = (struct guarded){NULL, NULL, 0};
}

#endif

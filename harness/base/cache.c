/* cache.c: see cache.h. */
#include "harness/base/cache.h"

#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

/* The smallest line there is on the processors we know: a larger one is flushed twice. */
#define CACHE_LINE_BYTES 64

#if defined(__x86_64__)
/* clflush waits for each line before the next: 50 ms for a 4K frame, where clflushopt takes one. */
__attribute__((target("clflushopt"))) static void cache_flush_unordered(const uint8_t *bytes,
                                                                        size_t count)
{
    for (size_t at = 0; at < count; at += CACHE_LINE_BYTES)
        _mm_clflushopt((void *)(uintptr_t)(bytes + at));
    _mm_mfence();
}

static bool cache_has_clflushopt(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_CLFLUSHOPT);
}
#endif

bool cache_can_flush(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

void cache_flush(const void *bytes, size_t count)
{
    const uint8_t *first = bytes;
#if defined(__x86_64__)
    if (cache_has_clflushopt()) {
        cache_flush_unordered(first, count);
        return;
    }
    for (size_t at = 0; at < count; at += CACHE_LINE_BYTES)
        _mm_clflush(first + at);
    _mm_mfence();
#elif defined(__aarch64__)
    for (size_t at = 0; at < count; at += CACHE_LINE_BYTES)
        __asm__ volatile("dc civac, %0" ::"r"(first + at) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
#else
    (void)first;
    (void)count;
#endif
}

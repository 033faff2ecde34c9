/* words.cuh: single words between GPU threads and between GPU and CPU, with their order, and the
 * GPU's clock.
 *
 * Used by the .cu files of this folder. CUDA's C++ atomics would do, but their header is a library
 * of its own; these few instructions exist since compute capability 7.0 and CUDA 9.
 */
#ifndef HANDOFF_KERNELS_WORDS_CUH
#define HANDOFF_KERNELS_WORDS_CUH

#include <stdint.h>

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 700
#error "compute capability 7.0 (Volta) or newer is needed: see HANDOFF_CUDA_ARCHITECTURES"
#endif

static __device__ __forceinline__ uint64_t word64(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

/* Nanoseconds on the device's clock, the same on all multiprocessors; its ticks are of 32 ns on
 * some devices and of 1 us on others. */
static __device__ __forceinline__ uint64_t clock_gpu_ns()
{
    uint64_t now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now)::"memory");
    return now;
}

/* Relaxed loads see the newest value, but order nothing. */
static __device__ __forceinline__ uint32_t load_relaxed_system(const uint32_t *word)
{
    uint32_t value;
    asm volatile("ld.relaxed.sys.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
    return value;
}

static __device__ __forceinline__ uint64_t load_relaxed_device(const uint64_t *word)
{
    uint64_t value;
    asm volatile("ld.relaxed.gpu.u64 %0, [%1];" : "=l"(value) : "l"(word) : "memory");
    return value;
}

static __device__ __forceinline__ uint32_t load_acquire_device(const uint32_t *word)
{
    uint32_t value;
    asm volatile("ld.acquire.gpu.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
    return value;
}

static __device__ __forceinline__ uint32_t load_acquire_system(const uint32_t *word)
{
    uint32_t value;
    asm volatile("ld.acquire.sys.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
    return value;
}

static __device__ __forceinline__ void store_relaxed_device(uint64_t *word, uint64_t value)
{
    asm volatile("st.relaxed.gpu.u64 [%0], %1;" ::"l"(word), "l"(value) : "memory");
}

static __device__ __forceinline__ void store_release_device(uint32_t *word, uint32_t value)
{
    asm volatile("st.release.gpu.u32 [%0], %1;" ::"l"(word), "r"(value) : "memory");
}

static __device__ __forceinline__ void store_release_system(uint32_t *word, uint32_t value)
{
    asm volatile("st.release.sys.u32 [%0], %1;" ::"l"(word), "r"(value) : "memory");
}

/* That a store of 16 bytes is not split is part of PTX since CUDA 12.3, also for whoever looks from
 * outside of the GPU (.sys) since CUDA 12.4; before, its assembler refuses that. */
#if defined(__CUDACC_VER_MAJOR__) /* nvcc's, not clang's */
#define PAIRS_ARE_WHOLE (__CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1204)
#else
#define PAIRS_ARE_WHOLE 0
#endif

/* 16 bytes, 16-byte aligned: whoever sees the uppermost 4 of them sees all. */
static __device__ __forceinline__ void store_pair_system(void *pair, uint64_t low, uint64_t high)
{
#if PAIRS_ARE_WHOLE
    asm volatile("{\n\t"
                 ".reg .b128 both;\n\t"
                 "mov.b128 both, {%1, %2};\n\t"
                 "st.relaxed.sys.b128 [%0], both;\n\t"
                 "}" ::"l"(pair),
                 "l"(low), "l"(high)
                 : "memory");
#else
    *(uint64_t *)pair = low;
    *((uint32_t *)pair + 2) = (uint32_t)high;
    store_release_system((uint32_t *)pair + 3, (uint32_t)(high >> 32));
#endif
}

#endif

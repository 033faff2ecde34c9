/* gpu_clock.h: what a stamp of the GPU's own clock (%globaltimer) means on the cell's clock.
 *
 * Nothing reads both clocks at once, so the two are bracketed: the CPU takes its time, asks by a
 * word, a waiting kernel stamps and answers, and the CPU takes its time again; the stamp was taken
 * somewhere between. Of many such exchanges the one with the shortest bracket is kept. One before a
 * run and one after it give offset and drift, linear in between; nothing is exchanged meanwhile.
 * Called by the roles that use a GPU, outside the hot path.
 */
#ifndef HANDOFF_RUN_GPU_CLOCK_H
#define HANDOFF_RUN_GPU_CLOCK_H

#include <stdint.h>

#include "harness/base/err.h"
#include "harness/gpu/gpu.h"
#include "kernels/launch.h"

/* The same moment on both clocks. */
struct gpu_clock_pair {
    uint64_t gpu_ns;
    uint64_t host_ns;  /* the middle of the bracket, on the cell's clock */
    uint64_t error_ns; /* host_ns is off by at most this: half the bracket, and the GPU's tick */
};

/* The words of the exchange, and the stream it goes over. */
struct gpu_clock {
    struct gpu *gpu;
    struct gpu_stream *stream;
    struct launcher *launcher;
    uint8_t *host;    /* pinned: the words, each on a line of its own */
    uint8_t *device;  /* where kernels find them */
    uint64_t tick_ns; /* what the GPU's stamps are whole numbers of, as seen so far; 0: not yet */
};

/* Allocates the words. Stream and launcher are the caller's and stay so; the caller closes. */
enum status gpu_clock_open(struct gpu_clock *clock, struct gpu *gpu, struct gpu_stream *stream,
                           struct launcher *launcher, struct err *err);
/* Safe on a zeroed clock. */
void gpu_clock_close(struct gpu_clock *clock);

/* Exchanges 200 times, for longer where none was good, for 300 ms at most, and keeps the best;
 * spins. A millisecond where nothing else uses the GPU. The stream must be idle. ST_TIMEOUT where
 * the GPU does not answer within two seconds. */
enum status gpu_clock_exchange(struct gpu_clock *clock, struct gpu_clock_pair *pair,
                               struct err *err);

/* From the GPU's clock to the cell's, between two exchanges. */
struct gpu_clock_map {
    struct gpu_clock_pair begin;
    double rate;       /* nanoseconds of the cell's clock per nanosecond of the GPU's */
    uint64_t error_ns; /* a stamp between the two is off by at most this */
};

/* ST_CORRUPT when the two cannot both be true: the clocks would have run apart by more than
 * GPU_CLOCK_DRIFT_PPM and the errors allow. ST_UNAVAILABLE when the error is more than a trace may
 * have (TRACE_GPU_ERROR_MAX_NS). */
#define GPU_CLOCK_DRIFT_PPM 500
enum status gpu_clock_map_make(const struct gpu_clock_pair *begin, const struct gpu_clock_pair *end,
                               struct gpu_clock_map *map, struct err *err);

/* 0 stays 0: a stamp that was not taken. */
uint64_t gpu_clock_to_host_ns(const struct gpu_clock_map *map, uint64_t gpu_ns);

/* About when the GPU's clock shows a time of the cell's clock, from one exchange: for deadlines. */
static inline uint64_t gpu_clock_to_gpu_ns(const struct gpu_clock_pair *pair, uint64_t host_ns)
{
    return pair->gpu_ns + (host_ns - pair->host_ns);
}

#endif

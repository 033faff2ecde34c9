/* fold.h: from the raw stamps of one launch to histograms and counts.
 *
 * The runner calls fold_traces between launches, when both roles have ended (or died). It joins the
 * two traces by frame id. Other processes wrote them, so nothing in them is trusted.
 */
#ifndef HANDOFF_MEASURE_FOLD_H
#define HANDOFF_MEASURE_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/measure/hdr.h"
#include "harness/measure/intervals.h"
#include "harness/measure/trace.h"

/* How a launch was meant to go. Frame ids run from 0 to warmup + frames - 1. Those below `warmup`
 * are not counted in histograms; id 0 is the first frame, reported apart (and, without a warm-up,
 * counted as well). */
struct fold_config {
    uint32_t warmup;
    uint32_t frames;
    bool partial;  /* the launch did not end in order: fold what there is; missing frames at the end
                   * are not lost, and the producer may have sent fewer */
    bool latest;   /* policy latest: frames may be skipped, and `age` exists */
    bool detector; /* a user's own function works on them: `age` exists with every policy */
    bool rate;     /* with a schedule: `response`, `pacing` and deadlines exist */
    bool pingpong; /* one frame in flight: `round_trip` exists, but with order_event */
    bool commit_moves_bytes; /* TRANSPORT_MOVES_BYTES: `handoff` and backlog do not exist */
    bool fills_in_place;     /* ready = filled: `reserve` (ready to reserved) does not exist */
    bool zero_copy;          /* accessed = acquired: `access` does not exist */
    bool kernel_on_gpu;      /* `kernel`, `access` and `age` are taken from the GPU's stamps, and
                              * `enqueue_to_done` exists */
    /* ready and filled are the GPU's: `handoff`, `transfer`, `fill` and backlog do not exist */
    bool order_event;
    uint64_t deadline_ns; /* with a schedule: a response above it is a miss; usually the period,
                              * of a Poisson schedule the mean one, of a search its bound */
    /* The clock's error: intervals down to -tolerance_ns count as 0 and are noted in `clamped`;
     * anything below fails the launch. Where the GPU's stamps are one end of it, what these may be
     * off (gpu_error_ns of their trace) comes on top. */
    int64_t tolerance_ns;
    /* What the two roles' stamps may be apart beyond that, where they are of two hosts' clocks: on
     * top of it for intervals from one role to the other. */
    uint64_t apart_ns;
};

/* Integrity is counted over every frame, warm-up included: a torn frame is torn. */
struct fold_integrity {
    uint64_t frames;    /* sent */
    uint64_t checked;   /* arrived and looked at */
    uint64_t torn;      /* arrived with wrong bytes, or with a header that is not the cell's */
    uint64_t lost;      /* policy block: sent and never acquired */
    uint64_t repeated;  /* acquired again */
    uint64_t reordered; /* acquired for the first time after a later one */
    uint64_t skipped;   /* policy latest: replaced before they were acquired */
};

/* How the launch went over its time, from when its first counted frame began (was due, with a
 * schedule; was ready, without) until its last one did: at most FOLD_BUCKETS_MAX stretches of equal
 * length, of at least 6 frames on average. Of `response` with a schedule, else of `latency`, over
 * the frames that finished.
 *
 * A hiccup is a run of neighbouring frames that lie above p50 by more than all of p50 itself, ten
 * times the distance from p50 to p90, and a microsecond, all three of this launch: rare and far
 * whether the usual frame takes 300 ns or 5 ms. What one frame in ten has is no hiccup but how the
 * cell is. */
#define FOLD_BUCKETS_MAX 60
#define FOLD_HICCUPS_MAX 8
#define FOLD_HICCUP_SPREADS 10
#define FOLD_HICCUP_LEAST_NS 1000u
struct fold_hiccup {
    uint64_t offset_ns; /* when its largest frame began, from the first counted one */
    uint64_t value_ns;  /* of that frame */
    uint32_t frames;    /* neighbours above the limit */
};
struct fold_timeline {
    enum interval interval;
    uint32_t bucket_count; /* 0: no timeline: too few frames, or the launch broke off */
    uint64_t bucket_ns;
    uint32_t frames[FOLD_BUCKETS_MAX]; /* that began in it and finished */
    uint32_t unfinished[FOLD_BUCKETS_MAX];
    uint64_t p50_ns[FOLD_BUCKETS_MAX]; /* 0 where no frame finished */
    uint64_t max_ns[FOLD_BUCKETS_MAX];
    uint64_t hiccup_above_ns;
    uint64_t hiccup_count;
    uint64_t hiccup_frames;
    struct fold_hiccup hiccups[FOLD_HICCUPS_MAX]; /* the largest, in order of time */
    uint32_t hiccups_kept;
};

struct fold {
    /* Of the counted frames. Intervals that do not exist in this cell stay empty. */
    struct hdr *intervals[INTERVAL_COUNT];
    uint64_t infinite[INTERVAL_COUNT]; /* samples beyond every value: only `response` has them */

    struct fold_integrity integrity;
    uint64_t sent_frames;     /* counted frames that the producer sent */
    uint64_t finished_frames; /* counted frames that were acquired and done */
    uint64_t backlog_frames; /* counted frames not in `handoff`: the consumer was not waiting yet */
    uint64_t clamped;        /* intervals of counted frames that were slightly negative */
    /* with a schedule: counted frames whose response was above the deadline, the infinite ones
     * among them */
    uint64_t deadline_missed;
    uint64_t first_frame_ns; /* latency of frame 0; 0 when it has none */
    uint64_t window_ns;      /* first counted frame's ready to the last counted frame's done */
    /* Finished frames per second. With a schedule: over the time it gave them (first due to last,
     * and one mean gap for the last), or what they took if that is longer, so that a kept rate
     * reads as itself; with random gaps as what the schedule had. Otherwise from the first counted
     * done to the last. 0 with fewer than two. */
    double frames_per_s;
    bool steady; /* stats_steady over the counted latencies */
    struct fold_timeline timeline;

    /* Latencies of the frames in order of their ids, all of them or only the counted; for the
     * pilot. UINT64_MAX where a frame never finished. Counted: from latencies_ns[warmup]. */
    uint64_t *latencies_ns;
    size_t latency_count; /* frames sent */
};

/* An empty fold; NULL when out of memory. The caller frees; safe on NULL. */
struct fold *fold_new(void);
void fold_free(struct fold *fold);

/* Empties `fold`, then folds one launch into it. `producer_bytes` and `consumer_bytes` are the
 * sizes of the mappings. Allocates for the time of the call; must not run while the roles do.
 *
 * ST_CORRUPT when a trace is not one, an id or a stamp cannot be (a negative interval beyond the
 * tolerance names its frame and both stamps), or a launch that is not partial sent fewer frames
 * than planned; what was folded until then is in `fold` but is no measurement. ST_NO_MEMORY. Torn,
 * lost, repeated and reordered frames are counted, no error here: see fold_integrity_verdict. */
enum status fold_traces(const struct fold_config *config, const struct trace *producer,
                        size_t producer_bytes, const struct trace *consumer, size_t consumer_bytes,
                        struct fold *fold, struct err *err);

/* ST_OK when no frame was torn, lost, repeated or reordered; else ST_CORRUPT with the counts: a
 * measurement of a transport that tears frames is a failed measurement. */
enum status fold_integrity_verdict(const struct fold_integrity *integrity, struct err *err);

#endif

/* fold_timeline.c: how one launch went over its time: a median and a maximum for each stretch, and
 * the frames that stand out. See fold.h; called by fold.c.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/measure/fold_parts.h"

#define FRAMES_PER_BUCKET_MIN 6 /* as many as a median needs; see stats.h */

static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* When the frame should have begun, or did; 0 when it is not known. */
static uint64_t frame_start_ns(const struct fold_work *work, uint32_t id)
{
    return work->sent[id].stamps_ns[work->config->rate ? STAMP_DUE : STAMP_READY];
}

/* The value above which a frame is a hiccup; fold.h says why so. */
static uint64_t hiccup_above_ns(const struct hdr *hdr)
{
    const uint64_t p50_ns = (uint64_t)hdr_quantile_ns(hdr, 0.5);
    const uint64_t p90_ns = (uint64_t)hdr_quantile_ns(hdr, 0.9);
    uint64_t beyond_ns = FOLD_HICCUP_SPREADS * (p90_ns - p50_ns);
    if (beyond_ns < p50_ns)
        beyond_ns = p50_ns;
    if (beyond_ns < FOLD_HICCUP_LEAST_NS)
        beyond_ns = FOLD_HICCUP_LEAST_NS;
    return p50_ns + beyond_ns;
}

/* Keeps the largest hiccups, in order of time. */
static void hiccup_keep(struct fold_timeline *timeline, struct fold_hiccup hiccup)
{
    uint32_t least = 0;
    timeline->hiccup_count++;
    if (timeline->hiccups_kept == FOLD_HICCUPS_MAX) {
        for (uint32_t i = 1; i < FOLD_HICCUPS_MAX; i++)
            if (timeline->hiccups[i].value_ns < timeline->hiccups[least].value_ns)
                least = i;
        if (timeline->hiccups[least].value_ns >= hiccup.value_ns)
            return;
        memmove(&timeline->hiccups[least], &timeline->hiccups[least + 1],
                (FOLD_HICCUPS_MAX - 1 - least) * sizeof hiccup);
        timeline->hiccups_kept--;
    }
    timeline->hiccups[timeline->hiccups_kept++] = hiccup;
}

/* Neighbouring frames above the limit are one hiccup: a stall delays all that come during it. */
static void hiccups_find(const struct fold_work *work, const uint64_t *values_ns, uint64_t from_ns,
                         struct fold_timeline *timeline)
{
    struct fold_hiccup open = {0};
    for (uint32_t id = work->config->warmup; id < work->sent_count; id++) {
        const uint64_t value_ns = values_ns[id], start_ns = frame_start_ns(work, id);
        if (value_ns == UINT64_MAX || value_ns <= timeline->hiccup_above_ns) {
            if (open.frames)
                hiccup_keep(timeline, open);
            open.frames = 0;
            continue;
        }
        if (open.frames == 0 || value_ns > open.value_ns) {
            open.value_ns = value_ns;
            open.offset_ns = start_ns > from_ns ? start_ns - from_ns : 0;
        }
        open.frames++;
        timeline->hiccup_frames++;
    }
    if (open.frames)
        hiccup_keep(timeline, open);
}

static void bucket_close(struct fold_timeline *timeline, uint32_t bucket, uint64_t *values_ns,
                         uint32_t count)
{
    timeline->frames[bucket] = count;
    if (count == 0)
        return;
    qsort(values_ns, count, sizeof *values_ns, by_size);
    timeline->p50_ns[bucket] = values_ns[(count - 1) / 2];
    timeline->max_ns[bucket] = values_ns[count - 1];
}

/* The producer's frames come in order of time, so each stretch is a run of them. */
static void buckets_fill(const struct fold_work *work, const uint64_t *values_ns, uint64_t from_ns,
                         uint64_t *scratch, struct fold_timeline *timeline)
{
    uint32_t bucket = 0, count = 0;
    for (uint32_t id = work->config->warmup; id < work->sent_count; id++) {
        const uint64_t start_ns = frame_start_ns(work, id);
        uint64_t at = start_ns > from_ns ? (start_ns - from_ns) / timeline->bucket_ns : 0;
        if (at >= timeline->bucket_count)
            at = timeline->bucket_count - 1;
        if (at > bucket) {
            bucket_close(timeline, bucket, scratch, count);
            bucket = (uint32_t)at;
            count = 0;
        }
        if (values_ns[id] == UINT64_MAX)
            timeline->unfinished[bucket]++;
        else
            scratch[count++] = values_ns[id];
    }
    bucket_close(timeline, bucket, scratch, count);
}

enum status fold_timeline_make(struct fold_work *work, const uint64_t *values_ns, struct err *err)
{
    struct fold_timeline *timeline = &work->fold->timeline;
    const uint32_t warmup = work->config->warmup;
    const enum interval interval = work->config->rate ? INTERVAL_response : INTERVAL_latency;
    const struct hdr *hdr = work->fold->intervals[interval];
    memset(timeline, 0, sizeof *timeline);
    if (work->config->partial || work->sent_count < warmup + 2 * FRAMES_PER_BUCKET_MIN ||
        hdr_count(hdr) == 0)
        return ST_OK;
    const uint32_t frames = work->sent_count - warmup;
    const uint64_t from_ns = frame_start_ns(work, warmup);
    const uint64_t until_ns = frame_start_ns(work, work->sent_count - 1);
    if (from_ns == 0 || until_ns <= from_ns)
        return ST_OK;
    uint64_t *scratch = calloc(frames, sizeof *scratch);
    if (!scratch)
        return err_set(err, ST_NO_MEMORY, NULL, "folding %u frames: out of memory", frames);
    timeline->interval = interval;
    timeline->bucket_count = frames / FRAMES_PER_BUCKET_MIN;
    if (timeline->bucket_count > FOLD_BUCKETS_MAX)
        timeline->bucket_count = FOLD_BUCKETS_MAX;
    /* The last frame begins within the last stretch. */
    timeline->bucket_ns = (until_ns - from_ns) / timeline->bucket_count + 1;
    timeline->hiccup_above_ns = hiccup_above_ns(hdr);
    buckets_fill(work, values_ns, from_ns, scratch, timeline);
    hiccups_find(work, values_ns, from_ns, timeline);
    free(scratch);
    return ST_OK;
}

/* preprocess.c: resize to 224 x 224, normalize, planar float: what a detector does first.
 *
 * Called by the consumer role through kernel.h. Unlike `checksum` it reads a part of the frame and
 * computes more per byte, as real consumers do. preprocess.h defines the result.
 *
 * Each output row first gathers the four neighbours of every column as whole pixels, left and right
 * with one load; all arithmetic then runs along the row, where the compiler makes vectors.
 */
#include "kernels/preprocess.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/pending.h"

/* Where an output coordinate lies between two input pixels. */
struct tap {
    uint32_t first;  /* index of the nearer-to-zero pixel */
    uint32_t second; /* the next one, or the same at the edge */
    float fraction;  /* weight of the second */
};

/* The neighbours of one output row, a pixel per 32-bit word: channel 0 in the low byte, and in the
 * bytes behind the last channel whatever came along. */
struct neighbours {
    uint32_t top_left[PREPROCESS_SIZE];
    uint32_t top_right[PREPROCESS_SIZE];
    uint32_t bottom_left[PREPROCESS_SIZE];
    uint32_t bottom_right[PREPROCESS_SIZE];
};

/* One plane of one output row, from the gathered neighbours. */
typedef void (*row_blend_function)(const struct kernel_state *state, float row_fraction,
                                   unsigned plane, float *restrict output);

struct kernel_state {
    row_blend_function blend; /* the fastest for this processor */
    size_t payload_bytes;
    size_t row_bytes;
    unsigned channels;
    unsigned planes;
    float scale[PREPROCESS_PLANES_MAX]; /* value * scale + offset normalizes */
    float offset[PREPROCESS_PLANES_MAX];
    struct tap rows[PREPROCESS_SIZE];
    uint32_t left_bytes[PREPROCESS_SIZE]; /* of each column's left neighbour within a row */
    float fractions[PREPROCESS_SIZE];
    struct neighbours neighbours;
    struct kernel_pending pending;
    float output[PREPROCESS_PLANES_MAX][PREPROCESS_SIZE][PREPROCESS_SIZE];
};

static struct tap tap_make(unsigned index, int32_t input_size)
{
    double last = input_size - 1;
    double position = (index + 0.5) * input_size / PREPROCESS_SIZE - 0.5;
    if (position < 0)
        position = 0;
    if (position > last)
        position = last;
    uint32_t first = (uint32_t)position;
    return (struct tap){
        .first = first,
        .second = first + 1 < (uint32_t)input_size ? first + 1 : first,
        .fraction = (float)(position - first),
    };
}

static void tables_make(struct kernel_state *state, struct geometry geometry)
{
    for (unsigned i = 0; i < PREPROCESS_SIZE; i++) {
        state->rows[i] = tap_make(i, geometry.height);
        struct tap column = tap_make(i, geometry.width);
        state->left_bytes[i] = column.first * state->channels;
        state->fractions[i] = column.fraction;
    }
    for (unsigned plane = 0; plane < state->planes; plane++) {
        struct preprocess_normal normal =
            state->planes == 1 ? preprocess_normal_grey : preprocess_normal_rgb[plane];
        state->scale[plane] = (float)(1.0 / (255.0 * normal.deviation));
        state->offset[plane] = (float)(-normal.mean / normal.deviation);
    }
}

/* Two pixels in one 64-bit word, of which `readable` bytes may be read. */
static inline uint64_t pair_load(const uint8_t *pixels, size_t readable)
{
    uint64_t pair = 0;
    memcpy(&pair, pixels, readable < sizeof pair ? readable : sizeof pair);
    return le64toh(pair);
}

/* The right neighbour is always the next pixel in memory: at a row's end, where it is not the one
 * wanted, its weight is 0. With `whole`, eight bytes may be read at every pixel of both rows. */
static inline __attribute__((always_inline)) void pairs_gather(struct kernel_state *state,
                                                               const uint8_t *payload, size_t top,
                                                               size_t bottom, bool whole)
{
    struct neighbours *neighbours = &state->neighbours;
    unsigned right_bits = 8 * state->channels;
    for (unsigned x = 0; x < PREPROCESS_SIZE; x++) {
        size_t above = top + state->left_bytes[x];
        size_t below = bottom + state->left_bytes[x];
        uint64_t top_pair = pair_load(payload + above, whole ? 8 : state->payload_bytes - above);
        uint64_t bottom_pair = pair_load(payload + below, whole ? 8 : state->payload_bytes - below);
        neighbours->top_left[x] = (uint32_t)top_pair;
        neighbours->top_right[x] = (uint32_t)(top_pair >> right_bits);
        neighbours->bottom_left[x] = (uint32_t)bottom_pair;
        neighbours->bottom_right[x] = (uint32_t)(bottom_pair >> right_bits);
    }
}

static void row_gather(struct kernel_state *state, const uint8_t *payload, const struct tap *row)
{
    size_t top = row->first * state->row_bytes;
    size_t bottom = row->second * state->row_bytes;
    size_t last = bottom + state->left_bytes[PREPROCESS_SIZE - 1];
    if (last + sizeof(uint64_t) <= state->payload_bytes)
        pairs_gather(state, payload, top, bottom, true);
    else /* close to the payload's end */
        pairs_gather(state, payload, top, bottom, false);
}

static inline float channel_value(uint32_t pixel, unsigned shift)
{
    return (float)(int32_t)(pixel >> shift & 0xff);
}

static inline __attribute__((always_inline)) void row_blend(const struct kernel_state *state,
                                                            float row_fraction, unsigned plane,
                                                            float *restrict output)
{
    const struct neighbours *neighbours = &state->neighbours;
    unsigned shift = 8 * plane;
    float scale = state->scale[plane];
    float offset = state->offset[plane];
    for (unsigned x = 0; x < PREPROCESS_SIZE; x++) {
        float fraction = state->fractions[x];
        float top_left = channel_value(neighbours->top_left[x], shift);
        float top_right = channel_value(neighbours->top_right[x], shift);
        float bottom_left = channel_value(neighbours->bottom_left[x], shift);
        float bottom_right = channel_value(neighbours->bottom_right[x], shift);
        float top = top_left + (top_right - top_left) * fraction;
        float bottom = bottom_left + (bottom_right - bottom_left) * fraction;
        output[x] = (top + (bottom - top) * row_fraction) * scale + offset;
    }
}

static void row_blend_baseline(const struct kernel_state *state, float row_fraction, unsigned plane,
                               float *restrict output)
{
    row_blend(state, row_fraction, plane, output);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void row_blend_avx2(const struct kernel_state *state,
                                                           float row_fraction, unsigned plane,
                                                           float *restrict output)
{
    row_blend(state, row_fraction, plane, output);
}
#endif

static row_blend_function row_blend_choose(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return row_blend_avx2;
#endif
    return row_blend_baseline;
}

static void preprocess_frame(struct kernel_state *state, const uint8_t *payload)
{
    for (unsigned y = 0; y < PREPROCESS_SIZE; y++) {
        row_gather(state, payload, &state->rows[y]);
        for (unsigned plane = 0; plane < state->planes; plane++)
            state->blend(state, state->rows[y].fraction, plane, state->output[plane][y]);
    }
}

const float *preprocess_output(const struct kernel_state *state, unsigned *planes)
{
    *planes = state->planes;
    return &state->output[0][0][0];
}

static enum status preprocess_probe(struct err *err)
{
    return ST_OK;
}

static enum status config_check(const struct kernel_config *config, struct err *err)
{
    struct geometry geometry = config->geometry;
    if (geometry.channels != 1 && geometry.channels != 3 && geometry.channels != 4)
        return err_set(err, ST_INVALID, "use frames of 1, 3 or 4 channels, or another kernel",
                       "kernel preprocess: %d channels are not an image it knows",
                       (int)geometry.channels);
    if (geometry.width < 1 || geometry.height < 1 ||
        geometry_payload_bytes(geometry) > FRAME_PAYLOAD_MAX)
        return err_set(err, ST_INVALID, NULL, "kernel preprocess: no image is %d x %d pixels",
                       (int)geometry.width, (int)geometry.height);
    if (config->payload_bytes != geometry_payload_bytes(geometry))
        return err_set(err, ST_INVALID, "use kernel `none`, or a fill that moves the whole payload",
                       "kernel preprocess: a payload of %zu bytes is not an image of %d x %d x %d",
                       config->payload_bytes, (int)geometry.width, (int)geometry.height,
                       (int)geometry.channels);
    return ST_OK;
}

static enum status preprocess_open(const struct kernel_config *config, struct kernel_state **state,
                                   struct err *err)
{
    enum status status = config_check(config, err);
    if (status != ST_OK)
        return status;
    struct kernel_state *made = malloc(sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "kernel preprocess: no memory for its output");
    memset(made, 0xff, sizeof *made); /* touches every page before the clock starts */
    made->blend = row_blend_choose();
    made->payload_bytes = config->payload_bytes;
    made->channels = (unsigned)config->geometry.channels;
    made->row_bytes = (size_t)config->geometry.width * made->channels;
    made->planes = made->channels == 1 ? 1 : PREPROCESS_PLANES_MAX;
    tables_make(made, config->geometry);
    kernel_pending_init(&made->pending);
    *state = made;
    return ST_OK;
}

static enum status preprocess_enqueue(struct kernel_state *state, const struct frame *frame,
                                      struct gpu_stream *stream)
{
    if (frame->payload_bytes != state->payload_bytes)
        return ST_INVALID;
    if (kernel_pending_full(&state->pending))
        return ST_AGAIN;
    preprocess_frame(state, frame->payload);
    kernel_pending_push(&state->pending, 0);
    return ST_OK;
}

static enum status preprocess_poll_done(struct kernel_state *state, struct kernel_result *result)
{
    return kernel_pending_pop(&state->pending, result);
}

static void preprocess_close(struct kernel_state *state)
{
    free(state);
}

const struct kernel kernel_preprocess = {
    .name = "preprocess",
    .summary = "bilinear resize to 224x224, normalized planar float: the step before inference",
    .flags = KERNEL_READS_PAYLOAD,
    .gpu_kind = LAUNCH_PREPROCESS,
    .probe = preprocess_probe,
    .open = preprocess_open,
    .enqueue = preprocess_enqueue,
    .poll_done = preprocess_poll_done,
    .close = preprocess_close,
};

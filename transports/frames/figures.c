/* figures.c: what both roles of a measurement must have alike, for roles in other languages: source
 * frames, tags, checksums, schedules. See handoff_edge.h.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/base/frame.h"
#include "harness/run/schedule_times.h"
#include "transports/frames/frames.h"
#include "transports/frames/handoff_edge.h"

void handoff_source_fill(uint8_t *pixels, uint64_t pixel_bytes, uint64_t seed, uint32_t index)
{
    frame_source_fill(pixels, (size_t)pixel_bytes, seed, index);
}

uint64_t handoff_frame_tag(int32_t frame_id)
{
    return frame_tag(frame_id);
}

void handoff_frame_tags_write(uint8_t *pixels, uint64_t pixel_bytes, int32_t frame_id)
{
    frame_tags_write(pixels, (size_t)pixel_bytes, frame_id);
}

int handoff_frame_tags_check(const uint8_t *pixels, uint64_t pixel_bytes, int32_t frame_id,
                             uint32_t samples)
{
    return frame_tags_check_sample(pixels, (size_t)pixel_bytes, frame_id, false, samples);
}

uint64_t handoff_frame_checksum_tagged(uint64_t untagged, uint64_t pixel_bytes, int32_t frame_id)
{
    return frame_checksum_expected(untagged, frame_tag_weights_make((size_t)pixel_bytes),
                                   frame_tag(frame_id));
}

uint64_t handoff_frame_checksum(const uint8_t *pixels, uint64_t pixel_bytes)
{
    return frame_checksum_reference(pixels, (size_t)pixel_bytes);
}

/* "rate:30" or "poisson:30". */
static bool figures_pacing(const char *pacing, const char **name, double *rate_hz)
{
    static const char *const names[] = {"rate:", "poisson:"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t length = strlen(names[i]);
        if (strncmp(pacing, names[i], length) != 0)
            continue;
        const char *number = pacing + length;
        char *end;
        /* strtod alone would take "inf", "nan" and hexadecimal. */
        if (!*number || number[strspn(number, "0123456789.eE+-")] != '\0')
            return false;
        *rate_hz = strtod(number, &end);
        *name = names[i];
        return *end == '\0' && *rate_hz >= 0.1 && *rate_hz <= 1e6;
    }
    return false;
}

int handoff_schedule(const char *pacing, const char *phase, uint32_t frames, uint64_t seed,
                     uint64_t *offsets_ns, struct handoff_error *error)
{
    const char *name = "";
    double rate_hz = 0;
    const bool random = strcmp(phase, "random") == 0;
    if (!figures_pacing(pacing, &name, &rate_hz))
        return frames_fail_as(HANDOFF_INVALID, error, "\"rate:30\" and \"poisson:30\" have one",
                              "pacing \"%.40s\" has no schedule", pacing);
    if (!random && strcmp(phase, "fixed") != 0)
        return frames_fail_as(HANDOFF_INVALID, error, "phase is fixed or random",
                              "no phase \"%.40s\"", phase);
    const enum schedule_law law = *name == 'p' ? SCHEDULE_POISSON
                                  : random     ? SCHEDULE_RANDOM
                                               : SCHEDULE_FIXED;
    schedule_times_fill(law, rate_hz, frames, seed, offsets_ns);
    return HANDOFF_OK;
}

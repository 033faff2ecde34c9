/* reader.c: a detector process that reads the frames of writer.cpp, without a copy.
 *   cc reader.c -lhandoff_frames -o reader && ./reader camera0
 */
#include <handoff_frames.h>

#include <stdio.h>
#include <time.h>

static uint64_t seconds_from_now(unsigned seconds)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return ((uint64_t)now.tv_sec + seconds) * 1000000000u + (uint64_t)now.tv_nsec;
}

int main(int argc, char **argv)
{
    struct handoff_error error;
    struct handoff_frame frame;
    handoff_reader *reader = NULL;
    unsigned frames = 0, brightness = 0;
    int status =
        handoff_reader_open(argc > 1 ? argv[1] : "camera0", seconds_from_now(10), &reader, &error);
    while (status == HANDOFF_OK) {
        status = handoff_reader_acquire(reader, seconds_from_now(2), &frame, &error);
        if (status != HANDOFF_OK)
            break;
        brightness = frame.pixels[frame.pixel_bytes / 2]; /* the detector reads it here */
        frames++;
        status = handoff_reader_release(reader, &frame, &error);
    }
    handoff_reader_free(reader);
    printf("%u frames, the last of brightness %u\n", frames, brightness);
    if (status == HANDOFF_PEER_GONE && frames > 0)
        return 0; /* the writer has closed */
    fprintf(stderr, "reader: %s\n        %s\n", error.what, error.hint);
    return 1;
}

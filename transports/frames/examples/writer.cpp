// writer.cpp: a camera process that hands over its frames. Here they are grey and get brighter.
//   c++ -std=c++11 writer.cpp -lhandoff_frames -o writer && ./writer camera0 300
#include <handoff_frames.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "camera0";
    const int frames = argc > 2 ? std::atoi(argv[2]) : 300;

    handoff_error error;
    handoff_writer *writer = nullptr;
    handoff_writer_options options = handoff_writer_options();
    options.size = sizeof options;
    options.width = 1920;
    options.height = 1080;
    options.channels = 3;
    options.policy = HANDOFF_EVERY; // waits for the reader; HANDOFF_LATEST never does
    int status = handoff_writer_create(name, &options, &writer, &error);
    for (int i = 0; i < frames && status == HANDOFF_OK; i++) {
        handoff_frame frame;
        status = handoff_writer_reserve(writer, HANDOFF_FOREVER, &frame, &error);
        if (status != HANDOFF_OK)
            break;
        std::memset(frame.pixels, i % 256, frame.pixel_bytes); // the camera fills it here
        status = handoff_writer_commit(writer, &frame, &error);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (status != HANDOFF_OK)
        std::fprintf(stderr, "writer: %s\n        %s\n", error.what, error.hint);
    handoff_writer_free(writer);
    return status == HANDOFF_OK ? 0 : 1;
}

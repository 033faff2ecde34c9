/* preprocess_tool.c: the kernel `preprocess` for one picture, for tests in other languages.
 *
 *   preprocess_tool WIDTH HEIGHT CHANNELS < payload > planes of native floats
 */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/preprocess.h"

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const struct geometry geometry = {atoi(argv[1]), atoi(argv[2]), atoi(argv[3])};
    const struct kernel_config config = {geometry, geometry_payload_bytes(geometry)};
    const struct kernel *kernel = kernel_find("preprocess");
    uint8_t *payload = malloc(config.payload_bytes);
    struct kernel_state *state = NULL;
    struct kernel_result result;
    struct err err;
    unsigned planes = 0;
    int code = EXIT_FAILURE;
    if (!kernel || !payload ||
        fread(payload, 1, config.payload_bytes, stdin) != config.payload_bytes)
        goto undo_payload;
    if (kernel->open(&config, &state, &err) != ST_OK) {
        fprintf(stderr, "%s\n", err.what);
        goto undo_payload;
    }
    const struct frame frame = {.payload = payload, .payload_bytes = config.payload_bytes};
    if (kernel->enqueue(state, &frame, NULL) == ST_OK &&
        kernel->poll_done(state, &result) == ST_OK) {
        const float *output = preprocess_output(state, &planes);
        const size_t count = (size_t)planes * PREPROCESS_SIZE * PREPROCESS_SIZE;
        code = fwrite(output, sizeof *output, count, stdout) == count ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    kernel->close(state);
undo_payload:
    free(payload);
    return code;
}

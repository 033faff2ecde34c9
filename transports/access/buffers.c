/* buffers.c: see buffers.h. */
#include "transports/access/buffers.h"

#include <stdlib.h>

#include "harness/gpu/gpu.h"

enum status buffers_open(struct buffers *buffers, struct gpu *gpu, enum buffers_kind kind,
                         uint32_t count, size_t size_bytes, struct err *err)
{
    *buffers = (struct buffers){.gpu = gpu, .kind = kind};
    if (size_bytes == 0)
        return ST_OK;
    buffers->each = calloc(count, sizeof *buffers->each);
    if (!buffers->each)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for %u buffers", count);
    enum status status = ST_OK;
    while (status == ST_OK && buffers->count < count) {
        void **buffer = &buffers->each[buffers->count];
        status = kind == BUFFERS_MANAGED ? gpu_managed_alloc(gpu, size_bytes, buffer, err)
                                         : gpu_device_alloc(gpu, size_bytes, buffer, err);
        buffers->count += status == ST_OK;
    }
    return status == ST_OK ? ST_OK : err_context(err, "buffer %u of %u", buffers->count + 1, count);
}

void *buffers_take(struct buffers *buffers)
{
    if (!buffers->each)
        return NULL;
    void *buffer = buffers->each[buffers->next];
    buffers->next = buffers->next + 1 == buffers->count ? 0 : buffers->next + 1;
    return buffer;
}

void buffers_close(struct buffers *buffers)
{
    for (uint32_t i = 0; i < buffers->count; i++) {
        if (buffers->kind == BUFFERS_MANAGED)
            gpu_managed_free(buffers->gpu, buffers->each[i]);
        else
            gpu_device_free(buffers->gpu, buffers->each[i]);
    }
    free(buffers->each);
    *buffers = (struct buffers){.gpu = NULL};
}

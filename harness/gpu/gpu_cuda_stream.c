/* gpu_cuda_stream.c: streams and events. On the hot path: each function is one call. */
#include <stdlib.h>
#include <string.h>

#include "harness/gpu/gpu_cuda.h"

_Static_assert(sizeof(cudaIpcEventHandle_t) == GPU_EVENT_HANDLE_BYTES, "an event's handle");

enum status gpu_stream_open(struct gpu *gpu, struct gpu_stream **stream, struct err *err)
{
    struct gpu_stream *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory to open a stream");
    cudaError_t error = cudaStreamCreateWithFlags(&made->stream, cudaStreamNonBlocking);
    if (error != cudaSuccess) {
        free(made);
        return gpu_cuda_fail(err, error, "cudaStreamCreateWithFlags");
    }
    made->wait_value = gpu->driver.stream_wait_value;
    made->write_value = gpu->driver.stream_write_value;
    made->managed_in_turns = gpu->managed_in_turns;
    *stream = made;
    return ST_OK;
}

void gpu_stream_close(struct gpu_stream *stream)
{
    if (!stream)
        return;
    if (cudaStreamDestroy(stream->stream) != cudaSuccess)
        (void)cudaGetLastError();
    free(stream);
}

void *gpu_stream_native(const struct gpu_stream *stream)
{
    return stream->stream;
}

enum status gpu_stream_copy(struct gpu_stream *stream, void *to, const void *from,
                            size_t size_bytes, struct err *err)
{
    cudaError_t error = cudaMemcpyAsync(to, from, size_bytes, cudaMemcpyDefault, stream->stream);
    return error == cudaSuccess ? ST_OK : gpu_cuda_fail(err, error, "cudaMemcpyAsync");
}

static enum status gpu_stream_attach(struct gpu_stream *stream, void *memory, unsigned flags,
                                     struct err *err)
{
    if (!stream->managed_in_turns)
        return ST_OK;
    cudaError_t error = cudaStreamAttachMemAsync(stream->stream, memory, 0, flags);
    return error == cudaSuccess ? ST_OK : gpu_cuda_fail(err, error, "cudaStreamAttachMemAsync");
}

enum status gpu_stream_managed_to_gpu(struct gpu_stream *stream, void *memory, struct err *err)
{
    return gpu_stream_attach(stream, memory, cudaMemAttachSingle, err);
}

enum status gpu_stream_managed_to_host(struct gpu_stream *stream, void *memory, struct err *err)
{
    return gpu_stream_attach(stream, memory, cudaMemAttachHost, err);
}

enum status gpu_stream_wait_value(struct gpu_stream *stream, void *word, uint32_t value,
                                  struct err *err)
{
    CUresult result = stream->wait_value(stream->stream, (CUdeviceptr)(uintptr_t)word, value,
                                         CU_STREAM_WAIT_VALUE_GEQ);
    return result == CUDA_SUCCESS ? ST_OK
                                  : gpu_cuda_fail_driver(err, result, "cuStreamWaitValue32");
}

enum status gpu_stream_write_value(struct gpu_stream *stream, void *word, uint32_t value,
                                   struct err *err)
{
    CUresult result = stream->write_value(stream->stream, (CUdeviceptr)(uintptr_t)word, value,
                                          CU_STREAM_WRITE_VALUE_DEFAULT);
    return result == CUDA_SUCCESS ? ST_OK
                                  : gpu_cuda_fail_driver(err, result, "cuStreamWriteValue32");
}

enum status gpu_stream_synchronize(struct gpu_stream *stream, struct err *err)
{
    cudaError_t error = cudaStreamSynchronize(stream->stream);
    return error == cudaSuccess ? ST_OK : gpu_cuda_fail(err, error, "cudaStreamSynchronize");
}

enum status gpu_stream_poll(struct gpu_stream *stream, struct err *err)
{
    return gpu_cuda_query(err, cudaStreamQuery(stream->stream), "cudaStreamQuery");
}

/* ---- Events ------------------------------------------------------------------------------------ */

/* Takes over `event`, also when it fails. */
static enum status gpu_event_wrap(cudaEvent_t event, struct gpu_event **made, struct err *err)
{
    struct gpu_event *wrapped = malloc(sizeof *wrapped);
    if (!wrapped) {
        (void)cudaEventDestroy(event);
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory to open an event");
    }
    wrapped->event = event;
    *made = wrapped;
    return ST_OK;
}

/* Never with times: interprocess events cannot have them, and taking them costs. */
enum status gpu_event_open(struct gpu *gpu, unsigned flags, struct gpu_event **event,
                           struct err *err)
{
    unsigned cuda_flags = cudaEventDisableTiming;
    if (flags & GPU_EVENT_BLOCKING)
        cuda_flags |= cudaEventBlockingSync;
    if (flags & GPU_EVENT_INTERPROCESS)
        cuda_flags |= cudaEventInterprocess;
    cudaEvent_t made = NULL;
    cudaError_t error = cudaEventCreateWithFlags(&made, cuda_flags);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaEventCreateWithFlags");
    return gpu_event_wrap(made, event, err);
}

void gpu_event_close(struct gpu_event *event)
{
    if (!event)
        return;
    if (cudaEventDestroy(event->event) != cudaSuccess)
        (void)cudaGetLastError();
    free(event);
}

enum status gpu_event_record(struct gpu_event *event, struct gpu_stream *stream, struct err *err)
{
    cudaError_t error = cudaEventRecord(event->event, stream->stream);
    return error == cudaSuccess ? ST_OK : gpu_cuda_fail(err, error, "cudaEventRecord");
}

enum status gpu_stream_wait_event(struct gpu_stream *stream, struct gpu_event *event,
                                  struct err *err)
{
    cudaError_t error = cudaStreamWaitEvent(stream->stream, event->event, 0);
    return error == cudaSuccess ? ST_OK : gpu_cuda_fail(err, error, "cudaStreamWaitEvent");
}

enum status gpu_event_synchronize(struct gpu_event *event, struct err *err)
{
    cudaError_t error = cudaEventSynchronize(event->event);
    return error == cudaSuccess ? ST_OK : gpu_cuda_fail(err, error, "cudaEventSynchronize");
}

enum status gpu_event_poll(struct gpu_event *event, struct err *err)
{
    return gpu_cuda_query(err, cudaEventQuery(event->event), "cudaEventQuery");
}

enum status gpu_event_export(struct gpu_event *event, uint8_t handle[GPU_EVENT_HANDLE_BYTES],
                             struct err *err)
{
    cudaIpcEventHandle_t exported;
    cudaError_t error = cudaIpcGetEventHandle(&exported, event->event);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaIpcGetEventHandle");
    memcpy(handle, &exported, sizeof exported);
    return ST_OK;
}

enum status gpu_event_import(struct gpu *gpu, const uint8_t handle[GPU_EVENT_HANDLE_BYTES],
                             struct gpu_event **event, struct err *err)
{
    cudaIpcEventHandle_t exported;
    memcpy(&exported, handle, sizeof exported);
    cudaEvent_t opened = NULL;
    cudaError_t error = cudaIpcOpenEventHandle(&opened, exported);
    if (error != cudaSuccess)
        return gpu_cuda_fail(err, error, "cudaIpcOpenEventHandle");
    return gpu_event_wrap(opened, event, err);
}

/* region.c: see region.h. */
#include "transports/access/region.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "harness/gpu/gpu.h"

static uint64_t region_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

enum status access_config_check(const struct access *access, const struct access_config *config,
                                struct err *err)
{
    if (!config->gpu)
        return err_set(err, ST_INVALID, NULL, "access %s was opened without a GPU", access->name);
    if (config->depth == 0)
        return err_set(err, ST_INVALID, NULL, "access %s: a depth of 0 frames", access->name);
    if (config->register_per_frame && !(access->flags & ACCESS_REGISTERS))
        return err_set(err, ST_INVALID, "leave register_per_frame out, or use mapped or copy",
                       "access %s registers no memory, per frame or otherwise", access->name);
    return ST_OK;
}

/* Everything at once, which is timed: it is paid once and belongs to no frame. */
static enum status region_register(struct region *region, struct err *err)
{
    void *device;
    uint64_t begin_ns = region_now_ns();
    enum status status =
        gpu_register(region->gpu, region->memory.bytes, region->memory.size_bytes, &device, err);
    if (status != ST_OK)
        return err_context(err, "the transport's memory (%zu bytes)", region->memory.size_bytes);
    region->registration_ns = region_now_ns() - begin_ns;
    region->device = device;
    return ST_OK;
}

enum status region_open(struct region *region, const struct access_config *config, struct err *err)
{
    *region = (struct region){.gpu = config->gpu,
                              .memory = config->memory,
                              .payload_bytes = config->payload_bytes,
                              .live_max = config->depth};
    if (!config->memory.bytes && config->payload_bytes > 0)
        return err_set(err, ST_INVALID, NULL,
                       "the transport has no memory that could be registered");
    if (!config->memory.bytes)
        return ST_OK;
    if (!config->register_per_frame)
        return region_register(region, err);
    region->live = calloc(config->depth, sizeof *region->live);
    if (!region->live)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory for %u frames in flight",
                       config->depth);
    return ST_OK;
}

enum status region_check(const struct region *region, const struct frame *frame, struct err *err)
{
    if (frame->payload_bytes == 0)
        return ST_OK;
    if (!frame->payload || frame->payload_bytes > region->payload_bytes)
        return err_set(err, ST_INVALID, NULL,
                       "a frame of %zu bytes %s where host frames of up to %zu were to come",
                       frame->payload_bytes,
                       frame->payload ? "came" : "without a host payload came",
                       region->payload_bytes);
    if (!region->memory.bytes)
        return ST_OK;
    uintptr_t begin = (uintptr_t)region->memory.bytes;
    uintptr_t at = (uintptr_t)frame->payload;
    if (at >= begin && at - begin <= region->memory.size_bytes &&
        frame->payload_bytes <= region->memory.size_bytes - (at - begin))
        return ST_OK;
    return err_set(err, ST_INVALID, "a bug of the transport: its `memory` must hold every frame",
                   "a frame lies outside of the memory that its transport names");
}

/* The whole pages under a payload: the exact ones of its slot, where payloads begin on a page. */
static uint8_t *region_page_begin(const struct frame *frame)
{
    return (uint8_t *)((uintptr_t)frame->payload & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1));
}

static size_t region_page_bytes(const struct frame *frame)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t used = (size_t)(frame->payload - region_page_begin(frame)) + frame->payload_bytes;
    return (used + page - 1) / page * page;
}

static enum status region_bring_pages(struct region *region, const struct frame *frame,
                                      uint8_t **device, struct err *err)
{
    uint8_t *begin = region_page_begin(frame);
    void *at;
    if (region->live_count == region->live_max)
        return err_set(err, ST_INVALID, NULL, "more than %u frames in flight", region->live_max);
    enum status status = gpu_register(region->gpu, begin, region_page_bytes(frame), &at, err);
    if (status != ST_OK)
        return err_context(err, "registering one frame (slot %u)", frame->slot);
    region->live[region->live_count++] = begin;
    *device = (uint8_t *)at + (frame->payload - begin);
    return ST_OK;
}

enum status region_bring(struct region *region, const struct frame *frame, uint8_t **device,
                         struct err *err)
{
    enum status status = region_check(region, frame, err);
    if (status != ST_OK)
        return status;
    if (region->live && frame->payload_bytes > 0)
        return region_bring_pages(region, frame, device, err);
    *device = frame->payload_bytes > 0
                  ? region->device + (frame->payload - (uint8_t *)region->memory.bytes)
                  : NULL;
    return ST_OK;
}

enum status region_dismiss(struct region *region, const struct frame *frame, struct err *err)
{
    if (!region->live || frame->payload_bytes == 0)
        return ST_OK;
    void *begin = region_page_begin(frame);
    uint32_t i = 0;
    while (i < region->live_count && region->live[i] != begin)
        i++;
    if (i == region->live_count)
        return err_set(err, ST_INVALID, NULL, "a frame was finished that was not registered");
    gpu_unregister(region->gpu, begin);
    for (region->live_count--; i < region->live_count; i++)
        region->live[i] = region->live[i + 1];
    return ST_OK;
}

void *region_address(const struct region *region, const void *host)
{
    uintptr_t begin = (uintptr_t)region->memory.bytes;
    uintptr_t at = (uintptr_t)host;
    if (!region->device || at < begin || at - begin >= region->memory.size_bytes)
        return NULL;
    return region->device + (at - begin);
}

void region_close(struct region *region)
{
    for (uint32_t i = 0; i < region->live_count; i++)
        gpu_unregister(region->gpu, region->live[i]);
    free(region->live);
    if (region->device)
        gpu_unregister(region->gpu, region->memory.bytes);
    *region = (struct region){.gpu = NULL};
}

/* suite.c: checks, random numbers, frames whose every byte is known, and their checker. */
#include "tests/conformance/suite.h"

#include <dirent.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t suite_seed;
static uint64_t suite_state;

uint64_t suite_random(void)
{
    /* splitmix64 */
    if (!suite_state)
        suite_state = suite_seed;
    uint64_t mixed = (suite_state += 0x9e3779b97f4a7c15u);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

uint32_t suite_random_below(uint32_t bound)
{
    return (uint32_t)((suite_random() >> 32) * bound >> 32);
}

unsigned suite_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder, "/proc/self/fd cannot be read");
    unsigned count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 3; /* ".", ".." and the folder's own */
}

uint64_t suite_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void suite_sleep_ns(uint64_t ns)
{
    nanosleep(&(struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)}, NULL);
}

static struct gpu *suite_the_gpu;
static struct gpu_stream *suite_streams[2];

struct gpu *suite_gpu(const struct transport *transport)
{
    struct err err = {0};
    if (!has_device_memory(transport))
        return NULL;
    if (!suite_the_gpu)
        CHECK_STATUS(gpu_open(GPU_SYNC_SPIN, &suite_the_gpu, &err), ST_OK, err);
    return suite_the_gpu;
}

struct gpu_stream *suite_stream(enum direction direction)
{
    struct err err = {0};
    if (!suite_streams[direction])
        CHECK_STATUS(gpu_stream_open(suite_the_gpu, &suite_streams[direction], &err), ST_OK, err);
    return suite_streams[direction];
}

void suite_gpu_end(void)
{
    for (int i = 0; i < 2; i++) {
        gpu_stream_close(suite_streams[i]);
        suite_streams[i] = NULL;
    }
    gpu_close(suite_the_gpu);
    suite_the_gpu = NULL;
}

int suite_fork(void)
{
    suite_gpu_end();
    fflush(stdout);
    return fork();
}

void (*suite_before_round)(void);

void suite_round(const struct transport *transport,
                 void (*round)(const struct transport *transport, int number), int number)
{
    if (!(transport->flags & TRANSPORT_OWN_THREADS)) {
        round(transport, number);
        return;
    }
    if (suite_before_round)
        suite_before_round();
    pid_t child = suite_fork();
    CHECK(child >= 0, "fork");
    if (child == 0) {
        round(transport, number);
        exit(0);
    }
    int ended;
    CHECK(waitpid(child, &ended, 0) == child && ended == 0, "round %d ended with 0x%x", number,
          ended);
    suite_state = suite_random(); /* the child has used up numbers of its own */
}

void plan_init(struct plan *plan, const struct transport *transport,
               const struct transport_config *config)
{
    *plan = (struct plan){
        .payload_bytes = config->payload_bytes,
        .no_payload = transport->flags & TRANSPORT_NO_PAYLOAD,
        .seed = suite_random(),
        .first_sequence = config->first_sequence,
        .marks = config->order == ORDER_EVENT,
    };
    plan->scratch = malloc(plan->payload_bytes + 1);
    if (has_device_memory(transport)) {
        plan->upload = malloc(plan->payload_bytes + 1);
        plan->download = malloc(plan->payload_bytes + 1);
        CHECK(plan->upload && plan->download, "no memory for the test's own frames");
    }
    for (uint32_t i = 0; i < PLAN_SOURCES; i++) {
        plan->sources[i] = malloc(plan->payload_bytes + 1);
        CHECK(plan->sources[i] && plan->scratch, "no memory for the test's own frames");
        frame_source_fill(plan->sources[i], plan->payload_bytes, plan->seed, i);
    }
}

void plan_free(struct plan *plan)
{
    for (uint32_t i = 0; i < PLAN_SOURCES; i++)
        free(plan->sources[i]);
    free(plan->scratch);
    free(plan->upload);
    free(plan->download);
    memset(plan, 0, sizeof *plan);
}

static void plan_header(const struct plan *plan, uint64_t number, uint8_t *bytes)
{
    struct frame_header header = {
        .timestamp_ns = (int64_t)(plan->seed ^ number * 0x9e3779b97f4a7c15u),
        .width = (int32_t)plan->payload_bytes,
        .height = 1,
        .channels = 1,
        .frame_id = (int32_t)(uint32_t)number,
    };
    frame_header_encode(&header, bytes);
}

static void plan_wait(enum direction direction)
{
    struct err err = {0};
    CHECK_STATUS(gpu_stream_synchronize(suite_stream(direction), &err), ST_OK, err);
}

static void plan_fence(struct gpu_stream *stream, const struct frame *frame)
{
    struct err err = {0};
    if (frame->fence.event)
        CHECK_STATUS(gpu_stream_wait_event(stream, frame->fence.event, &err), ST_OK, err);
}

/* From plan->upload to the frame: whole before commit, or marked for the consumer to wait for. */
static void plan_upload(const struct plan *plan, const struct frame *frame)
{
    struct err err = {0};
    struct gpu_stream *stream = suite_stream(DIRECTION_WRITE);
    plan_fence(stream, frame);
    if (plan->payload_bytes)
        CHECK_STATUS(
            gpu_stream_copy(stream, frame->device_payload, plan->upload, plan->payload_bytes, &err),
            ST_OK, err);
    if (plan->marks)
        CHECK_STATUS(gpu_event_record(frame->mark.event, stream, &err), ST_OK, err);
    else
        plan_wait(DIRECTION_WRITE);
}

void plan_fill(const struct plan *plan, const struct frame *frame, uint64_t number)
{
    plan_header(plan, number, frame->header);
    uint8_t *payload = plan->upload ? plan->upload : frame->payload;
    if (plan->upload) /* the last frame may still be on its way */
        plan_wait(DIRECTION_WRITE);
    if (plan->payload_bytes) {
        memcpy(payload, plan->sources[number % PLAN_SOURCES], plan->payload_bytes);
        frame_tags_write(payload, plan->payload_bytes, (int32_t)(uint32_t)number);
    }
    if (plan->upload)
        plan_upload(plan, frame);
}

/* The payload where the CPU can read it. */
static const uint8_t *plan_payload(const struct plan *plan, const struct frame *frame)
{
    struct err err = {0};
    if (!plan->download)
        return frame->payload;
    struct gpu_stream *stream = suite_stream(DIRECTION_READ);
    plan_fence(stream, frame);
    if (plan->payload_bytes)
        CHECK_STATUS(gpu_stream_copy(stream, plan->download, frame->device_payload,
                                     plan->payload_bytes, &err),
                     ST_OK, err);
    plan_wait(DIRECTION_READ);
    return plan->download;
}

void plan_frame_done(const struct plan *plan, const struct frame *frame)
{
    struct err err = {0};
    if (plan->marks)
        CHECK_STATUS(gpu_event_record(frame->mark.event, suite_stream(DIRECTION_READ), &err), ST_OK,
                     err);
}

/* The 64-bit number of a frame from the id in its header: the one nearest the plan's beginning. */
static uint64_t plan_number(const struct plan *plan, const struct frame *frame)
{
    uint32_t id = (uint32_t)frame_header_id(frame->header);
    return plan->first_sequence + (id - (uint32_t)plan->first_sequence);
}

bool plan_frame_whole(struct plan *plan, const struct frame *frame)
{
    uint64_t number = plan_number(plan, frame);
    if (plan->no_payload)
        return frame->payload_bytes == 0;
    uint8_t header[FRAME_HEADER_BYTES];
    plan_header(plan, number, header);
    if (memcmp(header, frame->header, sizeof header) != 0)
        return false;
    if (frame->payload_bytes != plan->payload_bytes)
        return false;
    if (!plan->payload_bytes)
        return frame->payload == NULL && frame->device_payload == NULL;
    const uint8_t *payload = plan_payload(plan, frame);
    /* The tags first: they are over in no time, so that a frame still being written is caught. */
    if (!frame_tags_check(payload, plan->payload_bytes, (int32_t)(uint32_t)number, false))
        return false;
    memcpy(plan->scratch, plan->sources[number % PLAN_SOURCES], plan->payload_bytes);
    frame_tags_write(plan->scratch, plan->payload_bytes, (int32_t)(uint32_t)number);
    return memcmp(plan->scratch, payload, plan->payload_bytes) == 0;
}

void checker_frame(struct checker *checker, struct plan *plan, const struct frame *frame)
{
    checker->received++;
    if (!plan_frame_whole(plan, frame)) {
        checker->torn++;
        return;
    }
    uint64_t number = plan_number(plan, frame) - plan->first_sequence;
    CHECK(number < PLAN_FRAMES_MAX, "frame %llu was never sent", (unsigned long long)number);
    if (checker->seen[number])
        checker->repeated++;
    else if (number < checker->next)
        checker->reordered++;
    checker->seen[number] = 1;
    if (number >= checker->next)
        checker->next = number + 1;
}

void checker_held(struct checker *checker, struct plan *plan, const struct frame *frame)
{
    if (!plan_frame_whole(plan, frame))
        checker->torn++;
}

void checker_end(struct checker *checker, uint64_t sent)
{
    CHECK(sent <= PLAN_FRAMES_MAX, "the test sends too many frames");
    for (uint64_t i = 0; i < sent; i++)
        checker->lost += !checker->seen[i];
}

uint64_t checker_faults(const struct checker *checker)
{
    return checker->torn + checker->lost + checker->repeated + checker->reordered;
}

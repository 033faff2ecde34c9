/* bench_gpu_latency.c: how long the GPU takes from a launch, or from a word in host memory, to the
 * host's knowledge of the end.
 *
 *   build/tests/support/bench_gpu_latency
 *
 * A plain program for whoever changes a kernel; exits with 77 where there is no GPU.
 */
#include "tests/support/bench_gpu.h"

enum { LAUNCHES = 2001 };
static double latencies_ns[LAUNCHES];

static void latency_print(const char *name)
{
    double middle = median(latencies_ns, LAUNCHES);
    printf("  %-40s %9.2f us p50, %9.2f us p90\n", name, middle / 1e3,
           latencies_ns[LAUNCHES * 9 / 10] / 1e3);
}

static void launches_bench(const struct place *place, enum launch_kind kind)
{
    char name[80];
    for (int flag = 0; flag < 2; flag++) {
        for (uint32_t i = 0; i < LAUNCHES; i++) {
            __atomic_store_n(&words->reports[0].done, 0, __ATOMIC_RELAXED);
            uint64_t begin_ns = clock_now_ns();
            kernel_enqueue(place, kind, i % place->frames, 0);
            if (flag)
                while (__atomic_load_n(&words->reports[0].done, __ATOMIC_ACQUIRE) == 0) {
                }
            else
                must(gpu_stream_synchronize(stream, &err));
            latencies_ns[i] = (double)(clock_now_ns() - begin_ns);
            must(gpu_stream_synchronize(stream, &err));
        }
        snprintf(name, sizeof name, "%s: launch to %s", kind_names[kind],
                 flag ? "its report" : "synchronized");
        latency_print(name);
    }
}

static void word_await(const uint32_t *word, uint32_t value)
{
    uint64_t stuck_ns = clock_now_ns() + UINT64_C(10000000000);
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
        if (clock_now_ns() > stuck_ns) {
            fputs("the GPU does not answer\n", stderr);
            exit(1);
        }
}

static void exchanges_bench(void)
{
    words->gate = words->marks[0].answer = 0;
    must(launcher_enqueue_clock(launcher, stream, &device_words->gate,
                                &device_words->marks[0].answer, &device_words->marks[0].now_ns,
                                LAUNCHES, &err));
    for (uint32_t i = 0; i < LAUNCHES; i++) {
        uint64_t begin_ns = clock_now_ns();
        __atomic_store_n(&words->gate, i + 1, __ATOMIC_RELEASE);
        word_await(&words->marks[0].answer, i + 1);
        latencies_ns[i] = (double)(clock_now_ns() - begin_ns);
    }
    must(gpu_stream_synchronize(stream, &err));
    latency_print("flag there and back");
}

static void resident_bench(const struct place *place, enum launch_kind kind)
{
    char name[80];
    words->payload = place->device;
    words->stop = words->ended = words->bell = words->reports[0].done = 0;
    const struct launch_resident resident = {
        .work = {.kind = kind,
                 .payload_bytes = place->bytes,
                 .geometry = place->geometry,
                 .output = output},
        .payloads = &device_words->payload,
        .slots = 1,
        .frames = LAUNCHES,
        .bell = &device_words->bell,
        .reports = device_words->reports,
        .stop = &device_words->stop,
        .ended = &device_words->ended,
        .deadline_gpu_ns = UINT64_MAX,
    };
    must(launcher_enqueue_resident(launcher, stream, &resident, &err));
    for (uint32_t i = 0; i < LAUNCHES; i++) {
        uint64_t begin_ns = clock_now_ns();
        __atomic_store_n(&words->bell, 2 * (i + 1), __ATOMIC_RELEASE);
        word_await(&words->reports[0].done, i + 1);
        latencies_ns[i] = (double)(clock_now_ns() - begin_ns);
    }
    must(gpu_stream_synchronize(stream, &err));
    snprintf(name, sizeof name, "%s: resident, bell to report", kind_names[kind]);
    latency_print(name);
}

int main(void)
{
    bench_open();
    struct place place = place_make((struct geometry){1920, 1080, 3}, (size_t)300 << 20);
    void *device;
    must(gpu_device_alloc(gpu, place.frames * place.stride, &device, &err));
    place.device = device;
    printf("\nLatency; frames of 1920 x 1080 x 3 in device memory, %d times\n", LAUNCHES);
    for (int i = 0; i < LAUNCH_KINDS; i++)
        launches_bench(&place, (enum launch_kind)i);
    for (int round = 0; round < 2; round++) {
        exchanges_bench();
        resident_bench(&place, LAUNCH_NOTHING);
    }
    resident_bench(&place, LAUNCH_CHECKSUM);
    resident_bench(&place, LAUNCH_INVERT);
    gpu_device_free(gpu, device);
    bench_close();
    return 0;
}

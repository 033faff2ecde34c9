/* bench_frames.c: what libhandoff_frames costs a frame on top of the transport's own verbs.
 *
 *   build/tests/support/bench_frames [WAIT [BATCHES]]      futex, 301
 *
 * Three ways to hand over the same frame of 64 bytes: the verbs of transport shm with
 * run/wait_loop.c, as the C roles call them; the same through handoff_edge.h; and a segment with a
 * name through handoff_frames.h, which also reads the clock and writes and checks the header. In
 * batches, in turn, in an order that rotates. First both sides in one thread, so that nobody ever
 * waits and only the calls are counted; then two processes with one slot, a frame there and the
 * slot back. Prints the median of the batches' means and the tenth and ninth deciles. A plain
 * program, not a test.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/run/wait_loop.h"
#include "transports/frames/frames.h"
#include "transports/frames/handoff_edge.h"

enum { WAYS = 3, BATCH = 2000, BATCHES_MAX = 5001, PIXEL_BYTES = 64 };
static const char *const way_names[WAYS] = {"transport shm", "handoff_edge.h", "handoff_frames.h"};

extern const struct transport transport_shm;

/* One way's two sides; in two processes each fills in its own. */
struct way {
    struct endpoint *endpoints[2];
    struct wait_pair pair;
    struct wait_loop loops[2];
    handoff_edge *edges[2];
    handoff_writer *writer;
    handoff_reader *reader;
};

static void must(int status, const char *what, const char *why)
{
    if (status == 0)
        return;
    fprintf(stderr, "bench_frames: %s: %s\n", what, why);
    exit(1);
}

static inline void write_frame(struct way *way, int which)
{
    struct err err = {0};
    struct handoff_error error = {0};
    if (which == 0) {
        struct frame frame = {0};
        must((int)wait_loop_reserve(&way->loops[0], &frame, &err), "reserve", err.what);
        must((int)wait_loop_commit(&way->loops[0], &frame, &err), "commit", err.what);
        wait_loop_notify(&way->loops[0]);
    } else if (which == 1) {
        struct handoff_edge_frame frame;
        must(handoff_edge_reserve(way->edges[0], HANDOFF_FOREVER, &frame, &error), "reserve",
             error.what);
        must(handoff_edge_commit(way->edges[0], HANDOFF_FOREVER, &error), "commit", error.what);
        handoff_edge_notify(way->edges[0]);
    } else {
        struct handoff_frame frame;
        must(handoff_writer_reserve(way->writer, HANDOFF_FOREVER, &frame, &error), "reserve",
             error.what);
        must(handoff_writer_commit(way->writer, &frame, &error), "commit", error.what);
    }
}

static inline void read_frame(struct way *way, int which)
{
    struct err err = {0};
    struct handoff_error error = {0};
    if (which == 0) {
        struct frame frame = {0};
        struct wait_loop_stamps stamps;
        must((int)wait_loop_acquire(&way->loops[1], &frame, &stamps, &err), "acquire", err.what);
        must((int)wait_loop_release(&way->loops[1], &frame, &err), "release", err.what);
        wait_loop_notify(&way->loops[1]);
    } else if (which == 1) {
        struct handoff_edge_frame frame;
        uint64_t stamps_ns[2];
        must(handoff_edge_acquire(way->edges[1], HANDOFF_FOREVER, &frame, stamps_ns, &error),
             "acquire", error.what);
        must(handoff_edge_release(way->edges[1], HANDOFF_FOREVER, &error), "release", error.what);
        handoff_edge_notify(way->edges[1]);
    } else {
        struct handoff_frame frame;
        must(handoff_reader_acquire(way->reader, HANDOFF_FOREVER, &frame, &error), "acquire",
             error.what);
        must(handoff_reader_release(way->reader, &frame, &error), "release", error.what);
    }
}

/* The last frame has been given back. */
static inline void await_release(struct way *way, int which)
{
    struct err err = {0};
    struct frame frame = {0};
    struct handoff_edge_frame edge_frame;
    struct handoff_frame named_frame;
    if (which == 0)
        must((int)wait_loop_reserve(&way->loops[0], &frame, &err), "reserve", err.what);
    else if (which == 1)
        must(handoff_edge_reserve(way->edges[0], HANDOFF_FOREVER, &edge_frame, NULL), "reserve",
             "");
    else
        must(handoff_writer_reserve(way->writer, HANDOFF_FOREVER, &named_frame, NULL), "reserve",
             "");
}

/* ---- Making ---------------------------------------------------------------------------------- */

struct made {
    struct way way;
    struct transport_address address;
    struct handoff_edge_config edge_config;
    struct handoff_edge_address edge_address;
    struct transport_config config;
    char name[64];
};

static void make_writers(struct made *made, const char *wait, uint32_t slots)
{
    struct err err = {0};
    struct handoff_error error = {0};
    memset(made, 0, sizeof *made);
    made->config = (struct transport_config){
        .payload_bytes = PIXEL_BYTES, .slots = slots, .max_held = 1, .policy = POLICY_BLOCK};
    must((int)transport_shm.create(&made->config, &made->way.endpoints[0], &made->address, &err),
         "create", err.what);
    struct wait_choice choice = {.fd = -1};
    must((int)frames_wait_find(wait, false, &choice, &err), "wait", err.what);
    made->way.pair.directions[0] = made->way.pair.directions[1] = choice;
    must((int)wait_pair_create(&made->way.pair, &transport_shm, made->way.endpoints[0], &err),
         "wait", err.what);
    must((int)wait_loop_open(&made->way.loops[0], &transport_shm, made->way.endpoints[0],
                             &made->way.pair, DIRECTION_WRITE, &err),
         "wait", err.what);
    made->edge_config = (struct handoff_edge_config){.payload_bytes = PIXEL_BYTES,
                                                     .slots = slots,
                                                     .max_held = 1,
                                                     .transport = "shm",
                                                     .wait = wait,
                                                     .producer_wait = wait};
    must(handoff_edge_create(&made->edge_config, &made->way.edges[0], &made->edge_address, &error),
         "edge", error.what);
    const struct handoff_writer_options options = {.size = sizeof options,
                                                   .width = PIXEL_BYTES,
                                                   .height = 1,
                                                   .channels = 1,
                                                   .slots = slots,
                                                   .wait = wait};
    snprintf(made->name, sizeof made->name, "bench-%d-%u", (int)getpid(), slots);
    must(handoff_writer_create(made->name, &options, &made->way.writer, &error), "writer",
         error.what);
}

static void make_readers(struct made *made)
{
    struct err err = {0};
    struct handoff_error error = {0};
    for (int i = 0; i < HANDOFF_EDGE_FDS; i++)
        if (made->edge_address.fds[i] >= 0)
            made->edge_address.fds[i] = dup(made->edge_address.fds[i]);
    must((int)transport_shm.attach(&made->config, &made->address, &made->way.endpoints[1], &err),
         "attach", err.what);
    must((int)wait_loop_open(&made->way.loops[1], &transport_shm, made->way.endpoints[1],
                             &made->way.pair, DIRECTION_READ, &err),
         "wait", err.what);
    must(handoff_edge_attach(&made->edge_config, &made->edge_address, &made->way.edges[1], &error),
         "edge", error.what);
    must(handoff_reader_open(made->name, HANDOFF_FOREVER, &made->way.reader, &error), "reader",
         error.what);
}

/* ---- Measuring ------------------------------------------------------------------------------- */

static double means_ns[WAYS][BATCHES_MAX];

static int compare(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static void print_figures(const char *title, int batches)
{
    printf("%s\n", title);
    for (int which = 0; which < WAYS; which++) {
        double *sorted = means_ns[which];
        qsort(sorted, (size_t)batches, sizeof *sorted, compare);
        printf("  %-18s %8.1f ns a frame  (%.1f to %.1f)", way_names[which], sorted[batches / 2],
               sorted[batches / 10], sorted[batches - 1 - batches / 10]);
        if (which > 0)
            printf("  %+.1f", sorted[batches / 2] - means_ns[0][batches / 2]);
        printf("\n");
    }
}

static void *reader_start(void *data)
{
    make_readers(data);
    return NULL;
}

static void one_thread(const char *wait, int batches)
{
    static struct made made;
    pthread_t thread;
    struct handoff_frame frame;
    make_writers(&made, wait, 4);
    pthread_create(&thread, NULL, reader_start, &made);
    while (handoff_writer_reserve(made.way.writer, clock_now_ns() + 100000000, &frame, NULL) != 0)
        continue;
    pthread_join(thread, NULL);
    for (int batch = 0; batch < batches; batch++) {
        for (int i = 0; i < WAYS; i++) {
            const int which = (batch + i) % WAYS;
            const uint64_t begin_ns = clock_now_ns();
            for (int j = 0; j < BATCH; j++) {
                write_frame(&made.way, which);
                read_frame(&made.way, which);
            }
            means_ns[which][batch] = (double)(clock_now_ns() - begin_ns) / BATCH;
        }
    }
    print_figures("both sides in one thread, nobody waits:", batches);
    handoff_reader_free(made.way.reader);
    handoff_writer_free(made.way.writer);
}

static void two_processes(const char *wait, int batches)
{
    static struct made made;
    struct handoff_frame frame;
    make_writers(&made, wait, 1);
    /* The child opens by itself: what the parent has opened is not a child's. */
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        make_readers(&made);
        for (int batch = 0; batch < batches; batch++)
            for (int i = 0; i < WAYS; i++)
                for (int j = 0; j < BATCH; j++)
                    read_frame(&made.way, (batch + i) % WAYS);
        _exit(0);
    }
    while (handoff_writer_reserve(made.way.writer, clock_now_ns() + 100000000, &frame, NULL) != 0)
        continue;
    for (int batch = 0; batch < batches; batch++) {
        for (int i = 0; i < WAYS; i++) {
            const int which = (batch + i) % WAYS;
            const uint64_t begin_ns = clock_now_ns();
            for (int j = 0; j < BATCH; j++)
                write_frame(&made.way, which);
            if (batch < batches - 1 || i < WAYS - 1)
                await_release(&made.way, which);
            means_ns[which][batch] = (double)(clock_now_ns() - begin_ns) / BATCH;
        }
    }
    waitpid(pid, NULL, 0);
    print_figures("two processes, one slot, a frame there and the slot back:", batches);
    handoff_writer_free(made.way.writer);
}

int main(int argc, char **argv)
{
    const char *wait = argc > 1 ? argv[1] : "futex";
    const int batches = argc > 2 ? atoi(argv[2]) : 301;
    if (batches < 10 || batches > BATCHES_MAX) {
        fprintf(stderr, "bench_frames: 10 to %d batches\n", BATCHES_MAX);
        return 2;
    }
    printf("wait %s, %d batches of %d frames each way, in turn\n", wait, batches, BATCH);
    one_thread(wait, batches);
    two_processes(wait, batches);
    return 0;
}

/* test_scenario_gpu.c: which choices of the GPU's axes make sense together, whatever transports,
 * accesses and waits this build has: the rules look at what those say of themselves, and here false
 * ones say it. Every refusal has its reason and a hint; each rule is met from both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/scenario/applicable.h"
#include "harness/scenario/matrix.h"
#include "harness/scenario/scenario.h"
#include "tests/support/random_input.h"

/* ---- What the false ones say ----------------------------------------------------------------- */

static void no_slot(struct endpoint *endpoint, uint32_t slot, struct frame *frame)
{
    (void)endpoint, (void)slot, (void)frame;
}

static void no_memory(struct endpoint *endpoint, struct transport_memory *memory)
{
    (void)endpoint, (void)memory;
}

static enum status no_enqueue(struct access_state *state, const struct frame *in, struct frame *out,
                              struct gpu_stream *stream, unsigned *copies, struct err *err)
{
    (void)state, (void)in, (void)out, (void)stream, (void)copies, (void)err;
    return ST_OK;
}

static const struct transport ring = {.name = "ring",
                                      .policies = POLICY_BLOCK | POLICY_LATEST,
                                      .sources = SOURCE_WORD,
                                      .flags = TRANSPORT_HOST_MEMORY,
                                      .slots_min = 1,
                                      .slots_max = 1024,
                                      .memory = no_memory,
                                      .slot = no_slot};
/* A ring whose slots have no fixed place. */
static const struct transport heap = {.name = "heap",
                                      .policies = POLICY_BLOCK,
                                      .sources = SOURCE_WORD,
                                      .flags = TRANSPORT_HOST_MEMORY,
                                      .slots_min = 1,
                                      .slots_max = 1024,
                                      .memory = no_memory};
static const struct transport device = {.name = "device_ring",
                                        .policies = POLICY_BLOCK | POLICY_LATEST,
                                        .sources = SOURCE_WORD,
                                        .flags = TRANSPORT_DEVICE_MEMORY,
                                        .slots_min = 1,
                                        .slots_max = 1024,
                                        .memory = no_memory,
                                        .slot = no_slot};
static const struct transport wire = {.name = "wire",
                                      .policies = POLICY_BLOCK,
                                      .sources = SOURCE_FD,
                                      .flags = TRANSPORT_HOST_MEMORY | TRANSPORT_SENDS_SOURCE |
                                               TRANSPORT_MOVES_BYTES,
                                      .slots_min = 1,
                                      .slots_max = 1024,
                                      .memory = no_memory};
/* One that says nothing of its memory: a library lends what came. */
static const struct transport closed = {.name = "closed",
                                        .policies = POLICY_BLOCK,
                                        .sources = SOURCE_WORD,
                                        .slots_min = 1,
                                        .slots_max = 1024};
/* The same, of a library that moves bytes. */
static const struct transport library = {.name = "library",
                                         .policies = POLICY_BLOCK,
                                         .sources = SOURCE_WORD,
                                         .flags = TRANSPORT_MOVES_BYTES,
                                         .slots_min = 1,
                                         .slots_max = 1024};

static const struct access host = {.name = "host", .flags = ACCESS_IN_PLACE};
static const struct access direct = {
    .name = "direct", .needs_gpu = true, .flags = ACCESS_AHEAD | ACCESS_IN_PLACE};
static const struct access mapped = {.name = "mapped",
                                     .needs_gpu = true,
                                     .flags = ACCESS_REGISTERS | ACCESS_AHEAD | ACCESS_IN_PLACE};
static const struct access copy = {.name = "copy",
                                   .needs_gpu = true,
                                   .flags = ACCESS_REGISTERS | ACCESS_AHEAD,
                                   .enqueue = no_enqueue};
static const struct access pageable = {
    .name = "pageable", .needs_gpu = true, .enqueue = no_enqueue};
static const struct access in_device = {
    .name = "device", .needs_gpu = true, .flags = ACCESS_DEVICE | ACCESS_AHEAD | ACCESS_IN_PLACE};

static const struct wait_strategy gpu_stream = {
    .name = "gpu_stream", .sources = SOURCE_WORD, .on_gpu = true};
static const struct wait_strategy gpu_kernel = {
    .name = "gpu_kernel", .sources = SOURCE_WORD, .on_gpu = true};

/* A cell on the CPU, as scenarios had them before there was a GPU. */
static struct cell cell_on(const struct transport *transport, const struct access *access)
{
    return (struct cell){.transport = transport,
                         .access = access,
                         .wait = transport->sources == SOURCE_FD ? wait_find("block")
                                                                 : wait_find("spin"),
                         .kernel = kernel_find("checksum"),
                         .fill = transport == &device ? FILL_GPU : FILL_COPY,
                         .geometry = {64, 48, 3},
                         .pacing = PACING_RATE,
                         .rate_hz = 30,
                         .slots = 4,
                         .policy = POLICY_BLOCK,
                         .depth = 1,
                         .launches = 1};
}

static struct cell waiting_on_gpu(const struct transport *transport, const struct access *access,
                                  const struct wait_strategy *wait)
{
    struct cell cell = cell_on(transport, access);
    cell.wait = wait;
    cell.sync = GPU_SYNC_FLAG;
    return cell;
}

#define expect_runs(cell) expect((cell), NULL, NULL, __LINE__)
#define expect_refused(cell, reason, hint) expect((cell), (reason), (hint), __LINE__)

static void expect(struct cell cell, const char *reason, const char *hint, int line)
{
    applicable_judge(&cell);
    if (!reason && cell.runnable != ST_OK)
        fail_msg("line %d: refused: %s", line, cell.reason);
    if (!reason)
        return;
    if (cell.runnable != ST_NOT_APPLICABLE || !strstr(cell.reason, reason))
        fail_msg("line %d: expected \"%s\" in: %s", line, reason, cell.reason);
    if (!strstr(cell.hint, hint))
        fail_msg("line %d: expected \"%s\" in the hint: %s", line, hint, cell.hint);
    assert_true(strlen(cell.reason) + 1 < sizeof cell.reason); /* none is cut */
}

/* ---- The rules ------------------------------------------------------------------------------- */

static void access_fits_the_memory(void **state)
{
    (void)state;
    expect_runs(cell_on(&ring, &host));
    expect_runs(cell_on(&closed, &host));
    expect_runs(cell_on(&ring, &mapped));
    expect_runs(cell_on(&wire, &mapped));
    expect_runs(cell_on(&wire, &pageable));
    expect_runs(cell_on(&device, &in_device));
    expect_refused(cell_on(&device, &host), "which access host does not reach",
                   "use access device");
    expect_refused(cell_on(&device, &mapped), "which access mapped does not reach",
                   "use access device");
    expect_refused(cell_on(&ring, &in_device), "transport ring has none there", "mapped or copy");
    expect_refused(cell_on(&closed, &mapped), "transport closed lends frames wherever",
                   "access pageable or managed");
    expect_runs(cell_on(&closed, &pageable));
    expect_runs(cell_on(&ring, &direct));
    expect_runs(cell_on(&wire, &direct));
    expect_runs(cell_on(&closed, &direct)); /* whole pages */
    expect_runs(cell_on(&library, &host));
    expect_runs(cell_on(&library, &pageable));
    expect_refused(cell_on(&library, &direct), "transport library lends frames at any address",
                   "access pageable or managed");
}

static void fills_fit_the_memory(void **state)
{
    (void)state;
    struct cell cell = cell_on(&ring, &host);
    cell.fill = FILL_GPU; /* the CPU reads what the GPU wrote: fine, and interesting */
    expect_runs(cell);
    cell.access = &mapped;
    expect_runs(cell);
    cell.transport = &wire;
    cell.wait = wait_find("block");
    expect_refused(cell, "transport wire moves bytes from one side to the other", "fill copy");
    cell = cell_on(&closed, &host);
    cell.fill = FILL_GPU;
    expect_refused(cell, "no memory that a GPU could write to", "fill copy");

    cell = cell_on(&device, &in_device);
    cell.fill = FILL_COPY; /* an upload */
    expect_runs(cell);
    cell.fill = FILL_IN_PLACE;
    expect_refused(cell, "where a kernel has to", "use fill gpu");
    cell = cell_on(&ring, &mapped);
    cell.fill = FILL_IN_PLACE;
    expect_runs(cell);

    static const struct access *const accesses[] = {&mapped, &copy, &pageable};
    for (size_t i = 0; i < 3; i++) {
        cell = cell_on(&ring, accesses[i]);
        cell.kernel = kernel_find("none");
        expect_runs(cell); /* a payload, and no work on it */
        cell.fill = FILL_HEADER;
        expect_refused(cell, "fill header has none", "access host");
    }
    cell = cell_on(&device, &in_device);
    cell.frame_state = FRAME_STATE_CACHED;
    expect_refused(cell, "is about the source frame, and fill gpu has none", "fill copy");
}

static void events_order_what_the_gpu_does(void **state)
{
    (void)state;
    struct cell cell = cell_on(&device, &in_device);
    cell.order = ORDER_EVENT;
    expect_runs(cell);
    cell.fill = FILL_COPY;
    expect_refused(cell, "fill copy is done by the CPU", "use fill gpu");
    cell.fill = FILL_GPU;
    cell.policy = POLICY_LATEST;
    expect_refused(cell, "policy latest may take it away", "policy block");
    cell = cell_on(&ring, &mapped);
    cell.fill = FILL_GPU;
    cell.order = ORDER_EVENT;
    expect_refused(cell, "transport ring has none", "order host");
    cell = waiting_on_gpu(&device, &in_device, &gpu_stream);
    cell.order = ORDER_EVENT;
    expect_refused(cell, "as it was last recorded when the wait is enqueued", "order host");
}

static void depth_fits_slots_and_pacing(void **state)
{
    (void)state;
    struct cell cell = cell_on(&ring, &mapped);
    cell.depth = 4;
    expect_runs(cell);
    cell.depth = 5;
    expect_refused(cell, "more frames than 4 slots", "smaller depth");
    cell.depth = 2;
    cell.pacing = PACING_PINGPONG;
    expect_refused(cell, "pacing pingpong has one", "use depth 1");
    cell.pacing = PACING_MAX;
    expect_runs(cell);
    cell.access = &host;
    expect_refused(cell, "has the kernel on the CPU", "use depth 1");
    cell.access = &mapped;
    cell.policy = POLICY_LATEST;
    expect_runs(cell); /* 4 slots: 2 held, the newest, the next */
    cell.depth = 3;
    expect_refused(cell, "beside the 3 frames held", "two slots more");
    cell.slots = 5;
    expect_runs(cell);
}

static void waits_of_the_gpu_need_what_they_need(void **state)
{
    (void)state;
    expect_runs(waiting_on_gpu(&ring, &mapped, &gpu_stream));
    expect_runs(waiting_on_gpu(&ring, &mapped, &gpu_kernel));
    expect_runs(waiting_on_gpu(&ring, &copy, &gpu_stream));
    expect_runs(waiting_on_gpu(&device, &in_device, &gpu_stream));
    expect_runs(waiting_on_gpu(&device, &in_device, &gpu_kernel));
    expect_refused(waiting_on_gpu(&ring, &host, &gpu_stream), "access host has it on the CPU",
                   "wait spin");
    expect_refused(waiting_on_gpu(&wire, &mapped, &gpu_stream), "waited for on a descriptor",
                   "waits that go with wire");
    expect_refused(waiting_on_gpu(&heap, &mapped, &gpu_stream), "does not know where it will lie",
                   "transport shm");
    expect_refused(waiting_on_gpu(&ring, &copy, &gpu_kernel), "access copy copies them",
                   "wait gpu_stream");
    expect_refused(waiting_on_gpu(&ring, &pageable, &gpu_stream),
                   "access pageable needs the CPU when it is", "mapped, copy");
    struct cell cell = waiting_on_gpu(&ring, &mapped, &gpu_stream);
    cell.policy = POLICY_LATEST;
    expect_refused(cell, "policy latest may skip some", "policy block");
    for (int sync = GPU_SYNC_SPIN; sync < GPU_SYNC_FLAG; sync++) {
        cell = waiting_on_gpu(&ring, &mapped, &gpu_kernel);
        cell.sync = (enum gpu_sync)sync;
        expect_refused(cell, gpu_sync_name(cell.sync), "use sync flag");
    }
    cell = waiting_on_gpu(&ring, &mapped, &gpu_stream);
    cell.register_per_frame = true;
    expect_refused(cell, "cannot register its memory in between", "register_per_frame off");
    cell = cell_on(&ring, &mapped);
    cell.producer_wait = &gpu_kernel;
    expect_refused(cell, "waits for a free slot has none", "producer_wait same");
    cell = waiting_on_gpu(&ring, &mapped, &gpu_kernel);
    cell.producer_wait = wait_find("futex");
    expect_runs(cell);
}

static void the_rest_is_about_something_on_the_gpu(void **state)
{
    (void)state;
    for (int sync = GPU_SYNC_YIELD; sync <= GPU_SYNC_FLAG; sync++) {
        struct cell cell = cell_on(&ring, &host);
        cell.sync = (enum gpu_sync)sync;
        expect_refused(cell, "neither role has any", "sync spin");
        cell.fill = FILL_GPU;
        expect_runs(cell);
        cell = cell_on(&ring, &copy);
        cell.sync = (enum gpu_sync)sync;
        expect_runs(cell);
    }
    struct cell cell = cell_on(&ring, &pageable);
    cell.register_per_frame = true;
    expect_refused(cell, "access pageable does not", "mapped or copy");
    cell.access = &copy;
    expect_runs(cell);
    cell = cell_on(&device, &in_device);
    cell.register_per_frame = true;
    expect_refused(cell, "access device does not", "mapped or copy");

    cell = cell_on(&ring, &mapped);
    cell.gpu_sharing = GPU_SHARING_MPS;
    expect_refused(cell, "here one does", "time_sliced");
    cell.access = &host;
    expect_refused(cell, "here neither does", "time_sliced");
    cell.access = &mapped;
    cell.fill = FILL_GPU;
    expect_runs(cell);
    cell = cell_on(&device, &in_device);
    cell.gpu_sharing = GPU_SHARING_MPS;
    cell.fill = FILL_COPY; /* the upload is the producer's GPU work */
    expect_runs(cell);

    for (int pages = SHM_PAGES_THP; pages <= SHM_PAGES_HUGETLB; pages++) {
        cell = cell_on(&ring, &host);
        cell.pages = (enum shm_pages)pages;
        expect_runs(cell);
        cell = cell_on(&wire, &mapped);
        cell.pages = (enum shm_pages)pages;
        expect_runs(cell);
        cell = cell_on(&device, &in_device);
        cell.pages = (enum shm_pages)pages;
        expect_refused(cell, "transport device_ring has none", "pages normal");
    }
}

/* ---- In scenarios ---------------------------------------------------------------------------- */

static void ids_of_gpu_axes(void **state)
{
    (void)state;
    static const char text[] =
        "{\"blocks\": [{\"name\": \"a\", \"base\": {\"transport\": \"shm\", \"wait\": \"spin\", "
        "\"fill\": \"gpu\", \"sync\": \"flag\", \"order\": \"event\", \"depth\": 8, "
        "\"register_per_frame\": \"on\", \"gpu_sharing\": \"mps\", \"pages\": \"thp\"}}, "
        "{\"name\": \"b\", \"base\": {\"transport\": \"shm\", \"wait\": \"spin\", \"sync\": "
        "\"spin\", \"order\": \"host\", \"depth\": 1, \"register_per_frame\": \"off\", "
        "\"gpu_sharing\": \"time_sliced\", \"pages\": \"normal\"}}]}";
    struct scenario *scenario = NULL;
    struct err err = {.what = ""};
    if (scenario_parse("test.json", text, strlen(text), &scenario, &err) != ST_OK)
        fail_msg("%s", err.what);
    const struct cell *cell = &scenario->cells[0];
    assert_string_equal(cell->id, "shm+spin/fill=gpu/sync=flag/order=event/depth=8"
                                  "/register_per_frame=on/gpu_sharing=mps/pages=thp");
    assert_int_equal(cell->fill, FILL_GPU);
    assert_int_equal(cell->sync, GPU_SYNC_FLAG);
    assert_int_equal(cell->order, ORDER_EVENT);
    assert_int_equal(cell->depth, 8);
    assert_true(cell->register_per_frame);
    assert_int_equal(cell->gpu_sharing, GPU_SHARING_MPS);
    assert_int_equal(cell->pages, SHM_PAGES_THP);
    assert_string_equal(scenario->cells[1].id, "shm+spin"); /* as before there were these axes */
    scenario_free(scenario);
}

/* What a cell's schedule alone costs has nothing of the GPU in it. */
static void a_baseline_has_no_gpu(void **state)
{
    (void)state;
    static const char text[] =
        "{\"blocks\": [{\"name\": \"a\", \"cpu_baseline\": true, \"base\": {\"transport\": "
        "\"shm\", \"wait\": \"spin\"}, \"axes\": {\"pages\": [\"thp\", \"normal\"]}}]}";
    struct scenario *scenario = NULL;
    struct err err = {.what = ""};
    if (scenario_parse("test.json", text, strlen(text), &scenario, &err) != ST_OK)
        fail_msg("%s", err.what);
    assert_int_equal(scenario->cell_count, 3); /* one baseline serves both */
    const struct cell *baseline = &scenario->cells[2];
    assert_true(baseline->is_baseline);
    assert_int_equal(baseline->runnable, ST_OK);
    assert_int_equal(baseline->pages, SHM_PAGES_NORMAL);
    assert_null(strstr(baseline->id, "pages"));
    assert_false(cell_uses_gpu(baseline));
    scenario_free(scenario);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_fits_the_memory),
        cmocka_unit_test(fills_fit_the_memory),
        cmocka_unit_test(events_order_what_the_gpu_does),
        cmocka_unit_test(depth_fits_slots_and_pacing),
        cmocka_unit_test(waits_of_the_gpu_need_what_they_need),
        cmocka_unit_test(the_rest_is_about_something_on_the_gpu),
        cmocka_unit_test(ids_of_gpu_axes),
        cmocka_unit_test(a_baseline_has_no_gpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

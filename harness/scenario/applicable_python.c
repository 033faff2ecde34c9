/* applicable_python.c: which choices go with Python roles, and which need them; see applicable.h.
 *
 * Each rule says what does not fit, and in its hint what would.
 */
#include <stdio.h>
#include <string.h>

#include "harness/scenario/applicable.h"

static const char *const python_transports[] = {"shm", "unix", "zmq_ipc", "zmq_tcp", NULL};
static const char *const python_waits[] = {"spin",  "poll",   "futex", "eventfd",
                                           "block", "native", NULL};

/* Of a consumer whose arrays lie on the GPU. */
static const char *const python_gpu_accesses[] = {"mapped", "copy", "pageable", "device", NULL};
static const char *const python_gpu_kernels[] = {"none", "checksum", "preprocess", NULL};

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static bool producer_is_python(const struct cell *cell)
{
    return cell->producer_language == LANGUAGE_PYTHON;
}

static bool consumer_is_python(const struct cell *cell)
{
    return cell->consumer_language == LANGUAGE_PYTHON;
}

/* What is said of a frame in Python where no Python role takes one. */
static bool habits_refuse(struct cell *cell)
{
    if (!consumer_is_python(cell) && cell->read != READ_VIEW) {
        applicable_deny(cell, "use peer c/python or python/python, or read view",
                        "read %s is a habit of Python consumers, and this consumer is in C",
                        read_habit_name(cell->read));
    } else if (!consumer_is_python(cell) && cell->array != ARRAY_NUMPY) {
        applicable_deny(cell, "use peer c/python or python/python, or array numpy",
                        "array %s is what a Python consumer makes of a frame, and this consumer is "
                        "in C",
                        array_kind_name(cell->array));
    } else if (!cell_has_python(cell) && cell->gc_off) {
        applicable_deny(cell, "use another peer than c/c, or gc on",
                        "gc off is about Python's garbage collector, and both roles are in C");
    } else if (!consumer_is_python(cell) && strcmp(cell->kernel->name, "detector") == 0) {
        applicable_deny(cell, "use peer c/python or python/python, or another kernel",
                        "kernel detector is a Python function, and this consumer is in C");
    } else {
        return false;
    }
    return true;
}

/* Of a transport of device memory Python has the consumer's side alone. */
static bool has_python_side(const struct cell *cell)
{
    if (cell->transport->flags & TRANSPORT_DEVICE_MEMORY)
        return !producer_is_python(cell);
    return is_one_of(cell->transport->name, python_transports);
}

static bool edge_refuses(struct cell *cell)
{
    uint32_t unused_us;
    const struct wait_strategy *producer_wait = cell_producer_wait(cell, &unused_us);
    const struct wait_strategy *wait =
        is_one_of(cell->wait->name, python_waits) ? producer_wait : cell->wait;
    if (!has_python_side(cell) && (cell->transport->flags & TRANSPORT_DEVICE_MEMORY)) {
        applicable_deny(cell, "use peer c/python or c/c",
                        "transport %s has its memory from the producer's GPU work, and a Python "
                        "producer has none",
                        cell->transport->name);
    } else if (!has_python_side(cell)) {
        applicable_deny(cell, "use transport shm, unix, zmq_ipc or zmq_tcp, or peer c/c",
                        "transport %s has no Python side", cell->transport->name);
    } else if (!is_one_of(wait->name, python_waits)) {
        applicable_deny(cell,
                        "use wait spin, poll, futex, eventfd or block, as the transport has them",
                        "wait %s is not one that Python roles have", wait->name);
    } else if (cell->pages != SHM_PAGES_NORMAL && strcmp(cell->transport->name, "shm") != 0) {
        applicable_deny(cell, "use pages normal, or transport shm",
                        "pages %s are of a transport's frames, and Python's side of transport %s "
                        "receives into memory of its own",
                        shm_pages_name(cell->pages), cell->transport->name);
    } else {
        return false;
    }
    return true;
}

static bool producer_refuses(struct cell *cell)
{
    if (!producer_is_python(cell))
        return false;
    if (cell->fill == FILL_GPU) {
        applicable_deny(cell, "use peer c/python, or another fill",
                        "fill gpu is done by a kernel of the producer, and a Python producer has "
                        "none");
    } else if (cell->frame_state != FRAME_STATE_AS_LEFT) {
        applicable_deny(cell, "use peer c/python, or frame_state as_left",
                        "frame_state %s needs instructions about caches, which Python does not "
                        "have",
                        frame_state_name(cell->frame_state));
    } else {
        return false;
    }
    return true;
}

/* What of the GPU's axes a consumer with arrays there does not have. */
static bool gpu_consumer_refuses(struct cell *cell)
{
    const char *array = array_kind_name(cell->array);
    if (!is_one_of(cell->access->name, python_gpu_accesses)) {
        applicable_deny(cell, "use access mapped, copy or pageable; device in device memory",
                        "access %s is not one that Python consumers have", cell->access->name);
    } else if (!(cell->transport->flags & TRANSPORT_DEVICE_MEMORY) &&
               strcmp(cell->transport->name, "shm") != 0) {
        applicable_deny(cell, "use transport shm, or array numpy",
                        "array %s is made once of each slot in shared memory, and transport %s has "
                        "none in Python",
                        array, cell->transport->name);
    } else if (!is_one_of(cell->kernel->name, python_gpu_kernels)) {
        applicable_deny(cell, "use kernel none, checksum or preprocess, or array numpy",
                        "kernel %s is not there for array %s", cell->kernel->name, array);
    } else if (cell->sync == GPU_SYNC_FLAG) {
        applicable_deny(cell, "use sync spin, yield, block or event",
                        "sync flag needs a kernel that writes a word when it is done, and those of "
                        "array %s do not",
                        array);
    } else if (cell->depth > 1) {
        applicable_deny(cell, "use depth 1, or peer c/c",
                        "a Python consumer has one frame at a "
                        "time on the GPU, not %u",
                        (unsigned)cell->depth);
    } else if (cell->register_per_frame) {
        applicable_deny(
            cell, "use register_per_frame off, or peer c/c",
            "a Python consumer makes its arrays once, and register_per_frame would make "
            "them anew for each frame");
    } else {
        return false;
    }
    return true;
}

static bool consumer_refuses(struct cell *cell)
{
    if (!consumer_is_python(cell))
        return false;
    if (cell->read != READ_VIEW && cell->fill == FILL_HEADER) {
        applicable_deny(cell, "use read view, or a fill that makes a payload",
                        "read %s is about a frame's pixels, and fill header has none",
                        read_habit_name(cell->read));
    } else if (cell->read != READ_VIEW && (cell->kernel->flags & KERNEL_WRITES_PAYLOAD)) {
        applicable_deny(cell, "use read view, or another kernel",
                        "kernel %s changes the frame where it lies, and read %s works on a copy",
                        cell->kernel->name, read_habit_name(cell->read));
    } else if (cell->read != READ_VIEW && cell->array != ARRAY_NUMPY) {
        applicable_deny(cell, "use read view, or array numpy",
                        "read %s copies into the host's memory, and array %s lies on the GPU",
                        read_habit_name(cell->read), array_kind_name(cell->array));
    } else if (cell->array != ARRAY_NUMPY && !cell->access->needs_gpu) {
        applicable_deny(cell, "use array numpy, or an access that brings frames under the GPU",
                        "array %s lies where the GPU reads it, and access %s leaves frames to the "
                        "CPU",
                        array_kind_name(cell->array), cell->access->name);
    } else if (cell->array == ARRAY_NUMPY && cell->access->needs_gpu) {
        applicable_deny(cell, "use array cupy or torch, or access host",
                        "access %s brings frames under the GPU, where array numpy does not reach",
                        cell->access->name);
    } else if (cell->order != ORDER_HOST) {
        applicable_deny(cell, "use order host, or peer c/c",
                        "order %s marks the consumer's GPU work by events of the C library, and a "
                        "Python consumer's is done by another",
                        order_name(cell->order));
    } else {
        return cell->array != ARRAY_NUMPY && gpu_consumer_refuses(cell);
    }
    return true;
}

bool applicable_python_refuses(struct cell *cell)
{
    if (habits_refuse(cell))
        return true;
    return cell_has_python(cell) &&
           (edge_refuses(cell) || producer_refuses(cell) || consumer_refuses(cell));
}

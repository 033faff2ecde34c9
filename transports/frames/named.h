/* named.h: a segment that has a name: its file, its layout, its locks, and what both sides of it
 * have alike. Used by writer.c and reader.c; file.c, layout.c and side.c are behind it. session.h
 * has the protocol by which a reader comes and goes.
 *
 * The file /dev/shm/handoff.NAME: a page that describes it (struct named_layout, written once,
 * believed by nobody), a page of words (struct named_control), and the slots as transport shm lays
 * them out.
 *
 * Ownership is a lock of the kernel (open file description locks, fcntl(2)): the writer has byte 0,
 * the reader byte 1, each through a descriptor that is used for nothing else: a mapping would keep
 * its description alive, and with it the lock, in a child that was forked. A lock ends when its
 * process does, whatever happens, and before its parent can reap it; a process id may be anyone's
 * by then.
 */
#ifndef HANDOFF_FRAMES_NAMED_H
#define HANDOFF_FRAMES_NAMED_H

#include <sys/stat.h>

#include "transports/exchange.h"
#include "transports/frames/frames.h"

/* How long a side waits before it looks whether the other one lives. */
#define NAMED_SLICE_NS UINT64_C(100000000)
#define NAMED_PATH_BYTES (sizeof "/dev/shm/handoff." + HANDOFF_NAME_MAX)
#define NAMED_WAIT_BYTES 32

enum named_lock { NAMED_LOCK_WRITER, NAMED_LOCK_READER };

/* ---- layout.c -------------------------------------------------------------------------------- */

/* The first page. No padding: its checksum is over bytes. */
struct named_layout {
    uint64_t magic;
    uint32_t version;
    uint32_t layout_bytes; /* sizeof this */
    uint64_t total_bytes;
    uint64_t slot_bytes;
    uint64_t pixel_bytes;
    int32_t width;
    int32_t height;
    int32_t channels;
    uint32_t slots;
    int32_t policy;      /* enum handoff_policy */
    uint32_t writer_pid; /* for messages only */
    char wait[NAMED_WAIT_BYTES];
    uint64_t checksum; /* of all before it */
};
_Static_assert(sizeof(struct named_layout) == 104, "no padding");

/* Alone on their lines; `request`, `grant` and `entered` are those of session.h. */
struct named_control {
    struct doorbell request;
    struct doorbell grant;
    struct doorbell entered;
    _Alignas(SHARED_LINE_BYTES) _Atomic uint64_t first_sequence;
    struct ring_control ring;
};
#define NAMED_CONTROL_OFFSET TRANSPORT_PAGE_BYTES
#define NAMED_SLOTS_OFFSET (2 * TRANSPORT_PAGE_BYTES)
_Static_assert(sizeof(struct named_control) <= TRANSPORT_PAGE_BYTES, "a page of words");

/* The layout that the options ask for; ST_INVALID for what no segment can be. */
enum status named_layout_make(const struct handoff_writer_options *options,
                              struct named_layout *layout, struct err *err);
/* The checksum that belongs to a layout. */
uint64_t named_layout_checksum(const struct named_layout *layout);
/* ST_OK when `layout` is one that named_layout_make made, for a file of exactly file_bytes. */
enum status named_layout_check(const struct named_layout *layout, uint64_t file_bytes,
                               struct err *err);
/* What the layout's slots are to an exchange. */
struct transport_config named_layout_config(const struct named_layout *layout);

/* ---- file.c ---------------------------------------------------------------------------------- */

/* HANDOFF_INVALID for a name that cannot be one. */
int named_path(const char *name, char path[NAMED_PATH_BYTES], struct handoff_error *error);

/* Opens the file of a name and looks at whose it is: HANDOFF_ABSENT, HANDOFF_DENIED. It may be
 * anything otherwise. *stat is the file's. The caller closes. */
int named_file_open(const char *path, int *fd, struct stat *stat, struct handoff_error *error);
/* Makes a file without a name, of the layout's size, with memory behind it; maps it and describes
 * it. *fd is its descriptor. */
int named_file_make(const struct named_layout *layout, int *fd, void **bytes,
                    struct handoff_error *error);
/* Another description of the same file. */
int named_file_reopen(int fd, int *other, struct handoff_error *error);
/* Gives a file made its name, whole at once; a name whose owner is dead is taken, one whose owner
 * lives is HANDOFF_BUSY. */
int named_file_link(int fd, const char *path, struct handoff_error *error);
/* HANDOFF_OK when the name is free now; a file without an owner is removed, only `only` where that
 * is not NULL. HANDOFF_BUSY, HANDOFF_DENIED. */
int named_file_clear(const char *path, const struct stat *only, struct handoff_error *error);
/* Takes away the name of a file whose writer's lock this process has through fd. */
void named_file_unlink(int fd, const char *path);

/* Takes the lock: 0, or -1 with errno EAGAIN where somebody has it. */
int named_lock_take(int fd, enum named_lock lock);
/* Whether another description of the file has it. One system call. */
bool named_lock_held(int fd, enum named_lock lock);

/* ---- side.c ---------------------------------------------------------------------------------- */

struct endpoint {
    struct exchange exchange;
    struct ring_control *ring;
};

/* What writer and reader have alike. */
struct named_side {
    struct endpoint endpoint;
    struct named_layout layout; /* checked, and this process's own */
    struct named_control *control;
    uint8_t *slots;
    void *bytes; /* the mapping, of layout.total_bytes; NULL before */
    struct wait_pair waits;
    struct wait_loop loop;
    uint64_t look_at_ns; /* when to look whether the other side lives; 0: this side does not wait */
    int lock_fd;         /* -1 when closed */
    bool forked;         /* this is a child of the process that made it */
    char name[HANDOFF_NAME_MAX + 1];
    char path[NAMED_PATH_BYTES];
    struct named_side *next, *previous; /* all of this process, for the child of a fork */
};

extern const struct transport transport_named;

/* Between the two no other thread forks: a child would have a descriptor that nobody in it
 * knows. */
void named_fork_hold(void);
void named_fork_let(void);
/* Between them: fd, opened since, is the side's lock_fd from here on, and closed in a child that is
 * forked. Before a lock is taken, which would be the child's as well. */
void named_side_keep(struct named_side *side, int fd);
/* Opens the waits of a side whose memory is mapped. */
int named_side_open(struct named_side *side, enum direction waits, struct handoff_error *error);
/* Says that this side is done, wakes the other, lets go of the lock; the memory stays. Safe when
 * done already, and in a child. */
void named_side_close(struct named_side *side);
/* Gives back the memory, too. Safe on a side of which only part was made. */
void named_side_free(struct named_side *side);
/* HANDOFF_INVALID: closed, or in a child. */
int named_side_unusable(const struct named_side *side, struct handoff_error *error);
/* A failure of a verb, with the segment's name before it. */
int named_side_fail(const struct named_side *side, enum status status, struct err *err,
                    struct handoff_error *error);

static inline bool named_side_usable(const struct named_side *side)
{
    return side->lock_fd >= 0;
}

static inline uint8_t *named_side_slot(const struct named_side *side, uint32_t slot)
{
    return side->slots + slot * side->layout.slot_bytes;
}

/* Until when to wait for the other side before looking after it. */
static inline uint64_t named_side_slice(struct named_side *side, uint64_t now_ns,
                                        uint64_t deadline_ns)
{
    if (side->look_at_ns == 0)
        side->look_at_ns = now_ns + NAMED_SLICE_NS;
    return deadline_ns < side->look_at_ns ? deadline_ns : side->look_at_ns;
}
/* After a wait that brought nothing: has the other side gone? Looks at its lock when that is
 * due. */
static inline bool named_side_peer_dead(struct named_side *side, uint64_t now_ns,
                                        enum named_lock lock)
{
    if (now_ns < side->look_at_ns)
        return false;
    side->look_at_ns = now_ns + NAMED_SLICE_NS;
    return !named_lock_held(side->lock_fd, lock);
}

static inline void named_side_lend(const struct named_side *side, uint32_t slot, uint64_t sequence,
                                   int64_t timestamp_ns, struct handoff_frame *frame)
{
    uint8_t *header = named_side_slot(side, slot);
    *frame = (struct handoff_frame){
        .header = header,
        .pixels = header + FRAME_PAYLOAD_OFFSET,
        .pixel_bytes = side->layout.pixel_bytes,
        .timestamp_ns = timestamp_ns,
        .width = side->layout.width,
        .height = side->layout.height,
        .channels = side->layout.channels,
        .id = (int32_t)(sequence & 0x7fffffff),
        .slot = slot,
        .sequence = sequence,
    };
}

#endif

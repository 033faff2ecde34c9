/* handoff_frames.h: hand video frames from one process to another through shared memory.
 *
 * For your own programs, in C, C++ or, through the package `handoff`, Python: one process writes
 * frames under a name, one process reads them, without a copy in between. The code is that of the
 * transport `shm` and of the wait strategies which handoff measures.
 *
 *   writer:  handoff_writer_create    reserve, fill the pixels, commit    …close
 *   reader:  handoff_reader_open      acquire, read the pixels, release   …close
 *
 * A segment is the file /dev/shm/handoff.NAME, of mode 0600, that one writer owns and one reader
 * may have open. The kernel holds a lock for each of them for as long as it lives, so that a dead
 * owner is told from a living one whatever its process id. Every slot begins with a header whose
 * first 24 bytes are, little-endian, what Python calls "<qiiii": timestamp in ns, width, height,
 * channels, frame id. The pixels begin at the next page.
 *
 * Functions return HANDOFF_OK or the reason; with a `struct handoff_error`, also what happened and
 * what to do about it, in words. No function prints, exits or installs a signal handler. An
 * endpoint is for one thread at a time, and for the process that made it: after fork() the child
 * has nothing of it, and every call there is HANDOFF_INVALID.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC, deadlines too: "5 ms from now" is the clock's value
 * plus 5,000,000. A deadline of 0 does not wait; HANDOFF_FOREVER waits until there is news or the
 * other side is gone. A side that waits, or a writer that commits with HANDOFF_EVERY, notices the
 * death of the other within 200 ms.
 */
#ifndef HANDOFF_FRAMES_H
#define HANDOFF_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HANDOFF_API __attribute__((visibility("default")))
#else
#define HANDOFF_API
#endif

/* Changes only when a function or struct below changes in a way that breaks a program built before;
 * equals the shared library's major version. */
#define HANDOFF_ABI 1
HANDOFF_API uint32_t handoff_abi(void);

#define HANDOFF_FOREVER UINT64_MAX
#define HANDOFF_NAME_MAX 100

enum handoff_status {
    HANDOFF_OK = 0,
    HANDOFF_TIMEOUT = 1,     /* nothing came before the deadline */
    HANDOFF_PEER_GONE = 2,   /* the other side closed or died; a reader is told which by
                              * system_errno: 0 when the writer closed, EOWNERDEAD when it died */
    HANDOFF_INVALID = 3,     /* an argument, or a call out of order */
    HANDOFF_UNAVAILABLE = 4, /* this machine cannot do it (now) */
    HANDOFF_SYSTEM = 5,      /* a system call failed: system_errno */
    HANDOFF_NO_MEMORY = 6,
    HANDOFF_CORRUPT = 7, /* the segment is not what it must be: layout, size, a torn word */
    HANDOFF_BUSY = 8,    /* a living process has this name, or already reads it */
    HANDOFF_DENIED = 9,  /* the segment is another user's, or open to others */
    HANDOFF_ABSENT = 10  /* there is no segment of this name (yet) */
};

/* Written on failure; NUL-terminated UTF-8, cut where it does not fit. Every function takes
 * NULL. */
struct handoff_error {
    int32_t status;
    int32_t system_errno;
    char what[640];
    char hint[384];
};

/* Which frames a reader gets. */
enum handoff_policy {
    HANDOFF_EVERY = 0, /* all, in order: a writer waits while all slots are taken */
    HANDOFF_LATEST = 1 /* the newest: a writer never waits, older frames are skipped */
};

struct handoff_writer_options {
    uint32_t size; /* sizeof(struct handoff_writer_options): what the caller knows of it */
    int32_t width; /* pixels */
    int32_t height;
    int32_t channels; /* bytes per pixel */
    uint32_t slots;   /* 1 to 1024, with HANDOFF_LATEST at least 3; 0: 4 */
    int32_t policy;   /* enum handoff_policy */
    const char *wait; /* how both sides wait: "futex" (NULL), "spin", "poll:100", "adaptive:20" and
                        * what else handoff_waits() names */
};

/* A frame as it is lent: from reserve to commit, or from acquire to release. */
struct handoff_frame {
    uint8_t *header; /* 24 bytes of the layout above */
    uint8_t *pixels; /* width * height * channels bytes, rows not padded; page-aligned */
    uint64_t pixel_bytes;
    /* acquire: as the writer set it; reserve: 0, and commit fills in the time of the commit
     * where it is still 0 */
    int64_t timestamp_ns;
    int32_t width;
    int32_t height;
    int32_t channels;
    int32_t id;    /* counts commits from 0, modulo 2^31 */
    uint32_t slot; /* which of the slots: a place that stays, for what is prepared once per slot */
    uint32_t reserved;
    uint64_t sequence; /* the same count in 64 bits */
};

/* The names of the waits this library has, separated by spaces, "poll:US" where a time is due.
 * Static. */
HANDOFF_API const char *handoff_waits(void);

/* ---- Writer ---------------------------------------------------------------------------------- */
typedef struct handoff_writer handoff_writer;

/* Makes the segment and the name. `name`: letters, digits, '.', '_' and '-', at most
 * HANDOFF_NAME_MAX; NULL: a random one (handoff_writer_name). A segment whose owner is dead is
 * replaced; one whose owner lives is HANDOFF_BUSY. All memory is there before it returns
 * (HANDOFF_NO_MEMORY otherwise, never a SIGBUS later), which for large frames takes milliseconds.
 * The caller closes. */
HANDOFF_API int handoff_writer_create(const char *name,
                                      const struct handoff_writer_options *options,
                                      handoff_writer **writer, struct handoff_error *error);
/* The name, for readers; valid until handoff_writer_free. */
HANDOFF_API const char *handoff_writer_name(const handoff_writer *writer);

/* A slot to fill. HANDOFF_EVERY: waits while all slots are taken, and while nobody has the segment
 * open. HANDOFF_TIMEOUT: still so at the deadline. HANDOFF_PEER_GONE: the reader that was there has
 * closed or died, told once for each reader; the next call waits for the next reader, who begins
 * with the next frame. HANDOFF_LATEST: never waits, and is never told. Twice without a commit: the
 * same. */
HANDOFF_API int handoff_writer_reserve(handoff_writer *writer, uint64_t deadline_ns,
                                       struct handoff_frame *frame, struct handoff_error *error);
/* Publishes the reserved frame with the header's timestamp (frame->timestamp_ns, or now where that
 * is 0) and wakes the reader. Never waits. HANDOFF_INVALID: not the frame that reserve gave, or
 * given already. */
HANDOFF_API int handoff_writer_commit(handoff_writer *writer, struct handoff_frame *frame,
                                      struct handoff_error *error);
/* Frames that HANDOFF_LATEST replaced before a reader took them, also while there is none. */
HANDOFF_API uint64_t handoff_writer_skipped(const handoff_writer *writer);
/* Whether a living process has it open for reading: 1 or 0. A system call. */
HANDOFF_API int handoff_writer_has_reader(handoff_writer *writer);

/* Says that nothing more comes (a reader drains what is there), takes the name away and lets go of
 * the lock. The memory stays mapped for pointers still in use, until _free, which also closes. Both
 * are safe on NULL, close also when done. */
HANDOFF_API void handoff_writer_close(handoff_writer *writer);
HANDOFF_API void handoff_writer_free(handoff_writer *writer);

/* ---- Reader ---------------------------------------------------------------------------------- */
typedef struct handoff_reader handoff_reader;

/* Opens the segment of a living writer, waiting for one to appear until the deadline
 * (HANDOFF_ABSENT then). Checks everything against the file's real size before it believes it:
 * HANDOFF_CORRUPT, HANDOFF_DENIED. HANDOFF_BUSY: somebody reads it already. The first frame is the
 * next one that is committed: what lay there for an earlier reader is not given again. Returns when
 * the writer has taken note, which it does when it reserves its next frame, or waits in it:
 * HANDOFF_TIMEOUT otherwise, as mostly with a deadline of 0. The caller closes. */
HANDOFF_API int handoff_reader_open(const char *name, uint64_t deadline_ns, handoff_reader **reader,
                                    struct handoff_error *error);

struct handoff_shape {
    int32_t width;
    int32_t height;
    int32_t channels;
    uint32_t slots;
    int32_t policy;
    uint32_t reserved;
    uint64_t pixel_bytes;
};
/* What the segment holds, as handoff_writer_create was told it. */
HANDOFF_API void handoff_reader_shape(const handoff_reader *reader, struct handoff_shape *shape);
/* The pixels of a slot, 0 to slots - 1, wherever the frames are just now: for views made once. NULL
 * for a slot that is not there; mapped until _free. */
HANDOFF_API uint8_t *handoff_reader_pixels(const handoff_reader *reader, uint32_t slot);
HANDOFF_API uint8_t *handoff_writer_pixels(const handoff_writer *writer, uint32_t slot);

/* The next frame, or with HANDOFF_LATEST the newest. One frame is held at a time: with one in hand
 * HANDOFF_INVALID. HANDOFF_TIMEOUT: none came before the deadline. HANDOFF_PEER_GONE: the writer
 * closed or died and every frame was taken. HANDOFF_CORRUPT: something else has written over the
 * frame's header; the frame is given back. */
HANDOFF_API int handoff_reader_acquire(handoff_reader *reader, uint64_t deadline_ns,
                                       struct handoff_frame *frame, struct handoff_error *error);
/* Gives the acquired frame back; its bytes may change from here on. Never waits. */
HANDOFF_API int handoff_reader_release(handoff_reader *reader, struct handoff_frame *frame,
                                       struct handoff_error *error);

/* Lets go of the segment, for another reader to open. The memory stays mapped for pointers still in
 * use, until _free, which also closes. Both are safe on NULL, close also when done. */
HANDOFF_API void handoff_reader_close(handoff_reader *reader);
HANDOFF_API void handoff_reader_free(handoff_reader *reader);

#ifdef __cplusplus
}
#endif

#endif

/* absent.c: the transports whose library was not found when handoff was built.
 *
 * They stay in the registry, so that `handoff list` names them, with the package that is missing,
 * and scenarios that use them say why a cell did not run. scripts/cmake/HandoffLibraries.cmake
 * decides which of them are compiled from their own files instead (HANDOFF_HAVE_<KEY>).
 */
#include "transports/transport.h"

#define TRANSPORT_ABSENT(key, text, its_flags, its_sources, its_slots_max, packages)             \
    extern const struct transport transport_##key;                                               \
    static enum status absent_##key##_probe(struct err *err)                                     \
    {                                                                                            \
        return err_set(err, ST_UNAVAILABLE,                                                      \
                       "Debian and Ubuntu: apt-get install " packages ", and build again",       \
                       "built without its library");                                             \
    }                                                                                            \
    static enum status absent_##key##_create(const struct transport_config *config,              \
                                             struct endpoint **endpoint,                         \
                                             struct transport_address *address, struct err *err) \
    {                                                                                            \
        return absent_##key##_probe(err);                                                        \
    }                                                                                            \
    static enum status absent_##key##_attach(const struct transport_config *config,              \
                                             struct transport_address *address,                  \
                                             struct endpoint **endpoint, struct err *err)        \
    {                                                                                            \
        transport_address_close(address);                                                        \
        return absent_##key##_probe(err);                                                        \
    }                                                                                            \
    /* A role that ends because there is nothing frees nothing. */                               \
    static void absent_##key##_destroy(struct endpoint *endpoint)                                \
    {                                                                                            \
    }                                                                                            \
    const struct transport transport_##key = {                                                   \
        .name = #key,                                                                            \
        .summary = text,                                                                         \
        .flags = its_flags,                                                                      \
        .sources = its_sources,                                                                  \
        .policies = POLICY_BLOCK,                                                                \
        .slots_min = 1,                                                                          \
        .slots_max = its_slots_max,                                                              \
        .probe = absent_##key##_probe,                                                           \
        .create = absent_##key##_create,                                                         \
        .attach = absent_##key##_attach,                                                         \
        .destroy = absent_##key##_destroy,                                                       \
    }

/* Words, flags and slots as in the transports' own files: what fits together is the same. */
#define MESSAGES_FLAGS (TRANSPORT_MOVES_BYTES | TRANSPORT_DELAYS | TRANSPORT_OWN_THREADS)
#ifndef HANDOFF_HAVE_ZMQ
#define ZMQ_FLAGS                                                                                 \
    (MESSAGES_FLAGS | TRANSPORT_SENDS_SOURCE | TRANSPORT_BORROWS_SOURCE | TRANSPORT_NATIVE_WAIT | \
     TRANSPORT_DEATH_UNSEEN)
TRANSPORT_ABSENT(zmq_ipc, "ZeroMQ PUSH and PULL over a UNIX socket", ZMQ_FLAGS, SOURCE_FD, 64,
                 "libzmq3-dev");
TRANSPORT_ABSENT(zmq_tcp, "ZeroMQ PUSH and PULL over TCP", ZMQ_FLAGS | TRANSPORT_CROSSES_HOSTS,
                 SOURCE_FD, 64, "libzmq3-dev");
#endif
#ifndef HANDOFF_HAVE_NNG
TRANSPORT_ABSENT(nng, "nng (nanomsg) PAIR over a UNIX socket",
                 MESSAGES_FLAGS | TRANSPORT_SENDS_SOURCE | TRANSPORT_NATIVE_WAIT |
                     TRANSPORT_DEATH_UNSEEN,
                 SOURCE_FD, 64, "libnng-dev");
#endif
#ifndef HANDOFF_HAVE_UCX
TRANSPORT_ABSENT(ucx, "UCX, by the shared memory it finds quickest",
                 MESSAGES_FLAGS | TRANSPORT_SENDS_SOURCE | TRANSPORT_BORROWS_SOURCE, SOURCE_NATIVE,
                 16, "libucx-dev");
#endif
#ifndef HANDOFF_HAVE_ICEORYX
TRANSPORT_ABSENT(iceoryx, "iceoryx: loaned chunks in shared memory, a daemon beside",
                 TRANSPORT_DELAYS | TRANSPORT_OWN_THREADS | TRANSPORT_DEATH_UNSEEN |
                     TRANSPORT_NEEDS_ROUDI,
                 SOURCE_NATIVE, 64, "libiceoryx-binding-c-dev iceoryx");
#endif
#ifndef HANDOFF_HAVE_DDS
TRANSPORT_ABSENT(dds, "DDS by Cyclone, as ROS 2 uses it",
                 MESSAGES_FLAGS | TRANSPORT_SENDS_SOURCE | TRANSPORT_NATIVE_WAIT |
                     TRANSPORT_DEATH_UNSEEN | TRANSPORT_CROSSES_HOSTS,
                 SOURCE_NATIVE, 64, "cyclonedds-dev");
#endif

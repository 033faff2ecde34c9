/* delayed.h: transports whose news come later, to test the conformance suite with: a sound one,
 * which must pass all of it, and some that are wrong on purpose.
 */
#ifndef HANDOFF_TESTS_CONFORMANCE_DELAYED_H
#define HANDOFF_TESTS_CONFORMANCE_DELAYED_H

#include "transports/transport.h"

/* DELAYED(key, what it is) */
#define DELAYED_EACH                                                               \
    DELAYED(delayed, "sound: a thread brings frames and credits some time later")  \
    DELAYED(delayed_loses, "drops a frame now and then, some time later")          \
    DELAYED(delayed_silent, "brings frames without telling the wait source")       \
    DELAYED(delayed_parts, "shows the parts of a frame that it should give whole") \
    DELAYED(delayed_miscounts, "counts fewer copied bytes than there were")        \
    DELAYED(delayed_hasty, "lets the producer have a slot before it is released")  \
    DELAYED(delayed_deaf, "its native wait returns without waiting, and says that the time is up")

#define DELAYED(key, text) extern const struct transport transport_##key;
DELAYED_EACH
#undef DELAYED

#endif

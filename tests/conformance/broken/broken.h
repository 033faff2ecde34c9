/* broken.h: transports that are wrong on purpose, to test the conformance suite's checker with. */
#ifndef HANDOFF_TESTS_CONFORMANCE_BROKEN_H
#define HANDOFF_TESTS_CONFORMANCE_BROKEN_H

#include "transports/transport.h"

#define BROKEN(key, count, fault) extern const struct transport broken_##key;
#include "tests/conformance/broken/broken.def"
#undef BROKEN

#endif

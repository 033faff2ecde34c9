/* daemon.h: the daemon that a transport needs beside it, while the suite runs: RouDi. In a run the
 * guard process has it; here the test program.
 */
#ifndef HANDOFF_TESTS_CONFORMANCE_DAEMON_H
#define HANDOFF_TESTS_CONFORMANCE_DAEMON_H

#include "transports/transport.h"

/* Starts it where `transport` needs one, with memory for `test`; ended at exit. ST_UNAVAILABLE with
 * the reason. From then on, suite_round gives each round a new one: what a killed process held is
 * lost to the old. */
enum status suite_daemon_begin(const struct transport *transport, const char *test,
                               struct err *err);

#endif

/* daemon.c: see daemon.h. */
#include "tests/conformance/daemon.h"

#include <string.h>
#include <unistd.h>

#include "harness/run/roudi_daemon.h"
#include "tests/conformance/suite.h"

static struct roudi_daemon roudi;
static pid_t roudi_owner;

/* Frames of every size that the suite sends, the large ones only for tests that send them: RouDi
 * writes to all of its memory when it starts. More of the small ones, because it takes back what a
 * closed edge held only every 100 ms. */
static const struct roudi_pool pools[] = {
    {ROUDI_SMALL_BYTES, 4096}, {40000, 300}, {250000, 24}, {4000000, 14}, {33200000 + 8192, 6},
};

static enum status suite_daemon_start(const char *test, struct err *err)
{
    const bool largest = strcmp(test, "sizes") == 0;
    const bool large = largest || strcmp(test, "partial") == 0 || strcmp(test, "processes") == 0;
    const uint32_t count = sizeof pools / sizeof pools[0] - !large - !largest;
    return roudi_daemon_start(&roudi, pools, count, ROUDI_DAEMON_READY_NS, err);
}

static void suite_daemon_end(void)
{
    if (getpid() == roudi_owner)
        roudi_daemon_stop(&roudi);
}

static void suite_daemon_renew(void)
{
    struct err err = {0};
    roudi_daemon_stop(&roudi);
    CHECK_STATUS(suite_daemon_start("killed", &err), ST_OK, err);
}

enum status suite_daemon_begin(const struct transport *transport, const char *test, struct err *err)
{
    if (!(transport->flags & TRANSPORT_NEEDS_ROUDI))
        return ST_OK;
    const enum status status = suite_daemon_start(test, err);
    if (status != ST_OK)
        return status;
    roudi_owner = getpid();
    atexit(suite_daemon_end);
    setenv(ROUDI_OURS_VARIABLE, "1", 1);
    if (strcmp(test, "killed") == 0)
        suite_before_round = suite_daemon_renew;
    return ST_OK;
}

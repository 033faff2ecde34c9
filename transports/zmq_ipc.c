/* zmq_ipc.c: libzmq over a UNIX socket, as two processes of one host use it. All of it is in
 * zmq_open.c and zmq_link.c. The socket has an abstract name, so nothing is left in the file
 * system. */
#include "transports/zmq_link.h"

extern const struct transport transport_zmq_ipc;

static enum status zmq_ipc_probe(struct err *err)
{
    return zmq_link_probe(&transport_zmq_ipc, ZMQ_LINK_IPC, err);
}

static enum status zmq_ipc_create(const struct transport_config *config, struct endpoint **endpoint,
                                  struct transport_address *address, struct err *err)
{
    return zmq_link_create(&transport_zmq_ipc, ZMQ_LINK_IPC, config, endpoint, address, err);
}

static enum status zmq_ipc_attach(const struct transport_config *config,
                                  struct transport_address *address, struct endpoint **endpoint,
                                  struct err *err)
{
    return zmq_link_attach(&transport_zmq_ipc, ZMQ_LINK_IPC, config, address, endpoint, err);
}

const struct transport transport_zmq_ipc = {
    .name = "zmq_ipc",
    .summary = "ZeroMQ PUSH and PULL over a UNIX socket",
    .copies = "send() into the kernel, recv() out of it; small frames also into and out of "
              "libzmq's buffers",
    .flags = ZMQ_LINK_FLAGS,
    .sources = SOURCE_FD,
    .policies = POLICY_BLOCK,
    .slots_min = 1,
    .slots_max = MESSAGES_SLOTS_MAX,
    .probe = zmq_ipc_probe,
    .create = zmq_ipc_create,
    .attach = zmq_ipc_attach,
    .reserve = messages_reserve,
    .commit = messages_commit,
    .acquire = messages_acquire,
    .release = messages_release,
    .wait_source = messages_wait_source,
    .counters = messages_counters,
    .hang_up = messages_hang_up,
    .destroy = messages_destroy,
};

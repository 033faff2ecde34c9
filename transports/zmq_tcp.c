/* zmq_tcp.c: libzmq over TCP, through the loopback device or between hosts. All of it is in
 * zmq_open.c and zmq_link.c. */
#include "transports/zmq_link.h"

extern const struct transport transport_zmq_tcp;

static enum status zmq_tcp_probe(struct err *err)
{
    return zmq_link_probe(&transport_zmq_tcp, ZMQ_LINK_TCP, err);
}

static enum status zmq_tcp_create(const struct transport_config *config, struct endpoint **endpoint,
                                  struct transport_address *address, struct err *err)
{
    return zmq_link_create(&transport_zmq_tcp, ZMQ_LINK_TCP, config, endpoint, address, err);
}

static enum status zmq_tcp_attach(const struct transport_config *config,
                                  struct transport_address *address, struct endpoint **endpoint,
                                  struct err *err)
{
    return zmq_link_attach(&transport_zmq_tcp, ZMQ_LINK_TCP, config, address, endpoint, err);
}

const struct transport transport_zmq_tcp = {
    .name = "zmq_tcp",
    .summary = "ZeroMQ PUSH and PULL over TCP",
    .copies = "send() into the kernel, recv() out of it; small frames also into and out of "
              "libzmq's buffers",
    .flags = ZMQ_LINK_FLAGS | TRANSPORT_CROSSES_HOSTS,
    .sources = SOURCE_FD,
    .policies = POLICY_BLOCK,
    .slots_min = 1,
    .slots_max = MESSAGES_SLOTS_MAX,
    .probe = zmq_tcp_probe,
    .create = zmq_tcp_create,
    .attach = zmq_tcp_attach,
    .reserve = messages_reserve,
    .commit = messages_commit,
    .acquire = messages_acquire,
    .release = messages_release,
    .wait_source = messages_wait_source,
    .counters = messages_counters,
    .hang_up = messages_hang_up,
    .destroy = messages_destroy,
};

/* config.c: checks a transport_config against what a transport declares. See config.h. */
#include "transports/config.h"

enum status transport_config_check(const struct transport *transport,
                                   const struct transport_config *config, struct err *err)
{
    if (config->payload_bytes > FRAME_PAYLOAD_MAX)
        return err_set(err, ST_INVALID, "choose a smaller frame",
                       "transport %s: a payload of %zu bytes is above the limit of %zu",
                       transport->name, config->payload_bytes, FRAME_PAYLOAD_MAX);
    if ((transport->flags & TRANSPORT_NO_PAYLOAD) && config->payload_bytes)
        return err_set(err, ST_INVALID, "use fill \"header\" with this transport",
                       "transport %s carries no payload, but frames have %zu bytes",
                       transport->name, config->payload_bytes);
    if (config->policy != POLICY_BLOCK && config->policy != POLICY_LATEST)
        return err_set(err, ST_INVALID, NULL, "transport %s: unknown policy %d", transport->name,
                       (int)config->policy);
    if (!(transport->policies & config->policy))
        return err_set(err, ST_NOT_APPLICABLE, "`handoff list transports` shows who has which",
                       "transport %s does not have policy %s", transport->name,
                       config->policy == POLICY_LATEST ? "latest" : "block");
    if (config->max_held < 1 || config->max_held > TRANSPORT_SLOTS_MAX)
        return err_set(err, ST_INVALID, NULL, "transport %s: max_held is %u, not 1 to %d",
                       transport->name, config->max_held, TRANSPORT_SLOTS_MAX);
    if (config->slots < transport->slots_min || config->slots > transport->slots_max)
        return err_set(err, ST_INVALID, "choose another number of slots",
                       "transport %s has %u to %u slots, not %u", transport->name,
                       transport->slots_min, transport->slots_max, config->slots);
    if (config->pages != SHM_PAGES_NORMAL && !(transport->flags & TRANSPORT_HOST_MEMORY))
        return err_set(err, ST_NOT_APPLICABLE, "leave axis pages at \"normal\"",
                       "transport %s has no frames in host memory whose pages could be chosen",
                       transport->name);
    if (config->order != ORDER_HOST && !(transport->flags & TRANSPORT_DEVICE_MEMORY))
        return err_set(err, ST_NOT_APPLICABLE, "leave axis order at \"host\"",
                       "transport %s has no frames in device memory for a stream to wait for",
                       transport->name);
    if (config->order != ORDER_HOST && config->policy == POLICY_LATEST)
        return err_set(err, ST_NOT_APPLICABLE, "use policy block, or order host",
                       "transport %s: with order event a slot is given back before the work on it "
                       "is done, so a newer frame could not replace one safely",
                       transport->name);
    if ((transport->flags & TRANSPORT_DEVICE_MEMORY) && !config->gpu)
        return err_set(err, ST_INVALID, "give both roles a GPU (access device)",
                       "transport %s has its frames in device memory, but there is no GPU in the "
                       "configuration",
                       transport->name);
    if (config->listen && !(transport->flags & TRANSPORT_CROSSES_HOSTS))
        return err_set(err, ST_NOT_APPLICABLE, "use transport tcp, zmq_tcp or dds",
                       "transport %s does not reach another host", transport->name);
    if (config->policy == POLICY_LATEST && config->slots < config->max_held + 2)
        return err_set(err, ST_INVALID, "give the cell more slots",
                       "policy latest needs two slots more than the %u held at once, not %u",
                       config->max_held, config->slots);
    return ST_OK;
}

/* role_edge.c: see role_edge.h. */
#include "harness/run/role_edge.h"

/* Threads that the transport's library makes now are born where `library_threads` wants them. */
static enum status role_edge_threads_begin(const struct role *role, struct err *err)
{
    const struct cell *cell = &role->setup.cell;
    const bool anywhere = (cell->transport->flags & TRANSPORT_OWN_THREADS) &&
                          cell->library_threads == LIBRARY_THREADS_ANYWHERE && role->setup.cpu >= 0;
    return anywhere ? placement_restore(&role->allowed, err) : ST_OK;
}
/* The role itself is where it was. */
static enum status role_edge_threads_end(const struct role *role, enum status status,
                                         struct err *err)
{
    struct err ignored;
    return status == ST_OK ? placement_apply(role->setup.cpu, err)
                           : (placement_apply(role->setup.cpu, &ignored), status);
}

/* What the edge must carry: the same on both sides. */
static struct transport_config role_edge_config(const struct cell *cell, struct gpu *gpu)
{
    return (struct transport_config){
        .payload_bytes = cell_payload_bytes(cell),
        .slots = cell->slots,
        .max_in_flight = cell->pacing == PACING_PINGPONG ? 1 : 0,
        .max_held = cell->depth,
        .policy = cell->policy,
        .order = cell->order,
        .pages = cell->pages,
        .gpu = cell->transport->flags & TRANSPORT_DEVICE_MEMORY ? gpu : NULL,
    };
}

/* The consumer is on another host: where its edge is made is known when that has proved the key. */
static enum status role_edge_await_listen(const struct role *role, struct transport_listen *listen,
                                          struct err *err)
{
    struct channel_message message = {0};
    enum status status = role_receive(role, "listen", &message, err);
    if (status == ST_OK)
        status = role_listen_from_json(message.json, listen, err);
    channel_message_clear(&message);
    return status;
}

enum status role_edge_create(const struct role *role, struct gpu *gpu, struct wait_pair *waits,
                             struct endpoint **endpoint, struct err *err)
{
    const struct cell *cell = &role->setup.cell;
    struct transport_config config = role_edge_config(cell, gpu);
    struct transport_listen listen;
    struct transport_address address = {0};
    enum status status = role->setup.listens ? role_edge_await_listen(role, &listen, err) : ST_OK;
    if (status == ST_OK)
        status = role_edge_threads_begin(role, err);
    if (status != ST_OK)
        return status;
    config.listen = role->setup.listens ? &listen : NULL;
    status = cell->transport->create(&config, endpoint, &address, err);
    if (status != ST_OK)
        err_context(err, "creating the %s edge", cell->transport->name);
    status = role_edge_threads_end(role, status, err);
    if (status != ST_OK)
        goto undo_address;
    status = wait_pair_create(waits, cell->transport, *endpoint, err);
    if (status != ST_OK)
        goto undo_address;
    int fds[CHANNEL_FDS_MAX];
    uint32_t fd_count;
    cJSON *json = role_address_to_json(&address, waits, fds, &fd_count);
    status = json ? channel_send(role->control_fd, json, fds, fd_count, err)
                  : err_set(err, ST_NO_MEMORY, NULL, "out of memory for the edge's address");
    cJSON_Delete(json);
undo_address:
    transport_address_close(&address);
    return status;
}

enum status role_edge_attach(const struct role *role, struct gpu *gpu, struct wait_pair *waits,
                             struct endpoint **endpoint, struct err *err)
{
    const struct cell *cell = &role->setup.cell;
    const struct transport_config config = role_edge_config(cell, gpu);
    struct channel_message message = {0};
    struct transport_address address = {0};
    enum status status = role_receive(role, "address", &message, err);
    if (status != ST_OK)
        return status;
    status = role_address_from_message(&message, &address, waits, err);
    if (status == ST_OK)
        status = role_edge_threads_begin(role, err);
    if (status == ST_OK) {
        status = cell->transport->attach(&config, &address, endpoint, err);
        if (status != ST_OK)
            err_context(err, "attaching to the %s edge", cell->transport->name);
        status = role_edge_threads_end(role, status, err);
    }
    channel_message_clear(&message);
    return status;
}

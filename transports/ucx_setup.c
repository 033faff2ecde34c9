/* ucx_setup.c: UCX's context, worker and endpoint of one side, and what its library must not do to
 * the process around it. Called by ucx.c before the clock starts. See ucx_link.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <ucs/config/global_opts.h>
#include <ucs/debug/debug.h>
#include <ucs/debug/log_def.h>
#include <unistd.h>

#include "transports/config.h"
#include "transports/ucx_link.h"

/* Shared memory, less UCX's `posix`: that one's files have names in /dev/shm while they are being
 * made, which outlive a role that is killed then, and UCX takes `sysv` before it anyway. With all
 * that UCX has it would listen on every network interface, and open GPUs where it was built for
 * them. What is not there it leaves out. */
#define UCX_TRANSPORTS "sysv,cma,knem,xpmem"

/* UCX ends the process when it cannot read out of another one's memory, by a message of level
 * FATAL: the other one may just have died, and whose frame it was gets to know (ucx_fetch). */
static ucs_log_func_rc_t ucx_library_message(const char *file, unsigned line, const char *function,
                                             ucs_log_level_t level,
                                             const ucs_log_component_config_t *component,
                                             const char *message, va_list arguments)
{
    return level == UCS_LOG_LEVEL_FATAL ? UCS_LOG_FUNC_RC_STOP : UCS_LOG_FUNC_RC_CONTINUE;
}

/* UCX's library, when it is loaded into whatever program, takes over the signals of crashes, and
 * SIGHUP, after which it waits for a debugger; a role that crashes must die. It prints warnings
 * where results are printed. Both can be had back through its own variables. */
__attribute__((constructor)) static void ucx_library_tame(void)
{
    static const int signals[] = {SIGHUP, SIGILL, SIGBUS, SIGFPE, SIGSEGV};
    ucs_log_push_handler(ucx_library_message);
    if (!getenv("UCX_LOG_LEVEL"))
        ucs_global_opts_set_value("LOG_LEVEL", "fatal");
    if (getenv("UCX_HANDLE_ERRORS") || getenv("UCX_DEBUG_SIGNO"))
        return;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        ucs_debug_disable_signal(signals[i]);
}

enum status ucx_failed(ucs_status_t status, const char *doing, struct err *err)
{
    switch (status) {
    case UCS_ERR_CONNECTION_RESET:
    case UCS_ERR_ENDPOINT_TIMEOUT:
    case UCS_ERR_UNREACHABLE:
    case UCS_ERR_NOT_CONNECTED:
        return err_set(err, ST_PEER_GONE, NULL, "transport ucx: %s: %s", doing,
                       ucs_status_string(status));
    case UCS_ERR_NO_MEMORY:
        return err_set(err, ST_NO_MEMORY, NULL, "transport ucx: %s: out of memory", doing);
    default:
        return err_set(err, ST_SYSTEM,
                       "UCX_LOG_LEVEL=info shows what UCX does; UCX_TLS, if set, must allow shared "
                       "memory or TCP",
                       "transport ucx: %s: %s", doing, ucs_status_string(status));
    }
}

/* FNV-1a: against damage, not against malice. */
static uint64_t ucx_digest(const uint8_t *bytes, size_t count)
{
    uint64_t digest = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++)
        digest = (digest ^ bytes[i]) * 0x100000001b3u;
    return digest;
}

bool ucx_address_whole(const void *bytes, size_t byte_count)
{
    static const size_t head = UCX_WORKER_ADDRESS_HEAD;
    struct ucx_worker_address address;
    if (byte_count <= head || byte_count > sizeof address)
        return false;
    memcpy(&address, bytes, byte_count);
    return address.byte_count == byte_count - head &&
           address.digest == ucx_digest(address.bytes, address.byte_count);
}

/* A context with active messages, and with wake-ups for wait `native`. */
static enum status ucx_context_open(struct ucx_link *link, struct err *err)
{
    const ucp_params_t params = {
        .field_mask = UCP_PARAM_FIELD_FEATURES,
        .features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP,
    };
    ucp_config_t *config;
    ucs_status_t status = ucp_config_read(NULL, NULL, &config);
    if (status != UCS_OK)
        return ucx_failed(status, "reading UCX's configuration", err);
    if (!getenv("UCX_TLS"))
        status = ucp_config_modify(config, "TLS", UCX_TRANSPORTS);
    if (status == UCS_OK)
        status = ucp_init(&params, config, &link->context);
    ucp_config_release(config);
    return status == UCS_OK ? ST_OK : ucx_failed(status, "starting UCX", err);
}

static enum status ucx_worker_open(struct ucx_link *link, struct err *err)
{
    const ucp_worker_params_t params = {
        .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE | UCP_WORKER_PARAM_FIELD_AM_ALIGNMENT,
        .thread_mode = UCS_THREAD_MODE_SINGLE,
        .am_alignment = 64,
    };
    ucs_status_t status = ucp_worker_create(link->context, &params, &link->worker);
    if (status != UCS_OK)
        return ucx_failed(status, "making a worker", err);
    status = ucp_worker_get_efd(link->worker, &link->event_fd);
    if (status != UCS_OK)
        return ucx_failed(status, "asking for a worker's descriptor", err);
    ucp_address_t *address;
    size_t byte_count;
    status = ucp_worker_get_address(link->worker, &address, &byte_count);
    if (status != UCS_OK)
        return ucx_failed(status, "asking for a worker's address", err);
    const bool fits = byte_count <= sizeof link->own.bytes;
    if (fits) {
        memcpy(link->own.bytes, address, byte_count);
        link->own.byte_count = (uint32_t)byte_count;
        link->own.digest = ucx_digest(link->own.bytes, byte_count);
    }
    ucp_worker_release_address(link->worker, address);
    return fits ? ST_OK
                : err_set(err, ST_UNAVAILABLE, "set UCX_TLS=shm, or UCX_NET_DEVICES to fewer",
                          "transport ucx: a worker's address has %zu bytes, more than %zu",
                          byte_count, sizeof link->own.bytes);
}

/* Payloads of small frames are copied out of UCX's queue, one buffer for each that may be under
 * way; large ones are fetched into one for each that may be held. */
static enum status ucx_buffers_open(struct ucx_link *link, const struct transport_config *config,
                                    struct err *err)
{
    const bool small = config->payload_bytes <= UCX_SMALL_BYTES;
    link->buffer_count =
        small || config->max_held > config->slots ? config->slots : config->max_held;
    link->buffer_bytes = transport_slot_bytes(config->payload_bytes) - FRAME_PAYLOAD_OFFSET;
    return link->buffer_bytes == 0
               ? ST_OK
               : shm_create_private("handoff-ucx", link->buffer_count * link->buffer_bytes,
                                    config->pages, &link->buffers, err);
}

enum status ucx_link_new(const struct transport_config *config, bool producing,
                         struct ucx_link **made, struct err *err)
{
    struct ucx_link *link = calloc(1, sizeof *link);
    if (!link)
        return err_set(err, ST_NO_MEMORY, NULL, "transport ucx: no memory for a link");
    link->producing = producing;
    link->payload_bytes = config->payload_bytes;
    link->slots = config->slots;
    link->buffers = SHM_MAP_NONE;
    link->socket_fd = -1;
    enum status status = producing ? ST_OK : ucx_buffers_open(link, config, err);
    if (status == ST_OK)
        status = ucx_context_open(link, err);
    if (status == ST_OK)
        status = ucx_worker_open(link, err);
    if (status == ST_OK)
        status = ucx_link_listen(link, err);
    if (status == ST_OK)
        *made = link;
    else
        ucx_link_free(link);
    return status;
}

/* UCX says in no other way than in print which lanes an endpoint has: is there one by which the
 * receiver of a large message reads it out of the sender's memory, without the sender? */
static bool ucx_endpoint_pulls(ucp_ep_h endpoint)
{
    static const char *const readers[] = {"cma/", "knem/", "xpmem/"};
    char *text = NULL;
    size_t size = 0;
    bool pulls = false;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return false;
    ucp_ep_print_info(endpoint, file);
    fclose(file);
    for (char *rest = text, *line; text && (line = strsep(&rest, "\n"));)
        for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
            pulls = pulls || (strstr(line, "rma_bw") && strstr(line, readers[i]));
    free(text);
    return pulls;
}

enum status ucx_link_connect(struct ucx_link *link, const struct ucx_worker_address *address,
                             struct err *err)
{
    const ucp_ep_params_t params = {
        .field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS,
        .address = (const ucp_address_t *)address->bytes,
    };
    const ucs_status_t status = ucp_ep_create(link->worker, &params, &link->endpoint);
    if (status != UCS_OK)
        return ucx_failed(status, "connecting to the other side", err);
    if (!link->producing)
        link->pulls = ucx_endpoint_pulls(link->endpoint);
    return ST_OK;
}

enum status ucx_link_greet(struct ucx_link *link, struct err *err)
{
    const size_t bytes = UCX_WORKER_ADDRESS_HEAD + link->own.byte_count;
    const ssize_t sent = send(link->socket_fd, &link->own, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent == (ssize_t)bytes ? ST_OK
                                  : err_set_errno(err, errno, "was the producer stopped?",
                                                  "transport ucx: greeting the other side");
}

void ucx_link_free(struct ucx_link *link)
{
    if (!link)
        return;
    if (link->worker)
        ucp_worker_destroy(link->worker);
    if (link->context)
        ucp_cleanup(link->context);
    if (link->socket_fd >= 0)
        close(link->socket_fd);
    shm_unmap(&link->buffers);
    free(link);
}

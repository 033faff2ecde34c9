/* zmq_gate.c: who may connect to the producer's sockets of zmq_ipc and zmq_tcp.
 *
 * Both listening sockets ask for a user's password (PLAIN), the 32 random bytes of the address in
 * hexadecimal; a thread of ours answers libzmq's question (ZAP), admits one peer for frames and one
 * for credits, and ends. That is the handshake's affair: a frame costs nothing more. zmq_ipc's
 * abstract names are visible to other users of the host, so that its listeners also turn away
 * processes of other users (zmq_open.c). Called by zmq_open.c.
 */
#include <signal.h>
#include <string.h>

#include "transports/zmq_link_parts.h"

const char *const zmq_link_domains[ZMQ_LINK_WAYS] = {"frames", "credits"};

/* The parts of a question, as RFC 27 (ZAP) numbers them; credentials of PLAIN are two. */
enum zmq_gate_part {
    ZMQ_GATE_VERSION,
    ZMQ_GATE_REQUEST,
    ZMQ_GATE_DOMAIN,
    ZMQ_GATE_ADDRESS,
    ZMQ_GATE_IDENTITY,
    ZMQ_GATE_MECHANISM,
    ZMQ_GATE_USER,
    ZMQ_GATE_PASSWORD,
    ZMQ_GATE_PARTS,
};

struct zmq_gate_question {
    char parts[ZMQ_GATE_PARTS][256]; /* NUL-terminated, or empty where too long */
    size_t bytes[ZMQ_GATE_PARTS];
    unsigned count;
};

/* The next question. false when the context ends. */
static bool zmq_gate_hear(void *socket, struct zmq_gate_question *question)
{
    memset(question, 0, sizeof *question);
    int more = 1;
    while (more) {
        char part[256];
        const int bytes = zmq_recv(socket, part, sizeof part, 0);
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes < 0)
            return false;
        if (question->count < ZMQ_GATE_PARTS && (size_t)bytes < sizeof part) {
            memcpy(question->parts[question->count], part, (size_t)bytes);
            question->bytes[question->count] = (size_t)bytes;
        }
        question->count++;
        size_t size = sizeof more;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
            return false;
    }
    return true;
}

/* Takes the same time however much is right. */
static bool zmq_gate_token_right(const struct zmq_gate *gate,
                                 const struct zmq_gate_question *question)
{
    unsigned difference = question->bytes[ZMQ_GATE_PASSWORD] ^ (ZMQ_LINK_TOKEN_TEXT - 1);
    for (size_t i = 0; i < ZMQ_LINK_TOKEN_TEXT - 1; i++)
        difference |= (unsigned)(gate->token[i] ^ question->parts[ZMQ_GATE_PASSWORD][i]);
    return difference == 0;
}

/* One peer for each way. */
static bool zmq_gate_admits(struct zmq_gate *gate, const struct zmq_gate_question *question)
{
    if (question->count != ZMQ_GATE_PARTS ||
        strcmp(question->parts[ZMQ_GATE_MECHANISM], "PLAIN") != 0 ||
        !zmq_gate_token_right(gate, question))
        return false;
    for (unsigned way = 0; way < ZMQ_LINK_WAYS; way++) {
        if (strcmp(question->parts[ZMQ_GATE_DOMAIN], zmq_link_domains[way]) != 0)
            continue;
        const uint32_t bit = 1u << way;
        return !(atomic_fetch_or_explicit(&gate->admitted, bit, memory_order_acq_rel) & bit);
    }
    return false;
}

static void *zmq_gate_run(void *self)
{
    struct zmq_gate *gate = self;
    struct zmq_gate_question question;
    const uint32_t all = (1u << ZMQ_LINK_WAYS) - 1;
    while (atomic_load_explicit(&gate->admitted, memory_order_relaxed) != all &&
           zmq_gate_hear(gate->socket, &question)) {
        const bool admitted = zmq_gate_admits(gate, &question);
        const char *request = question.parts[ZMQ_GATE_REQUEST];
        zmq_send(gate->socket, "1.0", 3, ZMQ_SNDMORE);
        zmq_send(gate->socket, request, question.bytes[ZMQ_GATE_REQUEST], ZMQ_SNDMORE);
        zmq_send(gate->socket, admitted ? "200" : "400", 3, ZMQ_SNDMORE);
        zmq_send(gate->socket, "", 0, ZMQ_SNDMORE);
        zmq_send(gate->socket, "", 0, ZMQ_SNDMORE);
        zmq_send(gate->socket, "", 0, 0);
    }
    /* The last answer is still on its way to the I/O thread: lingers as long as it needs. */
    zmq_close(gate->socket);
    return NULL;
}

/* Signals are for the role's own thread. */
enum status zmq_gate_open(struct zmq_link *link, struct err *err)
{
    struct zmq_gate *gate = &link->gate;
    gate->socket = zmq_socket(link->context, ZMQ_REP);
    if (!gate->socket)
        return zmq_link_failed(link, "making a socket", err);
    if (zmq_bind(gate->socket, "inproc://zeromq.zap.01") != 0)
        return zmq_link_failed(link, "binding the authenticator", err);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&gate->thread, NULL, zmq_gate_run, gate);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    gate->running = error == 0;
    return error == 0
               ? ST_OK
               : err_set_errno(err, error, NULL, "transport %s: no thread", link->transport->name);
}

/* peer_wire.h: what two hosts of one measurement say to each other, as bytes: how they prove that
 * they know the same key, and how each message after that is shown to come from the other one.
 *
 * The client is `handoff run --peer`, the server `handoff serve`. Each connection begins so:
 *
 *   client → server   hello    mark, version, a nonce
 *   server → client   hello    the same with a nonce of its own
 *   client → server   proof    what it wants, which run it is, and a code of all of it with the key
 *   server → client   answer   welcome or busy, and a code
 *
 * The client proves first, so that a stranger never sees a code made with the key. Every code
 * covers the version, both nonces and which side made it: none can be played again in another
 * connection, nor back to who made it. Keys for both directions, and the token that guards the data
 * connection, are made from the key and the nonces.
 *
 * A message is its length (4 bytes, little-endian, of what follows before the code), its kind, its
 * bytes, and a code over all that and the message's number: none can be changed, left out, repeated
 * or moved. Nothing is encrypted.
 *
 * This file knows no sockets; peer_link.h does.
 */
#ifndef HANDOFF_RUN_PEER_WIRE_H
#define HANDOFF_RUN_PEER_WIRE_H

#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/mac.h"

/* Of everything that the two programs say to each other; both must have the same. */
#define PEER_VERSION 1u

#define PEER_NONCE_BYTES 32
#define PEER_RUN_BYTES 16
#define PEER_HELLO_BYTES (8 + 4 + PEER_NONCE_BYTES)
#define PEER_PROOF_BYTES (1 + PEER_RUN_BYTES + MAC_BYTES)
#define PEER_ANSWER_BYTES (1 + MAC_BYTES)

/* The key of a peer, already made from what the user has (peer_key.h). */
struct peer_key {
    uint8_t bytes[MAC_BYTES];
};

/* What a connection is for. */
enum peer_purpose {
    PEER_DESCRIBE, /* before a run: which machine and program is there; reserves it for the run */
    PEER_LAUNCH,   /* one launch */
    PEER_GOODBYE,  /* the run is over */
};

enum peer_answer {
    PEER_WELCOME,
    PEER_BUSY, /* with another run */
};

/* One side of a beginning connection. Zero it, then set both nonces as they become known. */
struct peer_handshake {
    struct peer_key key;
    uint8_t client_nonce[PEER_NONCE_BYTES];
    uint8_t server_nonce[PEER_NONCE_BYTES];
};

/* What a connection is protected with from then on. */
struct peer_session {
    uint8_t to_server[MAC_BYTES];
    uint8_t to_client[MAC_BYTES];
    uint8_t token[MAC_BYTES]; /* for the data connection */
};

/* A nonce that has never been. ST_SYSTEM where the kernel has no randomness to give. */
enum status peer_nonce_make(uint8_t nonce[PEER_NONCE_BYTES], struct err *err);

/* A hello, and back: ST_CORRUPT for bytes that are none, ST_INVALID for another version (the hint
 * says what to do). */
void peer_hello_write(const uint8_t nonce[PEER_NONCE_BYTES], uint8_t bytes[PEER_HELLO_BYTES]);
enum status peer_hello_read(const uint8_t bytes[PEER_HELLO_BYTES], uint8_t nonce[PEER_NONCE_BYTES],
                            struct err *err);

/* The client's proof. Reading is ST_CORRUPT when the code is not right: another key, or none. */
enum status peer_proof_write(const struct peer_handshake *handshake, enum peer_purpose purpose,
                             const uint8_t run[PEER_RUN_BYTES], uint8_t bytes[PEER_PROOF_BYTES],
                             struct err *err);
enum status peer_proof_read(const struct peer_handshake *handshake,
                            const uint8_t bytes[PEER_PROOF_BYTES], enum peer_purpose *purpose,
                            uint8_t run[PEER_RUN_BYTES], struct err *err);

/* The server's answer, which proves it as well. */
enum status peer_answer_write(const struct peer_handshake *handshake, enum peer_answer answer,
                              uint8_t bytes[PEER_ANSWER_BYTES], struct err *err);
enum status peer_answer_read(const struct peer_handshake *handshake,
                             const uint8_t bytes[PEER_ANSWER_BYTES], enum peer_answer *answer,
                             struct err *err);

/* The keys of a connection, alike on both sides. */
enum status peer_session_make(const struct peer_handshake *handshake, struct peer_session *session,
                              struct err *err);

enum peer_kind {
    PEER_KIND_JSON = 'J',  /* an object with a "type", as roles and runner have them */
    PEER_KIND_TRACE = 'T', /* records of a trace */
    PEER_KIND_PING = 'P',  /* what is the time with you? */
    PEER_KIND_PONG = 'Q',
    PEER_KIND_ALIVE = 'A', /* nothing else to say for a while */
};

/* A message's bytes, without kind. The environment of a machine is the longest. */
#define PEER_BYTES_MAX 262144u
#define PEER_HEAD_BYTES (4 + 1)
#define PEER_MESSAGE_BYTES(bytes) (PEER_HEAD_BYTES + (bytes) + MAC_BYTES)
/* Room in front of a message for its number, which is in the code and is not sent. */
#define PEER_NUMBER_BYTES 8

/* Frames `size_bytes` bytes that stand at buffer + PEER_NUMBER_BYTES + PEER_HEAD_BYTES, in a buffer
 * with room for PEER_NUMBER_BYTES + PEER_MESSAGE_BYTES(size_bytes). What is to be sent then begins
 * at buffer + PEER_NUMBER_BYTES. */
enum status peer_message_frame(const uint8_t key[MAC_BYTES], uint64_t number, enum peer_kind kind,
                               uint8_t *buffer, uint32_t size_bytes, struct err *err);

/* How long the message is that begins with these PEER_HEAD_BYTES, code and all; 0 for a length that
 * none may have. */
uint32_t peer_message_size(const uint8_t head[PEER_HEAD_BYTES]);

/* Checks a whole message at buffer + PEER_NUMBER_BYTES, of peer_message_size; writes the number in
 * front of it. ST_CORRUPT when it is not that message of the other side. */
enum status peer_message_check(const uint8_t key[MAC_BYTES], uint64_t number, uint8_t *buffer,
                               uint32_t message_bytes, struct err *err);

/* Little-endian numbers. */
void peer_put_u32(uint8_t bytes[4], uint32_t value);
uint32_t peer_get_u32(const uint8_t bytes[4]);
void peer_put_u64(uint8_t bytes[8], uint64_t value);
uint64_t peer_get_u64(const uint8_t bytes[8]);

#endif

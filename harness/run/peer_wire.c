/* peer_wire.c: see peer_wire.h. */
#include "harness/run/peer_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define PEER_MARK "handoff\n"
#define PEER_LABEL_BYTES 16
/* What the codes of a handshake cover: a label, the version, both nonces, and up to this much
 * more. */
#define PEER_EXTRA_BYTES (1 + PEER_RUN_BYTES)
#define PEER_COVERED_BYTES (PEER_LABEL_BYTES + 4 + 2 * PEER_NONCE_BYTES + PEER_EXTRA_BYTES)

/* Who made a code, and what for. */
#define PEER_LABEL_PROOF "client's proof"
#define PEER_LABEL_ANSWER "server's answer"
#define PEER_LABEL_TO_SERVER "key to server"
#define PEER_LABEL_TO_CLIENT "key to client"
#define PEER_LABEL_TOKEN "edge's token"

static const char peer_version_hint[] = "run the same version of handoff on both hosts";

void peer_put_u32(uint8_t bytes[4], uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

uint32_t peer_get_u32(const uint8_t bytes[4])
{
    uint32_t value = 0;
    for (int i = 4; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

void peer_put_u64(uint8_t bytes[8], uint64_t value)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

uint64_t peer_get_u64(const uint8_t bytes[8])
{
    uint64_t value = 0;
    for (int i = 8; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

enum status peer_nonce_make(uint8_t nonce[PEER_NONCE_BYTES], struct err *err)
{
    ssize_t got;
    do
        got = getrandom(nonce, PEER_NONCE_BYTES, 0);
    while (got < 0 && errno == EINTR);
    return got == PEER_NONCE_BYTES ? ST_OK : err_set_errno(err, errno, NULL, "no random numbers");
}

void peer_hello_write(const uint8_t nonce[PEER_NONCE_BYTES], uint8_t bytes[PEER_HELLO_BYTES])
{
    memcpy(bytes, PEER_MARK, 8);
    peer_put_u32(bytes + 8, PEER_VERSION);
    memcpy(bytes + 12, nonce, PEER_NONCE_BYTES);
}

enum status peer_hello_read(const uint8_t bytes[PEER_HELLO_BYTES], uint8_t nonce[PEER_NONCE_BYTES],
                            struct err *err)
{
    const uint32_t version = peer_get_u32(bytes + 8);
    if (memcmp(bytes, PEER_MARK, 8) != 0)
        return err_set(err, ST_CORRUPT, "is it `handoff serve` that listens there?",
                       "what came is no greeting of handoff");
    if (version != PEER_VERSION)
        return err_set(err, ST_INVALID, peer_version_hint,
                       "the other side speaks version %u of the protocol, this one version %u",
                       version, PEER_VERSION);
    memcpy(nonce, bytes + 12, PEER_NONCE_BYTES);
    return ST_OK;
}

/* A code of this handshake, with `extra` behind what all of them cover; all parts have fixed
 * places. */
static enum status peer_code(const struct peer_handshake *handshake, const char *label,
                             const uint8_t *extra, size_t extra_bytes, uint8_t mac[MAC_BYTES],
                             struct err *err)
{
    uint8_t covered[PEER_COVERED_BYTES] = {0};
    uint8_t *at = covered;
    memcpy(at, label, strlen(label));
    peer_put_u32(at += PEER_LABEL_BYTES, PEER_VERSION);
    memcpy(at += 4, handshake->client_nonce, PEER_NONCE_BYTES);
    memcpy(at += PEER_NONCE_BYTES, handshake->server_nonce, PEER_NONCE_BYTES);
    if (extra_bytes > 0)
        memcpy(at + PEER_NONCE_BYTES, extra, extra_bytes);
    if (mac_make(handshake->key.bytes, sizeof handshake->key.bytes, covered, sizeof covered, mac))
        return ST_OK;
    enum status status = mac_probe(err);
    return status != ST_OK ? status
                           : err_set(err, ST_SYSTEM, NULL, "libcrypto made no code of a message");
}

/* Makes the code that should be there and compares. */
static enum status peer_code_check(const struct peer_handshake *handshake, const char *label,
                                   const uint8_t *extra, size_t extra_bytes,
                                   const uint8_t mac[MAC_BYTES], struct err *err)
{
    uint8_t right[MAC_BYTES];
    enum status status = peer_code(handshake, label, extra, extra_bytes, right, err);
    if (status == ST_OK && !mac_same(right, mac))
        status = err_set(err, ST_CORRUPT, "both hosts need the same key",
                         "the other side does not know the key");
    mac_forget(right, sizeof right);
    return status;
}

enum status peer_proof_write(const struct peer_handshake *handshake, enum peer_purpose purpose,
                             const uint8_t run[PEER_RUN_BYTES], uint8_t bytes[PEER_PROOF_BYTES],
                             struct err *err)
{
    bytes[0] = (uint8_t)purpose;
    memcpy(bytes + 1, run, PEER_RUN_BYTES);
    return peer_code(handshake, PEER_LABEL_PROOF, bytes, PEER_EXTRA_BYTES, bytes + PEER_EXTRA_BYTES,
                     err);
}

enum status peer_proof_read(const struct peer_handshake *handshake,
                            const uint8_t bytes[PEER_PROOF_BYTES], enum peer_purpose *purpose,
                            uint8_t run[PEER_RUN_BYTES], struct err *err)
{
    enum status status = peer_code_check(handshake, PEER_LABEL_PROOF, bytes, PEER_EXTRA_BYTES,
                                         bytes + PEER_EXTRA_BYTES, err);
    if (status == ST_OK && bytes[0] > PEER_GOODBYE)
        status = err_set(err, ST_CORRUPT, peer_version_hint, "it wants what is unknown here");
    if (status != ST_OK)
        return status;
    *purpose = (enum peer_purpose)bytes[0];
    memcpy(run, bytes + 1, PEER_RUN_BYTES);
    return ST_OK;
}

enum status peer_answer_write(const struct peer_handshake *handshake, enum peer_answer answer,
                              uint8_t bytes[PEER_ANSWER_BYTES], struct err *err)
{
    bytes[0] = (uint8_t)answer;
    return peer_code(handshake, PEER_LABEL_ANSWER, bytes, 1, bytes + 1, err);
}

enum status peer_answer_read(const struct peer_handshake *handshake,
                             const uint8_t bytes[PEER_ANSWER_BYTES], enum peer_answer *answer,
                             struct err *err)
{
    enum status status = peer_code_check(handshake, PEER_LABEL_ANSWER, bytes, 1, bytes + 1, err);
    if (status == ST_OK)
        *answer = bytes[0] == PEER_WELCOME ? PEER_WELCOME : PEER_BUSY;
    return status;
}

enum status peer_session_make(const struct peer_handshake *handshake, struct peer_session *session,
                              struct err *err)
{
    struct peer_session made;
    enum status status = peer_code(handshake, PEER_LABEL_TO_SERVER, NULL, 0, made.to_server, err);
    if (status == ST_OK)
        status = peer_code(handshake, PEER_LABEL_TO_CLIENT, NULL, 0, made.to_client, err);
    if (status == ST_OK)
        status = peer_code(handshake, PEER_LABEL_TOKEN, NULL, 0, made.token, err);
    if (status == ST_OK)
        *session = made;
    return status;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* Number, length, kind and bytes lie behind each other: the code is over one stretch of memory. */
static bool peer_message_code(const uint8_t key[MAC_BYTES], uint64_t number, uint8_t *buffer,
                              size_t covered_bytes, uint8_t mac[MAC_BYTES])
{
    peer_put_u64(buffer, number);
    return mac_make(key, MAC_BYTES, buffer, covered_bytes, mac);
}

enum status peer_message_frame(const uint8_t key[MAC_BYTES], uint64_t number, enum peer_kind kind,
                               uint8_t *buffer, uint32_t size_bytes, struct err *err)
{
    const size_t covered_bytes = PEER_NUMBER_BYTES + PEER_HEAD_BYTES + (size_t)size_bytes;
    if (size_bytes > PEER_BYTES_MAX)
        return err_set(err, ST_INVALID, NULL, "a message of %u bytes to another host is too long",
                       size_bytes);
    peer_put_u32(buffer + PEER_NUMBER_BYTES, 1 + size_bytes);
    buffer[PEER_NUMBER_BYTES + 4] = (uint8_t)kind;
    if (!peer_message_code(key, number, buffer, covered_bytes, buffer + covered_bytes))
        return err_set(err, ST_SYSTEM, NULL, "libcrypto made no code of a message");
    return ST_OK;
}

uint32_t peer_message_size(const uint8_t head[PEER_HEAD_BYTES])
{
    const uint32_t length = peer_get_u32(head);
    return length < 1 || length > 1 + PEER_BYTES_MAX ? 0 : 4 + length + MAC_BYTES;
}

enum status peer_message_check(const uint8_t key[MAC_BYTES], uint64_t number, uint8_t *buffer,
                               uint32_t message_bytes, struct err *err)
{
    uint8_t right[MAC_BYTES];
    const size_t covered_bytes = PEER_NUMBER_BYTES + (size_t)message_bytes - MAC_BYTES;
    if (!peer_message_code(key, number, buffer, covered_bytes, right) ||
        !mac_same(right, buffer + covered_bytes))
        return err_set(err, ST_CORRUPT, "something on the way changes what is sent",
                       "a message is not the one that the other side sent");
    return ST_OK;
}

/* mac.h: message authentication codes: HMAC with SHA-256. For the two hosts of a measurement, which
 * prove to each other that they know a key (run/peer_wire.h).
 *
 * mac_openssl.c does it with OpenSSL's libcrypto; where that was not found when handoff was built,
 * mac_none.c stands in for it, and mac_probe says what is missing.
 */
#ifndef HANDOFF_BASE_MAC_H
#define HANDOFF_BASE_MAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

#define MAC_BYTES 32

/* ST_OK, or ST_UNAVAILABLE with the package that this build lacks. */
enum status mac_probe(struct err *err);

/* The code of `size_bytes` bytes under a key of any length up to 2^31 - 1. False when it could not
 * be made; `mac` is then all zeros, and must not be used. */
bool mac_make(const void *key, size_t key_bytes, const void *bytes, size_t size_bytes,
              uint8_t mac[MAC_BYTES]);

/* Whether two codes are the same, in a time that says nothing about where they differ. */
bool mac_same(const uint8_t a[MAC_BYTES], const uint8_t b[MAC_BYTES]);

/* Overwrites a secret, also where the compiler sees that nobody reads it again. */
void mac_forget(void *secret, size_t size_bytes);

#endif

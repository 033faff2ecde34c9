/* mac_openssl.c: HMAC-SHA256 by libcrypto. The only file that includes OpenSSL. See mac.h. */
#include "harness/base/mac.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum status mac_probe(struct err *err)
{
    (void)err;
    return ST_OK;
}

bool mac_make(const void *key, size_t key_bytes, const void *bytes, size_t size_bytes,
              uint8_t mac[MAC_BYTES])
{
    unsigned made_bytes = 0;
    memset(mac, 0, MAC_BYTES);
    return key_bytes <= INT_MAX &&
           HMAC(EVP_sha256(), key, (int)key_bytes, bytes, size_bytes, mac, &made_bytes) &&
           made_bytes == MAC_BYTES;
}

bool mac_same(const uint8_t a[MAC_BYTES], const uint8_t b[MAC_BYTES])
{
    return CRYPTO_memcmp(a, b, MAC_BYTES) == 0;
}

void mac_forget(void *secret, size_t size_bytes)
{
    OPENSSL_cleanse(secret, size_bytes);
}

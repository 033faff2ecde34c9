/* mac_none.c: for a build without OpenSSL: nothing can be proved, so nothing is. See mac.h. */
#include "harness/base/mac.h"

#include <string.h>

enum status mac_probe(struct err *err)
{
    return err_set(
        err, ST_UNAVAILABLE,
        "install libssl-dev (Debian, Ubuntu) and build handoff anew; cmake finds it",
        "measurements across two hosts need OpenSSL's libcrypto, which was not there when "
        "this program was built");
}

bool mac_make(const void *key, size_t key_bytes, const void *bytes, size_t size_bytes,
              uint8_t mac[MAC_BYTES])
{
    memset(mac, 0, MAC_BYTES);
    return false;
}

bool mac_same(const uint8_t a[MAC_BYTES], const uint8_t b[MAC_BYTES])
{
    return false;
}

void mac_forget(void *secret, size_t size_bytes)
{
    explicit_bzero(secret, size_bytes);
}

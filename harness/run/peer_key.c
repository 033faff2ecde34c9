/* peer_key.c: see peer_key.h. */
#include "harness/run/peer_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char peer_key_hint[] =
    "make one: (umask 077; head -c 32 /dev/urandom | base64 > handoff.key), copy it to the other "
    "host, and give both --key-file handoff.key";

/* Whatever length the user's has becomes a key of fixed length. */
static enum status peer_key_make(const void *bytes, size_t size_bytes, const char *source,
                                 struct peer_key *key, struct err *err)
{
    static const char label[] = "handoff peer key";
    if (size_bytes < PEER_KEY_BYTES_MIN)
        return err_set(err, ST_INVALID, peer_key_hint,
                       "the key in %s has %zu bytes; at least %d are needed", source, size_bytes,
                       PEER_KEY_BYTES_MIN);
    if (!mac_make(bytes, size_bytes, label, sizeof label, key->bytes))
        return err_set(err, ST_SYSTEM, NULL, "libcrypto does not take the key");
    return ST_OK;
}

/* A file that others may read is no secret. */
static enum status peer_key_open(const char *path, int *fd, struct err *err)
{
    struct stat info;
    /* Not blocking: a FIFO is refused, not waited for. */
    const int opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (opened < 0 || fstat(opened, &info) != 0) {
        err_set(err, ST_INVALID, peer_key_hint, "cannot read the key file %s: %s", path,
                strerror(errno));
        if (opened >= 0)
            close(opened);
        return ST_INVALID;
    }
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0 || !S_ISREG(info.st_mode)) {
        close(opened);
        return err_set(err, ST_INVALID, "chmod 600 it; if others may have read it, make a new one",
                       S_ISREG(info.st_mode) ? "others than its owner may use the key file %s"
                                             : "the key file %s is no file",
                       path);
    }
    *fd = opened;
    return ST_OK;
}

static enum status peer_key_read_file(const char *path, struct peer_key *key, struct err *err)
{
    char bytes[PEER_KEY_BYTES_MAX + 1];
    int fd = -1;
    enum status status = peer_key_open(path, &fd, err);
    if (status != ST_OK)
        return status;
    ssize_t got = read(fd, bytes, sizeof bytes);
    close(fd);
    if (got < 0 || got > PEER_KEY_BYTES_MAX) {
        status = err_set(err, ST_INVALID, peer_key_hint, "the key file %s cannot be used: %s", path,
                         got < 0 ? strerror(errno) : "it is longer than 4096 bytes");
    } else {
        while (got > 0 && (bytes[got - 1] == '\n' || bytes[got - 1] == '\r'))
            got--;
        status = peer_key_make(bytes, (size_t)got, path, key, err);
    }
    mac_forget(bytes, sizeof bytes);
    return status;
}

enum status peer_key_read(const char *path, struct peer_key *key, struct err *err)
{
    char *variable = getenv(PEER_KEY_VARIABLE);
    enum status status = mac_probe(err);
    if (status == ST_OK && path)
        status = peer_key_read_file(path, key, err);
    else if (status == ST_OK && variable && *variable)
        status =
            peer_key_make(variable, strlen(variable), "the variable " PEER_KEY_VARIABLE, key, err);
    else if (status == ST_OK)
        status = err_set(err, ST_INVALID, peer_key_hint,
                         "a measurement across two hosts needs a key that both know");
    if (variable)
        mac_forget(variable, strlen(variable));
    unsetenv(PEER_KEY_VARIABLE);
    return status;
}

/*
 * Random bytes from getrandom(2): the kernel's generator, seeded before the
 * first byte is given, without a descriptor that could be missing in a
 * chroot and without state in this process.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/random.h"

#include <sys/random.h>

#include "util/error.h"

int qcrypto_random_bytes(void *buf, size_t buflen, Error **errp)
{
    uint8_t *next = buf;
    size_t left = buflen;

    while (left) {
        ssize_t got = getrandom(next, left, 0);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            int err = got < 0 ? errno : EIO;

            explicit_bzero(buf, buflen);
            error_setg_errno(errp, err, "the kernel gives no random bytes");
            return -1;
        }
        next += got;
        left -= got;
    }
    return 0;
}

int qcrypto_random_init(Error **errp)
{
    uint8_t unused;

    return qcrypto_random_bytes(&unused, sizeof(unused), errp);
}

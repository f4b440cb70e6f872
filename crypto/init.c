/*
 * Start of the libraries. Each of them may also be started on first use, so
 * a program that links only this folder works without the call; what the
 * call adds is that a host where crypto cannot work is noticed at start.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/init.h"

#include <gnutls/gnutls.h>

#include "crypto/random.h"
#include "util/error.h"

#if CONFIG_GCRYPT
#include "gcrypt-internal.h"
#endif

int qcrypto_init(Error **errp)
{
    /* Counted by the library; it is also thread-safe. */
    int rc = gnutls_global_init();

    if (rc < 0) {
        error_setg(errp, "GnuTLS cannot start: %s", gnutls_strerror(rc));
        return -1;
    }
#if CONFIG_GCRYPT
    if (!qcrypto_gcrypt_init(errp)) {
        return -1;
    }
#endif
    return qcrypto_random_init(errp);
}

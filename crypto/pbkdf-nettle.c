/*
 * PBKDF2 by nettle, whose function takes any keyed hash as a pair of
 * callbacks.
 *
 * The function has no way to be told to stop. Rounds without work would end
 * it, too, but there may be 2^32 of them for each block of output: half a minute
 * of nothing. Its callback leaves it by a jump instead. Nettle promises to
 * allocate nothing and to hold no lock; what the function has is on the stack
 * that the jump drops.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <nettle/hmac.h>
#include <nettle/pbkdf2.h>
#include <setjmp.h>

#include "util/atomic.h"

#include "hash-internal.h"
#include "nettle-internal.h"
#include "pbkdf-internal.h"

typedef struct NettlePrf {
    const struct nettle_hash *type;
    QCryptoHashState outer;
    QCryptoHashState inner;
    QCryptoHashState running;
    const bool *stop; /* atomic, nullable */
    jmp_buf leave;    /* for @stop */
} NettlePrf;

static void ntl_prf_update(void *ctx, size_t len, const uint8_t *src)
{
    NettlePrf *prf = ctx;

    hmac_update(&prf->running, prf->type, len, src);
}

static void ntl_prf_digest(void *ctx, size_t len, uint8_t *dst)
{
    NettlePrf *prf = ctx;

    if (prf->stop && qatomic_read(prf->stop)) {
        longjmp(prf->leave, 1);
    }
    hmac_digest(&prf->outer, &prf->inner, &prf->running, prf->type, len, dst);
}

static bool ntl_pbkdf_supports(QCryptoHashAlgorithm hash)
{
    return qcrypto_nettle_hash(hash) != NULL;
}

static bool ntl_pbkdf2(const QCryptoPbkdf2 *p, Error **errp)
{
    NettlePrf prf = { .type = qcrypto_nettle_hash(p->hash), .stop = p->stop };

    hmac_set_key(&prf.outer, &prf.inner, &prf.running, prf.type, p->nkey,
                 p->key);
    if (setjmp(prf.leave) == 0) {
        pbkdf2(&prf, ntl_prf_update, ntl_prf_digest, prf.type->digest_size,
               p->iterations, p->nsalt, p->salt, p->nout, p->out);
    }
    explicit_bzero(&prf, sizeof(prf));
    return true;
}

const QCryptoPbkdfBackend qcrypto_pbkdf_nettle = {
    .supports = ntl_pbkdf_supports,
    .pbkdf2 = ntl_pbkdf2,
};

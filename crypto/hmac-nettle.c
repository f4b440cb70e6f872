/*
 * Keyed hashes by nettle: three states of the hash, two of which keep the
 * key (outer and inner pad) while the third runs over a message.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <nettle/hmac.h>

#include "hmac-internal.h"
#include "nettle-internal.h"

typedef struct NettleHmac {
    QCryptoHmac base;
    const struct nettle_hash *type;
    size_t size; /* of the allocation, bytes */
    void *outer; /* the three point into @states */
    void *inner;
    void *running;
    uint8_t states[] QEMU_ALIGNED(16);
} NettleHmac;

static bool ntl_hmac_supports(QCryptoHashAlgorithm alg)
{
    return qcrypto_nettle_hash(alg) != NULL;
}

static QCryptoHmac *ntl_hmac_new(QCryptoHashAlgorithm alg, const uint8_t *key,
                                 size_t nkey, Error **errp)
{
    const struct nettle_hash *type = qcrypto_nettle_hash(alg);
    size_t step = ROUND_UP(type->context_size, (size_t)16);
    size_t size = sizeof(NettleHmac) + 3 * step;
    NettleHmac *h = g_malloc0(size);

    h->base.alg = alg;
    h->base.backend = &qcrypto_hmac_nettle;
    h->type = type;
    h->size = size;
    h->outer = h->states;
    h->inner = h->states + step;
    h->running = h->states + 2 * step;
    hmac_set_key(h->outer, h->inner, h->running, type, nkey, key);
    return &h->base;
}

static bool ntl_hmac_update(QCryptoHmac *hmac, const void *buf, size_t len,
                            Error **errp)
{
    NettleHmac *h = container_of(hmac, NettleHmac, base);

    hmac_update(h->running, h->type, len, buf);
    return true;
}

static bool ntl_hmac_finish(QCryptoHmac *hmac, uint8_t *out, Error **errp)
{
    NettleHmac *h = container_of(hmac, NettleHmac, base);

    hmac_digest(h->outer, h->inner, h->running, h->type, h->type->digest_size,
                out);
    return true;
}

static void ntl_hmac_reset(QCryptoHmac *hmac)
{
    NettleHmac *h = container_of(hmac, NettleHmac, base);

    memcpy(h->running, h->inner, h->type->context_size);
}

static void ntl_hmac_free(QCryptoHmac *hmac)
{
    NettleHmac *h = container_of(hmac, NettleHmac, base);

    explicit_bzero(h, h->size);
    g_free(h);
}

const QCryptoHmacBackend qcrypto_hmac_nettle = {
    .supports = ntl_hmac_supports,
    .new = ntl_hmac_new,
    .update = ntl_hmac_update,
    .finish = ntl_hmac_finish,
    .reset = ntl_hmac_reset,
    .free = ntl_hmac_free,
};

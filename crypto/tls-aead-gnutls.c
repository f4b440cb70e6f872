/*
 * TLS's ciphers by GnuTLS's functions for ciphers, which is always there. A
 * record is one message, encrypted in place.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/crypto.h>

#include "tls-aead-internal.h"

typedef struct GnutlsAead {
    TLSAead parent;
    gnutls_aead_cipher_hd_t handle; /* owned */
} GnutlsAead;

static TLSAead *aead_create(gnutls_cipher_algorithm_t cipher,
                            const uint8_t *key, size_t key_len)
{
    gnutls_datum_t datum = { .data = (uint8_t *)key,
                             .size = (unsigned)key_len };
    gnutls_aead_cipher_hd_t handle;
    GnutlsAead *g;

    if (gnutls_aead_cipher_init(&handle, cipher, &datum) < 0) {
        return NULL;
    }
    g = g_new0(GnutlsAead, 1);
    g->handle = handle;
    return &g->parent;
}

static gnutls_aead_cipher_hd_t aead_handle(TLSAead *a)
{
    return container_of(a, GnutlsAead, parent)->handle;
}

static void aead_destroy(TLSAead *a)
{
    gnutls_aead_cipher_deinit(aead_handle(a));
    g_free(a);
}

static bool aead_seal(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                      size_t aad_len, const TLSAeadText *text, uint8_t *out)
{
    size_t len = tls_aead_gather(text, out);
    giovec_t auth = { .iov_base = (void *)aad, .iov_len = aad_len };
    giovec_t plain = { .iov_base = out, .iov_len = len };
    size_t tag_len = TLS_AEAD_TAG;

    return gnutls_aead_cipher_encryptv2(aead_handle(a), nonce, TLS_AEAD_NONCE,
                                        &auth, 1, &plain, 1, out + len,
                                        &tag_len) >= 0;
}

static bool aead_open(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                      size_t aad_len, const uint8_t *in, size_t len,
                      uint8_t *out)
{
    size_t out_len = len;

    return gnutls_aead_cipher_decrypt(aead_handle(a), nonce, TLS_AEAD_NONCE,
                                      aad, aad_len, TLS_AEAD_TAG, in,
                                      len + TLS_AEAD_TAG, out, &out_len) >= 0;
}

const TLSAeadOps tls_aead_gnutls = {
    .name = "GnuTLS",
    .create = aead_create,
    .destroy = aead_destroy,
    .seal = aead_seal,
    .open = aead_open,
};

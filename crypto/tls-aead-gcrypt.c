/*
 * TLS's ciphers by libgcrypt. A record is one message, encrypted in place; one
 * handle serves all records under a key, and closing it wipes the key.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gcrypt.h>

#include "gcrypt-internal.h"
#include "tls-aead-internal.h"

typedef struct GcryptAead {
    TLSAead parent;
    gcry_cipher_hd_t handle; /* owned */
} GcryptAead;

typedef struct AeadKind {
    gnutls_cipher_algorithm_t cipher;
    int algo;
    int mode;
} AeadKind;

static const AeadKind kinds[] = {
    { GNUTLS_CIPHER_AES_128_GCM, GCRY_CIPHER_AES128, GCRY_CIPHER_MODE_GCM },
    { GNUTLS_CIPHER_AES_256_GCM, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM },
    { GNUTLS_CIPHER_CHACHA20_POLY1305, GCRY_CIPHER_CHACHA20,
      GCRY_CIPHER_MODE_POLY1305 },
};

static TLSAead *aead_create(gnutls_cipher_algorithm_t cipher,
                            const uint8_t *key, size_t key_len)
{
    const AeadKind *kind = NULL;
    gcry_cipher_hd_t handle;
    GcryptAead *g;

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].cipher == cipher) {
            kind = &kinds[i];
        }
    }
    if (!kind || !qcrypto_gcrypt_init(NULL) ||
        gcry_cipher_open(&handle, kind->algo, kind->mode, 0)) {
        return NULL;
    }
    if (gcry_cipher_setkey(handle, key, key_len)) {
        gcry_cipher_close(handle);
        return NULL;
    }
    g = g_new0(GcryptAead, 1);
    g->handle = handle;
    return &g->parent;
}

static gcry_cipher_hd_t aead_handle(TLSAead *a)
{
    return container_of(a, GcryptAead, parent)->handle;
}

static void aead_destroy(TLSAead *a)
{
    gcry_cipher_close(aead_handle(a));
    g_free(a);
}

static bool aead_begin(gcry_cipher_hd_t handle, const uint8_t *nonce,
                       const uint8_t *aad, size_t aad_len)
{
    return !gcry_cipher_setiv(handle, nonce, TLS_AEAD_NONCE) &&
           !gcry_cipher_authenticate(handle, aad, aad_len) &&
           !gcry_cipher_final(handle);
}

static bool aead_seal(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                      size_t aad_len, const TLSAeadText *text, uint8_t *out)
{
    gcry_cipher_hd_t handle = aead_handle(a);
    size_t len = tls_aead_gather(text, out);

    return aead_begin(handle, nonce, aad, aad_len) &&
           !gcry_cipher_encrypt(handle, out, len, NULL, 0) &&
           !gcry_cipher_gettag(handle, out + len, TLS_AEAD_TAG);
}

static bool aead_open(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                      size_t aad_len, const uint8_t *in, size_t len,
                      uint8_t *out)
{
    gcry_cipher_hd_t handle = aead_handle(a);

    return aead_begin(handle, nonce, aad, aad_len) &&
           !gcry_cipher_decrypt(handle, out, len, in, len) &&
           !gcry_cipher_checktag(handle, in + len, TLS_AEAD_TAG);
}

const TLSAeadOps tls_aead_gcrypt = {
    .name = "libgcrypt",
    .create = aead_create,
    .destroy = aead_destroy,
    .seal = aead_seal,
    .open = aead_open,
};

/*
 * The cipher under TLS records: by libgcrypt where it is built in, else by
 * GnuTLS. With records of 16 KiB libgcrypt is the faster one for each cipher
 * (docs/performance.md); a cipher that the library lacks stays with GnuTLS's
 * own records.
 *
 * A record is one message: its plain text lies in one piece, the tag follows.
 * One handle of the library serves all records under a key; closing it wipes
 * the key.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "tls-aead.h"

#if CONFIG_GCRYPT
#include <gcrypt.h>

#include "gcrypt-internal.h"

struct TLSAead {
    gcry_cipher_hd_t handle; /* owned */
};

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

static bool aead_init(TLSAead *a, gnutls_cipher_algorithm_t cipher,
                      const uint8_t *key, size_t key_len)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].cipher != cipher) {
            continue;
        }
        if (!qcrypto_gcrypt_init(NULL) ||
            gcry_cipher_open(&a->handle, kinds[i].algo, kinds[i].mode, 0)) {
            return false;
        }
        if (gcry_cipher_setkey(a->handle, key, key_len)) {
            gcry_cipher_close(a->handle);
            return false;
        }
        return true;
    }
    return false;
}

static void aead_close(TLSAead *a)
{
    gcry_cipher_close(a->handle);
}

static bool aead_begin(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                       size_t aad_len)
{
    return !gcry_cipher_setiv(a->handle, nonce, TLS_AEAD_NONCE) &&
           !gcry_cipher_authenticate(a->handle, aad, aad_len) &&
           !gcry_cipher_final(a->handle);
}

bool tls_aead_seal(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                   size_t aad_len, uint8_t *buf, size_t len)
{
    return aead_begin(a, nonce, aad, aad_len) &&
           !gcry_cipher_encrypt(a->handle, buf, len, NULL, 0) &&
           !gcry_cipher_gettag(a->handle, buf + len, TLS_AEAD_TAG);
}

static bool aead_open(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                      size_t aad_len, const uint8_t *in, size_t len,
                      uint8_t *out)
{
    return aead_begin(a, nonce, aad, aad_len) &&
           !gcry_cipher_decrypt(a->handle, out, len, in, len) &&
           !gcry_cipher_checktag(a->handle, in + len, TLS_AEAD_TAG);
}

#else
#include <gnutls/crypto.h>

struct TLSAead {
    gnutls_aead_cipher_hd_t handle; /* owned */
};

static bool aead_init(TLSAead *a, gnutls_cipher_algorithm_t cipher,
                      const uint8_t *key, size_t key_len)
{
    gnutls_datum_t datum = { .data = (uint8_t *)key,
                             .size = (unsigned)key_len };

    return (cipher == GNUTLS_CIPHER_AES_128_GCM ||
            cipher == GNUTLS_CIPHER_AES_256_GCM ||
            cipher == GNUTLS_CIPHER_CHACHA20_POLY1305) &&
           gnutls_aead_cipher_init(&a->handle, cipher, &datum) >= 0;
}

static void aead_close(TLSAead *a)
{
    gnutls_aead_cipher_deinit(a->handle);
}

bool tls_aead_seal(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                   size_t aad_len, uint8_t *buf, size_t len)
{
    giovec_t auth = { .iov_base = (void *)aad, .iov_len = aad_len };
    giovec_t text = { .iov_base = buf, .iov_len = len };
    size_t tag_len = TLS_AEAD_TAG;

    return gnutls_aead_cipher_encryptv2(a->handle, nonce, TLS_AEAD_NONCE, &auth,
                                        1, &text, 1, buf + len, &tag_len) >= 0;
}

static bool aead_open(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                      size_t aad_len, const uint8_t *in, size_t len,
                      uint8_t *out)
{
    size_t out_len = len;

    return gnutls_aead_cipher_decrypt(a->handle, nonce, TLS_AEAD_NONCE, aad,
                                      aad_len, TLS_AEAD_TAG, in,
                                      len + TLS_AEAD_TAG, out, &out_len) >= 0;
}
#endif

TLSAead *tls_aead_new(gnutls_cipher_algorithm_t cipher, const uint8_t *key,
                      size_t key_len)
{
    g_autofree TLSAead *a = g_new0(TLSAead, 1);

    return aead_init(a, cipher, key, key_len) ? g_steal_pointer(&a) : NULL;
}

void tls_aead_free(TLSAead *a)
{
    if (a) {
        aead_close(a);
        g_free(a);
    }
}

bool tls_aead_open(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                   size_t aad_len, const uint8_t *in, size_t len, uint8_t *out)
{
    bool ok;

    if (len < TLS_AEAD_TAG) {
        return false;
    }
    len -= TLS_AEAD_TAG;
    ok = aead_open(a, nonce, aad, aad_len, in, len, out);
    if (!ok) {
        explicit_bzero(out, len); /* nobody vouches for it */
    }
    return ok;
}

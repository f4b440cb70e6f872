/*
 * The cipher under TLS records: AES-GCM by aes-gcm.c if this CPU can; else by
 * libgcrypt where it is built in (with ChaCha20 and with keys of 256 bits it is
 * faster than GnuTLS), else by GnuTLS.
 *
 * A record is one message: its plain text lies in one piece, the tag follows.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "tls-aead.h"

#include "aes-gcm.h"

/* -- libraries ------------------------------------------------------------- */

#if CONFIG_GCRYPT
#include <gcrypt.h>

#include "gcrypt-internal.h"

typedef gcry_cipher_hd_t LibHandle;

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

static LibHandle lib_open(gnutls_cipher_algorithm_t cipher, const uint8_t *key,
                          size_t key_len)
{
    gcry_cipher_hd_t handle;

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].cipher != cipher) {
            continue;
        }
        if (!qcrypto_gcrypt_init(NULL) ||
            gcry_cipher_open(&handle, kinds[i].algo, kinds[i].mode, 0)) {
            return NULL;
        }
        if (gcry_cipher_setkey(handle, key, key_len)) {
            gcry_cipher_close(handle);
            return NULL;
        }
        return handle;
    }
    return NULL;
}

static void lib_close(LibHandle handle)
{
    gcry_cipher_close(handle);
}

static bool aead_begin(LibHandle handle, const uint8_t *nonce,
                       const uint8_t *aad, size_t aad_len)
{
    return !gcry_cipher_setiv(handle, nonce, TLS_AEAD_NONCE) &&
           !gcry_cipher_authenticate(handle, aad, aad_len) &&
           !gcry_cipher_final(handle);
}

static bool lib_seal(LibHandle handle, const uint8_t *nonce, const uint8_t *aad,
                     size_t aad_len, uint8_t *buf, size_t len)
{
    return aead_begin(handle, nonce, aad, aad_len) &&
           !gcry_cipher_encrypt(handle, buf, len, NULL, 0) &&
           !gcry_cipher_gettag(handle, buf + len, TLS_AEAD_TAG);
}

static bool lib_open_text(LibHandle handle, const uint8_t *nonce,
                          const uint8_t *aad, size_t aad_len, const uint8_t *in,
                          size_t len, uint8_t *out)
{
    return aead_begin(handle, nonce, aad, aad_len) &&
           !gcry_cipher_decrypt(handle, out, len, in, len) &&
           !gcry_cipher_checktag(handle, in + len, TLS_AEAD_TAG);
}

#else
#include <gnutls/crypto.h>

typedef gnutls_aead_cipher_hd_t LibHandle;

static LibHandle lib_open(gnutls_cipher_algorithm_t cipher, const uint8_t *key,
                          size_t key_len)
{
    gnutls_datum_t datum = { .data = (uint8_t *)key,
                             .size = (unsigned)key_len };
    gnutls_aead_cipher_hd_t handle;

    if ((cipher != GNUTLS_CIPHER_AES_128_GCM &&
         cipher != GNUTLS_CIPHER_AES_256_GCM &&
         cipher != GNUTLS_CIPHER_CHACHA20_POLY1305) ||
        gnutls_aead_cipher_init(&handle, cipher, &datum) < 0) {
        return NULL;
    }
    return handle;
}

static void lib_close(LibHandle handle)
{
    gnutls_aead_cipher_deinit(handle);
}

static bool lib_seal(LibHandle handle, const uint8_t *nonce, const uint8_t *aad,
                     size_t aad_len, uint8_t *buf, size_t len)
{
    giovec_t auth = { .iov_base = (void *)aad, .iov_len = aad_len };
    giovec_t text = { .iov_base = buf, .iov_len = len };
    size_t tag_len = TLS_AEAD_TAG;

    return gnutls_aead_cipher_encryptv2(handle, nonce, TLS_AEAD_NONCE, &auth, 1,
                                        &text, 1, buf + len, &tag_len) >= 0;
}

static bool lib_open_text(LibHandle handle, const uint8_t *nonce,
                          const uint8_t *aad, size_t aad_len, const uint8_t *in,
                          size_t len, uint8_t *out)
{
    size_t out_len = len;

    return gnutls_aead_cipher_decrypt(handle, nonce, TLS_AEAD_NONCE, aad,
                                      aad_len, TLS_AEAD_TAG, in,
                                      len + TLS_AEAD_TAG, out, &out_len) >= 0;
}
#endif

/* -- what is used ----------------------------------------------------------- */

struct TLSAead {
    AESGCM *gcm;      /* owned; NULL = the library does it */
    LibHandle handle; /* owned; NULL if @gcm is set */
};

static bool is_gcm(gnutls_cipher_algorithm_t cipher, size_t key_len)
{
    return (cipher == GNUTLS_CIPHER_AES_128_GCM && key_len == 16) ||
           (cipher == GNUTLS_CIPHER_AES_256_GCM && key_len == 32);
}

TLSAead *tls_aead_new_by(TLSAeadWay way, gnutls_cipher_algorithm_t cipher,
                         const uint8_t *key, size_t key_len)
{
    TLSAead a = { 0 };

    if (way != TLS_AEAD_LIBRARY && is_gcm(cipher, key_len)) {
        a.gcm = aes_gcm_new(key, key_len);
    }
    if (!a.gcm && way != TLS_AEAD_OWN) {
        a.handle = lib_open(cipher, key, key_len);
    }
    return a.gcm || a.handle ? g_memdup2(&a, sizeof(a)) : NULL;
}

TLSAead *tls_aead_new(gnutls_cipher_algorithm_t cipher, const uint8_t *key,
                      size_t key_len)
{
    return tls_aead_new_by(TLS_AEAD_BEST, cipher, key, key_len);
}

void tls_aead_free(TLSAead *a)
{
    if (!a) {
        return;
    }
    if (a->handle) {
        lib_close(a->handle);
    }
    aes_gcm_free(a->gcm);
    g_free(a);
}

bool tls_aead_seal(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                   size_t aad_len, uint8_t *buf, size_t len)
{
    if (a->gcm) {
        aes_gcm_seal(a->gcm, nonce, aad, aad_len, buf, buf, len, buf + len);
        return true;
    }
    return lib_seal(a->handle, nonce, aad, aad_len, buf, len);
}

bool tls_aead_open(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                   size_t aad_len, const uint8_t *in, size_t len, uint8_t *out)
{
    if (len < TLS_AEAD_TAG) {
        return false;
    }
    len -= TLS_AEAD_TAG;
    if (a->gcm) {
        return aes_gcm_open(a->gcm, nonce, aad, aad_len, in, out, len,
                            in + len);
    }
    return lib_open_text(a->handle, nonce, aad, aad_len, in, len, out);
}

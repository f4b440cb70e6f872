/*
 * What the files under tls-aead.c share: one a library.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TLS_AEAD_INTERNAL_H
#define CRYPTO_TLS_AEAD_INTERNAL_H

#include "tls-aead.h"

typedef struct TLSAeadOps {
    const char *name;

    /* @cipher is one of the three, @key_len fits. NULL = the library is not
     * there, is of no use here, or lacks the cipher. */
    TLSAead *(*create)(gnutls_cipher_algorithm_t cipher, const uint8_t *key,
                       size_t key_len);

    /* Wipes the key. */
    void (*destroy)(TLSAead *a);

    bool (*seal)(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                 size_t aad_len, const TLSAeadText *text, uint8_t *out);

    /* @len without the tag, which follows; on failure @out may be anything. */
    bool (*open)(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                 size_t aad_len, const uint8_t *in, size_t len, uint8_t *out);
} TLSAeadOps;

/* Begin of each library's own structure. */
struct TLSAead {
    const TLSAeadOps *ops;
};

extern const TLSAeadOps tls_aead_ipsec_mb;
extern const TLSAeadOps tls_aead_gcrypt;
extern const TLSAeadOps tls_aead_gnutls;

/** tls_aead_gather: copy @text to @to, for a library that encrypts in place.
 *  Returns: its bytes, the last one included. */
size_t tls_aead_gather(const TLSAeadText *text, uint8_t *to);

#endif

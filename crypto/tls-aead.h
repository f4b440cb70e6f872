/*
 * The cipher under TLS records: AES-GCM or ChaCha20-Poly1305 with one key.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TLS_AEAD_H
#define CRYPTO_TLS_AEAD_H

#include <gnutls/gnutls.h>

#define TLS_AEAD_NONCE 12
#define TLS_AEAD_TAG   16

typedef struct TLSAead TLSAead;

/**
 * tls_aead_new:
 * @cipher: (in) of a session, any value
 * @key: (in) @key_len bytes; copied
 *
 * Returns: a cipher for one direction, to be freed with tls_aead_free(), which
 *          wipes it; NULL if there is none of this kind.
 */
TLSAead *tls_aead_new(gnutls_cipher_algorithm_t cipher, const uint8_t *key,
                      size_t key_len);

/** tls_aead_free: @a may be NULL. */
void tls_aead_free(TLSAead *a);

/**
 * tls_aead_seal:
 * @nonce: (in) TLS_AEAD_NONCE bytes, never twice with one key
 * @aad: (in) @aad_len bytes that are protected but not encrypted
 * @buf: (in/out) @len bytes, encrypted in place; TLS_AEAD_TAG bytes behind them
 *       are set to the tag
 *
 * Returns: false = the library failed.
 */
bool tls_aead_seal(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                   size_t aad_len, uint8_t *buf, size_t len);

/**
 * tls_aead_open:
 * @in: (in) @len bytes, the last TLS_AEAD_TAG of them the tag
 * @out: (out) @len - TLS_AEAD_TAG bytes; apart from @in; zeros on failure
 *
 * Returns: false = forged, shorter than a tag, or the library failed.
 */
bool tls_aead_open(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                   size_t aad_len, const uint8_t *in, size_t len, uint8_t *out);

#endif

/*
 * The cipher under TLS records: AES-GCM or ChaCha20-Poly1305 with one key.
 *
 * Several libraries have these ciphers; tls_aead_new() takes the fastest that
 * the build, the machine and the CPU have.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TLS_AEAD_H
#define CRYPTO_TLS_AEAD_H

#include <gnutls/gnutls.h>
#include <sys/uio.h>

#define TLS_AEAD_NONCE 12
#define TLS_AEAD_TAG   16

typedef struct TLSAead TLSAead;

/* In order of preference. */
typedef enum TLSAeadLibrary {
    TLS_AEAD_IPSEC_MB,
    TLS_AEAD_GCRYPT,
    TLS_AEAD_GNUTLS,
    TLS_AEAD_N_LIBRARIES,
} TLSAeadLibrary;

/*
 * What a record carries: @len bytes of @iov from @offset on, which are there,
 * and the byte @last. Others may write the pieces meanwhile: what is sealed is
 * then any mixture of old and new, but sealed right.
 */
typedef struct TLSAeadText {
    const struct iovec *iov;
    size_t offset;
    size_t len;
    uint8_t last;
} TLSAeadText;

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

/** tls_aead_new_from: of this library only, for tests and benchmarks. */
TLSAead *tls_aead_new_from(TLSAeadLibrary library,
                           gnutls_cipher_algorithm_t cipher, const uint8_t *key,
                           size_t key_len);

/** tls_aead_library_name: for people. */
const char *tls_aead_library_name(TLSAeadLibrary library);

/** tls_aead_free: @a may be NULL. */
void tls_aead_free(TLSAead *a);

/**
 * tls_aead_seal:
 * @nonce: (in) TLS_AEAD_NONCE bytes, never twice with one key
 * @aad: (in) @aad_len bytes that are protected but not encrypted
 * @text: (in) what to encrypt
 * @out: (out) @text->len + 1 + TLS_AEAD_TAG bytes, apart from the pieces
 *
 * Returns: false = the library failed; what @out has then must not be sent.
 */
bool tls_aead_seal(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                   size_t aad_len, const TLSAeadText *text, uint8_t *out);

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

/*
 * AES-GCM in one pass, for CPUs with wide AES and carry-less multiplication.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_AES_GCM_H
#define CRYPTO_AES_GCM_H

#define AES_GCM_NONCE 12
#define AES_GCM_TAG   16

typedef struct AESGCM AESGCM;

/**
 * aes_gcm_new:
 * @key: (in) @key_len bytes, 16 or 32; copied
 *
 * Returns: to be freed with aes_gcm_free(), which wipes it; NULL if this CPU, or
 *          a build for another kind of CPU, cannot, or for another @key_len.
 */
AESGCM *aes_gcm_new(const uint8_t *key, size_t key_len);

/** aes_gcm_free: @g may be NULL. */
void aes_gcm_free(AESGCM *g);

/**
 * aes_gcm_seal:
 * @nonce: (in) AES_GCM_NONCE bytes, never twice with one key
 * @aad: (in) @aad_len bytes that are protected but not encrypted
 * @in: (in) @len bytes; at most 2^36 - 32
 * @out: (out) @len bytes; may be @in
 * @tag: (out) AES_GCM_TAG bytes
 *
 * Thread: any; @g is not changed.
 */
void aes_gcm_seal(const AESGCM *g, const uint8_t *nonce, const uint8_t *aad,
                  size_t aad_len, const uint8_t *in, uint8_t *out, size_t len,
                  uint8_t *tag);

/**
 * aes_gcm_open:
 * @tag: (in) AES_GCM_TAG bytes
 *
 * The other way; the rest as above.
 * Returns: false = forged; @out is then of no use.
 */
bool aes_gcm_open(const AESGCM *g, const uint8_t *nonce, const uint8_t *aad,
                  size_t aad_len, const uint8_t *in, uint8_t *out, size_t len,
                  const uint8_t *tag);

#endif

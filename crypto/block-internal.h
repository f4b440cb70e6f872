/*
 * Encrypted disks: what the formats share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_BLOCK_INTERNAL_H
#define CRYPTO_BLOCK_INTERNAL_H

#include "crypto/block.h"
#include "crypto/cipher.h"
#include "util/thread.h"

typedef struct QCryptoBlockDriver QCryptoBlockDriver;
typedef struct BlockCipher BlockCipher;

/* How the payload is encrypted. */
typedef struct BlockCipherSpec {
    QCryptoCipherAlgorithm alg;
    QCryptoCipherMode mode;
    QCryptoIVGenAlgorithm ivgen;
    QCryptoCipherAlgorithm essiv_alg; /* of essiv */
    QCryptoHashAlgorithm essiv_hash;  /* of essiv */
} BlockCipherSpec;

struct QCryptoBlock {
    unsigned refs; /* atomic */
    QCryptoBlockFormat format;
    const QCryptoBlockDriver *driver;
    void *state; /* owned by @driver */

    QCryptoHashAlgorithm kdf_hash;
    uint64_t payload_offset; /* bytes */
    uint64_t sector_size;    /* bytes */
    bool detached;

    /* The payload's cipher; since the key is known, constant but for @idle. */
    bool ready;
    BlockCipherSpec spec;
    uint8_t *key; /* owned, wiped */
    size_t nkey;
    QCryptoIVGen *ivgen; /* owned; for qcrypto_block_get_ivgen() only */
    QemuSpin idle_lock;  /* guards @idle */
    BlockCipher *idle;   /* owned; those that no request uses now */
};

struct QCryptoBlockDriver {
    bool (*open)(QCryptoBlock *block, QCryptoBlockOpenOptions *options,
                 const char *optprefix, QCryptoBlockReadFunc readfunc,
                 void *opaque, unsigned flags, Error **errp);
    /** find_key: optional: what takes time of opening. */
    bool (*find_key)(QCryptoBlock *block, Error **errp);
    /** cancel: optional: find_key() ends soon. */
    void (*cancel)(QCryptoBlock *block);
    bool (*create)(QCryptoBlock *block, QCryptoBlockCreateOptions *options,
                   const char *optprefix, QCryptoBlockInitFunc initfunc,
                   QCryptoBlockWriteFunc writefunc, void *opaque,
                   unsigned flags, Error **errp);
    /** header_len: optional: no header. */
    bool (*header_len)(QCryptoBlockCreateOptions *options, size_t *len,
                       Error **errp);
    /** amend: optional: not supported. */
    bool (*amend)(QCryptoBlock *block, QCryptoBlockReadFunc readfunc,
                  QCryptoBlockWriteFunc writefunc, void *opaque,
                  QCryptoBlockAmendOptions *options, bool force, Error **errp);
    void (*get_info)(QCryptoBlock *block, QCryptoBlockInfo *info);
    bool (*has_format)(const uint8_t *buf, size_t len);
    void (*free)(QCryptoBlock *block);
};

extern const QCryptoBlockDriver qcrypto_block_luks;
extern const QCryptoBlockDriver qcrypto_block_qcow;

/**
 * block_secret_get:
 * @id: (in, nullable) id of a secret object
 * @optprefix, @option: name of the option that it came from
 * @data: (out) set on success; secret_free()
 * @len: (out) bytes
 */
bool block_secret_get(const char *id, const char *optprefix, const char *option,
                      uint8_t **data, size_t *len, Error **errp);

/**
 * block_cipher_setup:
 * @spec: the payload's cipher; copied
 * @key: (in) @nkey bytes; copied
 *
 * From now on qcrypto_block_encrypt() works.
 */
bool block_cipher_setup(QCryptoBlock *block, const BlockCipherSpec *spec,
                        const uint8_t *key, size_t nkey, Error **errp);
/** block_cipher_cleanup: wipes; harmless without a setup. */
void block_cipher_cleanup(QCryptoBlock *block);

/**
 * block_sectors_crypt:
 * @spec, @key, @nkey: cipher for this once
 * @sector_size: bytes; sectors count from 0
 * @buf: (inout) @len bytes
 *
 * For what is not the payload: key material.
 */
bool block_sectors_crypt(const BlockCipherSpec *spec, const uint8_t *key,
                         size_t nkey, size_t sector_size, bool encrypt,
                         uint8_t *buf, size_t len, Error **errp);

#endif

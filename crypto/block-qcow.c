/*
 * The old encryption of qcow and qcow2: AES-128 in CBC mode, the vector is
 * the sector's number, the key is the passphrase cut to 16 bytes or followed
 * by zeroes. There is no header, so a wrong passphrase cannot be told from a
 * right one. Here so that old images can be converted.
 *
 * Source: the qcow2 image format, header field crypt_method.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/secret-mem.h"

#include "block-internal.h"

#define QCOW_KEY_BYTES 16
#define QCOW_SECTOR    512

static bool qcow_setup(QCryptoBlock *block, const char *id,
                       const char *optprefix, Error **errp)
{
    static const BlockCipherSpec spec = {
        .alg = QCRYPTO_CIPHER_ALG_AES_128,
        .mode = QCRYPTO_CIPHER_MODE_CBC,
        .ivgen = QCRYPTO_IVGEN_ALG_PLAIN64,
    };
    uint8_t key[QCOW_KEY_BYTES] = { 0 };
    uint8_t *passphrase;
    size_t len;
    bool ok;

    if (!block_secret_get(id, optprefix, "key-secret", &passphrase, &len,
                          errp)) {
        return false;
    }
    memcpy(key, passphrase, MIN(len, sizeof(key)));
    secret_free(passphrase, len);
    ok = block_cipher_setup(block, &spec, key, sizeof(key), errp);
    secret_wipe(key, sizeof(key));
    return ok;
}

static bool qcow_open(QCryptoBlock *block, QCryptoBlockOpenOptions *options,
                      const char *optprefix, QCryptoBlockReadFunc readfunc,
                      void *opaque, unsigned flags, Error **errp)
{
    block->sector_size = QCOW_SECTOR;
    return flags & QCRYPTO_BLOCK_OPEN_NO_IO ||
           qcow_setup(block, options->u.qcow.key_secret, optprefix, errp);
}

static bool qcow_create(QCryptoBlock *block, QCryptoBlockCreateOptions *options,
                        const char *optprefix, QCryptoBlockInitFunc initfunc,
                        QCryptoBlockWriteFunc writefunc, void *opaque,
                        unsigned flags, Error **errp)
{
    block->sector_size = QCOW_SECTOR;
    return qcow_setup(block, options->u.qcow.key_secret, optprefix, errp);
}

const QCryptoBlockDriver qcrypto_block_qcow = {
    .open = qcow_open,
    .create = qcow_create,
};

/*
 * Encrypted disks: what all formats have in common.
 *
 * The object holds the key, which the format's driver found or made; the
 * sectors are the business of block-cipher.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/block.h"

#include "crypto/secret_common.h"
#include "util/atomic.h"
#include "util/error.h"

#include "block-internal.h"

static const QCryptoBlockDriver *const block_drivers[] = {
    [QCRYPTO_BLOCK_FORMAT_QCOW] = &qcrypto_block_qcow,
    [QCRYPTO_BLOCK_FORMAT_LUKS] = &qcrypto_block_luks,
};

static const QCryptoBlockDriver *block_driver(QCryptoBlockFormat format,
                                              Error **errp)
{
    if ((unsigned)format >= ARRAY_SIZE(block_drivers)) {
        error_setg(errp, "unknown encryption format %d", (int)format);
        return NULL;
    }
    return block_drivers[format];
}

bool qcrypto_block_has_format(QCryptoBlockFormat format, const uint8_t *buf,
                              size_t buflen)
{
    const QCryptoBlockDriver *driver = block_driver(format, NULL);

    return driver && driver->has_format && driver->has_format(buf, buflen);
}

bool block_secret_get(const char *id, const char *optprefix, const char *option,
                      uint8_t **data, size_t *len, Error **errp)
{
    if (!id) {
        error_setg(errp, "parameter '%s%s' is needed for the cipher",
                   optprefix ? optprefix : "", option);
        return false;
    }
    return qcrypto_secret_lookup(id, data, len, errp) == 0;
}

static QCryptoBlock *block_new(QCryptoBlockFormat format, Error **errp)
{
    const QCryptoBlockDriver *driver = block_driver(format, errp);
    QCryptoBlock *block;

    if (!driver) {
        return NULL;
    }
    block = g_new0(QCryptoBlock, 1);
    block->refs = 1;
    block->format = format;
    block->driver = driver;
    return block;
}

QCryptoBlock *qcrypto_block_open_begin(QCryptoBlockOpenOptions *options,
                                       const char *optprefix,
                                       QCryptoBlockReadFunc readfunc,
                                       void *opaque, unsigned int flags,
                                       Error **errp)
{
    g_autoptr(QCryptoBlock) block = block_new(options->format, errp);

    if (!block || !block->driver->open(block, options, optprefix, readfunc,
                                       opaque, flags, errp)) {
        return NULL;
    }
    return g_steal_pointer(&block);
}

int qcrypto_block_open_finish(QCryptoBlock *block, Error **errp)
{
    return !block->driver->find_key || block->driver->find_key(block, errp)
               ? 0
               : -1;
}

void qcrypto_block_open_cancel(QCryptoBlock *block)
{
    if (block->driver->cancel) {
        block->driver->cancel(block);
    }
}

QCryptoBlock *qcrypto_block_open(QCryptoBlockOpenOptions *options,
                                 const char *optprefix,
                                 QCryptoBlockReadFunc readfunc, void *opaque,
                                 unsigned int flags, size_t n_threads,
                                 Error **errp)
{
    g_autoptr(QCryptoBlock) block = qcrypto_block_open_begin(
        options, optprefix, readfunc, opaque, flags, errp);

    if (!block || qcrypto_block_open_finish(block, errp) < 0) {
        return NULL;
    }
    return g_steal_pointer(&block);
}

QCryptoBlock *qcrypto_block_create(QCryptoBlockCreateOptions *options,
                                   const char *optprefix,
                                   QCryptoBlockInitFunc initfunc,
                                   QCryptoBlockWriteFunc writefunc,
                                   void *opaque, unsigned int flags,
                                   Error **errp)
{
    g_autoptr(QCryptoBlock) block = block_new(options->format, errp);

    if (!block || !block->driver->create(block, options, optprefix, initfunc,
                                         writefunc, opaque, flags, errp)) {
        return NULL;
    }
    return g_steal_pointer(&block);
}

int qcrypto_block_amend_options(QCryptoBlock *block,
                                QCryptoBlockReadFunc readfunc,
                                QCryptoBlockWriteFunc writefunc, void *opaque,
                                QCryptoBlockAmendOptions *options, bool force,
                                Error **errp)
{
    if (options->format != block->format) {
        error_setg(errp, "cannot change the encryption format");
        return -1;
    }
    if (!block->driver->amend) {
        error_setg(errp, "encryption format '%s' has nothing to change",
                   QCryptoBlockFormat_str(block->format));
        return -1;
    }
    return block->driver->amend(block, readfunc, writefunc, opaque, options,
                                force, errp)
               ? 0
               : -1;
}

bool qcrypto_block_calculate_payload_offset(
    QCryptoBlockCreateOptions *create_opts, const char *optprefix, size_t *len,
    Error **errp)
{
    const QCryptoBlockDriver *driver = block_driver(create_opts->format, errp);

    if (!driver) {
        return false;
    }
    if (!driver->header_len) {
        *len = 0;
        return true;
    }
    return driver->header_len(create_opts, len, errp);
}

QCryptoBlockInfo *qcrypto_block_get_info(QCryptoBlock *block, Error **errp)
{
    QCryptoBlockInfo *info = g_new0(QCryptoBlockInfo, 1);

    info->format = block->format;
    if (block->driver->get_info) {
        block->driver->get_info(block, info);
    }
    return info;
}

QCryptoIVGen *qcrypto_block_get_ivgen(QCryptoBlock *block)
{
    return block->ivgen;
}

QCryptoHashAlgorithm qcrypto_block_get_kdf_hash(QCryptoBlock *block)
{
    return block->kdf_hash;
}

uint64_t qcrypto_block_get_payload_offset(QCryptoBlock *block)
{
    return block->payload_offset;
}

uint64_t qcrypto_block_get_sector_size(QCryptoBlock *block)
{
    return block->sector_size;
}

QCryptoBlock *qcrypto_block_ref(QCryptoBlock *block)
{
    qatomic_inc(&block->refs);
    return block;
}

void qcrypto_block_free(QCryptoBlock *block)
{
    if (block && qatomic_fetch_dec(&block->refs) == 1) {
        if (block->driver->free) {
            block->driver->free(block);
        }
        block_cipher_cleanup(block);
        g_free(block);
    }
}

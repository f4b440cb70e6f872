/*
 * Opening, making and changing an encrypted image's header; but for opening, from
 * a coroutine.
 *
 * Key stretching takes seconds of CPU, so the functions of crypto/block.h run
 * in a worker thread here, and their callbacks come back as coroutines in the
 * context of the caller, who waits meanwhile.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_CRYPT_HEADER_H
#define BLOCK_CRYPT_HEADER_H

#include "block/block-node.h"
#include "crypto/block.h"
#include "util/coroutine.h"

/**
 * CryptHeader: where the header is. Offsets count from its begin; 0 or
 * -errno.
 * @co_init: for creation: make room for @bytes; sets @errp on failure
 * @co_read: for opening and changes; may set @errp on failure
 * @co_write: for creation and changes
 */
typedef struct CryptHeader {
    int coroutine_fn (*co_init)(void *opaque, size_t bytes, Error **errp);
    int coroutine_fn (*co_read)(void *opaque, size_t offset, uint8_t *buf,
                                size_t bytes, Error **errp);
    int coroutine_fn (*co_write)(void *opaque, size_t offset,
                                 const uint8_t *buf, size_t bytes);
    void *opaque;
} CryptHeader;

/**
 * crypt_open:
 * @node: that is being opened
 *
 * qcrypto_block_open(). Waits, outside of coroutines, too, but for keys where
 * @node has a place for them (crypt-keys.h): then it fails.
 */
QCryptoBlock *crypt_open(BlockNode *node, const CryptHeader *header,
                         QCryptoBlockOpenOptions *options,
                         const char *optprefix, unsigned flags, Error **errp);
/** crypt_co_create: qcrypto_block_create(). */
QCryptoBlock *coroutine_fn crypt_co_create(const CryptHeader *header,
                                           QCryptoBlockCreateOptions *options,
                                           const char *optprefix,
                                           unsigned flags, Error **errp);
/** crypt_co_amend: qcrypto_block_amend_options(). */
bool coroutine_fn crypt_co_amend(const CryptHeader *header, QCryptoBlock *block,
                                 QCryptoBlockAmendOptions *options, bool force,
                                 Error **errp);

#endif

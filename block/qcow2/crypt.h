/*
 * Encrypted data of a qcow2 image.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_QCOW2_CRYPT_H
#define BLOCK_QCOW2_CRYPT_H

#include "block/qcow2/internal.h"

/** qcow_crypt_read_header: of the image @opaque (BlockQcow2), for CryptHeader. */
int coroutine_fn qcow_crypt_read_header(void *opaque, size_t offset,
                                        uint8_t *buf, size_t bytes,
                                        Error **errp);
/** qcow_crypt_read, qcow_crypt_write: multiples of 512 bytes inside of
 *  consecutive clusters; @guest and @host are where they are. */
int coroutine_fn qcow_crypt_read(BlockQcow2 *s, uint64_t guest, uint64_t host,
                                 int64_t bytes, QEMUIOVector *qiov,
                                 size_t qiov_offset);
int coroutine_fn qcow_crypt_write(BlockQcow2 *s, uint64_t guest, uint64_t host,
                                  int64_t bytes, QEMUIOVector *qiov,
                                  size_t qiov_offset);

#endif

/*
 * Encryption of requests, for formats that encrypt (luks, qcow2).
 *
 * A format reads cipher text into a buffer of its own and decrypts it into the
 * request's, and encrypts from the request's into a buffer of its own: what
 * the guest can see never holds cipher text, and there is no copy in between.
 * Buffers are kept for the next request. Encrypting much takes longer than a
 * trip to a worker thread, so it makes that trip, unless the thread has nothing
 * else to do.
 *
 * Thread: any, several at the same time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_CRYPT_IO_H
#define BLOCK_CRYPT_IO_H

#include "crypto/block.h"
#include "util/coroutine.h"
#include "util/iov.h"

/* Cut requests into pieces of this many bytes: they stay in the CPU's cache. */
#define CRYPT_IO_CHUNK (1024 * 1024)

/* Sizes of buffers that are kept: 32 KiB to CRYPT_IO_CHUNK, times two. */
#define CRYPT_IO_CLASSES 6

typedef struct CryptBuffer CryptBuffer;

typedef struct CryptIO {
    QCryptoBlock *block; /* borrowed */
    size_t offload;      /* from so many bytes on: to a worker thread */
    QemuMutex lock;      /* guards what follows */
    CryptBuffer *idle[CRYPT_IO_CLASSES];
    size_t idle_bytes;
} CryptIO;

/** crypt_io_init: @block is ready for encryption, and outlives @io. */
void crypt_io_init(CryptIO *io, QCryptoBlock *block);
/** crypt_io_deinit: harmless on zeroed memory. */
void crypt_io_deinit(CryptIO *io);

/**
 * crypt_io_buffer_get:
 * @bytes: 1 to CRYPT_IO_CHUNK
 *
 * Returns: memory aligned for O_DIRECT, crypt_io_buffer_put() with the same
 * @bytes; NULL if there is none.
 */
void *crypt_io_buffer_get(CryptIO *io, size_t bytes);
void crypt_io_buffer_put(CryptIO *io, void *buf, size_t bytes);

/**
 * crypt_io_co_encrypt, crypt_io_co_decrypt:
 * @offset: where the sectors' numbers come from: for LUKS the place in the
 *          payload's file (less the payload's offset in format luks)
 * @qiov, @qiov_offset: plain text
 * @data: cipher text, @bytes
 *
 * Returns: 0, -EIO.
 */
int coroutine_fn crypt_io_co_encrypt(CryptIO *io, uint64_t offset,
                                     const QEMUIOVector *qiov,
                                     size_t qiov_offset, uint8_t *data,
                                     size_t bytes);
int coroutine_fn crypt_io_co_decrypt(CryptIO *io, uint64_t offset,
                                     const QEMUIOVector *qiov,
                                     size_t qiov_offset, const uint8_t *data,
                                     size_t bytes);

#endif

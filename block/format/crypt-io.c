/*
 * Encryption of requests, for formats that encrypt.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/format/crypt-io.h"

#include "util/aio-file.h"
#include "util/aio.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/lockable.h"
#include "util/thread-pool.h"

#define CRYPT_IO_ALIGN     4096
#define CRYPT_IO_MIN_CLASS (32 * 1024)
/* Memory kept while nobody needs it. */
#define CRYPT_IO_IDLE_MAX (16 * 1024 * 1024)

/* A trip to a worker takes about as long as encrypting this much: by AES with
 * the CPU's help, by anything else. */
#define CRYPT_IO_OFFLOAD_AES  (256 * 1024)
#define CRYPT_IO_OFFLOAD_SLOW (32 * 1024)

_Static_assert(CRYPT_IO_MIN_CLASS << (CRYPT_IO_CLASSES - 1) == CRYPT_IO_CHUNK,
               "classes end with a chunk");

/* Lies in the memory of a buffer that is not used. */
struct CryptBuffer {
    CryptBuffer *next;
};

static size_t offload_bytes(QCryptoBlock *block)
{
    QCryptoBlockInfo *info;
    bool slow;

    if (g_get_num_processors() < 2) {
        return SIZE_MAX;
    }
    info = qcrypto_block_get_info(block, &error_abort);
    slow = info->format == QCRYPTO_BLOCK_FORMAT_LUKS &&
           info->u.luks.cipher_alg != QCRYPTO_CIPHER_ALG_AES_128 &&
           info->u.luks.cipher_alg != QCRYPTO_CIPHER_ALG_AES_192 &&
           info->u.luks.cipher_alg != QCRYPTO_CIPHER_ALG_AES_256;
    qapi_free_QCryptoBlockInfo(info);
    return slow ? CRYPT_IO_OFFLOAD_SLOW : CRYPT_IO_OFFLOAD_AES;
}

void crypt_io_init(CryptIO *io, QCryptoBlock *block)
{
    io->block = block;
    io->offload = offload_bytes(block);
    qemu_mutex_init(&io->lock);
}

void crypt_io_deinit(CryptIO *io)
{
    if (!io->block) {
        return;
    }
    for (unsigned i = 0; i < CRYPT_IO_CLASSES; i++) {
        while (io->idle[i]) {
            CryptBuffer *b = io->idle[i];

            io->idle[i] = b->next;
            g_aligned_free(b);
        }
    }
    qemu_mutex_destroy(&io->lock);
    io->block = NULL;
}

/* -- buffers ------------------------------------------------------------------- */

/* CRYPT_IO_CLASSES: too small to be kept. */
static unsigned buffer_class(size_t bytes, size_t *ret_size)
{
    size_t size = MAX(pow2ceil(bytes), CRYPT_IO_MIN_CLASS);

    assert(bytes > 0 && bytes <= CRYPT_IO_CHUNK);
    if (bytes <= CRYPT_IO_MIN_CLASS / 2) {
        *ret_size = bytes;
        return CRYPT_IO_CLASSES;
    }
    *ret_size = size;
    return (unsigned)ctz64(size / CRYPT_IO_MIN_CLASS);
}

void *crypt_io_buffer_get(CryptIO *io, size_t bytes)
{
    size_t size;
    unsigned class = buffer_class(bytes, &size);
    void *buf = NULL;

    if (class < CRYPT_IO_CLASSES) {
        QEMU_LOCK_GUARD(&io->lock);
        buf = io->idle[class];
        if (buf) {
            io->idle[class] = io->idle[class]->next;
            io->idle_bytes -= size;
        }
    }
    if (!buf && posix_memalign(&buf, CRYPT_IO_ALIGN, size) != 0) {
        return NULL;
    }
    return buf;
}

void crypt_io_buffer_put(CryptIO *io, void *buf, size_t bytes)
{
    size_t size;
    unsigned class = buffer_class(bytes, &size);

    if (class < CRYPT_IO_CLASSES) {
        QEMU_LOCK_GUARD(&io->lock);
        if (io->idle_bytes + size <= CRYPT_IO_IDLE_MAX) {
            CryptBuffer *b = buf;

            b->next = io->idle[class];
            io->idle[class] = b;
            io->idle_bytes += size;
            return;
        }
    }
    g_aligned_free(buf);
}

/* -- encryption ------------------------------------------------------------------ */

typedef struct CryptWork {
    QCryptoBlock *block;
    uint64_t offset;
    const QEMUIOVector *qiov;
    size_t qiov_offset;
    uint8_t *data;
    size_t bytes;
    bool encrypt;
} CryptWork;

static int crypt_work(void *opaque)
{
    CryptWork *w = opaque;
    const QEMUIOVector *q = w->qiov;
    int ret;

    if (w->encrypt) {
        ret = qcrypto_block_encrypt_iov(w->block, w->offset, q->iov,
                                        (unsigned)q->niov, w->qiov_offset,
                                        w->data, w->bytes, NULL);
    } else {
        ret = qcrypto_block_decrypt_iov(w->block, w->offset, q->iov,
                                        (unsigned)q->niov, w->qiov_offset,
                                        w->data, w->bytes, NULL);
    }
    return ret < 0 ? -EIO : 0;
}

static int coroutine_fn crypt_co_work(CryptIO *io, CryptWork *w)
{
    AioContext *ctx = qemu_get_current_aio_context();

    w->block = io->block;
    if (w->bytes < io->offload || !ctx || aio_context_may_block(ctx)) {
        return crypt_work(w);
    }
    return thread_pool_submit_co(aio_get_thread_pool(ctx), crypt_work, w);
}

int coroutine_fn crypt_io_co_encrypt(CryptIO *io, uint64_t offset,
                                     const QEMUIOVector *qiov,
                                     size_t qiov_offset, uint8_t *data,
                                     size_t bytes)
{
    CryptWork w = {
        .offset = offset,
        .qiov = qiov,
        .qiov_offset = qiov_offset,
        .data = data,
        .bytes = bytes,
        .encrypt = true,
    };

    return crypt_co_work(io, &w);
}

int coroutine_fn crypt_io_co_decrypt(CryptIO *io, uint64_t offset,
                                     const QEMUIOVector *qiov,
                                     size_t qiov_offset, const uint8_t *data,
                                     size_t bytes)
{
    CryptWork w = {
        .offset = offset,
        .qiov = qiov,
        .qiov_offset = qiov_offset,
        .data = (uint8_t *)data, /* only read */
        .bytes = bytes,
    };

    return crypt_co_work(io, &w);
}

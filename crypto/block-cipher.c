/*
 * Encrypted disks: the payload's sectors.
 *
 * Each sector is encrypted on its own, with a vector made from its number. A
 * BlockCipher is the expanded key and the vector's generator; a request takes
 * one for its whole length from a list of idle ones, or makes one when all
 * are in use, so there are as many as threads that were ever at work at the
 * same time, and requests never wait for each other. In the loop over the
 * sectors only the library's work and the vector are left.
 *
 * Where plain text is in pieces, a sector that crosses from one to the next
 * goes by way of the stack; all others from place to place.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/iov.h"
#include "util/lockable.h"
#include "util/secret-mem.h"

#include "block-internal.h"
#include "cipher-internal.h"

#define BLOCK_SECTOR_MAX 512

struct BlockCipher {
    QCryptoCipher *cipher; /* owned */
    QCryptoIVGen *ivgen;   /* owned; essiv only */
    size_t niv;            /* bytes of vector; 0: none */
    uint64_t number_mask;  /* of sector numbers: plain has 32 bits */
    BlockCipher *next;     /* in the list of idle ones */
};

/* A run of whole sectors; @in and @out may be the same. */
typedef struct SectorRun {
    uint64_t number;
    size_t sector_size;
    bool encrypt;
} SectorRun;

static void sectors_free(BlockCipher *c)
{
    if (c) {
        qcrypto_cipher_free(c->cipher);
        qcrypto_ivgen_free(c->ivgen);
        g_free(c);
    }
}

static QCryptoIVGen *spec_ivgen(const BlockCipherSpec *spec, const uint8_t *key,
                                size_t nkey, Error **errp)
{
    return qcrypto_ivgen_new(spec->ivgen, spec->essiv_alg, spec->essiv_hash,
                             key, nkey, errp);
}

static BlockCipher *sectors_new(const BlockCipherSpec *spec, const uint8_t *key,
                                size_t nkey, Error **errp)
{
    BlockCipher *c = g_new0(BlockCipher, 1);

    c->niv = qcrypto_cipher_get_iv_len(spec->alg, spec->mode);
    c->number_mask =
        spec->ivgen == QCRYPTO_IVGEN_ALG_PLAIN ? UINT32_MAX : UINT64_MAX;
    c->cipher = qcrypto_cipher_new(spec->alg, spec->mode, key, nkey, errp);
    if (!c->cipher) {
        sectors_free(c);
        return NULL;
    }
    if (spec->ivgen == QCRYPTO_IVGEN_ALG_ESSIV && c->niv) {
        c->ivgen = spec_ivgen(spec, key, nkey, errp);
        if (!c->ivgen) {
            sectors_free(c);
            return NULL;
        }
    }
    return c;
}

static bool sector_vector(BlockCipher *c, uint64_t number, Error **errp)
{
    uint8_t iv[CIPHER_BLOCK_MAX] = { 0 };

    if (c->ivgen) {
        if (qcrypto_ivgen_calculate(c->ivgen, number, iv, c->niv, errp) < 0) {
            return false;
        }
    } else {
        uint64_t le = GUINT64_TO_LE(number & c->number_mask);

        memcpy(iv, &le, sizeof(le));
    }
    return c->cipher->driver->setiv(c->cipher, iv, c->niv, errp);
}

static bool sectors_run(BlockCipher *c, SectorRun *run, const uint8_t *in,
                        uint8_t *out, size_t len, Error **errp)
{
    const QCryptoCipherDriver *driver = c->cipher->driver;
    bool (*crypt)(QCryptoCipher *, const uint8_t *, uint8_t *, size_t,
                  Error **) = run->encrypt ? driver->encrypt : driver->decrypt;

    for (size_t done = 0; done < len; done += run->sector_size) {
        if (c->niv && !sector_vector(c, run->number, errp)) {
            return false;
        }
        if (!crypt(c->cipher, in + done, out + done, run->sector_size, errp)) {
            return false;
        }
        run->number++;
    }
    return true;
}

/* -- those of a disk --------------------------------------------------------- */

bool block_cipher_setup(QCryptoBlock *block, const BlockCipherSpec *spec,
                        const uint8_t *key, size_t nkey, Error **errp)
{
    BlockCipher *first = sectors_new(spec, key, nkey, errp);

    assert(!block->ready && block->sector_size <= BLOCK_SECTOR_MAX);
    if (!first) {
        return false;
    }
    block->ivgen = spec_ivgen(spec, key, nkey, errp);
    if (!block->ivgen) {
        sectors_free(first);
        return false;
    }
    block->spec = *spec;
    block->key = g_memdup2(key, nkey);
    block->nkey = nkey;
    block->idle = first;
    qemu_spin_init(&block->idle_lock);
    block->ready = true;
    return true;
}

void block_cipher_cleanup(QCryptoBlock *block)
{
    while (block->idle) {
        BlockCipher *c = block->idle;

        block->idle = c->next;
        sectors_free(c);
    }
    g_clear_pointer(&block->ivgen, qcrypto_ivgen_free);
    secret_free(block->key, block->nkey);
    block->key = NULL;
    block->ready = false;
}

static BlockCipher *idle_get(QCryptoBlock *block, Error **errp)
{
    BlockCipher *c;

    if (!block->ready) {
        error_setg(errp, "the disk was opened without its passphrase");
        return NULL;
    }
    qemu_spin_lock(&block->idle_lock);
    c = block->idle;
    if (c) {
        block->idle = c->next;
    }
    qemu_spin_unlock(&block->idle_lock);
    return c ? c : sectors_new(&block->spec, block->key, block->nkey, errp);
}

static void idle_put(QCryptoBlock *block, BlockCipher *c)
{
    QEMU_LOCK_GUARD(&block->idle_lock);
    c->next = block->idle;
    block->idle = c;
}

static bool request_check(QCryptoBlock *block, uint64_t offset, size_t len,
                          Error **errp)
{
    if ((offset | len) & (block->sector_size - 1)) {
        error_setg(
            errp,
            "offset %" PRIu64
            " or length %zu is not a multiple of the sector size %" PRIu64,
            offset, len, block->sector_size);
        return false;
    }
    return true;
}

static int request_crypt(QCryptoBlock *block, bool encrypt, uint64_t offset,
                         uint8_t *buf, size_t len, Error **errp)
{
    SectorRun run = { offset / block->sector_size, block->sector_size,
                      encrypt };
    BlockCipher *c;
    bool ok;

    if (!request_check(block, offset, len, errp)) {
        return -1;
    }
    c = idle_get(block, errp);
    if (!c) {
        return -1;
    }
    ok = sectors_run(c, &run, buf, buf, len, errp);
    idle_put(block, c);
    return ok ? 0 : -1;
}

int qcrypto_block_decrypt(QCryptoBlock *block, uint64_t offset, uint8_t *buf,
                          size_t len, Error **errp)
{
    return request_crypt(block, false, offset, buf, len, errp);
}

int qcrypto_block_encrypt(QCryptoBlock *block, uint64_t offset, uint8_t *buf,
                          size_t len, Error **errp)
{
    return request_crypt(block, true, offset, buf, len, errp);
}

/* -- plain text in pieces ---------------------------------------------------- */

/* One sector whose plain text crosses pieces, @offset bytes into @iov. */
static bool sector_crossing(BlockCipher *c, SectorRun *run,
                            const struct iovec *iov, unsigned niov,
                            size_t offset, uint8_t *data, Error **errp)
{
    uint8_t plain[BLOCK_SECTOR_MAX];
    bool ok;

    if (run->encrypt) {
        iov_to_buf(iov, niov, offset, plain, run->sector_size);
        ok = sectors_run(c, run, plain, data, run->sector_size, errp);
    } else {
        ok = sectors_run(c, run, data, plain, run->sector_size, errp);
        if (ok) {
            iov_from_buf(iov, niov, offset, plain, run->sector_size);
        }
    }
    explicit_bzero(plain, sizeof(plain));
    return ok;
}

static bool sectors_iov(BlockCipher *c, SectorRun *run, const struct iovec *iov,
                        unsigned niov, size_t skip, uint8_t *data, size_t len,
                        Error **errp)
{
    while (len) {
        size_t piece;

        while (skip >= iov->iov_len) {
            skip -= iov->iov_len;
            iov++;
            niov--;
        }
        piece = MIN(iov->iov_len - skip, len);
        piece -= piece % run->sector_size;
        if (piece) {
            uint8_t *plain = (uint8_t *)iov->iov_base + skip;

            if (!sectors_run(c, run, run->encrypt ? plain : data,
                             run->encrypt ? data : plain, piece, errp)) {
                return false;
            }
        } else {
            piece = run->sector_size;
            if (!sector_crossing(c, run, iov, niov, skip, data, errp)) {
                return false;
            }
        }
        skip += piece;
        data += piece;
        len -= piece;
    }
    return true;
}

static int request_iov(QCryptoBlock *block, SectorRun *run, uint64_t offset,
                       const struct iovec *iov, unsigned niov,
                       size_t iov_offset, uint8_t *data, size_t len,
                       Error **errp)
{
    BlockCipher *c;
    bool ok;

    if (!request_check(block, offset, len, errp)) {
        return -1;
    }
    c = idle_get(block, errp);
    if (!c) {
        return -1;
    }
    run->number = offset / block->sector_size;
    run->sector_size = block->sector_size;
    ok = sectors_iov(c, run, iov, niov, iov_offset, data, len, errp);
    idle_put(block, c);
    return ok ? 0 : -1;
}

int qcrypto_block_decrypt_iov(QCryptoBlock *block, uint64_t offset,
                              const struct iovec *iov, unsigned niov,
                              size_t iov_offset, const uint8_t *data,
                              size_t len, Error **errp)
{
    SectorRun run = { .encrypt = false };

    /* A decryption only reads @data. */
    return request_iov(block, &run, offset, iov, niov, iov_offset,
                       (uint8_t *)data, len, errp);
}

int qcrypto_block_encrypt_iov(QCryptoBlock *block, uint64_t offset,
                              const struct iovec *iov, unsigned niov,
                              size_t iov_offset, uint8_t *data, size_t len,
                              Error **errp)
{
    SectorRun run = { .encrypt = true };

    return request_iov(block, &run, offset, iov, niov, iov_offset, data, len,
                       errp);
}

/* -- what is not the payload ------------------------------------------------- */

bool block_sectors_crypt(const BlockCipherSpec *spec, const uint8_t *key,
                         size_t nkey, size_t sector_size, bool encrypt,
                         uint8_t *buf, size_t len, Error **errp)
{
    SectorRun run = { 0, sector_size, encrypt };
    BlockCipher *c = sectors_new(spec, key, nkey, errp);
    bool ok = c && sectors_run(c, &run, buf, buf, len, errp);

    sectors_free(c);
    return ok;
}

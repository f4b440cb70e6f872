/*
 * Encrypted disks: one key for all sectors, found by a passphrase in a header.
 *
 *  luks  LUKS1: a header with eight key slots, then the payload. What other
 *        programs call LUKS (cryptsetup) reads and writes the same.
 *  qcow  the old encryption of qcow and qcow2: AES-128-CBC, and the key is
 *        the passphrase itself. No header. Not safe; to be read only.
 *
 * The header is where the caller says, by three callbacks; the payload's
 * sectors pass through qcrypto_block_encrypt() and _decrypt(), which any
 * number of threads may call at the same time for one object.
 *
 * Keys and passphrases are wiped when they are not needed any more. A header
 * from outside is hostile input: every number in it meets a limit first.
 *
 * Source: LUKS On-Disk Format Specification 1.2.3.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_BLOCK_H
#define CRYPTO_BLOCK_H

#include <glib.h>

#include "crypto/ivgen.h"
#include "qapi/qapi-types-crypto.h"
#include "util/typedefs.h"

typedef struct QCryptoBlock QCryptoBlock;

/**
 * QCryptoBlockReadFunc, QCryptoBlockWriteFunc:
 * @block: the object at work
 * @offset: bytes from the header's begin
 * @buf: (out) or (in) @buflen bytes
 * @opaque: as given with the function
 * @errp: (out) set when the return is -1
 *
 * May wait; called in the thread, and coroutine, of the caller of the
 * function that it was given to.
 *
 * Returns: 0 when all bytes were read (written), -1 on error.
 */
typedef int (*QCryptoBlockReadFunc)(QCryptoBlock *block, size_t offset,
                                    uint8_t *buf, size_t buflen, void *opaque,
                                    Error **errp);
typedef int (*QCryptoBlockWriteFunc)(QCryptoBlock *block, size_t offset,
                                     const uint8_t *buf, size_t buflen,
                                     void *opaque, Error **errp);

/**
 * QCryptoBlockInitFunc:
 * @headerlen: bytes that the header takes, from offset 0
 *
 * Make room for the header; called once, before anything is written.
 *
 * Returns: 0, or -1 with @errp set.
 */
typedef int (*QCryptoBlockInitFunc)(QCryptoBlock *block, size_t headerlen,
                                    void *opaque, Error **errp);

typedef enum QCryptoBlockOpenFlags {
    /* No passphrase: header and info only; encrypt and decrypt fail. */
    QCRYPTO_BLOCK_OPEN_NO_IO = 1 << 0,
    /* The header is in a file of its own: payload from byte 0 elsewhere. */
    QCRYPTO_BLOCK_OPEN_DETACHED = 1 << 1,
    /* qcrypto_block_open_cancel() may be called. */
    QCRYPTO_BLOCK_OPEN_CANCELLABLE = 1 << 2,
} QCryptoBlockOpenFlags;

typedef enum QCryptoBlockCreateFlags {
    /* The header goes to a file of its own. */
    QCRYPTO_BLOCK_CREATE_DETACHED = 1 << 0,
} QCryptoBlockCreateFlags;

/**
 * qcrypto_block_has_format:
 * @format: (in) what to look for
 * @buf: (in) first @buflen bytes of an image
 *
 * Returns: true if they begin a header of @format; never for `qcow`, which
 * has none.
 * Thread: any.
 */
bool qcrypto_block_has_format(QCryptoBlockFormat format, const uint8_t *buf,
                              size_t buflen);

/**
 * qcrypto_block_open:
 * @options: (in) format, and key-secret unless NO_IO
 * @optprefix: (in, nullable) goes before option names in messages:
 *             "encrypt."
 * @readfunc: (in) reads the header; not kept
 * @opaque: for @readfunc
 * @flags: QCryptoBlockOpenFlags
 * @n_threads: threads that may use the object at the same time as far as the
 *             caller knows; 0: cannot say. A hint: more are served as well
 * @errp: (out) set when the return is NULL
 *
 * Read the header and find the key. The key slots are tried in parallel
 * where there are CPUs for it; takes as long as whoever made the image
 * wanted it to, and calls of @readfunc come from the calling thread.
 *
 * Thread: any.
 * Returns: a new object, qcrypto_block_free(); NULL on error.
 * Errors: no header of this format; a number over its limit; an algorithm
 * that this build lacks; no such secret; no slot opens with it.
 */
QCryptoBlock *qcrypto_block_open(QCryptoBlockOpenOptions *options,
                                 const char *optprefix,
                                 QCryptoBlockReadFunc readfunc, void *opaque,
                                 unsigned int flags, size_t n_threads,
                                 Error **errp);

/**
 * qcrypto_block_open_begin:
 * The first half of qcrypto_block_open(), for who has to be elsewhere while the
 * key is searched: reads the header, and from it and the secret all that the
 * search needs.
 *
 * Thread: any.
 * Returns: a new object for qcrypto_block_open_finish(), or
 *   qcrypto_block_free(); NULL on error.
 */
QCryptoBlock *qcrypto_block_open_begin(QCryptoBlockOpenOptions *options,
                                       const char *optprefix,
                                       QCryptoBlockReadFunc readfunc,
                                       void *opaque, unsigned int flags,
                                       Error **errp);
/**
 * qcrypto_block_open_finish:
 * The second half: finds the key. To be called once.
 *
 * Thread: any.
 * Returns: 0, or -1 on error: @block is good for qcrypto_block_free() only.
 * Errors: no slot opens with the passphrase; cancelled.
 */
int qcrypto_block_open_finish(QCryptoBlock *block, Error **errp);
/** qcrypto_block_open_cancel: qcrypto_block_open_finish(), that runs or is still
 *  to come, ends soon. Thread: any, while @block exists. */
void qcrypto_block_open_cancel(QCryptoBlock *block);

/**
 * qcrypto_block_create:
 * @options: (in) format, key-secret, algorithms
 * @optprefix: (in, nullable) as in qcrypto_block_open()
 * @initfunc: (in) makes room; not kept
 * @writefunc: (in) writes the header; not kept
 * @opaque: for both
 * @flags: QCryptoBlockCreateFlags
 * @errp: (out) set when the return is NULL
 *
 * Make a new key and write a header whose slot 0 opens with the passphrase.
 * Nothing is written before all options are known to be good. The object is
 * ready for encrypting the payload.
 *
 * Thread: any.
 * Returns: a new object, qcrypto_block_free(); NULL on error.
 * Errors: algorithms that do not go together or that this build lacks; no
 * such secret; the callbacks'.
 */
QCryptoBlock *qcrypto_block_create(QCryptoBlockCreateOptions *options,
                                   const char *optprefix,
                                   QCryptoBlockInitFunc initfunc,
                                   QCryptoBlockWriteFunc writefunc,
                                   void *opaque, unsigned int flags,
                                   Error **errp);

/**
 * qcrypto_block_amend_options:
 * @block: (inout) opened with a passphrase; not in use by other threads
 * @readfunc: (in) reads the header
 * @writefunc: (in) writes it
 * @opaque: for both
 * @options: (in) see QCryptoBlockAmendOptionsLUKS
 * @force: do also what may lose the data: overwrite a slot that is in use,
 *         erase the last one
 * @errp: (out) set when the return is -1
 *
 * Give a key slot a passphrase, or erase slots. A failure leaves slots that
 * worked before as they are, but for those being erased.
 *
 * Thread: any.
 * Returns: 0, or -1 on error.
 * Errors: options that do not go together; slot out of range, in use or the
 * last one; no slot opens with the old passphrase; the callbacks'.
 */
int qcrypto_block_amend_options(QCryptoBlock *block,
                                QCryptoBlockReadFunc readfunc,
                                QCryptoBlockWriteFunc writefunc, void *opaque,
                                QCryptoBlockAmendOptions *options, bool force,
                                Error **errp);

/**
 * qcrypto_block_calculate_payload_offset:
 * @create_opts: (in) as for qcrypto_block_create(); no secret is needed
 * @optprefix: (in, nullable) as there
 * @len: (out) bytes of header before the payload
 * @errp: (out) set when the return is false
 *
 * Thread: any.
 * Returns: true on success.
 * Errors: those of the options.
 */
bool qcrypto_block_calculate_payload_offset(
    QCryptoBlockCreateOptions *create_opts, const char *optprefix, size_t *len,
    Error **errp);

/**
 * qcrypto_block_get_info:
 *
 * Returns: what the header says, for people;
 * qapi_free_QCryptoBlockInfo(). Never NULL.
 */
QCryptoBlockInfo *qcrypto_block_get_info(QCryptoBlock *block, Error **errp);

/**
 * qcrypto_block_decrypt, qcrypto_block_encrypt:
 * @block: from qcrypto_block_open() without NO_IO, or _create()
 * @offset: of the first byte in the payload; a multiple of the sector size
 * @buf: (inout) @len bytes
 * @len: a multiple of the sector size
 * @errp: (out) set when the return is -1
 *
 * Thread: any, several at the same time.
 * Returns: 0, or -1 on error.
 * Errors: no key (NO_IO); the library fails.
 */
int qcrypto_block_decrypt(QCryptoBlock *block, uint64_t offset, uint8_t *buf,
                          size_t len, Error **errp);
int qcrypto_block_encrypt(QCryptoBlock *block, uint64_t offset, uint8_t *buf,
                          size_t len, Error **errp);

/**
 * qcrypto_block_decrypt_iov, qcrypto_block_encrypt_iov:
 * @iov: (out) plain text of a decryption; (in) of an encryption
 * @niov: elements of @iov
 * @iov_offset: bytes of @iov to skip
 * @data: (in) cipher text of a decryption; (out) of an encryption
 * @len: bytes, a multiple of the sector size; @iov has so many
 *
 * From one place to the other without a copy in between. Memory of @iov,
 * which may be the guest's, never holds cipher text. Otherwise as the calls
 * above.
 */
int qcrypto_block_decrypt_iov(QCryptoBlock *block, uint64_t offset,
                              const struct iovec *iov, unsigned niov,
                              size_t iov_offset, const uint8_t *data,
                              size_t len, Error **errp);
int qcrypto_block_encrypt_iov(QCryptoBlock *block, uint64_t offset,
                              const struct iovec *iov, unsigned niov,
                              size_t iov_offset, uint8_t *data, size_t len,
                              Error **errp);

/** qcrypto_block_get_ivgen: of its own; not for another thread; or NULL. */
QCryptoIVGen *qcrypto_block_get_ivgen(QCryptoBlock *block);
/** qcrypto_block_get_kdf_hash: hash of the key derivation. */
QCryptoHashAlgorithm qcrypto_block_get_kdf_hash(QCryptoBlock *block);
/** qcrypto_block_get_payload_offset: bytes, in the file with the data. */
uint64_t qcrypto_block_get_payload_offset(QCryptoBlock *block);
/** qcrypto_block_get_sector_size: bytes; requests are multiples of it. */
uint64_t qcrypto_block_get_sector_size(QCryptoBlock *block);

/** qcrypto_block_ref: another reference, for qcrypto_block_free(). */
QCryptoBlock *qcrypto_block_ref(QCryptoBlock *block);
/** qcrypto_block_free: one reference less; the last wipes and frees. NULL is
 *  accepted. */
void qcrypto_block_free(QCryptoBlock *block);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QCryptoBlock, qcrypto_block_free)

#endif

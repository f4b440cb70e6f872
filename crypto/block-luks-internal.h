/*
 * LUKS: what its files share.
 *
 *  block-luks-wire.c   the header's bytes
 *  block-luks-names.c  names in the header and algorithms
 *  block-luks-key.c    key slots: from passphrase to key and back
 *  block-luks.c        open, info
 *  block-luks-create.c a new header
 *  block-luks-amend.c  changes of key slots
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_BLOCK_LUKS_INTERNAL_H
#define CRYPTO_BLOCK_LUKS_INTERNAL_H

#include "block-internal.h"
#include "block-luks-wire.h"

/* Fewer rounds than this are never written. */
#define LUKS_ITERATIONS_MIN 1000
/* Of an option iter-time that is left out. */
#define LUKS_ITER_TIME_MS 2000
/* The key's digest gets this part of the rounds of a slot. */
#define LUKS_DIGEST_PART 8

typedef struct LUKSSearch LUKSSearch;

/* QCryptoBlock.state */
typedef struct LUKSState {
    LUKSHeader header;
    BlockCipherSpec spec; /* of payload and key material */
    QCryptoHashAlgorithm hash;
    char *key_secret;    /* owned; id that opened it, or NULL */
    LUKSSearch *opening; /* owned; NULL: opened without a key, or made */
} LUKSState;

/* A passphrase, borrowed. */
typedef struct LUKSPassphrase {
    const uint8_t *data;
    size_t len;
} LUKSPassphrase;

/* Where the header is. */
typedef struct LUKSFile {
    QCryptoBlock *block;
    QCryptoBlockReadFunc read; /* NULL while it is made */
    QCryptoBlockWriteFunc write;
    void *opaque;
} LUKSFile;

/* -- names ------------------------------------------------------------------- */

/**
 * luks_names_decode: algorithms of a header; the length of its key fits.
 *
 * Errors: unknown or not supported names, which are shown.
 */
bool luks_names_decode(const LUKSHeader *header, BlockCipherSpec *spec,
                       QCryptoHashAlgorithm *hash, Error **errp);
/**
 * luks_names_encode: the reverse, and the length of the key.
 *
 * Errors: algorithms that LUKS has no name for, or that do not go together.
 */
bool luks_names_encode(const BlockCipherSpec *spec, QCryptoHashAlgorithm hash,
                       LUKSHeader *header, Error **errp);
/**
 * luks_names_essiv: the cipher of the generator essiv: of the same family as
 * @alg, with a key as long as a digest of @hash.
 */
bool luks_names_essiv(QCryptoCipherAlgorithm alg, QCryptoHashAlgorithm hash,
                      QCryptoCipherAlgorithm *essiv, Error **errp);

/* -- key slots --------------------------------------------------------------- */

/**
 * luks_search_new:
 * @luks: (in) stays as it is until the search is over
 * @slots: bits of the slots to try; those that are not active are left out
 * @passphrase: (in) copied
 * @cancellable: luks_search_cancel() may be called
 *
 * Read the key material of a search for the slots that open.
 */
LUKSSearch *luks_search_new(const LUKSState *luks, const LUKSFile *file,
                            unsigned slots, const LUKSPassphrase *passphrase,
                            bool cancellable, Error **errp);
/**
 * luks_search_run:
 * @all: go on behind the first slot that opens
 * @first: (out, nullable) the slot that gave @key
 * @key: (out) key_bytes bytes, if a slot opened
 *
 * Search, once; what is secret is wiped.
 *
 * Returns: bits of slots that open; -1 on error.
 */
int luks_search_run(LUKSSearch *s, bool all, int *first, uint8_t *key,
                    Error **errp);
/** luks_search_key: luks_search_run() for the first slot that opens, which goes
 *  to @slot. Errors: none does. */
bool luks_search_key(LUKSSearch *s, int *slot, uint8_t *key, Error **errp);
/** luks_search_cancel: luks_search_run() ends soon with an error, if it has
 *  found nothing. Thread: any. */
void luks_search_cancel(LUKSSearch *s);
/** luks_search_free: accepts NULL. */
void luks_search_free(LUKSSearch *s);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LUKSSearch, luks_search_free)

/**
 * luks_key_find:
 * @slots: bits of the slots to try; those that are not active are left out
 * @key: (out) set when the return is at least 0: key_bytes bytes
 *
 * Returns: the slot that opens with the passphrase; -1 on error.
 * Errors: none does.
 */
int luks_key_find(LUKSState *luks, const LUKSFile *file, unsigned slots,
                  const LUKSPassphrase *passphrase, uint8_t *key, Error **errp);

/**
 * luks_key_matching: all slots that open with the passphrase.
 *
 * Returns: bits of slots, or -1 on error.
 */
int luks_key_matching(LUKSState *luks, const LUKSFile *file, unsigned slots,
                      const LUKSPassphrase *passphrase, Error **errp);

/**
 * luks_key_store:
 * @iterations: rounds for the passphrase
 * @key: (in) key_bytes bytes
 *
 * Make the slot's material and write it; the slot of @luks is filled in, but
 * the header on disk is not written.
 */
bool luks_key_store(LUKSState *luks, const LUKSFile *file, unsigned slot,
                    const LUKSPassphrase *passphrase, uint32_t iterations,
                    const uint8_t *key, Error **errp);

/** luks_key_digest: of the key, by the header's salt and rounds; @stop
 *  (nullable) as of qcrypto_pbkdf2_until(). */
bool luks_key_digest(const LUKSState *luks, const uint8_t *key,
                     uint8_t digest[LUKS_DIGEST_BYTES], const bool *stop,
                     Error **errp);

/**
 * luks_key_rounds:
 * @iter_time_ms: how long a try shall take
 * @rounds: (out) of a slot
 *
 * Measures; takes about a third of a second.
 */
bool luks_key_rounds(const LUKSState *luks, int64_t iter_time_ms,
                     uint32_t *rounds, Error **errp);

/* -- the rest ---------------------------------------------------------------- */

/** luks_header_write: the header of @luks goes to disk. */
bool luks_header_write(const LUKSState *luks, const LUKSFile *file,
                       Error **errp);

bool luks_create(QCryptoBlock *block, QCryptoBlockCreateOptions *options,
                 const char *optprefix, QCryptoBlockInitFunc initfunc,
                 QCryptoBlockWriteFunc writefunc, void *opaque, unsigned flags,
                 Error **errp);
bool luks_header_len(QCryptoBlockCreateOptions *options, size_t *len,
                     Error **errp);
bool luks_amend(QCryptoBlock *block, QCryptoBlockReadFunc readfunc,
                QCryptoBlockWriteFunc writefunc, void *opaque,
                QCryptoBlockAmendOptions *options, bool force, Error **errp);

#endif

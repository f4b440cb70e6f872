/*
 * Keys of encrypted images that are found while no node waits for them.
 *
 * To find a key takes seconds, and a graph that opens belongs to the main
 * loop's thread until it is open. So who must not hold the main loop opens in
 * several goes, with a CryptKeys: the first image whose key is not there yet
 * notes what is to be done, and its open() fails; so does the whole. Then the
 * key is found in another thread, with no node there, and all is opened again,
 * to find the key made. Between the goes the image may become another one: a
 * key counts for an image whose header and key slots read the same.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_CRYPT_KEYS_H
#define BLOCK_CRYPT_KEYS_H

#include "crypto/block.h"

/* More keys than that for one graph are found while it opens. */
#define CRYPT_KEYS_MAX 64

typedef struct CryptKeys CryptKeys;

CryptKeys *crypt_keys_new(void);
/** crypt_keys_free: accepts NULL. */
void crypt_keys_free(void *keys);

/** crypt_keys_begin_go: everything is going to be opened. */
void crypt_keys_begin_go(CryptKeys *keys);
/**
 * crypt_keys_open:
 * @begun: (inout) from qcrypto_block_open_begin(), CANCELLABLE; taken if the
 *         return is true
 * @identity: of all that it read and was given
 * @block: (out) with its key; NULL: @errp is set
 *
 * Returns: false: there is no room; find the key here and now.
 * Errors: the key is not there yet; no slot opened; cancelled.
 */
bool crypt_keys_open(CryptKeys *keys, QCryptoBlock **begun,
                     const char *identity, QCryptoBlock **block, Error **errp);
/** crypt_keys_is_wanted: the go failed because a key was not there yet. */
bool crypt_keys_is_wanted(const CryptKeys *keys);
/** crypt_keys_find: find that key. Thread: any. Returns: 0. */
int crypt_keys_find(void *keys);
/** crypt_keys_cancel: crypt_keys_find(), that runs or is to come, ends soon, and
 *  the next go fails. Thread: the one of the goes. */
void crypt_keys_cancel(void *keys);

#endif

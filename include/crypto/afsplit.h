/*
 * Anti-forensic splitter: one block becomes many, all of which are needed
 * to get it back, so that destroying any part destroys the key.
 *
 * Source: LUKS1 On-Disk Format Specification 1.2.3, part 2.4 (AF1).
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_AFSPLIT_H
#define CRYPTO_AFSPLIT_H

#include <glib.h>

#include "qapi/qapi-types-crypto.h"
#include "util/typedefs.h"

/* Both, so that a header cannot ask for gigabytes. LUKS itself uses 4000. */
#define QCRYPTO_AFSPLIT_BLOCKLEN_MAX 4096 /* bytes */
#define QCRYPTO_AFSPLIT_STRIPES_MAX  65536

/**
 * qcrypto_afsplit_encode:
 * @hash: (in) hash of the diffuser
 * @blocklen: bytes of @in, 1 to QCRYPTO_AFSPLIT_BLOCKLEN_MAX
 * @stripes: number of blocks of @out, 1 to QCRYPTO_AFSPLIT_STRIPES_MAX
 * @in: (in) @blocklen bytes
 * @out: (out) @blocklen * @stripes bytes
 * @errp: (out) set when the return is -1
 *
 * Thread: any.
 * Returns: 0 on success, -1 on error.
 * Errors: hash not supported; size over a limit; no random bytes.
 */
int qcrypto_afsplit_encode(QCryptoHashAlgorithm hash, size_t blocklen,
                           uint32_t stripes, const uint8_t *in, uint8_t *out,
                           Error **errp);

/**
 * qcrypto_afsplit_decode:
 * @in: (in) @blocklen * @stripes bytes
 * @out: (out) @blocklen bytes
 *
 * The reverse of qcrypto_afsplit_encode(), with the same parameters.
 */
int qcrypto_afsplit_decode(QCryptoHashAlgorithm hash, size_t blocklen,
                           uint32_t stripes, const uint8_t *in, uint8_t *out,
                           Error **errp);

#endif

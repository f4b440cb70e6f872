/*
 * One call before the first use of anything in crypto/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_INIT_H
#define CRYPTO_INIT_H

#include "util/typedefs.h"

/**
 * qcrypto_init:
 * @errp: (out) set when the return is -1
 *
 * Start the libraries behind this folder and prove that the kernel gives
 * random bytes. May be called any number of times; calls after the first
 * return its result.
 *
 * Thread: any; the first call should come before other threads use GnuTLS.
 * Returns: 0 on success, -1 on error.
 * Errors: a library that refuses to start; no source of random bytes.
 */
int qcrypto_init(Error **errp);

#endif

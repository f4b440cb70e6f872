/*
 * Random bytes fit for keys.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include <stddef.h>

#include "util/typedefs.h"

/**
 * qcrypto_random_bytes:
 * @buf: (out) @buflen bytes; borrowed for the call
 * @buflen: bytes wanted, any value
 * @errp: (out) set when the return is -1
 *
 * Fill @buf from the kernel's generator. Nothing is kept in this process,
 * so that neither fork() nor a snapshot of a host can repeat a value. There
 * is no weaker source to fall back to.
 *
 * Thread: any.
 * Returns: 0 on success, -1 on error (@buf is then all zero).
 * Errors: the kernel refuses (old kernel, seccomp filter).
 */
int qcrypto_random_bytes(void *buf, size_t buflen, Error **errp);

/**
 * qcrypto_random_init:
 * @errp: (out) set when the return is -1
 *
 * Ask for one byte, so that a host without a generator is noticed at start.
 * qcrypto_init() calls it.
 *
 * Thread: any.
 * Returns: 0 on success, -1 on error.
 */
int qcrypto_random_init(Error **errp);

#endif

/*
 * keys.psk: user names and their keys.
 *
 * A codec without I/O, so that it can be fuzzed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TLS_PSK_FILE_H
#define CRYPTO_TLS_PSK_FILE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/typedefs.h"

/* GnuTLS takes no longer user name; a key of 64 bytes fills a SHA-512 block
 * of the key schedule, more adds nothing. */
#define TLS_PSK_MAX_USER  128 /* bytes */
#define TLS_PSK_MAX_KEY   64  /* bytes, that is 128 hex digits */
#define TLS_PSK_MAX_USERS 65536
/* RFC 9257 6: shorter keys invite guessing. */
#define TLS_PSK_SHORT_KEY 16 /* bytes */

typedef struct TLSPskKey {
    uint8_t bytes[TLS_PSK_MAX_KEY];
    unsigned len;
} TLSPskKey;

typedef struct TLSPskFile TLSPskFile;

/**
 * tls_psk_file_parse:
 * @text: (in) @len bytes
 * @errp: (out) names the line
 *
 * A line is `user:hexkey`. `#hexuser:hexkey` gives the user name in hex, as
 * psktool writes names with odd characters; any other line that begins with
 * `#`, and an empty one, is skipped.
 *
 * Returns: the keys, owned by the caller; NULL on failure.
 * Errors: no colon; no hex digits; a limit above; the same user twice; no
 *         user at all.
 */
TLSPskFile *tls_psk_file_parse(const char *text, size_t len, Error **errp);

/** tls_psk_file_free: NULL is accepted; keys are wiped. */
void tls_psk_file_free(TLSPskFile *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TLSPskFile, tls_psk_file_free)

/** tls_psk_file_lookup: the key of @user, borrowed; NULL if unknown. */
const TLSPskKey *tls_psk_file_lookup(const TLSPskFile *f, const char *user);

/** tls_psk_file_has_short_key: some key is below TLS_PSK_SHORT_KEY. */
bool tls_psk_file_has_short_key(const TLSPskFile *f);

#endif

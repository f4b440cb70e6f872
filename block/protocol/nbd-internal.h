/*
 * Driver "nbd": names of exports.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_NBD_INTERNAL_H
#define BLOCK_NBD_INTERNAL_H

#include <jansson.h>

#include "qapi/qapi-types-sockets.h"
#include "util/error.h"

extern const char *const nbd_uri_schemes[];

/** nbd_parse_filename: a URI, or "nbd:HOST:PORT", as properties into @opts.
 *  Hostile input. */
bool nbd_parse_filename(const char *filename, json_t *opts, Error **errp);
/** nbd_make_uri: (transfer full) for people. */
char *nbd_make_uri(const SocketAddress *addr, const char *export, bool tls);

#endif
